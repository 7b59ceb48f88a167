import type { ConfState, Entry, Message, Ready } from "../../../src/core/raft/index.ts";
import { EntryType, MessageType } from "../../../src/core/raft/types.ts";
import { Violation } from "../world.ts";
import type { Member } from "./member.ts";
import { type AppliedState, viewLast, viewTerm } from "./wal.ts";

interface Seen {
  starts: number;
  term: number;
  commit: number;
  applied: number;
  /** Conf changes in the log, as far as this incarnation wrote them. */
  confIndexes: number[];
}

/** The rules that must hold after every event; they throw a Violation. */
export class Checkers {
  readonly #members: ReadonlyMap<number, Member>;
  readonly #leaders = new Map<number, number>();
  /** Term of each committed entry: the one history that all members share. */
  readonly #committed = new Map<number, number>();
  /** For each term the last index that its leader committed. */
  readonly #committedIn = new Map<number, number>();
  #lastCommitted: number;
  readonly #stateHashes = new Map<number, number>();
  readonly #votes = new Map<string, bigint>();
  readonly #seen = new Map<number, Seen>();
  /** For each read the highest index acknowledged to anybody before it began. */
  readonly #readFloors = new Map<number, number>();
  /** Highest index that a client has seen, by a write or a read. */
  acknowledged = 0;
  elections = 0;
  reads = 0;
  writes = 0;

  constructor(members: ReadonlyMap<number, Member>, firstCommitted: number) {
    this.#members = members;
    this.#lastCommitted = firstCommitted;
  }

  get lastCommitted(): number {
    return this.#lastCommitted;
  }

  /** After every event of a member. */
  check(m: Member): void {
    const node = m.node;
    if (node === undefined) return;
    const seen = this.#seenOf(m);
    if (node.term < seen.term) fail(`m${m.id} went back from term ${seen.term} to ${node.term}`);
    if (node.commitIndex < seen.commit) fail(`m${m.id} lowered its commit index`);
    if (node.appliedIndex < seen.applied) fail(`m${m.id} lowered its applied index`);
    if (node.appliedIndex > node.commitIndex) fail(`m${m.id} applied more than is committed`);
    seen.term = node.term;
    seen.applied = node.appliedIndex;
    if (node.commitIndex > seen.commit) {
      this.#newlyCommitted(m, seen.commit + 1, node.commitIndex);
      seen.commit = node.commitIndex;
    }
    if (node.isLeader) this.#leads(m);
    const disk = m.wal.durable;
    const stable = node.stableIndex;
    const term = node.termAt(stable);
    if (term !== undefined && stable > disk.base.index && viewTerm(disk, stable) !== term) {
      fail(`m${m.id} takes entry ${stable} for durable, which is not on its disk`);
    }
  }

  /** What a leader believes of a follower's log is so (log matching, paper 5.3). */
  received(m: Member, msg: Message): void {
    const node = m.node;
    if (msg.type !== MessageType.MsgAppResp || node === undefined || !node.isLeader) return;
    for (const pr of node.status().progress) {
      const disk = this.#members.get(Number(pr.id))?.wal.durable;
      // A follower that has moved on to a later term may have replaced what it acknowledged.
      if (disk === undefined || disk.hard.term > node.term || pr.match <= disk.base.index) continue;
      const term = node.termAt(pr.match);
      if (term !== undefined && viewTerm(disk, pr.match) !== term) {
        fail(`m${m.id} believes that m${pr.id} has entry ${pr.match} of term ${term}`);
      }
    }
  }

  #seenOf(m: Member): Seen {
    let seen = this.#seen.get(m.id);
    if (seen === undefined || seen.starts !== m.starts) {
      seen = { starts: m.starts, term: 0, commit: 0, applied: 0, confIndexes: [] };
      this.#seen.set(m.id, seen);
    }
    return seen;
  }

  /** Election safety (paper 5.2) and leader completeness (5.4). */
  #leads(m: Member): void {
    const node = m.node;
    if (node === undefined) return;
    const known = this.#leaders.get(node.term);
    if (known === m.id) return;
    if (known !== undefined) fail(`m${known} and m${m.id} both lead term ${node.term}`);
    this.#leaders.set(node.term, m.id);
    this.elections++;
    // Somebody who was paused may win an election of long ago: it need not know what came later.
    let last = 0;
    for (const [t, index] of this.#committedIn) if (t < node.term && index > last) last = index;
    const term = this.#committed.get(last);
    if (term === undefined || node.appliedIndex >= last) return;
    const own = node.termAt(last as Parameters<typeof node.termAt>[0]);
    if (own !== term) {
      fail(`m${m.id} leads term ${node.term} without committed entry ${last} of term ${term}`);
    }
  }

  /** Log matching of what is committed, and that a quorum really has it on disk. */
  #newlyCommitted(m: Member, from: number, to: number): void {
    const node = m.node;
    if (node === undefined) return;
    // Paper 5.4.2: counting replicas commits only entries of the leader's own term. As candidate it
    // may have been told what others have committed.
    const told = this.#leaders.get(node.term) !== m.id && this.#committed.has(to);
    if (node.isLeader && !told && node.termAt(node.commitIndex) !== node.term) {
      fail(
        `m${m.id} leads term ${node.term} and commits ${to} of term ${node.termAt(node.commitIndex)}`,
      );
    }
    for (let i = from; i <= to; i++) {
      const term = node.termAt(i as Parameters<typeof node.termAt>[0]);
      if (term === undefined) continue;
      const known = this.#committed.get(i);
      if (known === undefined) {
        this.#committed.set(i, term);
        if (i > this.#lastCommitted) this.#lastCommitted = i;
        this.#committedIn.set(node.term, i);
        this.#onDiskOfQuorum(node.confState(), i, term);
      } else if (known !== term) {
        fail(`m${m.id} commits entry ${i} of term ${term}, but term ${known} was committed there`);
      }
    }
  }

  #onDiskOfQuorum(cs: ConfState, index: number, term: number): void {
    for (const half of [cs.voters, cs.votersOutgoing]) {
      const holders = half.filter((id) => {
        const disk = this.#members.get(Number(id))?.wal.durable;
        return disk !== undefined && (disk.base.index >= index || viewTerm(disk, index) === term);
      });
      if (half.length > 0 && holders.length * 2 <= half.length) {
        fail(
          `entry ${index} of term ${term} is committed, but only on disk at [${holders}] of [${half}]`,
        );
      }
    }
  }

  /** A message leaves a member: nothing it promises may be only in memory (thesis 3.8). */
  leaving(m: Member, msg: Message): void {
    const disk = m.wal.durable;
    switch (msg.type) {
      case MessageType.MsgVote:
        this.#voted(m, msg.term, BigInt(m.id));
        return;
      case MessageType.MsgVoteResp:
        if (!msg.reject) this.#voted(m, msg.term, msg.to);
        return;
      case MessageType.MsgAppResp:
        if (msg.reject || disk.hard.term > msg.term) return;
        if (disk.hard.term < msg.term) {
          fail(`m${m.id} answers in term ${msg.term}, its disk knows term ${disk.hard.term}`);
        }
        if (viewLast(disk) < msg.index) {
          fail(`m${m.id} acknowledges entry ${msg.index}, its disk ends at ${viewLast(disk)}`);
        }
        return;
      default:
        return;
    }
  }

  #voted(m: Member, term: number, candidate: bigint): void {
    const { hard } = m.wal.durable;
    if (hard.term < term || (hard.term === term && hard.vote !== candidate)) {
      fail(
        `m${m.id} votes for ${candidate} in term ${term}, its disk says term ${hard.term} vote ${hard.vote}`,
      );
    }
    const key = `${m.id}/${term}`;
    const before = this.#votes.get(key);
    if (before !== undefined && before !== candidate) {
      fail(`m${m.id} votes for ${before} and ${candidate} in term ${term}`);
    }
    this.#votes.set(key, candidate);
  }

  /** A leader appends one conf change at a time (thesis 4.1). */
  ready(m: Member, ready: Ready): void {
    const node = m.node;
    if (node === undefined) return;
    const seen = this.#seenOf(m);
    const first = ready.entries[0]?.index ?? Number.POSITIVE_INFINITY;
    // What stood at or behind the first new entry is replaced.
    seen.confIndexes = seen.confIndexes.filter((i) => i < first);
    for (const e of ready.entries) {
      if (e.type === EntryType.Normal) continue;
      const before = seen.confIndexes.at(-1) ?? 0;
      if (node.isLeader && e.term === node.term && before > node.appliedIndex) {
        fail(`m${m.id} proposes conf change ${e.index} before ${before} is applied`);
      }
      seen.confIndexes.push(e.index);
    }
  }

  /** State machine safety (paper 5.4.3), and STORE.md 1: only what is durable here. */
  applied(m: Member, e: Entry, state: AppliedState): void {
    const committed = this.#committed.get(e.index);
    if (committed !== undefined && committed !== e.term) {
      fail(`m${m.id} applies entry ${e.index} of term ${e.term}, committed was term ${committed}`);
    }
    const disk = m.wal.durable;
    if (disk.base.index < e.index && viewTerm(disk, e.index) !== e.term) {
      fail(`m${m.id} applies entry ${e.index} of term ${e.term}, which is not on its disk`);
    }
    const hash = this.#stateHashes.get(e.index);
    if (hash === undefined) this.#stateHashes.set(e.index, state.hash);
    else if (hash !== state.hash) fail(`m${m.id} has another state than others at ${e.index}`);
  }

  writeAcknowledged(index: number): void {
    this.writes++;
    if (index > this.acknowledged) this.acknowledged = index;
  }

  readStarted(context: number): void {
    this.#readFloors.set(context, this.acknowledged);
  }

  /** Linearizability: the committed log is the order, so a read may not fall behind real time. */
  readServed(m: Member, context: number, index: number): void {
    const floor = this.#readFloors.get(context);
    if (floor === undefined) fail(`m${m.id} serves a read nobody asked for`);
    if (index < floor) {
      fail(`m${m.id} reads at ${index}, but ${floor} was acknowledged before the read began`);
    }
    this.reads++;
    // What one client has read, a later read must not miss.
    if (m.state.index > this.acknowledged) this.acknowledged = m.state.index;
  }
}

function fail(message: string): never {
  throw new Violation(message);
}
