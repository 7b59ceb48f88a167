/**
 * Encodes and decodes mvccpb.KeyValue exactly as Go marshals it: fields ascending, defaults left
 * out. Equality of these bytes is what makes HashKV equal to a real etcd's.
 *
 *     1 key bytes | 2 create_revision | 3 mod_revision | 4 version | 5 value bytes | 6 lease
 *
 * A freshly encoded KeyValue lies behind the four or so bytes that make it an mvccpb.Event of type
 * PUT, so that watchers get their event without another copy:
 *
 *     0x12 length(KeyValue) KeyValue
 */
import type { LeaseId, Revision, Version } from "../types.ts";
import { noLease } from "../types.ts";

/** mvccpb.KeyValue. `key` and `value` are views of the encoded bytes. */
export interface KeyValue {
  key: Uint8Array;
  createRevision: Revision;
  modRevision: Revision;
  version: Version;
  value: Uint8Array;
  lease: LeaseId;
}

/** Small ones share a buffer; a longer one would keep too much alive for those who keep one view. */
const chunkBytes = 16 * 1024;
const ownBufferFrom = 2 * 1024;
const empty = new Uint8Array(0);

let chunk = new Uint8Array(chunkBytes);
let chunkUsed = 0;

/** A writable view of `size` bytes, fully overwritten by its caller before anyone sees it. */
function allocate(size: number): Uint8Array {
  if (size >= ownBufferFrom) return new Uint8Array(size);
  if (chunkUsed + size > chunkBytes) {
    chunk = new Uint8Array(chunkBytes);
    chunkUsed = 0;
  }
  const view = chunk.subarray(chunkUsed, chunkUsed + size);
  chunkUsed += size;
  return view;
}

/** Encodes one KeyValue; the result shares its buffer with others and must not be written. */
export function encodeKeyValue(
  key: Uint8Array,
  createRevision: number,
  modRevision: number,
  version: number,
  value: Uint8Array,
  lease: LeaseId,
): Uint8Array {
  const size =
    bytesFieldSize(key) +
    counterFieldSize(createRevision) +
    counterFieldSize(modRevision) +
    counterFieldSize(version) +
    bytesFieldSize(value) +
    (lease === noLease ? 0 : 1 + varintSize64(lease));
  const head = 1 + varintSize(size);
  const out = allocate(head + size);
  out[0] = 0x12;
  let at = writeVarint(out, 1, size);
  at = writeBytesField(out, at, 0x0a, key);
  at = writeCounterField(out, at, 0x10, createRevision);
  at = writeCounterField(out, at, 0x18, modRevision);
  at = writeCounterField(out, at, 0x20, version);
  at = writeBytesField(out, at, 0x2a, value);
  if (lease !== noLease) {
    out[at++] = 0x30;
    writeVarint64(out, at, lease);
  }
  return out.subarray(head);
}

/** The PUT event around bytes that `encodeKeyValue` returned in this process; no copy. */
export function putEventOf(encoded: Uint8Array): Uint8Array {
  const head = 1 + varintSize(encoded.length);
  return new Uint8Array(encoded.buffer, encoded.byteOffset - head, head + encoded.length);
}

/** An mvccpb.Event from its parts; `prev` undefined leaves prev_kv out. */
export function encodeEvent(
  tombstone: boolean,
  kv: Uint8Array,
  prev: Uint8Array | undefined,
): Uint8Array {
  const prevSize = prev === undefined ? 0 : 1 + varintSize(prev.length) + prev.length;
  const out = new Uint8Array(
    (tombstone ? 2 : 0) + 1 + varintSize(kv.length) + kv.length + prevSize,
  );
  let at = 0;
  if (tombstone) {
    out[at++] = 0x08;
    out[at++] = 1;
  }
  out[at++] = 0x12;
  at = writeVarint(out, at, kv.length);
  out.set(kv, at);
  at += kv.length;
  if (prev !== undefined) {
    out[at++] = 0x1a;
    at = writeVarint(out, at, prev.length);
    out.set(prev, at);
  }
  return out;
}

/** Throws RangeError when the bytes are not a KeyValue. Unknown fields are skipped. */
export function decodeKeyValue(encoded: Uint8Array): KeyValue {
  const kv: KeyValue = {
    key: empty,
    createRevision: 0 as Revision,
    modRevision: 0 as Revision,
    version: 0 as Version,
    value: empty,
    lease: noLease,
  };
  const reader = new Reader(encoded);
  while (!reader.atEnd) {
    const tag = reader.varint();
    if (tag === 0x0a) kv.key = reader.bytes();
    else if (tag === 0x10) kv.createRevision = reader.varint() as Revision;
    else if (tag === 0x18) kv.modRevision = reader.varint() as Revision;
    else if (tag === 0x20) kv.version = reader.varint() as Version;
    else if (tag === 0x2a) kv.value = reader.bytes();
    else if (tag === 0x30) kv.lease = reader.varint64() as LeaseId;
    else reader.skip(tag);
  }
  return kv;
}

class Reader {
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  get atEnd(): boolean {
    return this.#at >= this.#data.length;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new RangeError("KeyValue: varint is longer than 10 bytes");
  }

  varint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new RangeError("KeyValue: varint is longer than 10 bytes");
  }

  bytes(): Uint8Array {
    const length = this.varint();
    const begin = this.#advance(length);
    return this.#data.subarray(begin, begin + length);
  }

  skip(tag: number): void {
    const wireType = tag & 7;
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.#advance(8);
    else if (wireType === 2) this.bytes();
    else if (wireType === 5) this.#advance(4);
    else throw new RangeError(`KeyValue: wire type ${wireType}`);
  }

  #byte(): number {
    return this.#data[this.#advance(1)]!;
  }

  #advance(count: number): number {
    const begin = this.#at;
    if (begin + count > this.#data.length) throw new RangeError("KeyValue: truncated");
    this.#at = begin + count;
    return begin;
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 128; rest /= 128) size++;
  return size;
}

function varintSize64(value: bigint): number {
  let size = 1;
  for (let rest = BigInt.asUintN(64, value) >> 7n; rest > 0n; rest >>= 7n) size++;
  return size;
}

const bytesFieldSize = (b: Uint8Array): number =>
  b.length === 0 ? 0 : 1 + varintSize(b.length) + b.length;

const counterFieldSize = (n: number): number => (n === 0 ? 0 : 1 + varintSize(n));

function writeVarint(out: Uint8Array, begin: number, value: number): number {
  let at = begin;
  let rest = value;
  while (rest > 0x7fff_ffff) {
    out[at++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest >= 128) {
    out[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[at++] = rest;
  return at;
}

function writeVarint64(out: Uint8Array, begin: number, value: bigint): number {
  let at = begin;
  let rest = BigInt.asUintN(64, value);
  while (rest >= 128n) {
    out[at++] = Number(rest & 0x7fn) | 0x80;
    rest >>= 7n;
  }
  out[at++] = Number(rest);
  return at;
}

function writeBytesField(out: Uint8Array, begin: number, tag: number, b: Uint8Array): number {
  if (b.length === 0) return begin;
  out[begin] = tag;
  const at = writeVarint(out, begin + 1, b.length);
  out.set(b, at);
  return at + b.length;
}

function writeCounterField(out: Uint8Array, begin: number, tag: number, n: number): number {
  if (n === 0) return begin;
  out[begin] = tag;
  return writeVarint(out, begin + 1, n);
}
