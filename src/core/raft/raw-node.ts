import { assert } from "../../lib/assert.ts";
import { emptyBytes } from "../../lib/bytes.ts";
import { type Index, type MemberId, noMember, type Term } from "../types.ts";
import { toConfState } from "./conf-change.ts";
import type { Config } from "./config.ts";
import { hup } from "./election.ts";
import { forward } from "./follower.ts";
import {
  acknowledgeSelf,
  appliedTo,
  applyConfChange,
  proposeConfChange,
  proposeNormal,
  requestRead,
  snapshotReported,
  unreachable,
} from "./leader.ts";
import { Raft } from "./raft.ts";
import type {
  DropReason,
  ProposeResult,
  ReadIndexResult,
  ReadState,
  Ready,
  SoftState,
  StepResult,
} from "./ready.ts";
import type { ProgressStatus, Status } from "./status.ts";
import { step, tick, transferRequest } from "./step.ts";
import {
  type ConfChangeV2,
  type ConfState,
  type Entry,
  EntryType,
  type HardState,
  type Message,
  MessageType,
} from "./types.ts";

/** A Ready on its way to disk, with our own votes that count once it is there. */
interface InFlight {
  readonly ready: Ready;
  readonly selfVotes: readonly Message[];
}

const noStates: readonly ReadState[] = [];

/**
 * One member of a Raft group as a pure state machine: no clock, no I/O, no randomness of its own.
 *
 * Feed it with ticks, messages and proposals; after each batch of input, while `hasReady()`, take
 * `ready()` and do what it says (see Ready). The local disk is a peer like the others: the machine
 * goes on while Readys are being written, and learns of their durability by `appended`. Wire types
 * and behaviour are etcd's (etcd-io/raft 3.6 with async storage writes); rules that differ are
 * listed in DESIGN.md of this room.
 *
 * Calls must not be nested. Asserts (and so ends the process) on broken invariants only.
 */
export class RawNode {
  readonly #raft: Raft;
  readonly #inFlight: InFlight[] = [];
  #softState: SoftState;
  #hardState: HardState;

  constructor(config: Config) {
    this.#raft = new Raft(config);
    this.#softState = this.#currentSoftState();
    // What the disk holds, so that a first Ready writes what boot corrected.
    this.#hardState = config.boot.hardState;
  }

  /** One tick of the logical clock; elections and heartbeats count in ticks. */
  tick(): void {
    tick(this.#raft);
  }

  /** Campaigns now, as if the election timeout had passed (without the wait, with pre-vote). */
  campaign(): void {
    hup(this.#raft, this.#raft.limits.preVote ? "preVote" : "election");
  }

  /**
   * The leader is probably gone (its connections broke): a follower holds no lease for it any
   * more, so that it may grant a pre-vote at once. If the leader lives its next message restores
   * it. Source: etcd-io/raft MsgForgetLeader.
   */
  forgetLeader(): void {
    if (this.#raft.state === "follower") this.#raft.leader = noMember;
  }

  /**
   * A message from a peer. It and all it holds may be kept and must not be written afterwards.
   * The caller has checked cluster id and `to`.
   */
  step(m: Message): StepResult {
    if (m.from === this.#raft.id && m.type !== MessageType.MsgTransferLeader) return "local";
    return step(this.#raft, m);
  }

  /**
   * Proposes a batch of normal entries, taken or dropped as a whole. A leader appends them at
   * once (they leave with the next Ready); a follower forwards them in one message, whose loss
   * nobody reports. The bytes are kept, not copied.
   */
  propose(datas: readonly Uint8Array[]): ProposeResult {
    assert(datas.length > 0, "propose() needs at least one entry");
    const r = this.#raft;
    if (r.state === "leader") return proposeNormal(r, datas);
    return this.#forward(datas.map((data) => proposalEntry(EntryType.Normal, data)));
  }

  /**
   * Proposes a conf change, encoded: type ConfChange or ConfChangeV2. A leader checks that no
   * other one is pending and that it would be valid; a follower forwards it, and a leader that
   * refuses a forwarded one appends an empty entry in its place (as etcd does).
   */
  proposeConfChange(type: EntryType, data: Uint8Array): ProposeResult {
    assert(type !== EntryType.Normal, "proposeConfChange() needs a conf change entry");
    const r = this.#raft;
    if (r.state === "leader") return proposeConfChange(r, type, data);
    return this.#forward([proposalEntry(type, data)]);
  }

  /**
   * Asks for a linearizable read point; the answer is a ReadState with these bytes in a later
   * Ready, or nothing if a message or the leadership got lost: ask again after a while. All reads
   * that wait at a leader share heartbeat rounds.
   */
  readIndex(context: Uint8Array): ReadIndexResult {
    const r = this.#raft;
    const m = r.message(MessageType.MsgReadIndex, r.id);
    m.term = 0 as Term;
    m.entries = [proposalEntry(EntryType.Normal, context)];
    if (r.state === "leader") return requestRead(r, m) ? "pending" : "tooMany";
    return r.state === "follower" && forward(r, m) ? "forwarded" : "noLeader";
  }

  /**
   * Hands leadership to a voter (thesis 3.10): proposals are dropped meanwhile, and the attempt is
   * given up after an election timeout. A follower passes the wish on. Watch Status.leadTransferee.
   */
  transferLeader(to: MemberId): void {
    transferRequest(this.#raft, to);
  }

  /**
   * To be called when a committed conf change is applied, before `applied` of its index; not
   * called when the server refuses it. A ConfChange goes through `asConfChangeV2`. Returns the
   * configuration now in force.
   */
  applyConfChange(cc: ConfChangeV2): ConfState {
    return applyConfChange(this.#raft, cc);
  }

  /** The configuration in force. */
  confState(): ConfState {
    return toConfState(this.#raft.tracker.config);
  }

  /** The last message to this peer was probably lost (its stream broke). */
  reportUnreachable(id: MemberId): void {
    unreachable(this.#raft, id);
  }

  /** A MsgSnap to this peer was delivered (`ok`) or failed; must come for every MsgSnap sent. */
  reportSnapshot(id: MemberId, ok: boolean): void {
    snapshotReported(this.#raft, id, ok);
  }

  /** Is there anything to do? */
  hasReady(): boolean {
    const r = this.#raft;
    r.flush();
    return (
      r.messages.length > 0 ||
      r.log.hasWork() ||
      r.log.hasCommitted() ||
      r.afterAppend.length > 0 ||
      r.selfVotes.length > 0 ||
      r.readStates.length > 0 ||
      this.#hardStateChanged() ||
      this.#softStateChanged()
    );
  }

  /** Takes the work that has piled up; each Ready must be reported by `appended`, in order. */
  ready(): Ready {
    const r = this.#raft;
    r.flush();
    const softState = this.#softStateChanged() ? this.#currentSoftState() : undefined;
    const hardState = this.#hardStateChanged() ? this.#currentHardState() : undefined;
    const before = this.#hardState;
    const { entries, snapshot } = r.log.take();
    const ready: Ready = {
      softState,
      hardState,
      entries,
      snapshot,
      messages: r.messages,
      afterAppend: r.afterAppend,
      committed: r.log.takeCommitted(),
      readStates: r.readStates.length > 0 ? r.readStates : noStates,
      mustSync:
        entries.length > 0 ||
        snapshot !== undefined ||
        r.term !== before.term ||
        r.vote !== before.vote,
    };
    this.#inFlight.push({ ready, selfVotes: r.selfVotes });
    if (softState !== undefined) this.#softState = softState;
    if (hardState !== undefined) this.#hardState = hardState;
    r.messages = [];
    r.afterAppend = [];
    r.selfVotes = [];
    r.readStates = [];
    return ready;
  }

  /**
   * This Ready (and all before it) is durable; a snapshot of it is also installed. Counts our own
   * acknowledgement and vote, so a following Ready may hold committed entries.
   */
  appended(ready: Ready): void {
    const r = this.#raft;
    const oldest = this.#inFlight.shift();
    assert(oldest?.ready === ready, "Readys must be reported as appended in the order taken");
    r.log.settle();
    for (const m of oldest.selfVotes) step(r, m);
    acknowledgeSelf(r);
    r.trimLog();
  }

  /** The state machine has applied all entries up to `index`. */
  applied(index: Index): void {
    appliedTo(this.#raft, index);
  }

  /**
   * Lets go of entries up to `index` in memory, as far as they are applied and durable and no
   * snapshot on its way needs what follows it. The byte budget does so by itself.
   */
  compactTo(index: Index): void {
    let to = index;
    for (const pr of this.#raft.tracker.members) {
      if (pr.state === "snapshot" && pr.pendingSnapshot < to) to = pr.pendingSnapshot;
    }
    this.#raft.log.compactTo(to);
  }

  /** The term of the entry at `index`, if that is still known. */
  termAt(index: Index): Term | undefined {
    const t = this.#raft.log.termAt(index);
    return t < 0 ? undefined : t;
  }

  status(): Status {
    const r = this.#raft;
    return {
      id: r.id,
      term: r.term,
      vote: r.vote,
      commit: r.log.committed,
      applied: r.log.applied,
      leader: r.leader,
      state: r.state,
      leadTransferee: r.leadTransferee,
      isLearner: r.isLearner,
      confState: this.confState(),
      firstIndex: r.log.firstIndex,
      lastIndex: r.log.lastIndex,
      stableIndex: r.log.stable,
      logBytes: r.log.bytes,
      progress: r.state === "leader" ? progressOf(r) : [],
    };
  }

  // Cheap views for the server's hot path; the same values as in `status()`.
  get id(): MemberId {
    return this.#raft.id;
  }
  get term(): Term {
    return this.#raft.term;
  }
  get leader(): MemberId {
    return this.#raft.leader;
  }
  get isLeader(): boolean {
    return this.#raft.state === "leader";
  }
  get commitIndex(): Index {
    return this.#raft.log.committed;
  }
  get appliedIndex(): Index {
    return this.#raft.log.applied;
  }
  get stableIndex(): Index {
    return this.#raft.log.stable;
  }

  #forward(entries: Entry[]): ProposeResult {
    const r = this.#raft;
    const dropped = (reason: DropReason): ProposeResult => ({ kind: "dropped", reason });
    if (r.state !== "follower") return dropped("noLeader");
    if (!r.limits.forwardProposals) return dropped("notLeader");
    const m = r.message(MessageType.MsgProp, r.leader);
    m.term = 0 as Term;
    m.entries = entries;
    return forward(r, m) ? { kind: "forwarded", to: r.leader } : dropped("noLeader");
  }

  #currentSoftState(): SoftState {
    return { leader: this.#raft.leader, state: this.#raft.state };
  }

  #softStateChanged(): boolean {
    const r = this.#raft;
    return r.leader !== this.#softState.leader || r.state !== this.#softState.state;
  }

  #currentHardState(): HardState {
    const r = this.#raft;
    return { term: r.term, vote: r.vote, commit: r.log.committed };
  }

  #hardStateChanged(): boolean {
    const r = this.#raft;
    const before = this.#hardState;
    return r.term !== before.term || r.vote !== before.vote || r.log.committed !== before.commit;
  }
}

const proposalEntry = (type: EntryType, data: Uint8Array): Entry => ({
  term: 0 as Term,
  index: 0 as Index,
  type,
  data: data.length === 0 ? emptyBytes : data,
});

const progressOf = (r: Raft): ProgressStatus[] =>
  r.tracker.members.map((pr) => ({
    id: pr.id,
    state: pr.state,
    match: pr.match,
    next: pr.next,
    learner: pr.isLearner,
    recentActive: pr.recentActive,
    paused: pr.isPaused(),
    inflight: pr.inflights.count,
    pendingSnapshot: pr.pendingSnapshot,
  }));
