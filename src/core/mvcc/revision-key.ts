/**
 * Revision keys, the keys of the history rows, as etcd lays them out
 * (server/storage/mvcc/revision.go):
 *
 *     main, 8 bytes big endian | '_' | sub, 8 bytes big endian | 't' for a tombstone
 */
import { assert } from "../../lib/assert.ts";
import { type Revision, revision } from "../types.ts";

const plainLength = 17;
const tombstoneLength = 18;
const separator = 0x5f;
const tombstoneMark = 0x74;
const two32 = 0x1_0000_0000;

export interface RevisionKey {
  readonly main: Revision;
  readonly sub: number;
  readonly tombstone: boolean;
}

/** 17 bytes, or 18 for a tombstone; byte order is revision order. */
export function encodeRevisionKey(main: number, sub: number, tombstone: boolean): Uint8Array {
  assert(main >= 0 && sub >= 0, "a revision is not negative");
  const out = new Uint8Array(tombstone ? tombstoneLength : plainLength);
  write64(out, 0, main);
  out[8] = separator;
  write64(out, 9, sub);
  if (tombstone) out[plainLength] = tombstoneMark;
  return out;
}

/** Throws RangeError when the bytes are not a revision key. */
export function decodeRevisionKey(bytes: Uint8Array): RevisionKey {
  const tombstone = bytes.length === tombstoneLength;
  if (
    (!tombstone && bytes.length !== plainLength) ||
    bytes[8] !== separator ||
    (tombstone && bytes[plainLength] !== tombstoneMark)
  ) {
    throw new RangeError(`not a revision key: ${bytes.length} bytes`);
  }
  return { main: revision(read64(bytes, 0)), sub: revision(read64(bytes, 9)), tombstone };
}

function write64(out: Uint8Array, at: number, value: number): void {
  writeU32(out, at, Math.floor(value / two32));
  writeU32(out, at + 4, value % two32);
}

function writeU32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
}

const read64 = (bytes: Uint8Array, at: number): number =>
  readU32(bytes, at) * two32 + readU32(bytes, at + 4);

const readU32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
