/**
 * The cluster's version and downgrades: what clients ask for, and what a leader decides about every five
 * seconds. Source: etcd server/etcdserver/version/{monitor,version}.go, v3_server.go Downgrade.
 */
import {
  decideClusterVersion,
  downgradeTarget,
  haveVersion,
  type Member as MemberRecord,
  minClusterVersion,
  parseTargetVersion,
  serverVersion,
} from "../core/membership/index.ts";
import type { MemberId } from "../core/types.ts";
import type { Cancel, Clock, Logger } from "../ports/index.ts";
import { EtcdError, rpcpb } from "../proto/index.ts";
import type { Reply } from "./requests.ts";
import type { StateMachine } from "./state-machine.ts";
import type { AskPeer } from "./transport.ts";

/** The layout of our rows, as etcd numbers it; older members of a cluster read it as theirs. */
const ownStorageVersion = "3.7.0";
/** What the cluster speaks once all members are of this release. */
const ownClusterVersion = parseTargetVersion(serverVersion);

export interface VersionsOptions {
  readonly self: MemberId;
  readonly state: StateMachine;
  readonly isLeader: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly askPeer: AskPeer;
  readonly timeoutMs: number;
  /** --downgrade-check-time; also how often the cluster version is looked at. */
  readonly intervalMs: number;
  readonly linearize: (reply: (error: EtcdError | undefined) => void) => void;
  readonly propose: (
    request: rpcpb.InternalRaftRequest,
    reply: (error: EtcdError | undefined) => void,
  ) => void;
}

/** The version as Maintenance.Downgrade answers it: `3.7`. */
const short = (version: string): string => version.split(".").slice(0, 2).join(".");

export class Versions {
  readonly #o: VersionsOptions;
  #cancel: Cancel = () => undefined;
  #stopped = false;
  #looking = false;

  constructor(options: VersionsOptions) {
    this.#o = options;
  }

  start(): void {
    if (this.#stopped) return;
    this.#cancel = this.#o.clock.after(this.#o.intervalMs, () => {
      this.#look().then(
        () => this.start(),
        () => this.start(),
      );
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /** Follows the cluster down, so that members of the release before can read our snapshots. */
  get storage(): string {
    const version = this.#o.state.cluster.clusterVersion;
    const known = version !== undefined && version !== minClusterVersion;
    return known ? version : ownStorageVersion;
  }

  /** The cluster's version, when it may go to `text`. */
  validate(text: string, reply: Reply<string>): void {
    const { cluster } = this.#o.state;
    const target = parseTargetVersion(text);
    const version = cluster.clusterVersion;
    if (target === undefined) reply(new EtcdError("WrongDowngradeVersionFormat"));
    else if (version === undefined) reply(new EtcdError("ClusterVersionUnavailable"));
    else {
      this.#o.linearize((error) => {
        if (error !== undefined) reply(error);
        else if (downgradeTarget(cluster.clusterVersion ?? version) !== target) {
          reply(new EtcdError("InvalidDowngradeTargetVersion"));
        } else if (cluster.downgrade.enabled) reply(new EtcdError("DowngradeInProcess"));
        else reply(undefined, short(version));
      });
    }
  }

  enable(text: string, reply: Reply<string>): void {
    this.validate(text, (refused) => {
      if (refused !== undefined) {
        this.#o.logger.warn("reject downgrade request", { error: refused.message });
        reply(refused);
        return;
      }
      const downgradeInfoSet = { enabled: true, ver: parseTargetVersion(text) ?? "" };
      this.#o.propose(rpcpb.newInternalRaftRequest({ downgradeInfoSet }), (error) => {
        if (error === undefined) reply(undefined, this.#clusterVersion());
        else reply(error);
      });
    });
  }

  /** Answers with the version whether there was a job or not, as etcd does. */
  cancel(reply: Reply<string>): void {
    const done = (error: EtcdError | undefined): void => {
      if (error !== undefined) {
        this.#o.logger.warn("failed to cancel downgrade", { error: error.message });
      }
      reply(undefined, this.#clusterVersion());
    };
    this.#o.linearize((error) => {
      if (error !== undefined) done(error);
      else if (!this.#o.state.cluster.downgrade.enabled) done(new EtcdError("NoInflightDowngrade"));
      else this.#end(done);
    });
  }

  #clusterVersion(): string {
    return short(this.#o.state.cluster.clusterVersion ?? minClusterVersion);
  }

  #end(done: (error: EtcdError | undefined) => void): void {
    const downgradeInfoSet = { enabled: false, ver: "" };
    this.#o.propose(rpcpb.newInternalRaftRequest({ downgradeInfoSet }), done);
  }

  /** Only a leader decides, and only where something may have to change does it ask the others. */
  async #look(): Promise<void> {
    const { state, isLeader, logger } = this.#o;
    const { cluster } = state;
    const { downgrade, clusterVersion } = cluster;
    const settled = clusterVersion === ownClusterVersion && !downgrade.enabled;
    if (!isLeader() || clusterVersion === undefined || settled || this.#looking) return;
    this.#looking = true;
    try {
      const versions = await Promise.all(cluster.members().map((m) => this.#versionOf(m)));
      if (this.#stopped || !isLeader()) return;
      const next = decideClusterVersion(clusterVersion, versions, downgrade);
      if (next !== undefined && next !== clusterVersion) {
        logger.info("updating cluster version", { from: clusterVersion, to: next });
        const clusterVersionSet = { ver: next };
        this.#o.propose(rpcpb.newInternalRaftRequest({ clusterVersionSet }), () => undefined);
      }
      if (downgrade.enabled && haveVersion(downgrade.targetVersion, versions)) {
        logger.info("the cluster has been downgraded", {
          "cluster-version": downgrade.targetVersion,
        });
        this.#end(() => undefined);
      }
    } finally {
      this.#looking = false;
    }
  }

  /** Undefined when the member cannot be asked. */
  async #versionOf(member: MemberRecord): Promise<string | undefined> {
    if (member.id === this.#o.self) return serverVersion;
    const question = { method: "GET", path: "/version", timeoutMs: this.#o.timeoutMs } as const;
    for (const url of member.peerURLs) {
      try {
        const { status, body } = await this.#o.askPeer(url, question);
        if (status !== 200) continue;
        const answer = JSON.parse(Buffer.from(body).toString()) as { etcdserver?: unknown };
        if (typeof answer.etcdserver === "string") return answer.etcdserver;
      } catch {
        // The next URL, or nobody.
      }
    }
    return undefined;
  }
}
