// Writers of small objects: create, update a few times, delete, and again, whatever the store suffers.

import { setTimeout as pause } from "node:timers/promises";
import {
  isConflict,
  isNotFound,
  type KubeApi,
  orUndefined,
  type Resource,
} from "../../src/operator/runtime/index.ts";
import type { KubeObject } from "../../src/operator/types/index.ts";
import { countKey } from "./history.ts";

const updatesPerLife = 5;
const paddingBytes = 200;

/** A small object of the resource, not yet created. */
export type MakeObject = (name: string, padding: string) => KubeObject;

/**
 * Each writer owns one name and does one thing after the other. Updates name the version they were made
 * from, so a write whose outcome is unknown is looked up, never repeated blindly.
 */
export class Churn implements AsyncDisposable {
  /** Revisions of creates and updates that were acknowledged. */
  readonly acknowledged: number[] = [];
  readonly #api: KubeApi;
  readonly #resource: Resource;
  readonly #make: MakeObject;
  readonly #stop = new AbortController();
  readonly #pauseMs: number;
  readonly #running: Promise<unknown>;
  #deletes = 0;
  #unknown = 0;
  #slowestMs = 0;
  #failure: unknown;

  /** `pauseMs` is what a writer waits between two writes. */
  constructor(
    api: KubeApi,
    resource: Resource,
    make: MakeObject,
    writers: number,
    pauseMs: number,
  ) {
    this.#api = api;
    this.#resource = resource;
    this.#make = make;
    this.#pauseMs = pauseMs;
    const names = Array.from({ length: writers }, (_, i) => `churn-${i}`);
    this.#running = Promise.all(names.map((name) => this.#write(name))).catch((error) => {
      this.#failure = error;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Ends the writing; throws what a writer could not understand. */
  async finish(): Promise<string> {
    await this[Symbol.asyncDispose]();
    if (this.#failure !== undefined) throw this.#failure;
    const { length } = this.acknowledged;
    return `${this.#resource.plural}: ${length} creates and updates, ${this.#deletes} deletes, ${this.#unknown} answered by an error, slowest ${Math.round(this.#slowestMs)} ms`;
  }

  async #write(name: string): Promise<void> {
    let object: KubeObject | undefined;
    let isKnown = true;
    while (!this.#stop.signal.aborted) {
      const started = performance.now();
      try {
        if (!isKnown) object = await this.#look(name);
        isKnown = true;
        object = await this.#step(name, object);
        this.#slowestMs = Math.max(this.#slowestMs, performance.now() - started);
      } catch (error) {
        if (!isForeseen(error)) throw error;
        this.#unknown++;
        isKnown = false;
      }
      await pause(this.#pauseMs);
    }
  }

  async #look(name: string): Promise<KubeObject | undefined> {
    const { namespace } = this.#make(name, "").metadata;
    return await orUndefined(this.#api.get(this.#resource, namespace, name));
  }

  async #step(name: string, object: KubeObject | undefined): Promise<KubeObject | undefined> {
    if (object === undefined) {
      const made = this.#make(name, "x".repeat(paddingBytes));
      return this.#wrote(await this.#api.create(this.#resource, counted(made, 0)));
    }
    const count = Number(object.metadata.annotations?.[countKey]);
    if (count < updatesPerLife) {
      return this.#wrote(await this.#api.replace(this.#resource, counted(object, count + 1)));
    }
    const { namespace, uid, resourceVersion } = object.metadata;
    await this.#api.delete(this.#resource, namespace, name, { uid, resourceVersion });
    this.#deletes++;
    return undefined;
  }

  #wrote(object: KubeObject): KubeObject {
    this.acknowledged.push(Number(object.metadata.resourceVersion));
    return object;
  }
}

const counted = (object: KubeObject, count: number): KubeObject => ({
  ...object,
  metadata: { ...object.metadata, annotations: { [countKey]: String(count) } },
});

/** No answer, or one that says "not now" or "somebody was first": our own lost write, then. */
function isForeseen(error: unknown): boolean {
  const status = (error as { status?: number }).status;
  if (status === undefined) return false;
  return status === 0 || status >= 429 || isConflict(error) || isNotFound(error);
}
