/**
 * The protobuf wire format: what the generated codecs are made of. Sizes first, then one exact
 * allocation: no growing, no copying. Source: protobuf encoding guide.
 *
 * Counters (int64, uint64 without an id brand) are numbers, clamped to ±(2^53-1) when read;
 * identifiers are bigints.
 */

// An import would load all that the module has, files and blobs among it.
const { isUtf8 } = process.getBuiltinModule("node:buffer");

/** "text": a string is not UTF-8; "depth": too much nesting; else "format". Clients are told which. */
export type ProtoErrorKind = "format" | "text" | "depth";

/** The bytes are not a valid message of this type. */
export class ProtoError extends Error {
  override readonly name = "ProtoError";
  readonly kind: ProtoErrorKind;

  constructor(message: string, kind: ProtoErrorKind = "format") {
    super(message);
    this.kind = kind;
  }
}

const noBytes: Uint8Array = Buffer.alloc(0);
const two32 = 4294967296;
/** Bounds the stack that a hostile message can take (protobuf-go: 10000). */
const maxDepth = 2000;
const tagMax = 0xffff_ffff;
const endOfGroup = 4;

export class Writer {
  readonly bytes: Buffer;
  pos = 0;

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafe(size);
  }

  /** A non-negative number below 2^32. */
  u32(value: number): void {
    const b = this.bytes;
    let v = value;
    let p = this.pos;
    while (v > 127) {
      b[p++] = (v & 127) | 128;
      v >>>= 7;
    }
    b[p++] = v;
    this.pos = p;
  }

  /** A counter: any safe integer; negative ones take ten bytes, as int64 does. */
  counter(value: number): void {
    if (value >= 0 && value < two32) {
      this.u32(value);
      return;
    }
    if (value < 0) {
      const v = BigInt.asUintN(64, BigInt(value));
      this.halves(Number(v >> 32n), Number(v & 0xffffffffn));
      return;
    }
    let v = value;
    const b = this.bytes;
    let p = this.pos;
    while (v >= two32) {
      b[p++] = (v % 128) | 128;
      v = Math.floor(v / 128);
    }
    this.pos = p;
    this.u32(v);
  }

  /** An identifier; those of our cluster and member stand in every header and are remembered. */
  id(value: bigint): void {
    const known = value === ids[0]?.value ? ids[0] : value === ids[1]?.value ? ids[1] : undefined;
    const { hi, lo } = known ?? remember(value);
    this.halves(hi, lo);
  }

  /** 64 bits, by halves: arithmetic on bigints would cost as much as the rest of a response. */
  halves(high: number, low: number): void {
    let lo = low;
    let hi = high;
    const b = this.bytes;
    let p = this.pos;
    while (hi !== 0) {
      b[p++] = (lo & 127) | 128;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    this.pos = p;
    this.u32(lo);
  }

  bool(value: boolean): void {
    this.bytes[this.pos++] = value ? 1 : 0;
  }

  blob(value: Uint8Array): void {
    const n = value.byteLength;
    this.u32(n);
    this.bytes.set(value, this.pos);
    this.pos += n;
  }

  text(value: string): void {
    const n = Buffer.byteLength(value);
    this.u32(n);
    this.pos += this.bytes.write(value, this.pos, n, "utf8");
  }
}

interface KnownId {
  readonly value: bigint;
  readonly hi: number;
  readonly lo: number;
}

/** The identifiers written last. */
const ids: [KnownId | undefined, KnownId | undefined] = [undefined, undefined];

function remember(value: bigint): KnownId {
  const v = BigInt.asUintN(64, value);
  const known = { value, hi: Number(v >> 32n), lo: Number(v & 0xffffffffn) };
  ids[1] = ids[0];
  ids[0] = known;
  return known;
}

/** Encoded length of 64 bits by halves. */
export const sizeHalves = (hi: number, lo: number): number =>
  hi === 0 ? sizeU32(lo) : Math.ceil((64 - Math.clz32(hi)) / 7);

/** Encoded length of a non-negative number below 2^32. */
export function sizeU32(v: number): number {
  if (v < 128) return 1;
  if (v < 16384) return 2;
  if (v < 2097152) return 3;
  return v < 268435456 ? 4 : 5;
}

export function sizeCounter(value: number): number {
  if (value < 0) return 10;
  if (value < two32) return sizeU32(value);
  let n = 0;
  let v = value;
  while (v >= two32) {
    v = Math.floor(v / 128);
    n++;
  }
  return n + sizeU32(v);
}

export function sizeId(value: bigint): number {
  const known = value === ids[0]?.value ? ids[0] : value === ids[1]?.value ? ids[1] : undefined;
  const { hi, lo } = known ?? remember(value);
  return sizeHalves(hi, lo);
}

export const sizeBlob = (value: Uint8Array): number => sizeU32(value.byteLength) + value.byteLength;

export function sizeText(value: string): number {
  const n = Buffer.byteLength(value);
  return sizeU32(n) + n;
}

/** Length-prefixed size of a nested message whose own size is `n`. */
export const sizeNested = (n: number): number => sizeU32(n) + n;

export class Reader {
  readonly bytes: Uint8Array;
  pos = 0;
  end: number;
  #lo = 0;
  #hi = 0;
  #depth = 0;
  readonly #depthMax: number;

  /** `furtherDepth`: levels around what a client may nest, as the log has them. */
  constructor(bytes: Uint8Array, furtherDepth = 0) {
    this.bytes = bytes;
    this.end = bytes.byteLength;
    this.#depthMax = maxDepth + furtherDepth;
  }

  /** The number and wire type of the next field. */
  tag(): number {
    const b = this.bytes;
    const first = this.pos < this.end ? (b[this.pos] as number) : 128;
    if (first < 128 && first > 7) {
      this.pos++;
      return first;
    }
    this.#varint();
    if (this.#hi !== 0 || this.#lo > tagMax || this.#lo < 8) {
      throw new ProtoError("field numbers are between 1 and 2^29-1");
    }
    return this.#lo;
  }

  /** A varint's low 32 bits. */
  u32(): number {
    const b = this.bytes;
    const first = this.pos < this.end ? (b[this.pos] as number) : 128;
    if (first < 128) {
      this.pos++;
      return first;
    }
    this.#varint();
    return this.#lo;
  }

  int32(): number {
    return this.u32() | 0;
  }

  bool(): boolean {
    this.#varint();
    return this.#lo !== 0 || this.#hi !== 0;
  }

  /** An int64 counter, clamped to ±(2^53-1). */
  counter(): number {
    this.#varint();
    if (this.#hi === 0) return this.#lo;
    if (this.#hi < 0x200000) return this.#hi * two32 + this.#lo;
    if (this.#hi < 0x80000000) return Number.MAX_SAFE_INTEGER;
    const v = (this.#hi - two32) * two32 + this.#lo;
    return Math.max(v, -Number.MAX_SAFE_INTEGER);
  }

  /** A uint64 counter, clamped to 2^53-1. */
  unsignedCounter(): number {
    this.#varint();
    if (this.#hi < 0x200000) return this.#hi * two32 + this.#lo;
    return Number.MAX_SAFE_INTEGER;
  }

  id(): bigint {
    this.#varint();
    if (this.#hi === 0) return BigInt(this.#lo);
    return (BigInt(this.#hi) << 32n) | BigInt(this.#lo);
  }

  signedId(): bigint {
    return BigInt.asIntN(64, this.id());
  }

  blob(): Uint8Array {
    const n = this.length();
    if (n === 0) return noBytes;
    const start = this.pos;
    this.pos = start + n;
    return this.bytes.subarray(start, start + n);
  }

  text(): string {
    const n = this.length();
    const start = this.pos;
    this.pos = start + n;
    const b = this.bytes;
    const bytes = Buffer.from(b.buffer, b.byteOffset + start, n);
    if (!isUtf8(bytes)) throw new ProtoError("a string is not UTF-8", "text");
    return bytes.toString("utf8");
  }

  /** Reads a length prefix and checks that as many bytes are there. */
  length(): number {
    const first = this.pos < this.end ? (this.bytes[this.pos] as number) : 128;
    let n = first;
    if (first < 128) this.pos++;
    else {
      this.#varint();
      n = this.#hi === 0 ? this.#lo : Number.POSITIVE_INFINITY;
    }
    if (n > this.end - this.pos) throw new ProtoError(`field of ${n} bytes runs past the end`);
    return n;
  }

  /** Narrows the reader to a nested message; give the result to `leave`. */
  enter(): number {
    const n = this.length();
    if (++this.#depth > this.#depthMax)
      throw new ProtoError(`messages nest deeper than ${this.#depthMax}`, "depth");
    const outer = this.end;
    this.end = this.pos + n;
    return outer;
  }

  leave(outer: number): void {
    this.#depth--;
    this.end = outer;
  }

  /** Passes over an unknown field. */
  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.#varint();
        return;
      case 1:
        this.#advance(8);
        return;
      case 2:
        this.#advance(this.length());
        return;
      case 3:
        this.#skipGroup(tag >>> 3);
        return;
      case 5:
        this.#advance(4);
        return;
      default:
        throw new ProtoError(`field ${tag >>> 3} has the unknown wire type ${tag & 7}`);
    }
  }

  /** Groups are long gone from the language, yet parsers still pass over them. */
  #skipGroup(field: number): void {
    const open = [field];
    while (open.length > 0) {
      const tag = this.tag();
      const wire = tag & 7;
      if (wire === 3) open.push(tag >>> 3);
      else if (wire !== endOfGroup) this.skip(tag);
      else if (open.pop() !== tag >>> 3) throw new ProtoError("a group ends that is not open");
      if (open.length > maxDepth) throw new ProtoError(`groups nest deeper than ${maxDepth}`);
    }
  }

  #advance(n: number): void {
    if (n > this.end - this.pos) throw new ProtoError("message ends within a field");
    this.pos += n;
  }

  #varint(): void {
    const b = this.bytes;
    let lo = 0;
    let hi = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.pos >= this.end) throw new ProtoError("message ends within a number");
      const byte = b[this.pos++] as number;
      const bits = byte & 127;
      if (shift < 28) lo |= bits << shift;
      else if (shift === 28) {
        lo |= bits << 28;
        hi |= bits >>> 4;
      } else hi |= bits << (shift - 32);
      if (byte < 128) {
        if (shift === 63 && byte > 1) break;
        this.#lo = lo >>> 0;
        this.#hi = hi >>> 0;
        return;
      }
    }
    throw new ProtoError("number has more than 64 bits");
  }
}
