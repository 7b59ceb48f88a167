/**
 * Drives the Raft machine: gathers a turn's proposals into one batch, writes what must be durable,
 * sends what may leave, hands committed entries to the applier. The rules of the order are those
 * of STORE.md 1 and of `Ready` in core/raft.
 */
import type { Message, ProposeResult, RawNode, Ready, SoftState } from "../core/raft/index.ts";
import { EntryType } from "../core/raft/index.ts";
import type { MemberId } from "../core/types.ts";
import { noMember } from "../core/types.ts";
import type { Cancel, Clock, Faults, Logger } from "../ports/index.ts";
import type { Wal } from "../storage/wal/index.ts";
import type { Applier } from "./applier.ts";
import type { Measures } from "./measures.ts";
import type { ReadIndexRounds } from "./read-index.ts";
import type { Transport } from "./transport.ts";

export interface RaftLoopOptions {
  readonly node: RawNode;
  readonly wal: Wal;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly logger: Logger;
  readonly transport: Transport;
  readonly applier: Applier;
  readonly reads: ReadIndexRounds;
  readonly tickMs: number;
  readonly measures: Measures;
  readonly onTick: () => void;
  /** Leader or role changed. */
  readonly onSoftState: (state: SoftState) => void;
  /** Makes a received snapshot the state, durably. */
  readonly installSnapshot: (ready: Ready) => Promise<void>;
  readonly onFatal: (error: Error) => void;
}

interface Saving {
  readonly rd: Ready;
  done: boolean;
}

/** Messages that may wait for a conf change to be applied; Raft bears the loss of older ones. */
const heldLimit = 10_000;

/** With more entries in a Ready there is other work for the time of its write. */
const aloneEntries = 1;

/** A follower passes a batch on in one message, which must fit into a peer's queue. */
const batchBytes = 4 << 20;

function nextBatch(proposals: readonly Uint8Array[], from: number): readonly Uint8Array[] {
  let to = from;
  let bytes = 0;
  while (to < proposals.length && bytes < batchBytes) bytes += proposals[to++]?.byteLength ?? 0;
  return from === 0 && to === proposals.length ? proposals : proposals.slice(from, to);
}

export class RaftLoop {
  readonly #o: RaftLoopOptions;
  readonly #node: RawNode;
  #proposals: Uint8Array[] = [];
  #scheduled = false;
  #stopped = false;
  #cancelTick: Cancel = () => undefined;
  #nextTickMs = 0;
  /** Readys on their way to the disk, oldest first. */
  readonly #saving: Saving[] = [];
  #lastSave: Promise<void> = Promise.resolve();
  #installing = 0;
  /** Writes behind an install that have not begun: later ones must not overtake them either. */
  #waiting = 0;
  /** A follower's messages that wait for conf changes to be applied. */
  #held: Message[] = [];
  #leader: MemberId = noMember;

  constructor(options: RaftLoopOptions) {
    this.#o = options;
    this.#node = options.node;
    this.#leader = options.node.status().leader;
  }

  get leader(): MemberId {
    return this.#leader;
  }

  /** What the log holds committed is applied before this returns, as far as it is in memory. */
  start(): void {
    this.#nextTickMs = this.#o.clock.nowMs() + this.#o.tickMs;
    this.#armTick();
    this.pump();
  }

  /** Nothing is sent or written any more; resolves when what was being written is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTick();
    await this.#lastSave.catch(() => undefined);
  }

  /** Proposes an entry at the end of this turn; without a leader it waits for one. */
  propose(data: Uint8Array): void {
    this.#proposals.push(data);
    this.schedule();
  }

  proposeConfChange(data: Uint8Array): ProposeResult {
    const result = this.#node.proposeConfChange(EntryType.ConfChange, data);
    this.schedule();
    return result;
  }

  step(messages: readonly Message[]): void {
    if (this.#stopped) return;
    for (const m of messages) this.#node.step(m);
    this.schedule();
  }

  /** Runs the machine at the end of this turn. */
  schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#o.clock.soon(() => {
      this.#scheduled = false;
      this.pump();
    });
  }

  /** Works off everything the machine has ready. */
  pump(): void {
    if (this.#stopped) return;
    this.#flushProposals();
    while (!this.#stopped && this.#node.hasReady()) this.#handle(this.#node.ready());
  }

  /** The applier has applied conf changes: messages that waited for them may leave. */
  confChangesApplied(): void {
    if (this.#held.length === 0 || this.#o.applier.pendingConfChanges > 0) return;
    this.#o.transport.send(this.#held.splice(0));
  }

  /**
   * One tick a timer, however late it is: messages that wait in sockets are delivered first, and a
   * long turn of the loop does not count as silence of the others (STORE 19).
   */
  #armTick(): void {
    const { clock, tickMs } = this.#o;
    this.#cancelTick = clock.after(Math.max(1, this.#nextTickMs - clock.nowMs()), () => {
      clock.soon(() => {
        if (this.#stopped) return;
        this.#noticeLate(clock.nowMs() - this.#nextTickMs);
        this.#nextTickMs = Math.max(this.#nextTickMs + tickMs, clock.nowMs() + tickMs / 2);
        this.#node.tick();
        this.#o.onTick();
        this.pump();
        this.#armTick();
      });
    });
  }

  /** A leader's heartbeats leave with its ticks: as late as those (etcd raft.go, contention). */
  #noticeLate(lateMs: number): void {
    const { tickMs, measures, logger } = this.#o;
    if (lateMs <= tickMs || !this.#node.isLeader || this.#node.confState().voters.length < 2)
      return;
    measures.lateHeartbeats++;
    logger.warn(
      "leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk",
      {
        "heartbeat-interval": `${tickMs}ms`,
        "expected-duration": `${2 * tickMs}ms`,
        "exceeded-duration": `${(lateMs - tickMs).toFixed(3)}ms`,
      },
    );
  }

  #flushProposals(): void {
    if (this.#proposals.length === 0 || this.#leader === noMember) return;
    // Led until this turn: what only a leader may propose is taken back before the rest goes to the
    // new one, once the Ready with the soft state is handled.
    if (this.#leader === this.#node.id && !this.#node.isLeader) return;
    let at = 0;
    while (at < this.#proposals.length) {
      const batch = nextBatch(this.#proposals, at);
      // Dropped for now (a leader transfer, a full log): they stay and are offered again at the
      // next tick; whoever waits gives up by its own deadline.
      if (this.#node.propose(batch).kind === "dropped") break;
      at += batch.length;
    }
    this.#proposals = at === this.#proposals.length ? [] : this.#proposals.slice(at);
  }

  /** Proposals that wait for a leader and whose requesters have given up are let go. */
  dropProposals(keep: (data: Uint8Array) => boolean): void {
    if (this.#proposals.length > 0) this.#proposals = this.#proposals.filter(keep);
  }

  #handle(rd: Ready): void {
    if (rd.softState !== undefined) this.#softState(rd.softState);
    if (rd.committed.length > 0) this.#o.applier.enqueue(rd.committed);
    if (rd.readStates.length > 0) this.#o.reads.confirmed(rd.readStates);
    this.#send(rd.messages);
    this.#save(rd);
    // Last: peers and disk work while this member applies.
    if (rd.committed.length > 0) this.#o.applier.run();
  }

  #softState(state: SoftState): void {
    this.#leader = state.leader;
    this.#o.onSoftState(state);
    if (state.leader !== noMember) this.#flushProposals();
  }

  /** A follower or candidate sends nothing before its conf changes are applied (STORE 1). */
  #send(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    const leading = this.#leader === this.#node.id;
    this.#o.faults.hit(leading ? "raftBeforeLeaderSend" : "raftBeforeFollowerSend");
    if (leading || (this.#held.length === 0 && this.#o.applier.pendingConfChanges === 0)) {
      this.#o.transport.send(messages);
    } else {
      this.#held.push(...messages);
      if (this.#held.length > heldLimit) this.#held.splice(0, this.#held.length - heldLimit);
    }
  }

  #save(rd: Ready): void {
    const nothing =
      rd.hardState === undefined && rd.entries.length === 0 && rd.snapshot === undefined;
    const saving: Saving = { rd, done: nothing };
    this.#saving.push(saving);
    if (nothing) {
      this.#report();
      return;
    }
    // What follows a snapshot in the log must not overtake its marker.
    const behindInstall = this.#installing + this.#waiting > 0 && rd.snapshot === undefined;
    const save = behindInstall ? this.#writeBehind(rd) : this.#write(rd);
    this.#lastSave = save.then(
      () => {
        saving.done = true;
        this.#o.faults.hit("raftAfterSave");
        this.#report();
        this.pump();
      },
      (error: unknown) => {
        this.#stopped = true;
        this.#o.onFatal(error as Error);
      },
    );
  }

  /** Reports durable Readys in the order in which they were taken, however their writes ended. */
  #report(): void {
    while (this.#saving[0]?.done === true && !this.#stopped) {
      const { rd } = this.#saving.shift() as Saving;
      this.#send(rd.afterAppend);
      this.#o.faults.hit("raftBeforeAdvance");
      this.#node.appended(rd);
    }
  }

  #write(rd: Ready): Promise<void> {
    this.#o.faults.hit("raftBeforeSave");
    if (rd.snapshot !== undefined) {
      this.#installing++;
      return this.#afterLast(() => this.#o.installSnapshot(rd)).finally(() => {
        this.#installing--;
      });
    }
    // One client's write that goes to nobody else: there is nothing to do until it is durable.
    const alone = rd.entries.length <= aloneEntries && rd.messages.length === 0;
    return this.#o.wal.save(rd.hardState, rd.entries, alone);
  }

  #writeBehind(rd: Ready): Promise<void> {
    this.#waiting++;
    return this.#afterLast(() => {
      this.#waiting--;
      return this.#write(rd);
    });
  }

  /** Runs `f` when what is being written is durable; never, once the loop has stopped. */
  #afterLast(f: () => Promise<void>): Promise<void> {
    return this.#lastSave.then(() => (this.#stopped ? undefined : f()));
  }
}
