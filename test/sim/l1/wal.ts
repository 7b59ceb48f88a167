import type { ConfState, Entry, HardState } from "../../../src/core/raft/index.ts";
import type { Index, MemberId, Term } from "../../../src/core/types.ts";
import type { SimRandom } from "../random.ts";

/** The applied state of a raft-only member: enough to tell two of them apart. */
export interface AppliedState {
  readonly index: Index;
  readonly term: Term;
  /** Chain over all applied entries. */
  readonly hash: number;
  readonly confState: ConfState;
}

/** One frame of the log on disk; several may be written together, each may be lost alone. */
export type WalRecord =
  | { readonly kind: "entry"; readonly entry: Entry }
  | { readonly kind: "hard"; readonly hard: HardState }
  /** Where the log begins after a cut: index and term only, the engine must have the state. */
  | { readonly kind: "cut"; readonly state: AppliedState }
  /** A received snapshot; its file is durable already, so boot can finish the import. */
  | { readonly kind: "snapshot"; readonly state: AppliedState };

/** What a log replays to. */
export interface WalView {
  hard: HardState;
  base: AppliedState;
  /** Entries base.index + 1 ... */
  entries: Entry[];
  /** The last received snapshot. */
  installed: AppliedState | undefined;
}

const zeroHard: HardState = { term: 0 as Term, vote: 0n as MemberId, commit: 0 as Index };

export const emptyView = (base: AppliedState): WalView => ({
  hard: zeroHard,
  base,
  entries: [],
  installed: undefined,
});

/** Reads one more record, as boot does: a later entry replaces all from its index on. */
export function replay(view: WalView, record: WalRecord): void {
  switch (record.kind) {
    case "hard":
      view.hard = record.hard;
      return;
    case "entry": {
      const slot = record.entry.index - view.base.index - 1;
      if (slot < 0) return;
      if (slot > view.entries.length) throw new Error(`hole in the log at ${record.entry.index}`);
      view.entries.length = slot;
      view.entries.push(record.entry);
      return;
    }
    case "cut":
    case "snapshot": {
      const { index, term } = record.state;
      const keep = index - view.base.index;
      if (keep < 0) return;
      if (record.kind === "snapshot") view.installed = record.state;
      const matches = keep === 0 || view.entries[keep - 1]?.term === term;
      view.entries = matches ? view.entries.slice(keep) : [];
      view.base = record.state;
      return;
    }
  }
}

/** The term of the entry at `index` in a view, or -1. */
export function viewTerm(view: WalView, index: number): number {
  if (index === view.base.index) return view.base.term;
  return view.entries[index - view.base.index - 1]?.term ?? -1;
}

export const viewLast = (view: WalView): number => view.base.index + view.entries.length;

/**
 * A write-ahead log that survives crashes as a real one does: what was synced stays, of what was
 * only written a random front part stays (the torn tail behind it is cut at boot).
 */
export class SimWal {
  readonly #start: AppliedState;
  #records: WalRecord[] = [];
  #synced = 0;
  /** What a crash right now would leave at least: the checkers' truth. */
  durable: WalView;

  /** `records` are what the cluster was bootstrapped with. */
  constructor(start: AppliedState, records: readonly WalRecord[] = []) {
    this.#start = start;
    this.durable = emptyView(start);
    this.write(records);
    this.synced(records.length);
  }

  write(records: readonly WalRecord[]): void {
    for (const r of records) this.#records.push(r);
  }

  get written(): number {
    return this.#records.length;
  }

  /** Everything among the first `upTo` records is durable now. */
  synced(upTo: number): void {
    for (; this.#synced < upTo; this.#synced++) {
      replay(this.durable, this.#records[this.#synced] as WalRecord);
    }
  }

  /** Cuts the log below a durable applied state; only when nothing waits for a sync. */
  cut(state: AppliedState): boolean {
    if (this.#synced !== this.#records.length) return false;
    replay(this.durable, { kind: "cut", state });
    this.#records = this.#asRecords();
    this.#synced = this.#records.length;
    return true;
  }

  /** The power fails: returns what boot finds. */
  crash(random: SimRandom): WalView {
    const kept = this.#synced + random.below(this.#records.length - this.#synced + 1);
    this.#records.length = kept;
    this.synced(kept);
    this.#records = this.#asRecords();
    this.#synced = this.#records.length;
    return { ...this.durable, entries: [...this.durable.entries] };
  }

  #asRecords(): WalRecord[] {
    const records: WalRecord[] = [];
    const { installed, base } = this.durable;
    if (installed !== undefined) records.push({ kind: "snapshot", state: installed });
    if (base.index > this.#start.index) records.push({ kind: "cut", state: base });
    for (const entry of this.durable.entries) records.push({ kind: "entry", entry });
    records.push({ kind: "hard", hard: this.durable.hard });
    return records;
  }
}
