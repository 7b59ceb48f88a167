/**
 * A local copy of a collection that never gives up: list, watch from there, and on any error wait
 * a little and go on, with a new list where the history is gone. It only wakes the operator;
 * decisions read the API server itself.
 */
import type { Clock, Logger, Random } from "../../ports/index.ts";
import type { KubeObject } from "../types/index.ts";
import type { KubeApi } from "./kube-api.ts";
import { isExpired } from "./kube-error.ts";
import type { Resource } from "./resource.ts";
import { pause } from "./wait.ts";

export interface InformerOptions<T extends KubeObject> {
  readonly api: KubeApi;
  readonly resource: Resource;
  /** Undefined: all namespaces. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once per change, never for an object that stayed the same; must not throw. */
  readonly onChange: (now: T | undefined, before: T | undefined) => void;
  /** How long one watch lasts before it is renewed; default 300. */
  readonly watchSeconds?: number;
  readonly onRestart?: (reason: string) => void;
}

export class Informer<T extends KubeObject> {
  readonly #o: InformerOptions<T>;
  readonly #store = new Map<string, T>();
  #synced = false;
  #failures = 0;
  /** When the API server was last heard in this informer, by the monotonic clock. */
  #heardMs: number;

  constructor(options: InformerOptions<T>) {
    this.#o = options;
    this.#heardMs = options.clock.nowMs();
  }

  /** Whether the first list has come. */
  get synced(): boolean {
    return this.#synced;
  }

  /** Milliseconds since the server was last heard; bookmarks come about once a minute. */
  silentMs(): number {
    return this.#o.clock.nowMs() - this.#heardMs;
  }

  get(namespace: string, name: string): T | undefined {
    return this.#store.get(`${namespace}/${name}`);
  }

  values(): IterableIterator<T> {
    return this.#store.values();
  }

  /** Runs until `signal` is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    let version: string | undefined;
    while (!signal.aborted) {
      try {
        version ??= await this.#list(signal);
        version = await this.#watch(version, signal);
        this.#failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        if (isExpired(error) || this.#failures >= 3) version = undefined;
        await this.#backOff(error, signal);
      }
    }
  }

  /** Replaces the store; what is gone from the list is told as deleted. */
  async #list(signal: AbortSignal): Promise<string> {
    const { api, resource, namespace, labelSelector } = this.#o;
    const list = await api.list<T>(resource, { namespace, labelSelector, signal });
    this.#heard();
    const gone = new Set(this.#store.keys());
    for (const item of list.items) {
      gone.delete(keyOf(item));
      this.#put(item);
    }
    for (const key of gone) this.#remove(key);
    this.#synced = true;
    return list.resourceVersion;
  }

  /** Follows one watch to its end and returns the version to go on from. */
  async #watch(from: string, signal: AbortSignal): Promise<string> {
    const { api, resource, namespace, labelSelector, random } = this.#o;
    const seconds = this.#o.watchSeconds ?? 300;
    // Spread, so that the watches of many informers do not all end together.
    const timeoutSeconds = seconds + random.below(Math.ceil(seconds / 4) + 1);
    let version = from;
    const events = api.watch<T>(resource, {
      namespace,
      labelSelector,
      resourceVersion: from,
      timeoutSeconds,
      idleTimeoutMs: 150_000,
      signal,
    });
    try {
      for await (const event of events) {
        this.#heard();
        this.#failures = 0;
        version = event.object.metadata.resourceVersion ?? version;
        if (event.type === "DELETED") this.#remove(keyOf(event.object), event.object);
        else if (event.type !== "BOOKMARK") this.#put(event.object);
      }
    } catch (error) {
      // A broken connection loses no history: go on from the last event.
      if (isExpired(error) || version === from) throw error;
      if (signal.aborted) throw error;
      this.#o.onRestart?.("broken");
    }
    this.#heard();
    return version;
  }

  async #backOff(error: unknown, signal: AbortSignal): Promise<void> {
    this.#failures += 1;
    const ceiling = Math.min(250 * 2 ** Math.min(this.#failures, 7), 30_000);
    const ms = ceiling / 2 + this.#o.random.below(Math.ceil(ceiling / 2));
    const reason = isExpired(error) ? "expired" : "error";
    this.#o.onRestart?.(reason);
    const fields = { resource: this.#o.resource.plural, error, failures: this.#failures, ms };
    if (reason === "expired") this.#o.logger.debug("watch expired, listing again", fields);
    else this.#o.logger.warn("watch failed, trying again", fields);
    await pause(this.#o.clock, ms, signal);
  }

  #heard(): void {
    this.#heardMs = this.#o.clock.nowMs();
  }

  #put(object: T): void {
    const key = keyOf(object);
    const before = this.#store.get(key);
    if (before?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    this.#store.set(key, object);
    this.#o.onChange(object, before);
  }

  #remove(key: string, last?: T): void {
    const before = this.#store.get(key) ?? last;
    if (!this.#store.delete(key)) return;
    this.#o.onChange(undefined, before);
  }
}

const keyOf = (o: KubeObject): string => `${o.metadata.namespace ?? ""}/${o.metadata.name}`;
