/** A store over memory whose values can be made to be missing, and short ways to write requests. */
import { crc32c } from "@node-rs/crc32";
import {
  type Compare,
  createKvStore,
  type DeleteRangeRequest,
  type KvStore,
  type LeaseTable,
  type Outcome,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type RowRef,
  type TxnRequest,
  type ValueStore,
  type WatchCreateRequest,
} from "../../../src/core/mvcc/index.ts";
import { type LeaseId, leaseId, noLease, revision } from "../../../src/core/types.ts";

export const bytes = (s: string): Uint8Array => Buffer.from(s, "latin1");
export const text = (b: Uint8Array): string => Buffer.from(b).toString("latin1");
const none = new Uint8Array(0);

export interface Row {
  readonly main: number;
  readonly sub: number;
  readonly tombstone: boolean;
  readonly bytes: Uint8Array;
}

/** All rows, in order; those in `hidden` are not in memory until they are fetched. */
export class Rows implements ValueStore {
  readonly rows = new Map<string, Row>();
  readonly hidden = new Set<string>();

  get(main: number, sub: number): Uint8Array | undefined {
    const name = `${main}.${sub}`;
    return this.hidden.has(name) ? undefined : this.rows.get(name)?.bytes;
  }

  put(main: number, sub: number, tombstone: boolean, encoded: Uint8Array): void {
    this.rows.set(`${main}.${sub}`, { main, sub, tombstone, bytes: encoded.slice() });
  }

  hideAll(): void {
    for (const name of this.rows.keys()) this.hidden.add(name);
  }

  fetch(refs: readonly RowRef[]): void {
    for (const { main, sub } of refs) {
      const name = `${main}.${sub}`;
      if (!this.rows.has(name)) throw new Error(`row ${name} is asked for but does not exist`);
      if (this.rows.get(name)!.tombstone) throw new Error(`row ${name} is a tombstone`);
      if (!this.hidden.delete(name)) throw new Error(`row ${name} is asked for but in memory`);
    }
  }

  delete(refs: readonly RowRef[]): void {
    for (const { main, sub } of refs) {
      if (!this.rows.delete(`${main}.${sub}`)) throw new Error(`no row ${main}.${sub} to compact`);
      this.hidden.delete(`${main}.${sub}`);
    }
  }

  inOrder(): Row[] {
    return [...this.rows.values()].sort((a, b) => a.main - b.main || a.sub - b.sub);
  }
}

/** Leases without time. */
export class Leases implements LeaseTable {
  readonly known = new Set<LeaseId>();
  readonly keys = new Map<string, LeaseId>();

  has(id: LeaseId): boolean {
    return this.known.has(id);
  }

  leaseOf(key: string): LeaseId {
    return this.keys.get(key) ?? noLease;
  }

  attach(id: LeaseId, key: string): void {
    if (id === noLease) this.keys.delete(key);
    else this.keys.set(key, id);
  }
}

export interface Fixture {
  readonly store: KvStore;
  readonly rows: Rows;
  readonly leases: Leases;
  /** How often onWatchWork was called. */
  work: number;
}

export function newFixture(rows = new Rows()): Fixture {
  const leases = new Leases();
  const fixture: { -readonly [K in keyof Fixture]: Fixture[K] } = {
    store: undefined as unknown as KvStore,
    rows,
    leases,
    work: 0,
  };
  fixture.store = createKvStore({
    values: rows,
    leases,
    crc32c: (b, seed) => crc32c(b, seed),
    onWatchWork: () => fixture.work++,
  });
  return fixture;
}

/** A second store over the same rows, restored from them. */
export function restored(from: Fixture, meta = {}): Fixture {
  const next = newFixture(from.rows);
  for (const id of from.leases.known) next.leases.known.add(id);
  for (const { main, sub, tombstone, bytes: encoded } of from.rows.inOrder()) {
    next.store.restoreRow(revision(main), sub, tombstone, encoded);
  }
  next.store.finishRestore({
    finishedCompactRevision: -1,
    scheduledCompactRevision: -1,
    currentRevision: 0,
    ...meta,
  });
  return next;
}

/** Runs an operation as the server does: what is missing is fetched, then it runs again. */
export function settle<T extends { kind: string }>(
  { rows }: Fixture,
  run: () => Outcome<T>,
): Exclude<Outcome<T>, { kind: "missing" }> {
  for (let round = 0; round < 100; round++) {
    const outcome = run();
    if (outcome.kind !== "missing") return outcome as Exclude<Outcome<T>, { kind: "missing" }>;
    rows.fetch((outcome as { rows: readonly RowRef[] }).rows);
  }
  throw new Error("the operation never settles");
}

export function compactAll({ store, rows }: Fixture, budget = 7): number | undefined {
  let finished: number | undefined;
  for (;;) {
    const step = store.compactStep(budget);
    rows.delete(step.rows);
    if (step.finished !== undefined) finished = step.finished;
    if (step.idle) return finished;
  }
}

export const put = (key: string, value = "", more: Partial<PutRequest> = {}): PutRequest => ({
  key: bytes(key),
  value: bytes(value),
  lease: noLease,
  prevKv: false,
  ignoreValue: false,
  ignoreLease: false,
  ...more,
});

export const range = (
  key: string,
  rangeEnd = "",
  more: Partial<RangeRequest> = {},
): RangeRequest => ({
  key: bytes(key),
  rangeEnd: bytes(rangeEnd),
  limit: 0,
  revision: 0,
  sortOrder: 0,
  sortTarget: 0,
  serializable: false,
  keysOnly: false,
  countOnly: false,
  minModRevision: 0,
  maxModRevision: 0,
  minCreateRevision: 0,
  maxCreateRevision: 0,
  ...more,
});

export const del = (key: string, rangeEnd = "", prevKv = false): DeleteRangeRequest => ({
  key: bytes(key),
  rangeEnd: bytes(rangeEnd),
  prevKv,
});

export const op = (request: Partial<RequestOp>): RequestOp => ({
  requestRange: undefined,
  requestPut: undefined,
  requestDeleteRange: undefined,
  requestTxn: undefined,
  ...request,
});

export const compare = (key: string, more: Partial<Compare>): Compare => ({
  result: 0,
  target: 0,
  key: bytes(key),
  rangeEnd: none,
  version: undefined,
  createRevision: undefined,
  modRevision: undefined,
  value: undefined,
  lease: undefined,
  ...more,
});

export const txn = (
  compares: readonly Compare[],
  success: readonly RequestOp[],
  failure: readonly RequestOp[] = [],
): TxnRequest => ({ compare: compares, success, failure });

export const watch = (
  key: string,
  rangeEnd = "",
  more: Partial<WatchCreateRequest> = {},
): WatchCreateRequest => ({
  key: bytes(key),
  rangeEnd: bytes(rangeEnd),
  startRevision: 0,
  progressNotify: false,
  filters: [],
  prevKv: false,
  watchId: 0,
  fragment: false,
  ...more,
});

export const lease = (n: number): LeaseId => leaseId(BigInt(n));
