/** What the operator serves: a controller per kind, one queue, the same rules for all. */
import type { Clock, Logger, Random } from "../ports/index.ts";
import type { EtcdAdmin } from "./etcd/index.ts";
import type { ObserveContext } from "./observe/index.ts";
import {
  type EventRecorder,
  isConflict,
  type KubeApi,
  type OperatorMetrics,
  orUndefined,
  type Resource,
} from "./runtime/index.ts";
import type { KubeObject, TlsMode } from "./types/index.ts";

/** What every controller is built from. */
export interface ControllerOptions {
  readonly api: KubeApi;
  readonly etcd: EtcdAdmin;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly events: EventRecorder;
  readonly metrics: OperatorMetrics;
  readonly defaultImage: string;
  readonly defaultTls: TlsMode;
  /** Milliseconds the leader lease is still surely ours. */
  readonly leaseRemainingMs: () => number;
  readonly endpointOf?: ObserveContext["endpointOf"];
}

/** When to look again. `failed` slows down the queue. */
export interface PassResult {
  readonly requeueMs?: number;
  readonly failed?: boolean;
}

/** Serves the objects of one kind, each by one writer at a time. */
export interface KindController<T extends KubeObject = KubeObject> {
  readonly resource: Resource;
  /** Kinds of objects with our label that it makes or looks at. */
  readonly children: readonly Resource[];
  /**
   * Names of this kind's objects, in the namespace of `object`, that any change of `object` (a child
   * of ours, or an object of another kind that is served) concerns.
   */
  concerns(object: KubeObject): readonly (string | undefined)[];
  /**
   * One pass over an object as it is now. Rejects when a request is refused (the queue slows
   * down; a conflict is a reason to look again at once) and on a bug.
   */
  pass(object: T, logger: Logger, signal: AbortSignal): Promise<PassResult>;
  /** The object is gone: figures and memories about it go too. */
  forget(namespace: string, name: string): void;
}

/** A whole pass; a step may use the lease only while more than `actMs` of it remain. */
const passMs = 30_000;
const actMs = 3_000;
const actMsMax = 10_000;

type PassContext = Pick<ControllerOptions, "api" | "metrics" | "logger">;

/** Reads the object and has one pass made over it. Never rejects; `signal` ends it early. */
export async function runPass(
  controller: KindController,
  namespace: string,
  name: string,
  { api, metrics, logger: parent }: PassContext,
  signal: AbortSignal,
): Promise<PassResult> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(passMs)]);
  const end = metrics.passSeconds.startTimer();
  const { kind } = controller.resource;
  const field = kind === "EtcdCluster" ? "cluster" : kind;
  const logger = parent.child({ [field]: `${namespace}/${name}` });
  try {
    const object = await read(controller.resource, namespace, name, api, bounded);
    if (object !== undefined) return await controller.pass(object, logger, bounded);
    controller.forget(namespace, name);
    return {};
  } catch (error) {
    if (signal.aborted) return {};
    metrics.passes.inc({ result: "error" });
    if (isConflict(error)) {
      logger.debug("somebody else was faster, looking again", { error });
      return { requeueMs: 200 };
    }
    logger.warn("pass failed", { error });
    return { failed: true };
  } finally {
    end();
  }
}

async function read(
  resource: Resource,
  namespace: string,
  name: string,
  api: KubeApi,
  signal: AbortSignal,
): Promise<KubeObject | undefined> {
  return await orUndefined(api.get(resource, namespace, name, signal));
}

/** Leader election is no fence: with little of the lease left nothing is begun. */
export const mayAct = (leaseRemainingMs: number): boolean => leaseRemainingMs > actMs;

/** The signal an act lives under: it must be over while the lease is surely ours. */
export function actSignal(leaseRemainingMs: number, signal: AbortSignal): AbortSignal {
  const ms = Math.max(1, Math.floor(Math.min(leaseRemainingMs, actMsMax)));
  return AbortSignal.any([signal, AbortSignal.timeout(ms)]);
}
