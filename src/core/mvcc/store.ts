/** The store of one member: operations, compaction, hashes and restore around index and session. */
import { assert } from "../../lib/assert.ts";
import { toLatin1 } from "../../lib/bytes.ts";
import { type LeaseId, noLease, type Revision, revision, type Version } from "../types.ts";
import { CompactionPass } from "./compaction.ts";
import { beginHash } from "./hash.ts";
import { KeyTree } from "./key-tree.ts";
import { decodeKeyValue } from "./key-value.ts";
import { executeDelete, executePut } from "./mutate.ts";
import { executeRange, rankKeys, rowsOf } from "./range.ts";
import { RevisionTable } from "./revision-table.ts";
import { Session } from "./session.ts";
import { checkPlan, checkPutState, executePlan, planTxn } from "./txn.ts";
import type * as api from "./types.ts";
import { Hub } from "./watch-hub.ts";

const nothingCompacted = -1;
const firstRevision = 1 as Revision;

/** A new, empty store. Fill it with restoreRow and finishRestore when there is a history. */
export const createKvStore = (options: api.KvStoreOptions): api.KvStore => new MvccStore(options);

class MvccStore implements api.KvStore {
  readonly #options: api.KvStoreOptions;
  #revision: Revision = firstRevision;
  #compactRevision = nothingCompacted;
  /** Everything up to here was physically compacted and reported. */
  #finishedCompactRevision = nothingCompacted;
  #pass: CompactionPass | undefined;
  readonly #pins = new Set<api.Pin>();
  #session: Session;
  /** During a restore: the lease of each key that has one. */
  readonly #restoredLeases = new Map<string, LeaseId>();
  readonly #hub: Hub;
  readonly counts = { puts: 0, putBytes: 0, deletes: 0, ranges: 0, txns: 0 };

  constructor(options: api.KvStoreOptions) {
    this.#options = options;
    this.#session = this.#newSession();
    this.#hub = new Hub(options.values, {
      tree: () => this.#session.tree,
      revision: () => this.#revision,
      compactRevision: () => this.#compactRevision,
      onWork: () => options.onWatchWork?.(),
    });
  }

  get revision(): Revision {
    return this.#revision;
  }

  get compactRevision(): number {
    return this.#compactRevision;
  }

  get keyCount(): number {
    return this.#session.tree.live;
  }

  get watches(): api.WatchHub {
    return this.#hub;
  }

  range(request: api.RangeRequest, options?: api.RangeOptions): api.Outcome<api.RangeResult> {
    const session = this.#begin();
    const pin = options?.pin;
    // A pinned one is a piece of a read that was counted when it began.
    if (pin === undefined) this.counts.ranges++;
    if (pin !== undefined && !this.#pins.has(pin)) return { kind: "error", code: "ErrCompacted" };
    const asked = pin === undefined ? request : { ...request, revision: pin.revision };
    const lowest = pin === undefined ? this.#compactRevision : nothingCompacted;
    return this.#finish(session, executeRange(session, asked, lowest));
  }

  rank(
    request: api.RangeRequest,
    pin: api.Pin,
    from: string | undefined,
    budget: number,
  ): api.RankedSlice | api.MvccError {
    if (!this.#pins.has(pin)) return { kind: "error", code: "ErrCompacted" };
    return rankKeys(this.#session.tree, request, pin.revision, from, budget);
  }

  rows(
    request: api.RangeRequest,
    pin: api.Pin,
    keys: readonly api.RankedKey[],
  ): api.Outcome<api.RangeResult> {
    if (!this.#pins.has(pin)) return { kind: "error", code: "ErrCompacted" };
    const session = this.#begin();
    const kvs = rowsOf(session, keys, request);
    const { revision } = session;
    return this.#finish(session, { kind: "range", kvs, count: kvs.length, more: false, revision });
  }

  put(request: api.PutRequest, options?: api.TxnOptions): api.Outcome<api.PutResult> {
    const session = this.#begin();
    const code = checkPutState(session, request);
    if (code !== undefined) return { kind: "error", code };
    return this.#finish(session, executePut(session, request, options?.skipRanges === true));
  }

  deleteRange(
    request: api.DeleteRangeRequest,
    options?: api.TxnOptions,
  ): api.Outcome<api.DeleteResult> {
    const session = this.#begin();
    return this.#finish(session, executeDelete(session, request, options?.skipRanges === true));
  }

  txn(request: api.TxnRequest, options?: api.TxnOptions): api.Outcome<api.TxnResult> {
    this.counts.txns++;
    const session = this.#begin();
    const plan = planTxn(session, request);
    if (!session.missing.none) return session.missing.answer();
    const code = checkPlan(session, plan, this.#compactRevision);
    if (code !== undefined) return { kind: "error", code };
    const skipRanges = options?.skipRanges === true;
    const result = executePlan(session, plan, this.#compactRevision, skipRanges, true);
    assert(
      result.kind !== "error" || session.changes.length === 0,
      "a checked txn failed after it had written",
    );
    return this.#finish(session, result);
  }

  deleteKeys(keys: readonly string[]): api.DeleteResult {
    const session = this.#begin();
    let deleted = 0;
    for (const key of keys) {
      if (session.live(key) === 0) continue;
      session.delete(key);
      deleted++;
    }
    const revision = session.revision;
    this.#commit(session);
    return { kind: "deleteRange", deleted, prevKvs: [], revision };
  }

  compact(at: number): api.CompactResult | api.MvccError {
    if (at <= this.#compactRevision) return { kind: "error", code: "ErrCompacted" };
    if (at > this.#revision) return { kind: "error", code: "ErrFutureRev" };
    const previous = this.#compactRevision;
    this.#compactRevision = revision(at);
    return { kind: "compact", revision: this.#revision, previous };
  }

  compactStep(budget: number): api.CompactStep {
    if (this.#pass === undefined) {
      const target = this.#compactTarget();
      if (target <= this.#finishedCompactRevision) {
        return { rows: [], finished: undefined, idle: true };
      }
      this.#pass = new CompactionPass(this.#session.tree, target as Revision);
    }
    const pass = this.#pass;
    const rows = pass.step(budget);
    if (!pass.done) return { rows, finished: undefined, idle: false };
    this.#pass = undefined;
    this.#finishedCompactRevision = pass.target;
    return { rows, finished: pass.target, idle: false };
  }

  pin(at: Revision = this.#revision): api.Pin {
    assert(at >= this.#compactRevision, "pin of a compacted revision");
    return this.#pin(at);
  }

  #pin(at: Revision): api.Pin {
    const pin: api.Pin = { revision: at, release: () => void this.#pins.delete(pin) };
    this.#pins.add(pin);
    return pin;
  }

  hashKv(at: number, compactRevision = this.#compactRevision): api.HashJob | api.MvccError {
    if (at > 0 && at < compactRevision) return { kind: "error", code: "ErrCompacted" };
    if (at > this.#revision) return { kind: "error", code: "ErrFutureRev" };
    return this.#hash(at <= 0 ? this.#revision : revision(at), compactRevision, false);
  }

  hashCompaction(previous: number, at = this.#compactRevision): api.HashJob | undefined {
    const busy = this.#pass !== undefined || this.#finishedCompactRevision !== previous;
    return busy || at <= previous ? undefined : this.#hash(at as Revision, previous, true);
  }

  holdCompaction(at: number): api.Pin {
    assert(at <= this.#compactRevision, "held at a revision that nobody compacted");
    return this.#pin(revision(at));
  }

  #hash(at: Revision, compactRevision: number, compaction: boolean): api.HashJob {
    return beginHash({
      revision: at,
      compactRevision,
      compaction,
      currentRevision: this.#revision,
      tree: this.#session.tree,
      crc32c: this.#options.crc32c,
      pin: this.#pin(Math.max(compactRevision, firstRevision) as Revision),
    });
  }

  reset(): void {
    this.#hub.beforeReset();
    this.#session = this.#newSession();
    this.#revision = firstRevision;
    this.#compactRevision = nothingCompacted;
    this.#finishedCompactRevision = nothingCompacted;
    this.#pass = undefined;
    this.#pins.clear();
    this.#restoredLeases.clear();
  }

  restoreRow(main: Revision, sub: number, tombstone: boolean, encoded: Uint8Array): void {
    if (main < this.#revision) throw new RangeError(`row ${main} comes after ${this.#revision}`);
    const kv = decodeKeyValue(encoded);
    const key = toLatin1(kv.key);
    const { tree } = this.#session;
    tree.locate(key);
    if (tombstone) tree.push(main, sub, true, 0 as Revision, 0 as Version);
    else tree.push(main, sub, false, kv.createRevision, kv.version);
    if (tombstone || kv.lease === noLease) {
      if (this.#restoredLeases.size > 0) this.#restoredLeases.delete(key);
    } else this.#restoredLeases.set(key, kv.lease);
    this.#revision = main;
  }

  finishRestore(meta: api.RestoreMeta): void {
    const orNone = (at: number): number => (at > 0 ? at : nothingCompacted);
    const finished = orNone(meta.finishedCompactRevision);
    const scheduled = orNone(meta.scheduledCompactRevision);
    this.#finishedCompactRevision = finished;
    this.#compactRevision = Math.max(finished, scheduled);
    const floor = Math.max(this.#compactRevision, meta.currentRevision);
    this.#revision = revision(Math.max(this.#revision, floor));
    for (const [key, lease] of this.#restoredLeases) {
      if (this.#options.leases.has(lease)) this.#options.leases.attach(lease, key);
    }
    this.#restoredLeases.clear();
    this.#hub.restored();
  }

  #newSession(): Session {
    const { values, leases } = this.#options;
    return new Session(new KeyTree(new RevisionTable()), values, leases);
  }

  #begin(): Session {
    this.#session.begin(this.#revision);
    return this.#session;
  }

  /** Merges the operation, or drops it when it failed or lacks values. */
  #finish<T extends api.OpResult>(session: Session, result: T | api.MvccError): api.Outcome<T> {
    if (result.kind !== "error" && session.missing.none) {
      this.#commit(session);
      return result;
    }
    session.rollback();
    return result.kind === "error" ? result : session.missing.answer();
  }

  #commit(session: Session): void {
    if (session.changes.length === 0) return;
    const changes = session.commit();
    for (const c of changes) {
      if (c.tombstone) this.counts.deletes++;
      else {
        this.counts.puts++;
        this.counts.putBytes += c.bytes.length;
      }
    }
    this.#revision = (this.#revision + 1) as Revision;
    this.#hub.notify(this.#revision, changes);
  }

  #compactTarget(): number {
    let target = this.#compactRevision;
    for (const pin of this.#pins) target = Math.min(target, pin.revision);
    return target;
  }
}
