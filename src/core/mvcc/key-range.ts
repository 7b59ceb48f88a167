/** How a request names keys: one key, a range, or everything from a key on. */
import { toLatin1 } from "../../lib/bytes.ts";
import type { KeyRange } from "./key-tree.ts";

const isZeroByte = (b: Uint8Array): boolean => b.length === 1 && b[0] === 0;

/**
 * The range of a request: `rangeEnd` empty names the single key, one zero byte everything from the
 * key on (etcd's mkGteRange in server/etcdserver/txn/delete.go).
 */
export function keyRangeOf(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  const start = toLatin1(key);
  if (rangeEnd.length === 0) return { start, end: `${start}\0` };
  return { start, end: isZeroByte(rangeEnd) ? undefined : toLatin1(rangeEnd) };
}
