/**
 * bbolt's file (go.etcd.io/bbolt v1.4, internal/common: page.go, meta.go, bucket.go), little endian.
 *
 *   page 0, 1   meta, the higher valid txid counts
 *   others      branch, leaf or freelist pages; one page spans 1 + overflow page sizes
 *
 *   page header (16)    id u64 | flags u16 | count u16 | overflow u32
 *   meta (64)           magic u32 | version u32 | page size u32 | flags u32 | root {pgid u64,
 *                       sequence u64} | freelist pgid u64 | high-water pgid u64 | txid u64 |
 *                       FNV-1a-64 of the 56 bytes before
 *   leaf element (16)   flags u32 (1: a bucket) | pos u32 | key size u32 | value size u32
 *   branch element (16) pos u32 | key size u32 | pgid u64
 *   bucket value        root pgid u64 | sequence u64 | (root 0: a leaf page inline)
 *
 * `pos` counts from the element's own start; key and value lie behind the elements. The root
 * bucket's keys are the names of the buckets. Keys are sorted by bytes.
 */

export const pageHeaderBytes = 16;
export const elementBytes = 16;
export const metaBytes = 64;
export const bucketHeaderBytes = 16;
/** What etcd's snapshots have on common machines, and what is written here. */
export const defaultPageBytes = 4096;
export const sha256Bytes = 32;

export const PageFlag = { branch: 1, leaf: 2, meta: 4, freelist: 0x10 } as const;
export const bucketFlag = 1;

const magic = 0xed0cdaed;
const version = 2;
const checkedBytes = 56;

export interface BoltMeta {
  readonly pageBytes: number;
  readonly root: number;
  readonly freelist: number;
  /** Pages in use are below this one: the file's size in pages. */
  readonly highWater: number;
  readonly txid: number;
}

export function encodeMetaPage(page: Buffer, id: number, meta: BoltMeta): void {
  writePageHeader(page, 0, { id, flags: PageFlag.meta, count: 0, overflow: 0 });
  const at = pageHeaderBytes;
  page.writeUInt32LE(magic, at);
  page.writeUInt32LE(version, at + 4);
  page.writeUInt32LE(meta.pageBytes, at + 8);
  page.writeUInt32LE(0, at + 12);
  writeU64LE(page, at + 16, meta.root);
  writeU64LE(page, at + 24, 0);
  writeU64LE(page, at + 32, meta.freelist);
  writeU64LE(page, at + 40, meta.highWater);
  writeU64LE(page, at + 48, meta.txid);
  page.writeBigUInt64LE(fnv1a64(page.subarray(at, at + checkedBytes)), at + checkedBytes);
}

/** The meta in a meta page, or undefined when it is not a valid one. */
export function decodeMetaPage(page: Buffer): BoltMeta | undefined {
  if (page.byteLength < pageHeaderBytes + metaBytes) return undefined;
  const at = pageHeaderBytes;
  if (page.readUInt32LE(at) !== magic || page.readUInt32LE(at + 4) !== version) return undefined;
  const sum = page.readBigUInt64LE(at + checkedBytes);
  if (sum !== fnv1a64(page.subarray(at, at + checkedBytes))) return undefined;
  return {
    pageBytes: page.readUInt32LE(at + 8),
    root: readU64LE(page, at + 16),
    freelist: readU64LE(page, at + 32),
    highWater: readU64LE(page, at + 40),
    txid: readU64LE(page, at + 48),
  };
}

export interface PageHeader {
  readonly id: number;
  readonly flags: number;
  readonly count: number;
  readonly overflow: number;
}

export function writePageHeader(b: Buffer, at: number, header: PageHeader): void {
  writeU64LE(b, at, header.id);
  b.writeUInt16LE(header.flags, at + 8);
  b.writeUInt16LE(header.count, at + 10);
  b.writeUInt32LE(header.overflow, at + 12);
}

export function readPageHeader(b: Buffer, at: number): PageHeader {
  return {
    id: readU64LE(b, at),
    flags: b.readUInt16LE(at + 8),
    count: b.readUInt16LE(at + 10),
    overflow: b.readUInt32LE(at + 12),
  };
}

export function writeU64LE(b: Buffer, at: number, value: number): void {
  b.writeUInt32LE(value % 2 ** 32, at);
  b.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4);
}

export function readU64LE(b: Buffer, at: number): number {
  return b.readUInt32LE(at) + b.readUInt32LE(at + 4) * 2 ** 32;
}

function fnv1a64(bytes: Uint8Array): bigint {
  let h = 0xcbf29ce484222325n;
  for (const byte of bytes) h = BigInt.asUintN(64, (h ^ BigInt(byte)) * 0x100000001b3n);
  return h;
}

/** Whether a file of this size ends with a sha256, as `snapshot save` leaves it. */
export const hasSha256 = (fileBytes: number): boolean => fileBytes % 512 === sha256Bytes;
