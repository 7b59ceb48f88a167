/**
 * What a member tells its cluster through the log once it can: its name and client URLs, and, as
 * leader, the cluster version. Source: etcd server/etcdserver/server.go publishV3,
 * monitorClusterVersions.
 */
import { type Cluster, serverVersion } from "../core/membership/index.ts";
import { hexId, type MemberId } from "../core/types.ts";
import type { Clock, Faults, Logger } from "../ports/index.ts";
import { type EtcdError, rpcpb } from "../proto/index.ts";
import type { MemberOptions } from "./options.ts";

/**
 * A follower's proposal is lost when no connection to the leader stands yet, and its answer says so only
 * after the request timeout. To publish twice changes nothing, so that it is simply said again.
 */
const firstRetryMs = 500;
const lastRetryMs = 8000;

export interface IntroductionOptions {
  readonly self: MemberId;
  readonly options: MemberOptions;
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly faults: Faults;
  readonly propose: (
    request: rpcpb.InternalRaftRequest,
    reply: (error: EtcdError | undefined) => void,
  ) => void;
}

export class Introduction {
  readonly #o: IntroductionOptions;
  #retryMs = firstRetryMs;
  #cancelRetry: (() => void) | undefined;
  #stopped = false;
  #isReady = false;
  #waiting: (() => void)[] = [];

  constructor(options: IntroductionOptions) {
    this.#o = options;
  }

  /** Runs `f` once the member is known to its cluster: it can serve clients. At once if it is. */
  whenReady(f: () => void): void {
    if (this.#isReady) f();
    else this.#waiting.push(f);
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
  }

  /** To be called when there is a leader; does nothing while it is under way or known to have worked. */
  publish(): void {
    if (this.#isReady || this.#cancelRetry !== undefined || this.#stopped) return;
    const { self, cluster, options, clock, logger } = this.#o;
    const own = cluster.member(self);
    const { name, advertiseClientUrls } = options;
    this.#o.faults.hit("beforePublishing");
    if (own?.name === name && own.clientURLs.join() === advertiseClientUrls.join()) {
      this.#ready();
      return;
    }
    this.#cancelRetry = clock.after(this.#retryMs, () => {
      this.#cancelRetry = undefined;
      this.publish();
    });
    this.#retryMs = Math.min(this.#retryMs * 2, lastRetryMs);
    const memberAttributes = { name, clientUrls: [...advertiseClientUrls] };
    const clusterMemberAttrSet = { memberId: self, memberAttributes };
    this.#o.propose(rpcpb.newInternalRaftRequest({ clusterMemberAttrSet }), (error) => {
      if (error !== undefined || this.#isReady) return;
      logger.info("published local member to cluster through raft", {
        "local-member-id": hexId(self),
      });
      this.#ready();
    });
  }

  /** For a leader: what version the cluster speaks, if nobody has decided. */
  decideVersion(): void {
    if (this.#o.cluster.clusterVersion !== undefined) return;
    const clusterVersionSet = { ver: `${serverVersion.split(".").slice(0, 2).join(".")}.0` };
    this.#o.propose(rpcpb.newInternalRaftRequest({ clusterVersionSet }), () => undefined);
  }

  #ready(): void {
    this.#isReady = true;
    this.#cancelRetry?.();
    for (const f of this.#waiting.splice(0)) f();
  }
}
