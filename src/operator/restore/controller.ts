/** One pass over one EtcdRestore: read what it names, decide, write status, make what is missing. */
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "../../ports/index.ts";
import {
  actSignal,
  type ControllerOptions,
  type KindController,
  mayAct,
  type PassResult,
} from "../kinds.ts";
import { requestOf, resolveSource } from "../observe/index.ts";
import {
  isConflict,
  KubeError,
  orUndefined,
  type Resource,
  resourceOf,
  resources,
} from "../runtime/index.ts";
import type { EtcdBackup, EtcdCluster, EtcdRestore, KubeObject } from "../types/index.ts";
import { type Decision, decide, type Seen } from "./decide.ts";
import { restoredBy, safetyBackupName } from "./objects.ts";
import { inPhase, isOver } from "./record.ts";

export class RestoreController implements KindController<EtcdRestore> {
  readonly resource = resources.etcdRestores;
  readonly children = [];
  readonly #o: ControllerOptions;

  constructor(options: ControllerOptions) {
    this.#o = options;
  }

  /** A cluster's record names the request that it is for. */
  concerns(object: KubeObject): readonly (string | undefined)[] {
    if (object.kind !== resources.etcdClusters.kind) return [];
    const cluster = object as EtcdCluster;
    const requests = [cluster.status?.transition?.request, restoredBy(cluster)];
    return requests
      .map((r) => r?.split("/"))
      .map((parts) => (parts?.length === 3 ? parts[1] : undefined));
  }

  forget(): void {}

  async pass(restore: EtcdRestore, logger: Logger, signal: AbortSignal): Promise<PassResult> {
    if (restore.metadata.deletionTimestamp !== undefined || isOver(restore.status)) return {};
    const decision = decide(await this.#see(restore, signal));
    if (!mayAct(this.#o.leaseRemainingMs())) return { requeueMs: 1_000 };
    const bounded = actSignal(this.#o.leaseRemainingMs(), signal);
    const written = await this.#writeStatus(restore, decision, logger, bounded);
    await this.#make(written, decision, logger, bounded);
    const { requeueMs } = decision;
    return requeueMs === undefined ? {} : { requeueMs };
  }

  async #see(restore: EtcdRestore, signal: AbortSignal): Promise<Seen> {
    const { api } = this.#o;
    const { namespace = "" } = restore.metadata;
    const find = async <T>(resource: Resource, name: string): Promise<T | undefined> =>
      (await orUndefined(api.get(resource, namespace, name, signal))) as T | undefined;
    const { source, clusterRef } = restore.spec;
    const open = restore.status?.source === undefined;
    const [cluster, safety, resolution] = await Promise.all([
      find<EtcdCluster>(resources.etcdClusters, clusterRef.name),
      open ? undefined : find<EtcdBackup>(resources.etcdBackups, safetyBackupName(restore)),
      open ? resolveSource(api, namespace, source, signal) : undefined,
    ]);
    return {
      restore,
      ...(cluster ? { cluster } : {}),
      ...(safety ? { safety } : {}),
      ...(resolution ? { resolution } : {}),
      now: this.#now(),
    };
  }

  async #writeStatus(
    restore: EtcdRestore,
    { status }: Decision,
    logger: Logger,
    signal: AbortSignal,
  ): Promise<EtcdRestore> {
    if (isDeepStrictEqual(status, restore.status)) return restore;
    const { phase = "Pending", message = "" } = status;
    if (phase !== restore.status?.phase) {
      logger.info("restore", { phase, detail: message });
      const bad = phase === "Failed" || phase === "Rejected";
      const type = bad ? "Warning" : "Normal";
      this.#o.events.tell(restore, { type, reason: phase, action: "Restore", note: message });
    }
    return this.#o.api.replaceStatus(resources.etcdRestores, { ...restore, status }, signal);
  }

  async #make(restore: EtcdRestore, { make }: Decision, logger: Logger, signal: AbortSignal) {
    if (make === undefined) return;
    try {
      await this.#o.api.create(resourceOf(make.kind), make, signal);
      logger.info("made", {
        kind: make.kind,
        name: make.metadata.name,
        request: requestOf(restore),
      });
    } catch (error) {
      if (isConflict(error)) return; // It exists: the next pass sees whose it is.
      if (!(error instanceof KubeError) || error.status !== 422) throw error;
      const message = `the API server refuses ${make.kind} ${make.metadata.name}: ${error.message}. Nothing was changed.`;
      const status = inPhase(restore, "Failed", message, this.#now());
      await this.#writeStatus(restore, { status }, logger, signal);
    }
  }

  #now(): string {
    return new Date(this.#o.clock.wallMs()).toISOString().replace(/\.\d+Z$/, "Z");
  }
}
