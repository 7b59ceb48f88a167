/** The whole operator: informers wake a queue, workers make passes, health watches both. */
import { assert } from "../lib/assert.ts";
import type { Clock, Logger, Random } from "../ports/index.ts";
import { BackupController, BackupScheduleController } from "./backup/index.ts";
import { ClusterController } from "./controller.ts";
import type { EtcdAdmin } from "./etcd/index.ts";
import { type KindController, runPass } from "./kinds.ts";
import type { ObserveContext } from "./observe/index.ts";
import type { OperatorOptions } from "./options.ts";
import { fieldManager, labelManagedBy } from "./resources/index.ts";
import { RestoreController } from "./restore/index.ts";
import {
  createMetrics,
  Election,
  EventRecorder,
  Informer,
  type KubeApi,
  pause,
  type Resource,
  serveHealth,
  serveMetrics,
  WorkQueue,
} from "./runtime/index.ts";
import type { KubeObject } from "./types/index.ts";

export interface OperatorDeps {
  readonly api: KubeApi;
  readonly etcd: EtcdAdmin;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly endpointOf?: ObserveContext["endpointOf"];
}

/** A watch this silent is dead: bookmarks come every minute, an idle connection ends at 150 s. */
const silentMsMax = 300_000;
/** A pass is bounded by 30 s; one that lasts this long hangs. */
const passMsMax = 120_000;

export class Operator {
  readonly #options: OperatorOptions;
  readonly #deps: OperatorDeps;
  readonly #queue: WorkQueue;
  readonly #informers: { readonly resource: Resource; readonly informer: Informer<KubeObject> }[];
  readonly #election: Election | undefined;
  /** By plural of their kind, which is the first part of a key in the queue. */
  readonly #controllers: ReadonlyMap<string, KindController>;
  readonly #metrics;
  /** Objects in a pass now, and since when. */
  readonly #passing = new Map<string, number>();

  constructor(options: OperatorOptions, deps: OperatorDeps) {
    this.#options = options;
    this.#deps = deps;
    const { api, etcd, clock, random, logger } = deps;
    this.#queue = new WorkQueue({ clock });
    this.#metrics = createMetrics(
      () => this.#queue.depth,
      () => this.#silence(),
      () => clock.wallMs(),
    );
    if (options.leaderElect) {
      this.#election = new Election({
        api,
        clock,
        logger,
        namespace: options.leaderElectionNamespace,
        name: options.leaderElectionName,
        identity: options.identity,
      });
    }
    const shared = {
      api,
      etcd,
      clock,
      random,
      logger,
      events: new EventRecorder(api, clock, logger, options.identity),
      metrics: this.#metrics,
      defaultImage: options.serverImage,
      defaultTls: options.defaultTls,
      leaseRemainingMs: () => this.#election?.remainingMs() ?? Number.POSITIVE_INFINITY,
      ...(deps.endpointOf ? { endpointOf: deps.endpointOf } : {}),
    };
    const controllers: readonly KindController[] = [
      new ClusterController(shared),
      new RestoreController(shared),
      new BackupController(shared),
      new BackupScheduleController(shared),
    ];
    this.#controllers = new Map(controllers.map((c) => [c.resource.plural, c]));
    const watched = new Set(controllers.flatMap((c) => [c.resource, ...c.children]));
    const namespaces = options.watchNamespaces.length > 0 ? options.watchNamespaces : [undefined];
    this.#informers = namespaces.flatMap((namespace) =>
      [...watched].map((r) => this.#informer(r, namespace)),
    );
  }

  /**
   * Runs until `signal` is aborted ("stopped") or the leader lease is lost ("lost": the process
   * must end, since acts of it may still be on their way). Rejects when an address is taken.
   */
  async run(signal: AbortSignal): Promise<"stopped" | "lost"> {
    const { healthProbeBindAddress, metricsBindAddress } = this.#options;
    await using _health = await serveHealth(
      healthProbeBindAddress,
      () => this.#unwell(),
      () => this.#notReady(),
    );
    await using _metrics = await serveMetrics(metricsBindAddress, this.#metrics.registry);
    const stop = new AbortController();
    const ended = AbortSignal.any([signal, stop.signal]);
    const watches = this.#informers.map(({ informer }) => informer.run(ended));
    try {
      await this.#election?.acquire(signal);
      if (signal.aborted) return "stopped";
      this.#metrics.leader.set(1);
      const workers = Array.from({ length: this.#options.workers }, () => this.#work(ended));
      const tidying = this.#tidy(ended);
      const outcome = await this.#lead(signal);
      // Running passes end at their next request; the lease is released only after them.
      stop.abort();
      this.#queue.close();
      await Promise.all([...workers, tidying]);
      if (outcome === "stopped") await this.#election?.release();
      return outcome;
    } finally {
      stop.abort();
      this.#queue.close();
      await Promise.all(watches);
      this.#deps.etcd.close();
      this.#deps.api.close();
    }
  }

  async #lead(signal: AbortSignal): Promise<"stopped" | "lost"> {
    if (this.#election !== undefined) return this.#election.hold(signal);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
    return "stopped";
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (;;) {
      const key = await this.#queue.take();
      if (key === undefined) return;
      const [kind = "", namespace = "", name = ""] = key.split("/");
      const controller = this.#controllers.get(kind);
      assert(controller !== undefined, "a key of a kind that is served");
      this.#passing.set(key, this.#deps.clock.nowMs());
      try {
        const context = { api: this.#deps.api, metrics: this.#metrics, logger: this.#deps.logger };
        const result = await runPass(controller, namespace, name, context, signal);
        if (result.failed) this.#queue.retry(key);
        else this.#queue.forget(key);
        if (result.requeueMs !== undefined) this.#queue.addAfter(key, result.requeueMs);
      } catch (error) {
        // A bug in one object's pass must not end the operator for all others.
        this.#deps.logger.error("pass broke", { key, error, stack: stackOf(error) });
        this.#queue.retry(key);
      } finally {
        this.#passing.delete(key);
        this.#queue.done(key);
      }
    }
  }

  async #tidy(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#deps.clock, 60_000, signal);
      this.#deps.etcd.tidy();
    }
  }

  #informer(resource: Resource, namespace: string | undefined) {
    const { api, clock, random, logger } = this.#deps;
    // Objects users make carry no label of ours; their children do.
    const isRoot = this.#controllers.has(resource.plural);
    const informer = new Informer<KubeObject>({
      api,
      resource,
      namespace,
      clock,
      random,
      logger,
      ...(isRoot ? {} : { labelSelector: `${labelManagedBy}=${fieldManager}` }),
      onChange: (now, before) => this.#changed(resource, now, before),
      onRestart: (reason) => this.#metrics.watchRestarts.inc({ resource: resource.plural, reason }),
    });
    return { resource, informer };
  }

  #changed(resource: Resource, now: KubeObject | undefined, before: KubeObject | undefined): void {
    const object = now ?? before;
    if (object === undefined) return;
    const { namespace, name } = object.metadata;
    for (const [kind, controller] of this.#controllers) {
      const own = controller.resource === resource;
      // Our own status writes must not wake us: only what the user changed does.
      const names = own ? (isNews(now, before) ? [name] : []) : controller.concerns(object);
      for (const one of names) if (one) this.#queue.add(`${kind}/${namespace}/${one}`);
    }
  }

  #silence(): Map<string, number> {
    const worst = new Map<string, number>();
    for (const { resource, informer } of this.#informers) {
      const seconds = informer.silentMs() / 1000;
      worst.set(resource.plural, Math.max(seconds, worst.get(resource.plural) ?? 0));
    }
    return worst;
  }

  /** Dead watches or a pass that hangs: a restart is the cure. */
  #unwell(): string[] {
    const problems: string[] = [];
    for (const [resource, seconds] of this.#silence()) {
      if (seconds * 1000 > silentMsMax) {
        problems.push(`watch of ${resource} is silent for ${Math.round(seconds)} s`);
      }
    }
    const nowMs = this.#deps.clock.nowMs();
    for (const [key, since] of this.#passing) {
      if (nowMs - since > passMsMax) problems.push(`pass over ${key} hangs`);
    }
    return problems;
  }

  #notReady(): string[] {
    const waiting = this.#informers.filter(({ informer }) => !informer.synced);
    return [...this.#unwell(), ...waiting.map((w) => `no list of ${w.resource.plural} yet`)];
  }
}

/** Made, gone, being deleted, or with another spec. */
const isNews = (now: KubeObject | undefined, before: KubeObject | undefined): boolean =>
  now === undefined ||
  before === undefined ||
  now.metadata.generation !== before.metadata.generation ||
  now.metadata.deletionTimestamp !== before.metadata.deletionTimestamp;

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? "") : "");
