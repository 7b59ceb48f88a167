import { AssertionError, assert } from "../../lib/assert.ts";
import { emptyBytes } from "../../lib/bytes.ts";
import type { Index, Term } from "../types.ts";
import { type Entry, EntryType, type Snapshot } from "./types.ts";

/**
 * The leader counts on entries that this log has acknowledged and does not hold: its disk went back
 * in time, or lost its end. Where etcd panics with "tocommit is out of range".
 */
export class LostEntries extends AssertionError {
  constructor(commit: number, last: number) {
    super(
      `commit ${commit} is beyond the last entry ${last}: was the log damaged, cut or lost? ` +
        "Remove this member and add it again with an empty data folder",
    );
  }
}

/** What one entry counts towards every limit in bytes: its payload and what surrounds it. */
export const entryOverheadBytes = 64;
export const entryBytes = (e: Entry): number => e.data.length + entryOverheadBytes;

/** The answer of `termAt` for an index that is cut away or not there yet. */
export const unknownTerm = -1 as Term;

/** Takes the place of a cut entry until the array is shifted, so that its bytes are freed. */
const hole: Entry = {
  term: 0 as Term,
  index: 0 as Index,
  type: EntryType.Normal,
  data: emptyBytes,
};

/** What becomes true once one Ready is durable; lowered when entries of it are replaced. */
interface Claim {
  last: Index;
  readonly snapshot: Index;
}

/** Work that `take` hands out. */
export interface LogWork {
  readonly entries: Entry[];
  readonly snapshot: Snapshot | undefined;
}

const asIndex = (n: number): Index => n as Index;

/**
 * The log in memory: entries (firstIndex - 1, lastIndex], with the term of the one before.
 *
 * Marks, in order: firstIndex - 1 <= applied <= applying <= committed <= lastIndex, and
 * stable <= handed <= lastIndex. `handed` is the last index given out to be written, `stable` the
 * last one that is durable here. A leader's log only grows; a follower's tail above committed may
 * be replaced, which lowers handed, stable and the claims of Readys still on their way to disk:
 * so an old write that completes late never vouches for entries that took its place.
 */
export class RaftLog {
  readonly #budget: number;
  readonly #budgetDuringSnapshot: number;
  readonly #maxApplyingBytes: number;
  /** #entries[i] has index #origin + i; below firstIndex there are holes. */
  #entries: Entry[];
  #origin: Index;
  #first: Index;
  /** Term of the entry at firstIndex - 1. */
  #prevTerm: Term;
  #bytes = 0;
  #committed: Index;
  #applying: Index;
  #applied: Index;
  #applyingBytes = 0;
  #handed: Index;
  #stable: Index;
  #claims: Claim[] = [];
  /** A received snapshot that is not installed yet. */
  #snapshot: Snapshot | undefined;
  #snapshotHanded = false;

  constructor(
    base: { readonly index: Index; readonly term: Term },
    entries: readonly Entry[],
    marks: { readonly committed: Index; readonly applied: Index },
    limits: { budget: number; budgetDuringSnapshot: number; maxApplyingBytes: number },
  ) {
    this.#budget = limits.budget;
    this.#budgetDuringSnapshot = limits.budgetDuringSnapshot;
    this.#maxApplyingBytes = limits.maxApplyingBytes;
    this.#origin = this.#first = asIndex(base.index + 1);
    this.#prevTerm = base.term;
    this.#entries = [...entries];
    for (let i = 0; i < entries.length; i++) {
      const e = entries[i] as Entry;
      assert(
        e.index === base.index + 1 + i,
        `entry ${e.index} stands where ${base.index + 1 + i} belongs`,
      );
      this.#bytes += entryBytes(e);
    }
    const last = this.lastIndex;
    assert(
      base.index <= marks.applied && marks.applied <= marks.committed && marks.committed <= last,
      `log marks out of order: base ${base.index}, applied ${marks.applied}, committed ${marks.committed}, last ${last}`,
    );
    this.#committed = marks.committed;
    this.#applying = this.#applied = marks.applied;
    this.#handed = this.#stable = last;
    this.trim(false);
  }

  get firstIndex(): Index {
    return this.#first;
  }
  get lastIndex(): Index {
    return asIndex(this.#origin + this.#entries.length - 1);
  }
  get lastTerm(): Term {
    return this.termAt(this.lastIndex);
  }
  get committed(): Index {
    return this.#committed;
  }
  get applied(): Index {
    return this.#applied;
  }
  get stable(): Index {
    return this.#stable;
  }
  get bytes(): number {
    return this.#bytes;
  }
  /** A received snapshot waits to be installed: nothing may be applied, and no campaign begun. */
  get snapshotPending(): boolean {
    return this.#snapshot !== undefined;
  }

  /** The term of the entry at `index`, or unknownTerm. */
  termAt(index: Index): Term {
    if (index >= this.#first) {
      const e = this.#entries[index - this.#origin];
      return e === undefined ? unknownTerm : e.term;
    }
    return index === this.#first - 1 ? this.#prevTerm : unknownTerm;
  }

  matches(index: Index, term: Term): boolean {
    return this.termAt(index) === term;
  }

  /** Raft 5.4.1: is a log that ends so at least as complete as ours? */
  isUpToDate(lastIndex: Index, lastTerm: Term): boolean {
    const ours = this.lastTerm;
    return lastTerm > ours || (lastTerm === ours && lastIndex >= this.lastIndex);
  }

  /** Adds a leader's new entries; each must be the next one. Entries are kept, not copied. */
  push(e: Entry): void {
    this.#entries.push(e);
    this.#bytes += entryBytes(e);
  }

  /**
   * A follower's append behind (prevIndex, prevTerm): skips what it has, replaces a conflicting
   * tail. Returns the last index the message covers, or undefined when prev does not match.
   */
  maybeAppend(prevIndex: Index, prevTerm: Term, entries: readonly Entry[]): Index | undefined {
    if (!this.matches(prevIndex, prevTerm)) return undefined;
    let i = 0;
    while (i < entries.length) {
      const e = entries[i] as Entry;
      if (!this.matches(e.index, e.term)) break;
      i++;
    }
    if (i < entries.length) {
      const from = (entries[i] as Entry).index;
      assert(
        from > this.#committed,
        `entry ${from} conflicts with committed entry ${this.#committed}`,
      );
      this.#truncateFrom(from);
      for (; i < entries.length; i++) this.push(entries[i] as Entry);
    }
    return asIndex(prevIndex + entries.length);
  }

  /**
   * The largest index at or below `index` whose term is at most `term`; used by both sides to
   * skip whole terms while looking for the point where two logs meet (etcd log.go). A cut entry
   * counts as a possible match, with term 0.
   */
  findConflictByTerm(index: Index, term: Term): { index: Index; term: Term } {
    for (let i = index as number; i > 0; i--) {
      const ours = this.termAt(asIndex(i));
      if (ours === unknownTerm) return { index: asIndex(i), term: 0 as Term };
      if (ours <= term) return { index: asIndex(i), term: ours };
    }
    return { index: 0 as Index, term: 0 as Term };
  }

  /** Entries from `from` (at least firstIndex) on, at most `maxBytes` but at least one. */
  slice(from: Index, to: Index, maxBytes: number): Entry[] {
    const start = from - this.#origin;
    const limit = to - this.#origin + 1;
    let end = start;
    for (let bytes = 0; end < limit; end++) {
      bytes += entryBytes(this.#entries[end] as Entry);
      if (bytes > maxBytes && end > start) break;
    }
    return this.#entries.slice(start, end);
  }

  /** Raises the commit index; never lowers it. */
  commitTo(index: Index): void {
    if (index <= this.#committed) return;
    if (index > this.lastIndex) throw new LostEntries(index, this.lastIndex);
    this.#committed = index;
  }

  /** Is there a conf change among the committed entries that are not applied yet? */
  hasUnappliedConfChange(): boolean {
    for (let i = this.#applied + 1; i <= this.#committed; i++) {
      const e = this.#entries[i - this.#origin];
      if (e !== undefined && e.type !== EntryType.Normal) return true;
    }
    return false;
  }

  hasWork(): boolean {
    return this.#handed < this.lastIndex || (this.#snapshot !== undefined && !this.#snapshotHanded);
  }

  /** Hands out what must be written; `settle` must be called once for each call, in order. */
  take(): LogWork {
    const last = this.lastIndex;
    const entries = this.#handed < last ? this.#entries.slice(this.#handed + 1 - this.#origin) : [];
    const snapshot = this.#snapshotHanded ? undefined : this.#snapshot;
    this.#handed = last;
    this.#snapshotHanded = this.#snapshot !== undefined;
    this.#claims.push({ last, snapshot: snapshot?.metadata.index ?? asIndex(0) });
    return { entries, snapshot };
  }

  /** The oldest work handed out is durable. */
  settle(): void {
    const claim = this.#claims.shift();
    assert(claim !== undefined, "more Readys were reported as appended than were taken");
    if (claim.last > this.#stable) this.#stable = claim.last;
    if (claim.snapshot > 0) {
      if (this.#snapshot?.metadata.index === claim.snapshot) this.#snapshot = undefined;
      this.appliedTo(claim.snapshot);
    }
  }

  hasCommitted(): boolean {
    return (
      this.#snapshot === undefined &&
      this.#applyingBytes < this.#maxApplyingBytes &&
      this.#applying < this.#appliable()
    );
  }

  /** Committed and durable entries to apply, as many as fit into the bytes allowed. */
  takeCommitted(): Entry[] {
    if (!this.hasCommitted()) return [];
    const room = this.#maxApplyingBytes - this.#applyingBytes;
    const entries = this.slice(asIndex(this.#applying + 1), this.#appliable(), room);
    for (const e of entries) this.#applyingBytes += entryBytes(e);
    this.#applying = asIndex(this.#applying + entries.length);
    return entries;
  }

  /** The state machine stands at `index`. Returns the payload bytes newly applied. */
  appliedTo(index: Index): number {
    if (index <= this.#applied) return 0;
    assert(index <= this.#committed, `applied ${index} is beyond committed ${this.#committed}`);
    let payload = 0;
    const from = Math.max(this.#applied + 1, this.#first);
    const to = Math.min(index, this.#applying);
    for (let i = from; i <= to; i++) {
      const size = (this.#entries[i - this.#origin] as Entry).data.length;
      payload += size;
      this.#applyingBytes -= size + entryOverheadBytes;
    }
    this.#applied = index;
    if (this.#applying <= index) {
      this.#applying = index;
      this.#applyingBytes = 0;
    }
    return payload;
  }

  /** Replaces the whole log by a snapshot that is to be installed. */
  restore(snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    this.#entries = [];
    this.#bytes = 0;
    this.#origin = this.#first = asIndex(index + 1);
    this.#prevTerm = term;
    this.#committed = index;
    this.#handed = index;
    this.#stable = asIndex(Math.min(this.#stable, index - 1));
    for (const claim of this.#claims) claim.last = asIndex(Math.min(claim.last, this.#stable));
    this.#snapshot = snapshot;
    this.#snapshotHanded = false;
  }

  /** Lets go of entries up to `index`, as far as they are applied and durable. */
  compactTo(index: Index): void {
    const to = Math.min(index, this.#applied, this.#stable);
    while (this.#first <= to) this.#dropFirst();
    this.#shift();
  }

  /** Lets go of the oldest applied and durable entries while the log is over its budget. */
  trim(snapshotInFlight: boolean): void {
    const budget = snapshotInFlight ? this.#budgetDuringSnapshot : this.#budget;
    if (this.#bytes <= budget) return;
    const to = Math.min(this.#applied, this.#stable);
    while (this.#first <= to && this.#bytes > budget) this.#dropFirst();
    this.#shift();
  }

  #appliable(): Index {
    return asIndex(Math.min(this.#committed, this.#stable));
  }

  #truncateFrom(index: Index): void {
    const length = index - this.#origin;
    if (length >= this.#entries.length) return;
    for (let i = length; i < this.#entries.length; i++) {
      this.#bytes -= entryBytes(this.#entries[i] as Entry);
    }
    this.#entries.length = length;
    const last = asIndex(index - 1);
    if (this.#handed > last) this.#handed = last;
    if (this.#stable > last) this.#stable = last;
    for (const claim of this.#claims) if (claim.last > last) claim.last = last;
  }

  #dropFirst(): void {
    const slot = this.#first - this.#origin;
    const e = this.#entries[slot] as Entry;
    this.#prevTerm = e.term;
    this.#bytes -= entryBytes(e);
    this.#entries[slot] = hole;
    this.#first = asIndex(this.#first + 1);
  }

  /** Shifts the array when at least half of it are holes: each entry moves O(1) times. */
  #shift(): void {
    const holes = this.#first - this.#origin;
    if (holes < 64 || holes * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(holes);
    this.#origin = this.#first;
  }
}
