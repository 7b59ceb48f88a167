/**
 * One segment, as etcd writes it (server/storage/wal/encoder.go, decoder.go; walpb/record.proto).
 *
 *   0        8                             8 + size   8 + size + pad (a multiple of 8)
 *   | length | walpb.Record (size bytes)   | zeros    | next frame ...
 *
 *   length   int64 little endian: the low 56 bits are `size`; the top byte is 0 when pad is 0,
 *            else 0x80 | pad. Zero means: nothing more in this segment.
 *   Record   08 type  10 crc  1a len data     (protobuf; a crc record has no data)
 *   crc      CRC-32C of all `data` since the beginning of the log; a crc record names the value
 *            at which its segment continues the chain.
 *
 * A segment begins with a crc record, metadata and (if there is one) the hardState.
 */
import type { Entry, HardState } from "../../core/raft/types.ts";
import type { ClusterId, MemberId } from "../../core/types.ts";
import { Reader, sizeCounter, sizeId, sizeU32, Writer, walpb } from "../../proto/index.ts";
import { crc32cRange } from "./crc32c.ts";
import type { WalMetadata, WalSnapshot } from "./types.ts";

export const RecordType = { metadata: 1, entry: 2, hardState: 3, crc: 4, snapshot: 5 } as const;

export const frameHeaderBytes = 8;

/** What stands before the data in the largest Record: type 2, crc 6, data tag and length 6. */
export const recordHeadMax = 14;
const initialBytes = 64 * 1024;

/**
 * Encodes records into one growing buffer, keeping the crc chain. Nothing is allocated per record
 * in the common case. The buffer can be taken away to be written while the next one is filled.
 */
export class RecordWriter {
  bytes: Buffer = Buffer.alloc(initialBytes);
  pos = 0;
  /** Of the last record. */
  crc: number;

  constructor(crc: number) {
    this.crc = crc;
  }

  /** Go omits the type of a normal entry and the data of an empty one; so does this. */
  entry(e: Entry): void {
    const dataBytes = e.data.byteLength;
    const size =
      (e.type === 0 ? 0 : 2) +
      1 +
      sizeCounter(e.term) +
      1 +
      sizeCounter(e.index) +
      (dataBytes === 0 ? 0 : 1 + sizeU32(dataBytes) + dataBytes);
    const at = this.#begin(size);
    let p = at;
    if (e.type !== 0) {
      this.bytes[p++] = 8;
      this.bytes[p++] = e.type;
    }
    this.bytes[p++] = 16;
    p = this.#varint(p, e.term);
    this.bytes[p++] = 24;
    p = this.#varint(p, e.index);
    if (dataBytes !== 0) {
      this.bytes[p++] = 34;
      p = this.#varint(p, dataBytes);
      this.bytes.set(e.data, p);
    }
    this.#end(RecordType.entry, at, size);
  }

  hardState(s: HardState): void {
    const size = 3 + sizeCounter(s.term) + sizeId(s.vote) + sizeCounter(s.commit);
    const w = new Writer(size);
    w.u32(8);
    w.counter(s.term);
    w.u32(16);
    w.id(s.vote);
    w.u32(24);
    w.counter(s.commit);
    this.#copy(RecordType.hardState, w.bytes);
  }

  metadata(bytes: Uint8Array): void {
    this.#copy(RecordType.metadata, bytes);
  }

  snapshot(s: WalSnapshot): void {
    this.#copy(RecordType.snapshot, walpb.encodeSnapshot(s));
  }

  /** Heads a segment: names the chain's present value. */
  crcRecord(): void {
    this.#end(RecordType.crc, this.#begin(0), 0);
  }

  #copy(type: number, data: Uint8Array): void {
    const at = this.#begin(data.byteLength);
    this.bytes.set(data, at);
    this.#end(type, at, data.byteLength);
  }

  /**
   * Makes room for a record of `size` bytes of data; where to put them: where they stay unless the
   * checksum happens to be a small number.
   */
  #begin(size: number): number {
    const need = this.pos + frameHeaderBytes + recordHeadMax + size + 8;
    if (need > this.bytes.byteLength) {
      const larger = Buffer.alloc(Math.max(need, this.bytes.byteLength * 2));
      larger.set(this.bytes.subarray(0, this.pos));
      this.bytes = larger;
    }
    return this.pos + frameHeaderBytes + recordHeadMax - 5 + sizeU32(size);
  }

  /** Writes frame and head in front of the data at `at`, moving the data up against them. */
  #end(type: number, at: number, size: number): void {
    const b = this.bytes;
    this.crc = crc32cRange(b, at, at + size, this.crc);
    const start = this.pos;
    let p = start + frameHeaderBytes;
    b[p++] = 8;
    b[p++] = type;
    b[p++] = 16;
    p = this.#varint(p, this.crc);
    if (size !== 0) {
      b[p++] = 26;
      p = this.#varint(p, size);
      if (p !== at) b.copyWithin(p, at, at + size);
      p += size;
    }
    const record = p - start - frameHeaderBytes;
    const pad = (8 - (record & 7)) & 7;
    b.writeUInt32LE(record >>> 0, start);
    b.writeUInt32LE(Math.floor(record / 2 ** 32), start + 4);
    if (pad !== 0) b[start + 7] = 0x80 | pad;
    for (let end = p + pad; p < end; p++) b[p] = 0;
    this.pos = p;
  }

  #varint(at: number, value: number): number {
    const b = this.bytes;
    let p = at;
    let v = value;
    while (v >= 2 ** 31) {
      b[p++] = (v % 128) | 128;
      v = Math.floor(v / 128);
    }
    while (v > 127) {
      b[p++] = (v & 127) | 128;
      v >>>= 7;
    }
    b[p++] = v;
    return p;
  }
}

/** `size` and `pad` of a frame header; size is beyond any file when the bytes make no sense. */
export function decodeFrameHeader(b: Uint8Array, at: number): { size: number; pad: number } {
  const low = readU32(b, at);
  const high = readU32(b, at + 4);
  return { size: (high & 0xffffff) * 2 ** 32 + low, pad: high >>> 31 ? (high >>> 24) & 7 : 0 };
}

const readU32 = (b: Uint8Array, at: number): number =>
  ((b[at] as number) |
    ((b[at + 1] as number) << 8) |
    ((b[at + 2] as number) << 16) |
    ((b[at + 3] as number) << 24)) >>>
  0;

/** etcdserverpb.Metadata {1: nodeID, 2: clusterID}. */
export function encodeMetadata(m: WalMetadata): Uint8Array {
  const w = new Writer(2 + sizeId(m.nodeId) + sizeId(m.clusterId));
  w.u32(8);
  w.id(m.nodeId);
  w.u32(16);
  w.id(m.clusterId);
  return w.bytes;
}

/** Throws ProtoError. */
export function decodeMetadata(bytes: Uint8Array): WalMetadata {
  const r = new Reader(bytes);
  let nodeId = 0n;
  let clusterId = 0n;
  while (r.pos < r.end) {
    const tag = r.u32();
    if (tag === 8) nodeId = r.id();
    else if (tag === 16) clusterId = r.id();
    else r.skip(tag);
  }
  return { nodeId: nodeId as MemberId, clusterId: clusterId as ClusterId };
}
