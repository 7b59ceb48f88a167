import { assert } from "../../lib/assert.ts";
import { emptyBytes } from "../../lib/bytes.ts";
import { hexId, type Index, type MemberId, noMember, type Term } from "../types.ts";
import {
  type Configuration,
  configurationFault,
  fromConfState,
  toConfState,
} from "./conf-change.ts";
import type { Config, RaftLogSink } from "./config.ts";
import { entryBytes, RaftLog, unknownTerm } from "./log.ts";
import type { Progress } from "./progress.ts";
import { ReadOnly } from "./read-only.ts";
import type { RaftState, ReadState } from "./ready.ts";
import { Tracker } from "./tracker.ts";
import { type Entry, EntryType, type Message, MessageType } from "./types.ts";

const zeroIndex = 0 as Index;
const zeroTerm = 0 as Term;
const noEntries: Entry[] = [];

/** Config with every default filled in. */
export interface Limits {
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  readonly stepDownOnRemoval: boolean;
  readonly forwardProposals: boolean;
  readonly maxMessageBytes: number;
  readonly maxUncommittedBytes: number;
  readonly maxPendingReads: number;
}

/**
 * The state of one Raft member and the moves between its roles; what it does with messages is in
 * election.ts, leader.ts and follower.ts. Room-internal: everybody else uses RawNode.
 */
export class Raft {
  readonly id: MemberId;
  readonly limits: Limits;
  readonly decodeConfChange: Config["decodeConfChange"];
  readonly log: RaftLog;
  readonly tracker: Tracker;

  term: Term;
  /** Whom we voted for in `term`. */
  vote: MemberId;
  leader: MemberId = noMember;
  state: RaftState = "follower";
  /** Target of a transfer under way; a leader takes no proposals meanwhile (thesis 3.10). */
  leadTransferee: MemberId = noMember;
  /**
   * At or above the index of the newest conf change that may be unapplied. A leader proposes one
   * only when it has applied that far: one at a time (thesis 4.1).
   */
  pendingConfIndex: Index = zeroIndex;
  /** Payload bytes of the leader's own proposals that are not applied yet; never too high. */
  uncommittedBytes = 0;
  reads = new ReadOnly();
  /** ReadIndex requests that wait for the first commit of our term. */
  earlyReads: Message[] = [];
  readStates: ReadState[] = [];

  /** Leave at once. */
  messages: Message[] = [];
  /** Leave when everything before them is durable. */
  afterAppend: Message[] = [];
  /** Our votes for ourselves: counted when durable. */
  selfVotes: Message[] = [];
  /** Followers may need entries or the commit index; served when the next Ready is built. */
  appendDue = false;

  /** Reads wait for a round of heartbeats, which leaves with the next Ready and serves them all. */
  heartbeatDue = false;

  /** Leader: ticks since the last quorum check. Others: since the leader or a vote was heard. */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** In [electionTicks, 2 * electionTicks); drawn anew at each change of role. */
  randomizedTimeout = 0;

  readonly #random: Config["random"];
  readonly #sink: RaftLogSink | undefined;

  constructor(config: Config) {
    const limits = limitsOf(config);
    this.id = config.id;
    this.limits = limits;
    this.decodeConfChange = config.decodeConfChange;
    this.#random = config.random;
    this.#sink = config.log;
    const { hardState, confState, base, entries, applied } = config.boot;
    const committed = Math.max(hardState.commit, applied, base.index) as Index;
    const budget = config.logBytes ?? 64 << 20;
    this.log = new RaftLog(
      base,
      entries,
      { committed, applied },
      {
        budget,
        budgetDuringSnapshot: config.logBytesDuringSnapshot ?? 4 * budget,
        maxApplyingBytes: config.maxApplyingBytes ?? 64 << 20,
      },
    );
    const configuration = fromConfState(confState);
    const fault = configurationFault(configuration);
    assert(fault === undefined, `the configuration at boot is malformed: ${fault}`);
    const maxInflightBytes = config.maxInflightBytes ?? 64 << 20;
    assert(maxInflightBytes >= limits.maxMessageBytes, "maxInflightBytes is below maxMessageBytes");
    this.tracker = new Tracker(
      configuration,
      this.log.lastIndex,
      config.maxInflightMessages ?? 512,
      maxInflightBytes,
    );
    this.term = Math.max(hardState.term, this.log.lastTerm) as Term;
    this.vote = this.term === hardState.term ? hardState.vote : noMember;
    this.becomeFollower(this.term, noMember);
  }

  get isLearner(): boolean {
    return this.tracker.get(this.id)?.isLearner ?? false;
  }

  /** May stand for election: a voter whose state is not about to be replaced by a snapshot. */
  get promotable(): boolean {
    const own = this.tracker.get(this.id);
    return own !== undefined && !own.isLearner && !this.log.snapshotPending;
  }

  note(msg: string, fields: Readonly<Record<string, unknown>>): void {
    this.#sink?.(msg, { member: hexId(this.id), term: this.term, ...fields });
  }

  // --- roles ---

  becomeFollower(term: Term, leader: MemberId): void {
    const before = this.state;
    this.#reset(term);
    this.state = "follower";
    this.leader = leader;
    if (before !== "follower") this.note("became follower", { before });
  }

  /** Changes no term and no vote: only asks whether a campaign would succeed (thesis 9.6). */
  becomePreCandidate(): void {
    assert(this.state !== "leader", "a leader cannot become a pre-candidate");
    this.tracker.resetVotes();
    this.state = "preCandidate";
    this.leader = noMember;
    this.note("became pre-candidate", {});
  }

  becomeCandidate(): void {
    assert(this.state !== "leader", "a leader cannot become a candidate");
    this.#reset((this.term + 1) as Term);
    this.vote = this.id;
    this.state = "candidate";
    this.note("became candidate", {});
  }

  becomeLeader(): void {
    assert(this.state === "candidate", "only a candidate becomes leader");
    this.#reset(this.term);
    this.state = "leader";
    this.leader = this.id;
    const own = this.tracker.get(this.id);
    assert(own !== undefined, "a member outside the configuration was elected");
    own.becomeReplicate();
    own.recentActive = true;
    // There may be an unapplied conf change anywhere in the tail: wait until it is all applied.
    this.pendingConfIndex = this.log.lastIndex;
    // Entries of earlier terms commit only under one of our own (paper 5.4.2).
    this.appendAsLeader(EntryType.Normal, emptyBytes);
    this.note("became leader", { lastIndex: this.log.lastIndex });
  }

  #reset(term: Term): void {
    if (this.term !== term) {
      this.term = term;
      this.vote = noMember;
    }
    this.leader = noMember;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    const ticks = this.limits.electionTicks;
    this.randomizedTimeout = ticks + this.#random.below(ticks);
    this.leadTransferee = noMember;
    this.tracker.resetVotes();
    const next = this.log.lastIndex + 1;
    for (const pr of this.tracker.members) {
      pr.reset(pr.id === this.id ? this.log.stable : 0, next);
    }
    this.pendingConfIndex = zeroIndex;
    this.uncommittedBytes = 0;
    this.reads = new ReadOnly();
    this.earlyReads = [];
    this.appendDue = false;
    this.heartbeatDue = false;
  }

  // --- sending ---

  /** A message of the present term with everything else zero. */
  message(type: MessageType, to: MemberId): Message {
    return {
      type,
      to,
      from: this.id,
      term: this.term,
      logTerm: zeroTerm,
      index: zeroIndex,
      entries: noEntries,
      commit: zeroIndex,
      snapshot: undefined,
      reject: false,
      rejectHint: zeroIndex,
      context: emptyBytes,
      vote: noMember,
      committed: undefined,
    };
  }

  /** Queues a message where the durability rule wants it (thesis 3.8, STORE.md 1). */
  send(m: Message): void {
    switch (m.type) {
      case MessageType.MsgVote:
      case MessageType.MsgVoteResp:
      case MessageType.MsgPreVote:
      case MessageType.MsgPreVoteResp:
      case MessageType.MsgAppResp:
        if (m.to === this.id) this.selfVotes.push(m);
        else this.afterAppend.push(m);
        return;
      default:
        assert(m.to !== this.id, "a message to ourselves must not be sent");
        this.messages.push(m);
    }
  }

  /**
   * Sends what has become due since the last Ready: one round of heartbeats for all reads that
   * wait, and to each follower what it can take of entries or a newer commit index.
   */
  flush(): void {
    if (this.heartbeatDue) this.broadcastHeartbeat();
    if (!this.appendDue) return;
    this.appendDue = false;
    for (const pr of this.tracker.members) {
      if (pr.id === this.id) continue;
      let sent = false;
      while (this.maybeSendAppend(pr, false)) sent = true;
      if (!sent && pr.canBumpCommit(this.log.committed)) this.maybeSendAppend(pr, true);
    }
  }

  broadcastHeartbeat(): void {
    this.heartbeatDue = false;
    const context = this.reads.heartbeatContext() ?? emptyBytes;
    for (const pr of this.tracker.members) {
      if (pr.id === this.id) continue;
      const m = this.message(MessageType.MsgHeartbeat, pr.id);
      // Never beyond what the follower is known to share with us.
      m.commit = Math.min(pr.match, this.log.committed) as Index;
      m.context = context;
      this.send(m);
      pr.sentCommit = m.commit;
    }
  }

  /** Sends one MsgApp, or a MsgSnap to a follower that is too far behind; false if it may not. */
  maybeSendAppend(pr: Progress, sendIfEmpty: boolean): boolean {
    if (pr.isPaused()) return false;
    const log = this.log;
    const prevIndex = (pr.next - 1) as Index;
    const prevTerm = log.termAt(prevIndex);
    if (prevTerm === unknownTerm) return this.#maybeSendSnapshot(pr);
    // With a full window an empty message still gets through now and then, else the loss of all
    // messages in the window would stop replication for good.
    const throttled = pr.state === "replicate" && pr.inflights.full();
    const entries =
      throttled || pr.next > log.lastIndex
        ? noEntries
        : log.slice(pr.next, log.lastIndex, this.limits.maxMessageBytes);
    if (entries.length === 0 && !sendIfEmpty) return false;
    const m = this.message(MessageType.MsgApp, pr.id);
    m.index = prevIndex;
    m.logTerm = prevTerm;
    m.entries = entries;
    m.commit = log.committed;
    this.send(m);
    let bytes = 0;
    for (const e of entries) bytes += entryBytes(e);
    pr.sentEntries(entries.length, bytes);
    pr.sentCommit = log.committed;
    return true;
  }

  /** Only to somebody who is there: the server is about to pin its state for it. */
  #maybeSendSnapshot(pr: Progress): boolean {
    if (!pr.recentActive) return false;
    const index = this.log.applied;
    const term = this.log.termAt(index);
    assert(index > 0 && term !== unknownTerm, `no term is known for applied index ${index}`);
    pr.becomeSnapshot(index);
    const m = this.message(MessageType.MsgSnap, pr.id);
    const confState = toConfState(this.tracker.config);
    m.snapshot = { data: emptyBytes, metadata: { confState, index, term } };
    this.send(m);
    this.note("sending a snapshot", { to: hexId(pr.id), index, firstIndex: this.log.firstIndex });
    return true;
  }

  // --- a leader's log ---

  appendAsLeader(type: EntryType, data: Uint8Array): void {
    const index = (this.log.lastIndex + 1) as Index;
    this.log.push({ term: this.term, index, type, data });
    this.appendDue = true;
  }

  /** True when the leader has committed an entry of its own term: its commit index is current. */
  committedInTerm(): boolean {
    return this.log.matches(this.log.committed, this.term);
  }

  /** Raises the commit index to what a quorum has, if that entry is of our term (paper 5.4.2). */
  maybeCommit(): boolean {
    const index = this.tracker.committed();
    if (index <= this.log.committed || !this.log.matches(index, this.term)) return false;
    this.log.commitTo(index);
    this.appendDue = true;
    return true;
  }

  /** Lets go of old entries over budget; while a snapshot travels, of fewer (STORE.md 2). */
  trimLog(): void {
    const travelling = (pr: Progress) => pr.state === "snapshot" && pr.recentActive;
    this.log.trim(this.state === "leader" && this.tracker.members.some(travelling));
  }

  switchConfiguration(configuration: Configuration): void {
    this.tracker.switchTo(configuration, this.log.lastIndex);
    this.note("switched configuration", describe(configuration));
  }
}

/** A configuration for log lines. */
export function describe(c: Configuration): Record<string, unknown> {
  const ids = (set: ReadonlySet<MemberId>) => [...set].map(hexId).sort();
  return {
    voters: ids(c.voters),
    learners: ids(c.learners),
    ...(c.outgoing.size > 0 && {
      outgoing: ids(c.outgoing),
      learnersNext: ids(c.learnersNext),
      autoLeave: c.autoLeave,
    }),
  };
}

function limitsOf(config: Config): Limits {
  const limits: Limits = {
    electionTicks: config.electionTicks,
    heartbeatTicks: config.heartbeatTicks,
    preVote: config.preVote ?? true,
    checkQuorum: config.checkQuorum ?? true,
    stepDownOnRemoval: config.stepDownOnRemoval ?? true,
    forwardProposals: config.forwardProposals ?? true,
    maxMessageBytes: config.maxMessageBytes ?? 512 << 10,
    maxUncommittedBytes: config.maxUncommittedBytes ?? 256 << 20,
    maxPendingReads: config.maxPendingReads ?? 4096,
  };
  assert(config.id !== noMember, "a member id must not be 0");
  assert(limits.heartbeatTicks > 0, "heartbeatTicks must be positive");
  assert(limits.electionTicks > limits.heartbeatTicks, "electionTicks must exceed heartbeatTicks");
  return limits;
}
