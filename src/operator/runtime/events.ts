/** Kubernetes Events: what was done and what is wrong, for `kubectl describe`. Best effort. */
import type { Clock, Logger } from "../../ports/index.ts";
import { fieldManager } from "../resources/index.ts";
import type { KubeObject } from "../types/index.ts";
import type { KubeApi } from "./kube-api.ts";
import { resources } from "./resource.ts";

export interface EventText {
  readonly type: "Normal" | "Warning";
  /** CamelCase, for machines. */
  readonly reason: string;
  /** What the operator was about, CamelCase. */
  readonly action: string;
  readonly note: string;
}

const quietMs = 10 * 60_000;
const remembered = 1_000;

export class EventRecorder {
  readonly #api: KubeApi;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #instance: string;
  /** When a text was last told about an object; the oldest entries are dropped first. */
  readonly #told = new Map<string, number>();
  #counter = 0;

  constructor(api: KubeApi, clock: Clock, logger: Logger, instance: string) {
    this.#api = api;
    this.#clock = clock;
    this.#logger = logger;
    this.#instance = instance;
  }

  /** Tells once per ten minutes; never throws and is not waited for. */
  tell(about: KubeObject, event: EventText): void {
    const key = `${about.metadata.uid}|${event.reason}|${event.note}`;
    const nowMs = this.#clock.nowMs();
    const last = this.#told.get(key);
    if (last !== undefined && nowMs - last < quietMs) return;
    this.#told.delete(key);
    this.#told.set(key, nowMs);
    const [oldest] = this.#told.keys();
    if (this.#told.size > remembered && oldest !== undefined) this.#told.delete(oldest);
    this.#api.create(resources.events, this.#build(about, event)).catch((error: unknown) => {
      this.#logger.debug("event was not recorded", { error, reason: event.reason });
    });
  }

  #build(about: KubeObject, event: EventText): KubeObject {
    const { apiVersion, kind, metadata } = about;
    const wallMs = this.#clock.wallMs();
    this.#counter += 1;
    const suffix = `${wallMs.toString(16)}${this.#counter.toString(16)}`;
    return {
      apiVersion: resources.events.apiVersion,
      kind: resources.events.kind,
      metadata: {
        name: `${metadata.name}.${suffix}`,
        ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
      },
      ...{
        eventTime: new Date(wallMs).toISOString().replace("Z", "000Z"),
        type: event.type,
        reason: event.reason,
        action: event.action,
        note: event.note.slice(0, 1024),
        reportingController: `quoin.dev/${fieldManager}`,
        reportingInstance: this.#instance.slice(0, 128),
        regarding: {
          apiVersion,
          kind,
          name: metadata.name,
          namespace: metadata.namespace,
          uid: metadata.uid,
        },
      },
    };
  }
}
