/**
 * The rows of ranges that the keys' own order does not answer: ranked, and merged in pieces that give
 * the loop its turns.
 */
import {
  decodeKeyValue,
  encodeKeyValue,
  type RangeRequest,
  type RankedKey,
  SortOrder,
  SortTarget,
} from "../core/mvcc/index.ts";
import { compareBytes, emptyBytes } from "../lib/bytes.ts";

/** A key with what it is ranked by; its row comes with it where that is the value. */
export interface Ranked extends RankedKey {
  readonly encoded?: Uint8Array;
  readonly value?: Uint8Array;
}

/** Rows of one merge that one turn of the loop moves; about 1 ms. */
const mergeRows = 10_000;

/** Rows in the order of a request, at most as many as it wants and one more. */
export class SortedRows {
  readonly #limit: number;
  readonly #compare: ((a: Ranked, b: Ranked) => number) | undefined;
  readonly #most: number;
  /** Sorted runs of adjacent rows, each longer than the next. */
  readonly #runs: Ranked[][] = [];

  constructor(request: RangeRequest) {
    this.#limit = request.limit;
    this.#compare = orderOf(request);
    this.#most = request.limit > 0 ? request.limit + 1 : Number.POSITIVE_INFINITY;
  }

  /** Takes the next slice, which is in key order. */
  add(keys: readonly Ranked[]): void {
    const run = [...keys];
    if (this.#compare !== undefined) run.sort(this.#compare);
    if (run.length > this.#most) run.length = this.#most;
    this.#runs.push(run);
  }

  /** Merges until runs are few, or one in the `end`; `done` is called in this turn or a later one. */
  settle(end: boolean, soon: (f: () => void) => void, done: () => void): void {
    const runs = this.#runs;
    const last = runs.at(-1);
    const before = runs.at(-2);
    if (last === undefined || before === undefined || (!end && before.length > 2 * last.length)) {
      done();
      return;
    }
    runs.length -= 2;
    this.#merge(before, last, soon, (merged) => {
      runs.push(merged);
      this.settle(end, soon, done);
    });
  }

  /** All rows, once settled to the end. */
  rows(): { readonly rows: readonly Ranked[]; readonly more: boolean } {
    const rows = this.#runs[0] ?? [];
    const limit = this.#limit;
    const more = limit > 0 && rows.length > limit;
    if (more) rows.length = limit;
    return { rows, more };
  }

  /** Stable: rows of `a` come before their equals in `b`. */
  #merge(
    a: readonly Ranked[],
    b: readonly Ranked[],
    soon: (f: () => void) => void,
    done: (merged: Ranked[]) => void,
  ): void {
    const compare = this.#compare ?? (() => 0);
    const size = Math.min(a.length + b.length, this.#most);
    const merged: Ranked[] = [];
    let i = 0;
    let j = 0;
    const some = (): void => {
      for (let n = 0; n < mergeRows && i + j < size; n++) {
        const left = a[i];
        const right = b[j];
        const isLeft = right === undefined || (left !== undefined && compare(left, right) <= 0);
        merged.push((isLeft ? left : right) as Ranked);
        if (isLeft) i++;
        else j++;
      }
      if (i + j >= size) done(merged);
      else soon(some);
    };
    some();
  }
}

/** A key with its row, which an order by value ranks it by. */
export const withValue = (key: RankedKey, encoded: Uint8Array): Ranked => ({
  ...key,
  encoded,
  value: decodeKeyValue(encoded).value,
});

/** The answer's bytes of a row whose value has to go: etcd empties it where it ranked by it. */
export function withoutValue(encoded: Uint8Array): Uint8Array {
  const { key, createRevision, modRevision, version, lease } = decodeKeyValue(encoded);
  return encodeKeyValue(key, createRevision, modRevision, version, emptyBytes, lease);
}

/** Undefined: rows stay in key order. */
function orderOf(r: RangeRequest): ((a: Ranked, b: Ranked) => number) | undefined {
  const sign = r.sortOrder === SortOrder.Descend ? -1 : 1;
  if (r.sortTarget === SortTarget.Value) {
    return (a, b) => sign * compareBytes(a.value ?? emptyBytes, b.value ?? emptyBytes);
  }
  if (r.sortTarget !== SortTarget.Key) return (a, b) => sign * (a.rank - b.rank);
  return sign > 0 ? undefined : (a, b) => (a.key < b.key ? 1 : -1);
}
