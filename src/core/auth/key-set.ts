/** A set of keys, made of ranges: what somebody may read, or write. */
import { toLatin1 } from "../../lib/bytes.ts";
import { findsBackwards, type KeyRange } from "./interval-tree.ts";
import type { Permission } from "./types.ts";

/** The key after `key`. */
const after = (key: string): string => `${key}\0`;

const isOpen = (rangeEnd: Uint8Array): boolean => rangeEnd.byteLength === 1 && rangeEnd[0] === 0;

/** Range of a permission or of a request: etcd reads both alike. */
function rangeOf(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  const begin = toLatin1(key);
  if (rangeEnd.byteLength === 0) return { begin, end: after(begin) };
  return { begin, end: isOpen(rangeEnd) ? undefined : toLatin1(rangeEnd) };
}

/** Whether a role may be given this (etcd's isValidPermissionRange). */
export function isValidRange(key: Uint8Array, rangeEnd: Uint8Array): boolean {
  if (key.byteLength === 0) return false;
  const { begin, end } = rangeOf(key, rangeEnd);
  return end === undefined || begin < end;
}

/** Ranges merged where they touch or overlap; asked by binary search. */
export class KeySet {
  /** As they were given. */
  readonly #given: readonly KeyRange[];
  /** Ascending, with gaps in between. */
  readonly #ranges: readonly KeyRange[];

  constructor(permissions: readonly Permission[]) {
    this.#given = permissions.map((p) => rangeOf(p.key, p.rangeEnd));
    const ranges = this.#given.toSorted((a, b) =>
      a.begin < b.begin ? -1 : a.begin > b.begin ? 1 : 0,
    );
    const merged: KeyRange[] = [];
    for (const r of ranges) {
      const last = merged.at(-1);
      if (last === undefined || (last.end !== undefined && last.end < r.begin)) merged.push(r);
      else if (last.end !== undefined && (r.end === undefined || last.end < r.end)) {
        merged[merged.length - 1] = { begin: last.begin, end: r.end };
      }
    }
    this.#ranges = merged;
  }

  /**
   * Whether all keys of the range are in the set. A range that ends before it begins has no keys; of
   * those etcd allows some.
   */
  covers(key: Uint8Array, rangeEnd: Uint8Array): boolean {
    const { begin, end } = rangeOf(key, rangeEnd);
    if (end !== undefined && end <= begin) return findsBackwards(this.#given, begin, end);
    const range = this.#at(begin);
    if (range === undefined) return false;
    if (range.end === undefined) return true;
    return end !== undefined && end <= range.end;
  }

  /** The range with this key in it. */
  #at(key: string): KeyRange | undefined {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ranges[middle] as KeyRange).begin <= key) low = middle + 1;
      else high = middle;
    }
    const range = this.#ranges[low - 1];
    const isIn = range !== undefined && (range.end === undefined || key < range.end);
    return isIn ? range : undefined;
  }
}
