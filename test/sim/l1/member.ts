import type {
  ConfChangeV2,
  Config,
  ConfState,
  Entry,
  HardState,
  Message,
  RawNode,
  Ready,
} from "../../../src/core/raft/index.ts";
import { EntryType, MessageType } from "../../../src/core/raft/types.ts";
import type { Index, MemberId, Term } from "../../../src/core/types.ts";
import { mix, type SimRandom } from "../random.ts";
import { Actor, Violation, type World } from "../world.ts";
import { decodeConfChange, decodeProposal, encodeConfChange, encodeProposal } from "./codec.ts";
import { type AppliedState, SimWal, type WalRecord, type WalView } from "./wal.ts";

/** The core under test: the real room, or a mutated copy of it. */
export interface RaftRoom {
  readonly RawNode: new (config: Config) => RawNode;
}

/** Deliberate mistakes of the member around the core; the mutants inside it are source edits. */
export type DriverMutant =
  | "skip-fsync"
  | "forget-vote"
  | "ack-before-durable"
  | "snapshot-before-install"
  | "cut-above-fence";

/** What the seed decides about every member. */
export interface MemberOptions {
  readonly raft: Pick<
    Config,
    | "electionTicks"
    | "heartbeatTicks"
    | "preVote"
    | "checkQuorum"
    | "maxMessageBytes"
    | "maxInflightMessages"
    | "maxInflightBytes"
    | "maxApplyingBytes"
    | "maxUncommittedBytes"
    | "logBytes"
    | "logBytesDuringSnapshot"
  >;
  readonly tickUs: number;
  readonly syncUs: number;
  readonly applyUs: number;
  /** Readys on their way to disk at the same time. */
  readonly maxInFlight: number;
  /** Entries between two flushes of the engine and cuts of the log; 0 never cuts. */
  readonly cutEntries: number;
  /** Entries kept below the cut. */
  readonly keepEntries: number;
  readonly mutant: DriverMutant | undefined;
}

/** What a member tells the rest of the simulation. */
export interface MemberHooks {
  send(from: Member, m: Message): void;
  /** A message leaves: durability rules are checked here. */
  leaving(member: Member, m: Message): void;
  /** A message was stepped. */
  received(member: Member, m: Message): void;
  ready(member: Member, ready: Ready): void;
  applied(member: Member, entry: Entry, state: AppliedState): void;
  read(member: Member, context: number, index: Index): void;
  /** True in the liveness phase: disks and state machines are quick. */
  calm(): boolean;
  /** It has applied its own removal. */
  removed(member: Member): void;
}

interface Job {
  readonly ready: Ready;
  readonly barrier: number;
}

interface Held {
  readonly barrier: number;
  readonly messages: readonly Message[];
}

export const emptyState: AppliedState = {
  index: 0 as Index,
  term: 0 as Term,
  hash: 0,
  confState: { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
};

/** One raft-only process: RawNode, a disk, a state machine that is a hash chain, a clock. */
export class Member {
  readonly id: number;
  readonly actor: Actor;
  readonly wal: SimWal;
  readonly #world: World;
  readonly #room: RaftRoom;
  readonly #options: MemberOptions;
  readonly #hooks: MemberHooks;
  readonly #random: SimRandom;
  /** Undefined while the process is down. */
  node: RawNode | undefined;
  state: AppliedState;
  /** States that the engine has on disk or on its way; the first is durable. */
  #flushed: AppliedState[];
  #sinceCut = 0;
  #queue: Job[] = [];
  #syncing: Job[] = [];
  #toApply: Entry[] = [];
  #applying = false;
  /** Index of the newest conf change handed out for applying. */
  #barrier = 0;
  #held: Held[] = [];
  #waitingReads: { context: number; index: Index }[] = [];
  starts = 0;
  isRemoved = false;
  /** Entries proposed by this incarnation, whose application acknowledges them to the client. */
  readonly pending = new Map<number, number>();

  constructor(
    world: World,
    room: RaftRoom,
    id: number,
    start: { readonly state: AppliedState; readonly records: readonly WalRecord[] },
    options: MemberOptions,
    hooks: MemberHooks,
  ) {
    this.#world = world;
    this.#room = room;
    this.id = id;
    this.actor = new Actor(`m${id}`);
    this.#options = options;
    this.#hooks = hooks;
    this.#random = world.random.fork(`member/${id}`);
    this.state = start.state;
    this.#flushed = [start.state];
    this.wal = new SimWal(start.state, start.records);
  }

  get up(): boolean {
    return this.node !== undefined;
  }

  // --- life ---

  start(): void {
    this.starts++;
    const view = this.wal.crash(this.#random);
    this.#recoverState(view);
    const forgetful = this.#options.mutant === "forget-vote";
    const hard: HardState = forgetful ? { ...view.hard, vote: 0n as MemberId } : view.hard;
    this.node = new this.#room.RawNode({
      ...this.#options.raft,
      id: BigInt(this.id) as MemberId,
      random: this.#world.random.fork(`election/${this.id}/${this.starts}`),
      decodeConfChange,
      boot: {
        hardState: hard,
        confState: this.state.confState,
        base: { index: view.base.index, term: view.base.term },
        entries: view.entries,
        applied: this.state.index,
      },
    });
    this.#scheduleTick();
    this.pump();
  }

  /** The engine comes back at some state between the durable one and the newest. */
  #recoverState(view: WalView): void {
    const kept = this.#random.below(this.#flushed.length);
    let state = this.#flushed[kept] as AppliedState;
    // An installed snapshot whose import was cut short is finished by boot (STORE.md 6).
    if (view.installed !== undefined && state.index < view.installed.index) state = view.installed;
    this.state = state;
    this.#flushed = [state];
  }

  /** Power off: everything volatile is gone; the disk loses what it may when it starts again. */
  crash(): void {
    this.#world.kill(this.actor);
    this.node = undefined;
    this.#queue = [];
    this.#syncing = [];
    this.#toApply = [];
    this.#applying = false;
    this.#barrier = 0;
    this.#held = [];
    this.#waitingReads = [];
    this.#sinceCut = 0;
    this.pending.clear();
  }

  #scheduleTick(): void {
    this.#world.afterLocal(this.#options.tickUs, this.actor, "tick", () => {
      this.#scheduleTick();
      this.node?.tick();
      this.pump();
    });
  }

  receive(m: Message): void {
    this.node?.step(m);
    this.#hooks.received(this, m);
    this.pump();
  }

  #paced(us: number): number {
    return this.#hooks.calm() ? Math.min(us, 500) : us;
  }

  // --- clients ---

  propose(ids: readonly number[], bytes: number): void {
    const node = this.node;
    if (node === undefined) return;
    const result = node.propose(ids.map((id) => encodeProposal(id, bytes)));
    if (result.kind !== "dropped") for (const id of ids) this.pending.set(id, 0);
    this.pump();
  }

  proposeConfChange(cc: ConfChangeV2): void {
    this.node?.proposeConfChange(EntryType.ConfChangeV2, encodeConfChange(cc));
    this.pump();
  }

  read(context: number): void {
    this.node?.readIndex(encodeProposal(context, 4));
    this.pump();
  }

  // --- the ready loop ---

  pump(): void {
    const node = this.node;
    if (node === undefined) return;
    while (
      this.#queue.length + this.#syncing.length < this.#options.maxInFlight &&
      node.hasReady()
    ) {
      this.#handle(node, node.ready());
    }
    this.#startSync();
    this.#startApply();
  }

  #handle(node: RawNode, ready: Ready): void {
    this.#hooks.ready(this, ready);
    for (const e of ready.committed) {
      this.#toApply.push(e);
      if (e.type !== EntryType.Normal) this.#barrier = e.index;
    }
    for (const rs of ready.readStates) {
      this.#waitingReads.push({ context: decodeProposal(rs.context), index: rs.index });
    }
    this.#serveReads();
    // A leader's messages leave beside its disk write; others wait for conf changes (STORE.md 1).
    if (node.isLeader) this.#sendAll(ready.messages);
    else this.#sendBehind(this.#barrier, ready.messages);
    if (this.#options.mutant === "ack-before-durable") this.#sendAll(ready.afterAppend);
    this.wal.write(recordsOf(ready, this.#stateOf(ready)));
    this.#queue.push({ ready, barrier: this.#barrier });
  }

  /** The state that travels beside a snapshot. */
  #stateOf(ready: Ready): AppliedState | undefined {
    if (ready.snapshot === undefined) return undefined;
    const { metadata, data } = ready.snapshot;
    return {
      index: metadata.index,
      term: metadata.term,
      hash: decodeProposal(data),
      confState: metadata.confState,
    };
  }

  /** Group commit: one sync serves all that was written before it began. */
  #startSync(): void {
    if (this.#syncing.length > 0 || this.#queue.length === 0) return;
    this.#syncing = this.#queue.splice(0);
    const upTo = this.wal.written;
    const mustSync = this.#syncing.some((j) => j.ready.mustSync);
    const skip = this.#options.mutant === "skip-fsync";
    const delay = mustSync ? 1 + this.#random.geometric(this.#paced(this.#options.syncUs)) : 0;
    this.#world.after(delay, this.actor, mustSync ? "synced" : "written", () => {
      if (mustSync && !skip) this.wal.synced(upTo);
      const jobs = this.#syncing;
      this.#syncing = [];
      for (const job of jobs) this.#appended(job);
      this.pump();
    });
  }

  #appended(job: Job): void {
    const node = this.node;
    if (node === undefined) return;
    const snapshot = this.#stateOf(job.ready);
    if (snapshot !== undefined) {
      if (this.#options.mutant !== "snapshot-before-install") this.#install(snapshot);
    }
    node.appended(job.ready);
    if (this.#options.mutant !== "ack-before-durable") {
      this.#sendBehind(node.isLeader ? 0 : job.barrier, job.ready.afterAppend);
    }
  }

  #install(state: AppliedState): void {
    if (state.index <= this.state.index) return;
    this.state = state;
    this.#flushed = [state];
    this.#toApply = this.#toApply.filter((e) => e.index > state.index);
    this.#release();
    this.#serveReads();
  }

  // --- applying ---

  #startApply(): void {
    if (this.#applying || this.#toApply.length === 0) return;
    this.#applying = true;
    const delay = 1 + this.#random.geometric(this.#paced(this.#options.applyUs));
    this.#world.after(delay, this.actor, "apply", () => {
      this.#applying = false;
      const count = this.#random.between(1, Math.min(this.#toApply.length, 64));
      for (const e of this.#toApply.splice(0, this.#toApply.length === 0 ? 0 : count)) {
        this.#apply(e);
        if (!this.up) return;
      }
      this.node?.applied(this.state.index);
      this.#release();
      this.#serveReads();
      this.#maybeCut();
      this.pump();
    });
  }

  #apply(e: Entry): void {
    if (e.index !== this.state.index + 1) {
      throw new Violation(`m${this.id} applies entry ${e.index} at state ${this.state.index}`);
    }
    let confState = this.state.confState;
    const me = BigInt(this.id) as MemberId;
    const wasIn = holds(confState, me);
    if (e.type !== EntryType.Normal) {
      const cc = decodeConfChange(e.type, e.data);
      if (cc !== undefined) confState = (this.node as RawNode).applyConfChange(cc);
    }
    const id = e.type === EntryType.Normal ? decodeProposal(e.data) : e.data.length;
    const hash = mix(mix(mix(this.state.hash, e.index), e.term), id);
    this.state = { index: e.index, term: e.term, hash, confState };
    if (this.#random.chance(20)) this.#flushed.push(this.state);
    this.#hooks.applied(this, e, this.state);
    if (wasIn && !holds(confState, me)) {
      this.isRemoved = true;
      this.#hooks.removed(this);
    }
  }

  /** Flush the engine, then cut the log below what it holds (STORE.md 2). */
  #maybeCut(): void {
    const every = this.#options.cutEntries;
    if (every === 0 || ++this.#sinceCut < every) return;
    const state = this.state;
    if (!this.wal.cut(state)) return;
    this.#sinceCut = 0;
    if (this.#options.mutant !== "cut-above-fence") this.#flushed = [state];
    this.node?.compactTo(Math.max(0, state.index - this.#options.keepEntries) as Index);
  }

  #serveReads(): void {
    if (this.#waitingReads.length === 0) return;
    const ready = this.#waitingReads.filter((r) => r.index <= this.state.index);
    this.#waitingReads = this.#waitingReads.filter((r) => r.index > this.state.index);
    for (const r of ready) this.#hooks.read(this, r.context, r.index);
  }

  // --- sending ---

  #sendBehind(barrier: number, messages: readonly Message[]): void {
    if (messages.length === 0) return;
    if (barrier <= this.state.index) this.#sendAll(messages);
    else this.#held.push({ barrier, messages });
  }

  #release(): void {
    const open = this.#held.filter((h) => h.barrier <= this.state.index);
    if (open.length === 0) return;
    this.#held = this.#held.filter((h) => h.barrier > this.state.index);
    for (const h of open) this.#sendAll(h.messages);
  }

  #sendAll(messages: readonly Message[]): void {
    for (const m of messages) {
      const out = m.type === MessageType.MsgSnap ? this.#withState(m) : m;
      this.#hooks.leaving(this, out);
      this.#hooks.send(this, out);
    }
  }

  /** The server's part of a MsgSnap: the metadata of the state that is really sent. */
  #withState(m: Message): Message {
    const { index, term, hash, confState } = this.state;
    const data = encodeProposal(hash, 4);
    return { ...m, snapshot: { data, metadata: { index, term, confState } } };
  }

  describe(): string {
    const node = this.node;
    const at = `state ${this.state.index}/${this.state.term}`;
    const disk = this.wal.durable;
    const log = `disk term ${disk.hard.term} vote ${disk.hard.vote} log (${disk.base.index}, ${disk.base.index + disk.entries.length}]`;
    if (node === undefined)
      return `m${this.id} down ${at} ${log}${this.isRemoved ? " removed" : ""}`;
    const s = node.status();
    const conf = `voters [${s.confState.voters}] learners [${s.confState.learners}]${s.confState.votersOutgoing.length > 0 ? ` outgoing [${s.confState.votersOutgoing}]` : ""}`;
    return `m${this.id} ${s.state} term ${s.term} vote ${s.vote} leader ${s.leader} log (${s.firstIndex - 1}, ${s.lastIndex}] stable ${s.stableIndex} commit ${s.commit} applied ${s.applied} ${at} ${log} ${conf}${this.actor.paused ? " paused" : ""}${this.isRemoved ? " removed" : ""}`;
  }
}

function recordsOf(ready: Ready, snapshot: AppliedState | undefined): WalRecord[] {
  const records: WalRecord[] = [];
  if (snapshot !== undefined) records.push({ kind: "snapshot", state: snapshot });
  for (const entry of ready.entries) records.push({ kind: "entry", entry });
  if (ready.hardState !== undefined) records.push({ kind: "hard", hard: ready.hardState });
  return records;
}

const holds = (cs: ConfState, id: MemberId): boolean =>
  cs.voters.includes(id) || cs.learners.includes(id) || cs.votersOutgoing.includes(id);
