/** One pass over one cluster: observe, plan, write status, act one step. */
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "../ports/index.ts";
import { act, withLatch } from "./act/index.ts";
import {
  actSignal,
  type ControllerOptions,
  type KindController,
  mayAct,
  type PassResult,
} from "./kinds.ts";
import { type Observation, observe } from "./observe/index.ts";
import {
  buildStatus,
  type Plan,
  type PlanContext,
  type Problem,
  plan,
  type Step,
} from "./plan/index.ts";
import { labelCluster } from "./resources/index.ts";
import { isConflict, resources } from "./runtime/index.ts";
import type { EtcdCluster, EtcdRestore, KubeObject } from "./types/index.ts";

const figuresMs = 60_000;

export class ClusterController implements KindController<EtcdCluster> {
  readonly resource = resources.etcdClusters;
  readonly children = [
    resources.pods,
    resources.statefulSets,
    resources.volumes,
    resources.jobs,
    resources.services,
    resources.budgets,
  ];
  readonly #o: ControllerOptions;
  /** When indexes and sizes were last written, by cluster. */
  readonly #figuresAt = new Map<string, number>();
  /** The last step told in the log, by cluster: patience repeats itself. */
  readonly #lastSteps = new Map<string, string>();

  constructor(options: ControllerOptions) {
    this.#o = options;
  }

  concerns(object: KubeObject): readonly (string | undefined)[] {
    if (object.kind === resources.etcdRestores.kind) {
      return [(object as EtcdRestore).spec.clusterRef.name];
    }
    return [object.metadata.labels?.[labelCluster]];
  }

  forget(namespace: string, name: string): void {
    this.#o.metrics.cluster.forget(namespace, name);
    this.#figuresAt.delete(`${namespace}/${name}`);
    this.#lastSteps.delete(`${namespace}/${name}`);
  }

  async pass(cluster: EtcdCluster, logger: Logger, signal: AbortSignal): Promise<PassResult> {
    if (cluster.metadata.deletionTimestamp !== undefined) return {};
    const { api, etcd, clock, endpointOf } = this.#o;
    const context = { api, etcd, clock, signal, ...(endpointOf ? { endpointOf } : {}) };
    const observation = await observe(cluster, context);
    const { defaultImage, defaultTls } = this.#o;
    const planContext = { defaultImage, defaultTls, now: this.#now(), fresh: this.#fresh(cluster) };
    const decided = plan(observation.observed, planContext);
    this.#tellPlan(cluster, decided, logger);
    const { step } = decided;
    const may = mayAct(this.#o.leaseRemainingMs());
    if (!may) logger.warn("not acting: the leader lease is about to run out");
    if (step === undefined || !may) {
      await this.#writeStatus(observation, planContext, decided, signal);
      this.#o.metrics.passes.inc({ result: decided.problem ? "stop" : "wait" });
      return { requeueMs: decided.requeueMs };
    }
    if (step.kind === "latch") {
      await this.#writeStatus(observation, planContext, decided, signal, step);
    } else {
      const written = await this.#writeStatus(observation, planContext, decided, signal);
      const again = await this.#act(observation, step, written, planContext, decided, signal);
      if (again !== undefined) return again;
    }
    this.#o.metrics.passes.inc({ result: "step" });
    return { requeueMs: 0 };
  }

  /** The step itself; a failure is told in status before it goes up. */
  async #act(
    observation: Observation,
    step: Exclude<Step, { kind: "latch" }>,
    written: EtcdCluster,
    planContext: PlanContext,
    decided: Plan,
    signal: AbortSignal,
  ): Promise<PassResult | undefined> {
    const { api, etcd, metrics } = this.#o;
    try {
      const bounded = actSignal(this.#o.leaseRemainingMs(), signal);
      const result = await act(step, observation, {
        ...{ api, etcd, now: planContext.now, signal: bounded },
      });
      metrics.steps.inc({ kind: step.kind, result });
      return result === "again" ? { requeueMs: 500 } : undefined;
    } catch (error) {
      metrics.steps.inc({ kind: step.kind, result: "error" });
      if (isConflict(error)) throw error;
      const text = error instanceof Error ? error.message : String(error);
      const failure: Problem = {
        reason: "StepFailed",
        message: `${decided.message}: ${text}`.slice(0, 1_000),
      };
      const now = { ...observation, observed: { ...observation.observed, cluster: written } };
      await this.#writeStatus(now, planContext, decided, signal, undefined, failure);
      this.#o.events.tell(written, {
        type: "Warning",
        reason: failure.reason,
        action: decided.reason,
        note: failure.message,
      });
      throw error;
    }
  }

  /** Writes status if it changed, on the version that was read; returns the cluster as it is now. */
  async #writeStatus(
    observation: Observation,
    planContext: PlanContext,
    decided: Plan,
    signal: AbortSignal,
    latch?: Extract<Step, { kind: "latch" }>,
    failure?: Problem,
  ): Promise<EtcdCluster> {
    const { clock, api } = this.#o;
    const { cluster } = observation.observed;
    const key = `${cluster.metadata.namespace}/${cluster.metadata.name}`;
    const freshFigures = clock.nowMs() - (this.#figuresAt.get(key) ?? -figuresMs) >= figuresMs;
    const input = { plan: decided, failure, now: planContext.now, freshFigures };
    const built = buildStatus(observation.observed, planContext, input);
    const status = latch === undefined ? built : withLatch(built, latch.set);
    this.#o.metrics.cluster.show(cluster, status);
    if (isDeepStrictEqual(status, cluster.status)) return cluster;
    if (freshFigures) this.#figuresAt.set(key, clock.nowMs());
    return api.replaceStatus(resources.etcdClusters, { ...cluster, status }, signal);
  }

  #tellPlan(cluster: EtcdCluster, decided: Plan, logger: Logger): void {
    const { step, reason, message, problem } = decided;
    if (step !== undefined) {
      const key = `${cluster.metadata.namespace}/${cluster.metadata.name}`;
      const repeated = this.#lastSteps.get(key) === message;
      this.#lastSteps.set(key, message);
      const fields = { step: step.kind, reason, detail: message };
      if (repeated) logger.debug("acting again", fields);
      else logger.info("acting", fields);
      this.#o.events.tell(cluster, { type: "Normal", reason, action: reason, note: message });
    }
    if (problem !== undefined) {
      const note = problem.message;
      logger.debug("problem", { reason: problem.reason, detail: note });
      this.#o.events.tell(cluster, {
        type: "Warning",
        reason: problem.reason,
        action: reason,
        note,
      });
    }
  }

  /** RFC 3339, whole seconds, as Kubernetes writes times. */
  #now(): string {
    return new Date(this.#o.clock.wallMs()).toISOString().replace(/\.\d+Z$/, "Z");
  }

  /** Names without vowels and look-alikes: nobody reads a word or misreads a letter. */
  #fresh(cluster: EtcdCluster): PlanContext["fresh"] {
    const alphabet = "bcdfghjklmnpqrstvwxz2456789";
    const text = (length: number): string =>
      Array.from({ length }, () => alphabet[this.#o.random.below(alphabet.length)]).join("");
    return { token: text(20), member: `${cluster.metadata.name}-${text(5)}` };
  }
}
