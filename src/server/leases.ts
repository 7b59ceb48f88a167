/**
 * Lease traffic of one member: only the leader counts time; it revokes what has expired through
 * the log. A leader that has not ticked lately asks a quorum before it expires or renews anything
 * (etcd#15247). Source: etcd server/etcdserver/v3_server.go, lease/lessor.go.
 */

import type { Renewed, TimeToLive } from "../core/lease/index.ts";
import type { Member as MemberRecord } from "../core/membership/index.ts";
import type { LeaseId, MemberId } from "../core/types.ts";
import { noMember } from "../core/types.ts";
import type { Cancel, Clock, Faults } from "../ports/index.ts";
import { EtcdError, type EtcdErrorCode, leasepb, rpcpb } from "../proto/index.ts";
import type { Pending, Reply } from "./requests.ts";
import { etcdError, type StateMachine } from "./state-machine.ts";
import type { AskPeer } from "./transport.ts";

export interface LeasesOptions {
  readonly state: StateMachine;
  readonly clock: Clock;
  readonly faults?: Faults;
  readonly self: MemberId;
  readonly leader: () => MemberId;
  readonly askPeer: AskPeer;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly timeoutMs: number;
  /** Proposes to revoke an expired lease; undefined when it was refused. */
  readonly revoke: (id: LeaseId) => Pending | undefined;
  /** Whether a revocation is neither applied nor given up. */
  readonly isWaiting: (revocation: Pending) => boolean;
  /** Takes back those that are still queued. */
  readonly takeBack: (revocations: readonly Pending[]) => void;
  /** Gate LeaseCheckpoint: proposes how long leases still live; undefined: a new leader renews all. */
  readonly checkpoint: ((checkpoints: readonly rpcpb.LeaseCheckpoint[]) => void) | undefined;
  readonly confirmLeadership: (reply: (error: EtcdError | undefined) => void) => void;
  /** Calls back once all that is known to be committed is applied here. */
  readonly waitApplied: (reply: (error: EtcdError | undefined) => void) => void;
}

/** etcd looks every 500 ms and revokes at most 1000 leases a second. */
const expiryIntervalMs = 500;
const expiryLimit = 500;
/** Checkpoints of one entry (etcd's maxLeaseCheckpointBatchSize). */
const checkpointLimit = 1000;
/** Between two attempts to reach the leader (etcd: 50 ms). */
const retryMs = 50;
/** So many silent heartbeats make a leader doubt itself (etcd: 3). */
const doubtfulBeats = 3;

export class Leases {
  readonly #o: LeasesOptions;
  /** Since the start, for the metrics page. */
  readonly counts = { renewed: 0, expired: 0 };
  #cancel: Cancel = () => undefined;
  #lastTickMs: number;
  /** It stood still for a while, and nobody has told it since that it leads. */
  #doubtful = false;
  #confirming = false;
  #stopped = false;
  /** Revocations that were proposed while this member led and were waiting at the last look. */
  #revocations: Pending[] = [];

  constructor(options: LeasesOptions) {
    this.#o = options;
    this.#lastTickMs = options.clock.nowMs();
  }

  start(): void {
    this.#cancel = this.#o.clock.after(expiryIntervalMs, () => {
      this.#expire();
      this.#checkpoint();
      this.start();
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  /**
   * The Raft loop ticked. After a pause its first tick proves nothing: another member may lead by
   * now and have renewed what has run out here.
   */
  ticked(): void {
    if (this.#paused()) this.#doubtful = true;
    this.#lastTickMs = this.#o.clock.nowMs();
  }

  /** A quorum has committed an entry of this term. */
  promote(): void {
    this.#doubtful = false;
    this.#o.state.lessor.promote(this.#o.electionMs, this.#o.clock.nowMs());
  }

  /** Time counts elsewhere; what was to be revoked here must not reach the new leader's log. */
  demote(): void {
    this.#o.state.lessor.demote();
    this.#o.takeBack(this.#revocations.splice(0));
  }

  /**
   * The new TTL in seconds; 0 when there is no such lease. `refuse` is asked here, once the lease is
   * known here if it ever will be; the leader takes our word for it.
   */
  keepAlive(id: LeaseId, reply: Reply<number>, refuse?: () => EtcdError | undefined): void {
    this.#patiently<number>(reply, (answer) => {
      this.#atLeader(
        answer,
        () => this.#renew(id, answer, refuse),
        (member) => {
          const refused = refuse?.();
          if (refused === undefined) this.#forwardRenew(member, id, answer);
          else answer(refused);
        },
      );
    });
  }

  /**
   * Renews at once where nobody need be asked: this member leads beyond doubt and knows the lease,
   * which has not run out. The TTL in seconds; undefined: ask `keepAlive`, nothing was done.
   */
  renewNow(id: LeaseId): number | undefined {
    const { state, leader, self, clock } = this.#o;
    if (leader() !== self || this.#stale()) return undefined;
    const outcome = state.lessor.renew(id, clock.nowMs());
    return outcome.kind === "renewed" ? this.#renewed(id, outcome) : undefined;
  }

  /** For peers who take this member for the leader. */
  renewHere(id: LeaseId, reply: Reply<number>): void {
    this.#atLeader(
      reply,
      () => this.#renew(id, reply),
      () => reply(new EtcdError("NotLeader")),
    );
  }

  timeToLiveHere(id: LeaseId, keys: boolean, reply: Reply<TimeToLive>): void {
    this.#atLeader(
      reply,
      () => {
        this.#o.faults?.hit("beforeLookupWhenForwardLeaseTimeToLive");
        this.#timeToLive(id, keys, reply);
      },
      () => reply(new EtcdError("NotLeader")),
    );
  }

  timeToLive(id: LeaseId, keys: boolean, reply: Reply<TimeToLive>): void {
    this.#patiently<TimeToLive>(reply, (answer) => {
      this.#atLeader(
        answer,
        () => {
          this.#o.faults?.hit("beforeLookupWhenLeaseTimeToLive");
          this.#timeToLive(id, keys, answer);
        },
        (member) => this.#forwardTimeToLive(member, id, keys, answer),
      );
    });
  }

  /** A lease that others have seen granted may not be applied here yet. */
  #timeToLive(id: LeaseId, keys: boolean, reply: Reply<TimeToLive>): void {
    this.#o.waitApplied((error) => {
      const { lessor } = this.#o.state;
      if (error !== undefined) reply(error);
      else if (!lessor.primary) reply(new EtcdError("LeaderChanged"));
      else if (!lessor.has(id)) reply(new EtcdError("LeaseNotFound"));
      else reply(undefined, lessor.timeToLive(id, keys, this.#o.clock.nowMs()));
    });
  }

  #renew(id: LeaseId, reply: Reply<number>, refuse?: () => EtcdError | undefined): void {
    const { state, clock, waitApplied } = this.#o;
    const renew = (): void => {
      const refused = refuse?.();
      if (refused !== undefined) {
        reply(refused);
        return;
      }
      const outcome = state.lessor.renew(id, clock.nowMs());
      if (outcome.kind === "error") reply(etcdError(outcome.code));
      else if (outcome.kind === "expiring") this.#whenGone(id, reply);
      else reply(undefined, this.#renewed(id, outcome));
    };
    if (state.lessor.has(id)) renew();
    else waitApplied((error) => (error === undefined ? renew() : reply(error)));
  }

  #renewed(id: LeaseId, { ttl, clearCheckpoint }: Renewed): number {
    this.counts.renewed++;
    this.#o.faults?.hit("beforeCheckpointInLeaseRenew");
    // What the log remembers of it no longer holds.
    if (clearCheckpoint) this.#o.checkpoint?.([{ id, remainingTtl: 0 }]);
    return ttl;
  }

  /** Who is told that a lease has run out finds none of its keys any more. */
  #whenGone(id: LeaseId, reply: Reply<number>): void {
    const { state, clock, timeoutMs } = this.#o;
    const deadlineMs = clock.nowMs() + timeoutMs;
    const look = (): void => {
      if (!state.lessor.has(id)) reply(new EtcdError("LeaseNotFound"));
      else if (this.#stopped) reply(new EtcdError("Stopped"));
      else if (!state.lessor.primary) reply(new EtcdError("LeaderChanged"));
      else if (clock.nowMs() >= deadlineMs) reply(new EtcdError("Timeout"));
      else clock.after(retryMs, look);
    };
    look();
  }

  /**
   * Tries again while there is no leader, or one that is not ready: a client takes any other
   * answer to a renewal for the end of its lease.
   */
  #patiently<T>(reply: Reply<T>, attempt: (answer: Reply<T>) => void): void {
    const { clock, timeoutMs } = this.#o;
    const deadlineMs = clock.nowMs() + timeoutMs;
    const run = (): void =>
      attempt((error, value) => {
        if (error === undefined || !passing.has(error.code)) reply(error, value);
        else if (this.#stopped) reply(new EtcdError("Stopped"));
        else if (clock.nowMs() < deadlineMs) clock.after(retryMs, run);
        else reply(error.code === "NoLeader" ? error : new EtcdError("Timeout"));
      });
    run();
  }

  #atLeader<T>(reply: Reply<T>, here: () => void, there: (leader: MemberRecord) => void): void {
    const leader = this.#o.leader();
    if (leader === noMember) {
      reply(new EtcdError("NoLeader"));
      return;
    }
    if (leader !== this.#o.self) {
      const member = this.#o.state.cluster.member(leader);
      if (member === undefined) reply(new EtcdError("NoLeader"));
      else there(member);
      return;
    }
    if (!this.#stale()) {
      here();
      return;
    }
    this.#confirm((error) => (error === undefined ? here() : reply(error)));
  }

  /** A read index confirms that this member leads, if it still does afterwards. */
  #confirm(reply: (error: EtcdError | undefined) => void): void {
    const { clock, confirmLeadership, leader, self } = this.#o;
    const askedMs = clock.nowMs();
    confirmLeadership((error) => {
      if (error === undefined && leader() !== self) {
        reply(new EtcdError("LeaderChanged"));
        return;
      }
      const pausedMeanwhile = clock.nowMs() - askedMs > this.#o.electionMs;
      if (error === undefined && !pausedMeanwhile) this.#doubtful = false;
      reply(error);
    });
  }

  #stale(): boolean {
    return this.#doubtful || this.#paused();
  }

  #paused(): boolean {
    const { clock, heartbeatMs } = this.#o;
    return clock.nowMs() - this.#lastTickMs > doubtfulBeats * heartbeatMs;
  }

  #checkpoint(): void {
    const { state, clock, checkpoint } = this.#o;
    if (checkpoint === undefined || !state.lessor.primary || this.#stale()) return;
    const due = state.lessor.dueCheckpoints(clock.nowMs(), checkpointLimit);
    if (due.length > 0) checkpoint(due);
  }

  #expire(): void {
    const { state, clock, self, leader, isWaiting } = this.#o;
    if (!state.lessor.primary || leader() !== self || this.#confirming) return;
    const due = state.lessor.nextExpiryMs();
    if (due === undefined || due > clock.nowMs()) return;
    const revoke = (): void => {
      const ids = state.lessor.expired(clock.nowMs(), expiryLimit);
      this.counts.expired += ids.length;
      // All that wait, however many: Raft takes none while leadership is handed over or its log is full.
      const waiting = this.#revocations.filter(isWaiting);
      this.#revocations = waiting.concat(ids.flatMap((id) => this.#o.revoke(id) ?? []));
    };
    if (!this.#stale()) {
      revoke();
      return;
    }
    this.#confirming = true;
    this.#confirm((error) => {
      this.#confirming = false;
      if (error === undefined) revoke();
    });
  }

  #forwardRenew(leader: MemberRecord, id: LeaseId, reply: Reply<number>): void {
    const body = rpcpb.encodeLeaseKeepAliveRequest({ id });
    this.#ask(leader, "/leases", body).then(
      (bytes) => reply(undefined, rpcpb.decodeLeaseKeepAliveResponse(bytes).ttl),
      (error: EtcdError) => reply(error),
    );
  }

  #forwardTimeToLive(
    leader: MemberRecord,
    id: LeaseId,
    keys: boolean,
    reply: Reply<TimeToLive>,
  ): void {
    const body = leasepb.encodeLeaseInternalRequest({ leaseTimeToLiveRequest: { id, keys } });
    this.#ask(leader, "/leases/internal", body).then(
      (bytes) => {
        const r = leasepb.decodeLeaseInternalResponse(bytes).leaseTimeToLiveResponse;
        if (r === undefined) reply(new EtcdError("LeaseNotFound"));
        else reply(undefined, { ttl: r.ttl, grantedTtl: r.grantedTtl, keys: r.keys });
      },
      (error: EtcdError) => reply(error),
    );
  }

  /** The leader's answer; LeaderChanged when there is none, since the next leader may give one. */
  async #ask(leader: MemberRecord, path: string, body: Uint8Array): Promise<Uint8Array> {
    for (const url of leader.peerURLs) {
      try {
        const { timeoutMs } = this.#o;
        const answer = await this.#o.askPeer(url, { method: "POST", path, body, timeoutMs });
        if (answer.status === 200) return answer.body;
        if (answer.status === 404) throw new EtcdError("LeaseNotFound");
      } catch (error) {
        if (error instanceof EtcdError) throw error;
      }
    }
    throw new EtcdError("LeaderChanged");
  }
}

/** The next attempt may find a leader that is ready. */
const passing: ReadonlySet<EtcdErrorCode> = new Set(["NoLeader", "NotLeader", "LeaderChanged"]);
