/**
 * What can be said about a request before it is proposed: empty keys, contradictory fields, budgets
 * and overlapping writes (etcd's server/etcdserver/api/v3rpc/key.go). The API layer calls these;
 * the store itself accepts what the log says.
 */
import { toLatin1 } from "../../lib/bytes.ts";
import type { KeyRange } from "./key-tree.ts";
import type {
  DeleteRangeRequest,
  MvccErrorCode,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from "./types.ts";
import { SortOrder, SortTarget } from "./types.ts";

/** Undefined when the request is sound. */
export type CheckResult = MvccErrorCode | undefined;

export function checkRange(request: RangeRequest): CheckResult {
  if (request.key.length === 0) return "ErrEmptyKey";
  if (!within(request.sortOrder, SortOrder.Descend)) return "ErrInvalidSortOption";
  if (!within(request.sortTarget, SortTarget.Value)) return "ErrInvalidSortOption";
  return undefined;
}

export function checkPut(request: PutRequest): CheckResult {
  if (request.key.length === 0) return "ErrEmptyKey";
  if (request.ignoreValue && request.value.length > 0) return "ErrValueProvided";
  if (request.ignoreLease && request.lease !== 0n) return "ErrLeaseProvided";
  return undefined;
}

export function checkDeleteRange(request: DeleteRangeRequest): CheckResult {
  return request.key.length === 0 ? "ErrEmptyKey" : undefined;
}

/**
 * Checks a txn with all that is nested in it. Each level may have `maxTxnOps` minus what the levels
 * above it used. A key may be written once, except in branches that exclude each other.
 */
export function checkTxn(request: TxnRequest, maxTxnOps: number): CheckResult {
  const failed = checkOperations(request, maxTxnOps);
  if (failed !== undefined) return failed;
  if (collectWrites(request.success) === undefined) return "ErrDuplicateKey";
  if (collectWrites(request.failure) === undefined) return "ErrDuplicateKey";
  return undefined;
}

/** True when the txn, whichever way it goes, only reads at its top level: it needs no proposal. */
export const isTxnReadonly = (request: TxnRequest): boolean =>
  request.success.every(isRange) && request.failure.every(isRange);

/** True when the txn may be answered from local data. */
export const isTxnSerializable = (request: TxnRequest): boolean =>
  request.success.every(isSerializableRange) && request.failure.every(isSerializableRange);

const isRange = (op: RequestOp): boolean => op.requestRange !== undefined;
const isSerializableRange = (op: RequestOp): boolean => op.requestRange?.serializable === true;

const within = (value: number, last: number): boolean =>
  Number.isInteger(value) && value >= 0 && value <= last;

function checkOperations(request: TxnRequest, budget: number): CheckResult {
  const used = Math.max(request.compare.length, request.success.length, request.failure.length);
  if (used > budget) return "ErrTooManyOps";
  if (request.compare.some((c) => c.key.length === 0)) return "ErrEmptyKey";
  for (const ops of [request.success, request.failure]) {
    for (const op of ops) {
      const failed = checkOperation(op, budget - used);
      if (failed !== undefined) return failed;
    }
  }
  return undefined;
}

function checkOperation(op: RequestOp, budget: number): CheckResult {
  if (op.requestRange !== undefined) return checkRange(op.requestRange);
  if (op.requestPut !== undefined) return checkPut(op.requestPut);
  if (op.requestDeleteRange !== undefined) return checkDeleteRange(op.requestDeleteRange);
  if (op.requestTxn !== undefined) return checkOperations(op.requestTxn, budget);
  return "ErrKeyNotFound";
}

interface Writes {
  readonly puts: Set<string>;
  readonly deletes: DeleteSet;
}

/**
 * The keys that a list of operations may put and delete; undefined if two of them collide. The
 * order matters in corner cases and is etcd's: this level's deletes, then each nested txn against
 * what is known so far, then this level's puts.
 */
function collectWrites(ops: readonly RequestOp[]): Writes | undefined {
  const deletes = new DeleteSet();
  for (const { requestDeleteRange } of ops) {
    if (requestDeleteRange !== undefined) deletes.add(deletedRange(requestDeleteRange));
  }
  const puts = new Set<string>();
  for (const { requestTxn } of ops) {
    if (requestTxn === undefined) continue;
    const success = collectWrites(requestTxn.success);
    const failure = success && collectWrites(requestTxn.failure);
    if (success === undefined || failure === undefined) return undefined;
    for (const key of success.puts) {
      if (puts.has(key) || deletes.covers(key)) return undefined;
      puts.add(key);
    }
    for (const key of failure.puts) {
      const elsewhere = puts.has(key) && !success.puts.has(key);
      if (elsewhere || deletes.covers(key)) return undefined;
      puts.add(key);
    }
    deletes.addAll(success.deletes);
    deletes.addAll(failure.deletes);
  }
  for (const { requestPut } of ops) {
    if (requestPut === undefined) continue;
    const key = toLatin1(requestPut.key);
    if (puts.has(key) || deletes.covers(key)) return undefined;
    puts.add(key);
  }
  return { puts, deletes };
}

/**
 * The interval etcd compares with: the range end as sent. "\0", which deletes everything from the
 * key on, is there an end below every key, and such an interval covers nothing.
 */
function deletedRange(request: DeleteRangeRequest): KeyRange {
  const start = toLatin1(request.key);
  return { start, end: request.rangeEnd.length === 0 ? `${start}\0` : toLatin1(request.rangeEnd) };
}

/** A union of ranges; sorted and merged when it is asked. */
class DeleteSet {
  #ranges: KeyRange[] = [];
  #sorted = true;

  add(range: KeyRange): void {
    if (range.end! <= range.start) return;
    this.#ranges.push(range);
    this.#sorted = false;
  }

  addAll(other: DeleteSet): void {
    for (const range of other.#ranges) this.add(range);
  }

  covers(key: string): boolean {
    if (this.#ranges.length === 0) return false;
    if (!this.#sorted) this.#sort();
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (this.#ranges[mid]!.start <= key) low = mid + 1;
      else high = mid;
    }
    return low > 0 && key < this.#ranges[low - 1]!.end!;
  }

  #sort(): void {
    this.#ranges.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0));
    const merged: KeyRange[] = [];
    for (const range of this.#ranges) {
      const last = merged.at(-1);
      if (last !== undefined && range.start <= last.end!) {
        const end = range.end! > last.end! ? range.end : last.end;
        merged[merged.length - 1] = { start: last.start, end };
      } else {
        merged.push(range);
      }
    }
    this.#ranges = merged;
    this.#sorted = true;
  }
}
