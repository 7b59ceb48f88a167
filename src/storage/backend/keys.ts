/**
 * Row keys: one byte for the kind, then etcd's own key.
 *
 *   rev   'k' | main, 8 bytes big endian | '_' | sub, 8 bytes big endian | 't' if a tombstone
 *
 * (etcd: server/storage/mvcc/revision.go; schema/bucket.go for the other kinds.)
 */
import { assert } from "../../lib/assert.ts";
import type { RevRow, RowId, RowKind } from "./types.ts";

const kindBytes: Readonly<Record<RowKind, number>> = {
  alarm: 0x41,
  auth: 0x61,
  authRoles: 0x52,
  authUsers: 0x55,
  cluster: 0x63,
  index: 0x69,
  rev: 0x6b,
  lease: 0x6c,
  members: 0x6d,
  members_removed: 0x4d,
  meta: 0x7a,
};

const underscore = 0x5f;
const tombstoneMark = 0x74;
const two32 = 2 ** 32;

export const revKeyBytes = 18;

export function rowKey(kind: RowKind, key: Uint8Array): Uint8Array {
  const row = Buffer.allocUnsafe(1 + key.byteLength);
  row[0] = kindBytes[kind];
  row.set(key, 1);
  return row;
}

/** All keys of a kind: [gte, lt). */
export function kindRange(kind: RowKind): { gte: Uint8Array; lt: Uint8Array } {
  return { gte: Buffer.from([kindBytes[kind]]), lt: Buffer.from([kindBytes[kind] + 1]) };
}

/** Writes the row key of a revision into `b`; the bytes written. */
export function writeRevKey(
  b: Uint8Array,
  at: number,
  main: number,
  sub: number,
  tombstone: boolean,
): number {
  b[at] = kindBytes.rev;
  writeU64(b, at + 1, main);
  b[at + 9] = underscore;
  writeU64(b, at + 10, sub);
  if (tombstone) b[at + 18] = tombstoneMark;
  return tombstone ? revKeyBytes + 1 : revKeyBytes;
}

export function revRowKey(main: number, sub: number, tombstone: boolean): Uint8Array {
  const key = Buffer.allocUnsafe(tombstone ? revKeyBytes + 1 : revKeyBytes);
  writeRevKey(key, 0, main, sub, tombstone);
  return key;
}

/** A row of the kind `rev`, taken apart; the bytes are shared. */
export function revRow(key: Uint8Array, value: Uint8Array): RevRow {
  assert(key.byteLength === revKeyBytes || key.byteLength === revKeyBytes + 1, "a revision key");
  return {
    main: readU64(key, 1),
    sub: readU64(key, 10),
    tombstone: key.byteLength > revKeyBytes,
    revisionKey: key.subarray(1),
    value,
  };
}

/** etcd's key of a revision: 17 bytes, 18 for a tombstone. */
export const encodeRevisionKey = (main: number, sub: number, tombstone: boolean): Uint8Array =>
  revRowKey(main, sub, tombstone).subarray(1);

/** Takes etcd's key of a revision apart; undefined when it is none. */
export function parseRevisionKey(key: Uint8Array): (RowId & { tombstone: boolean }) | undefined {
  const tombstone = key.byteLength === revKeyBytes;
  if (!tombstone && key.byteLength !== revKeyBytes - 1) return undefined;
  if (key[8] !== underscore || (tombstone && key[17] !== tombstoneMark)) return undefined;
  return { main: readU64(key, 0), sub: readU64(key, 9), tombstone };
}

/** Row keys of the revisions in [from, to). */
export function revRange(from: RowId, to: RowId | undefined): { gte: Uint8Array; lt: Uint8Array } {
  const end = to === undefined ? kindRange("rev").lt : revRowKey(to.main, to.sub, false);
  return { gte: revRowKey(from.main, from.sub, false), lt: end };
}

export function readU64(b: Uint8Array, at: number): number {
  return readU32(b, at) * two32 + readU32(b, at + 4);
}

export function writeU64(b: Uint8Array, at: number, value: number): void {
  writeU32(b, at, Math.floor(value / two32));
  writeU32(b, at + 4, value >>> 0);
}

function readU32(b: Uint8Array, at: number): number {
  return (
    ((byteAt(b, at) << 24) |
      (byteAt(b, at + 1) << 16) |
      (byteAt(b, at + 2) << 8) |
      byteAt(b, at + 3)) >>>
    0
  );
}

function writeU32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}

const byteAt = (b: Uint8Array, i: number): number => b[i] as number;
