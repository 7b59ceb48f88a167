/**
 * One member: the rooms put together, its life, and what the other members ask of it. Requests of
 * clients are in `proposals`, `reads`, `leases` and `membership`; they answer by callback, since a
 * promise per request would cost as much as the request (DESIGN D4).
 */
import type { Member as MemberRecord } from "../core/membership/index.ts";
import type { KvStore } from "../core/mvcc/index.ts";
import type { Message, SoftState } from "../core/raft/index.ts";
import type { ClusterId, MemberId, Term } from "../core/types.ts";
import { hexId, noMember } from "../core/types.ts";
import type { Cancel, Faults } from "../ports/index.ts";
import { EtcdError } from "../proto/index.ts";
import type { Authority } from "./auth/index.ts";
import type { Booted } from "./boot.ts";
import { advanceElection } from "./election-advance.ts";
import type { Leadership } from "./leadership.ts";
import type { Leases } from "./leases.ts";
import { leaderLine } from "./log-lines.ts";
import type { Measures } from "./measures.ts";
import type { MembershipChanges } from "./membership-changes.ts";
import {
  electionTicks,
  type MemberOptions,
  type MemberPorts,
  requestTimeoutMs,
} from "./options.ts";
import { assemble, type MemberHooks, type Parts } from "./parts.ts";
import { forwardPromote } from "./peer-routes.ts";
import type { Proposals } from "./proposals.ts";
import type { ReadReply } from "./read-index.ts";
import type { Reads } from "./reads.ts";
import { type Reply, timeoutError } from "./requests.ts";
import type { StateMachine } from "./state-machine.ts";
import type { OutgoingSnapshot, Transport } from "./transport.ts";
import type { Versions } from "./versions.ts";

/** How often timeouts are looked for. */
const sweepMs = 500;

/** Term and index of the last durable entry, what is committed and applied of it, and the revision. */
export interface LogPosition {
  readonly lastLogTerm: number;
  readonly lastLogIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly revision: number;
}

export class Member implements MemberHooks {
  readonly id: MemberId;
  readonly clusterId: ClusterId;
  readonly options: MemberOptions;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly leases: Leases;
  readonly membership: MembershipChanges;
  readonly leadership: Leadership;
  readonly authority: Authority;
  readonly versions: Versions;
  readonly transport: Transport;
  readonly #p: Parts;
  #cancelSweep: Cancel = () => undefined;
  #cancelAdvance: Cancel = () => undefined;
  #stopped: Promise<void> | undefined;
  #removed = false;
  /** Refreshed now and then, for status and metrics. */
  #diskBytes = 0;

  constructor(options: MemberOptions, ports: MemberPorts, booted: Booted) {
    const parts = assemble(options, ports, booted, this);
    this.#p = parts;
    this.id = parts.id;
    this.clusterId = parts.clusterId;
    this.options = options;
    this.proposals = parts.proposals;
    this.reads = parts.reads;
    this.leases = parts.leases;
    this.membership = parts.membership;
    this.leadership = parts.leadership;
    this.authority = parts.authority;
    this.versions = parts.versions;
    this.transport = parts.transport;
  }

  // --- facts -------------------------------------------------------------------------------

  get kv(): KvStore {
    return this.#p.state.kv;
  }
  get state(): StateMachine {
    return this.#p.state;
  }
  get leader(): MemberId {
    return this.leadership.leader;
  }
  get isLeader(): boolean {
    return this.#p.node.isLeader;
  }
  get isLearner(): boolean {
    return this.#p.state.cluster.member(this.id)?.isLearner ?? this.#p.node.status().isLearner;
  }
  get term(): Term {
    return this.#p.node.term;
  }
  get commitIndex(): number {
    return this.#p.node.commitIndex;
  }
  get appliedIndex(): number {
    return this.#p.applier.appliedIndex;
  }
  /** Where the log stands on this disk: what a recovery without quorum ranks members by. */
  get log(): LogPosition {
    const { stableIndex } = this.#p.node;
    return {
      lastLogTerm: this.#p.node.termAt(stableIndex) ?? this.#p.node.term,
      lastLogIndex: stableIndex,
      commitIndex: this.commitIndex,
      appliedIndex: this.appliedIndex,
      revision: this.kv.revision,
    };
  }
  /** The layout of our rows, as etcd numbers it. */
  get storageVersion(): string {
    return this.versions.storage;
  }
  get clusterVersion(): string | undefined {
    return this.#p.state.cluster.clusterVersion;
  }
  /** For the metrics page; counters since the start. */
  get counts() {
    return {
      proposalsPending: this.#p.pending.size,
      proposalsFailed: this.#p.pending.failed,
      slowApplies: this.#p.applier.slow,
      slowReads: this.#p.counts.slowReads,
      failedReads: this.#p.counts.failedReads,
    };
  }
  /** For the rooms that serve it. */
  get faults(): Faults {
    return this.#p.ports.faults;
  }
  /** For the metrics page. */
  get measures(): Measures {
    return this.#p.measures;
  }
  /** Bytes on disk, as of a moment ago, and bytes of live rows: what a quota counts. */
  get sizes(): { readonly diskBytes: number; readonly logicalBytes: number } {
    return { diskBytes: this.#diskBytes, logicalBytes: this.#p.state.backend.meta.logicalBytes };
  }
  members(): MemberRecord[] {
    return this.#p.state.cluster.members();
  }

  /** The member is known to its cluster, and serves clients. */
  get isPublished(): boolean {
    return this.#p.introduction.isReady;
  }

  /** Runs `f` once the member is known to its cluster: it can serve clients. */
  whenReady(f: () => void): void {
    this.#p.introduction.whenReady(f);
  }

  // --- life --------------------------------------------------------------------------------

  /**
   * Compares what is here with what the other members have, before anybody is served. Throws Error
   * when it differs. Does nothing unless asked for, or in a folder that was empty.
   */
  async checkData(): Promise<void> {
    const hasData = this.#p.booted.boot.applied > 0;
    if (this.options.checks?.initial === true && hasData) await this.#p.corruption.initial();
  }

  start(): void {
    for (const m of this.#p.booted.remotes?.members() ?? []) {
      if (m.id !== this.id) this.transport.addRemote(m.id, m.peerURLs);
    }
    for (const m of this.members()) {
      if (m.id !== this.id) this.transport.addPeer(m.id, m.peerURLs);
    }
    this.#p.loop.start();
    const { voters } = this.#p.node.confState();
    if (voters.length === 1 && voters[0] === this.id) this.#p.node.campaign();
    this.#p.loop.schedule();
    if (this.options.initialElectionTickAdvance === true && voters.length > 1) this.#advance();
    this.leases.start();
    this.versions.start();
    this.#p.corruption.start();
    this.#p.upkeep.compact();
    this.#sweep();
  }

  /** Fails what waits, writes what is applied, closes the files. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    this.#cancelSweep();
    this.#cancelAdvance();
    this.leadership.stop();
    this.#p.introduction.stop();
    this.leases.stop();
    this.versions.stop();
    this.#p.corruption.stop();
    this.#p.upkeep.stop();
    // Answers first: what follows may take as long as the disk does.
    this.proposals.stop();
    this.#p.rounds.close();
    this.membership.failAll(new EtcdError("Stopped"));
    await this.#p.loop.stop();
    this.#p.applier.stop();
    await this.#p.snapshots.idle();
    await this.#p.booted.wal.close();
    await this.#p.state.backend.close();
  }

  // --- requests ----------------------------------------------------------------------------

  /** Waits until everything committed before this call is applied here. */
  linearize(reply: ReadReply): void {
    this.#p.rounds.wait(reply);
  }

  /** Promotes a learner; only the leader can tell whether it is ready, so others ask it. */
  promote(id: MemberId, reply: Reply<MemberRecord[]>): void {
    const leader = this.#p.state.cluster.member(this.leader);
    if (this.isLeader || leader === undefined) {
      if (leader === undefined) reply(new EtcdError("NoLeader"));
      else this.membership.promote(id, reply);
      return;
    }
    const timeoutMs = requestTimeoutMs(this.options);
    forwardPromote(this, leader, id, (url, path) =>
      this.#p.ports.askPeer(url, { method: "POST", path, timeoutMs }),
    ).then(
      () =>
        this.linearize((error) => reply(error, error === undefined ? this.members() : undefined)),
      (error: EtcdError) => reply(error),
    );
  }

  /** Watchers were created or read: some may have to catch up. */
  catchUpWatchers(): void {
    this.#p.upkeep.catchUp();
  }

  // --- the other members -------------------------------------------------------------------

  onMessages(messages: Message[]): void {
    this.#p.loop.step(messages);
  }

  isRemoved(id: MemberId): boolean {
    return this.#p.state.cluster.isRemoved(id);
  }

  onUnreachable(id: MemberId): void {
    this.#p.node.reportUnreachable(id);
  }

  onStreamLost(id: MemberId): void {
    this.leadership.lost(id);
  }

  onSnapshotSent(id: MemberId, ok: boolean): void {
    this.#p.node.reportSnapshot(id, ok);
    this.#p.loop.schedule();
  }

  openSnapshot(message: Message): Promise<OutgoingSnapshot> {
    return this.#p.snapshots.open(message);
  }

  receiveSnapshot(message: Message, body: AsyncIterable<Uint8Array>): Promise<void> {
    return this.#p.snapshots.receive(message, body);
  }

  onRemoved(): void {
    if (this.#stopped !== undefined || this.#removed) return;
    this.#removed = true;
    this.#p.ports.onRemoved();
  }

  // --- inside ------------------------------------------------------------------------------

  onSoftState(s: SoftState): void {
    const { logger } = this.#p.ports;
    logger.info("raft state changed", { leader: hexId(s.leader), state: s.state });
    const line = leaderLine(this.id, this.leader, s.leader, noMember, this.term);
    if (line !== undefined) logger.info(line);
    if (s.state !== "leader") this.leases.demote();
    if (s.leader !== this.leader && s.leader !== noMember) this.#p.rounds.leaderChanged();
    this.leadership.changed(s.leader);
  }

  /** An empty entry of this term is applied: a leader has all that was committed before it. */
  onTermConfirmed(at: Term): void {
    if (this.isLeader && at === this.term) {
      this.leases.promote();
      this.#p.introduction.decideVersion();
    }
    this.#p.introduction.publish();
  }

  #advance(): void {
    const { clock, logger } = this.#p.ports;
    this.#cancelAdvance = advanceElection({
      node: this.#p.node,
      clock,
      logger,
      electionTicks: electionTicks(this.options),
      others: () => this.members().flatMap((m) => (m.id === this.id ? [] : [m.id])),
      isActive: (id) => this.transport.activeSince(id) !== undefined,
    });
  }

  #measure(): void {
    this.#p.state.backend.sizeBytes().then(
      (bytes) => {
        this.#diskBytes = bytes;
      },
      () => undefined,
    );
  }

  #sweep(): void {
    this.#cancelSweep = this.#p.ports.clock.after(sweepMs, () => {
      const now = this.#p.ports.clock.nowMs();
      this.#p.pending.expire(now, timeoutError());
      this.membership.expire(now);
      this.#p.state.auth.tokens.sweep(now);
      this.#p.loop.dropProposals((data) => this.#p.pending.has(data));
      if (this.leader !== noMember) this.#p.introduction.publish();
      this.#measure();
      this.#sweep();
    });
  }
}
