/**
 * Encodes the key values of long answers into buffers that are used again once the socket has
 * taken them: fresh ones cost page faults and, as they pile up, whole collections of the heap.
 */
import { sizeU32 } from "../../proto/index.ts";
import { LentMessage } from "../../rpc/index.ts";

/** RangeResponse: kvs. */
const kvTag = 0x12;
const bufferBytes = 256 * 1024;
/** Buffers kept for later, 32 MiB of them. */
const spareMost = 128;
/** From this size on a key value goes out as it lies in memory. */
const referenceBytes = 8 * 1024;
/** Tag and length of one. */
const headMost = 6;

const spare: Buffer[] = [];

/** The field `kvs` of a RangeResponse, and what stands before and after it. */
export class LongAnswer {
  readonly message = new LentMessage();
  readonly #lent: Buffer[] = [];
  #buffer: Buffer | undefined;
  #from = 0;
  #at = 0;

  constructor() {
    this.message.onWritten = () => {
      for (const buffer of this.#lent) if (spare.length < spareMost) spare.push(buffer);
      this.#lent.length = 0;
    };
  }

  /** Appends key values, which must never change. */
  kvs(kvs: readonly Uint8Array[]): void {
    for (const kv of kvs) {
      const { length } = kv;
      const isReferred = length >= referenceBytes;
      const out = this.#room(headMost + (isReferred ? 0 : length));
      let at = this.#at;
      out[at++] = kvTag;
      let left = length;
      while (left > 127) {
        out[at++] = (left & 127) | 128;
        left >>>= 7;
      }
      out[at++] = left;
      if (isReferred) {
        this.#at = at;
        this.bytes(kv);
      } else {
        out.set(kv, at);
        this.#at = at + length;
      }
    }
  }

  /** Appends other fields, already encoded. */
  bytes(bytes: Uint8Array): void {
    this.#seal();
    if (bytes.length > 0) this.message.push(bytes);
  }

  /** The message; nothing may be appended after this. */
  end(): LentMessage {
    this.#seal();
    return this.message;
  }

  #room(bytes: number): Buffer {
    if (this.#buffer !== undefined && this.#buffer.length - this.#at >= bytes) return this.#buffer;
    this.#seal();
    this.#buffer = spare.pop() ?? Buffer.allocUnsafeSlow(bufferBytes);
    this.#lent.push(this.#buffer);
    this.#from = 0;
    this.#at = 0;
    return this.#buffer;
  }

  #seal(): void {
    if (this.#buffer === undefined || this.#at === this.#from) return;
    this.message.push(this.#buffer.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }
}

/** Bytes of the field `kvs`. */
export function sizeOfKvs(kvs: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const kv of kvs) bytes += 1 + sizeU32(kv.length) + kv.length;
  return bytes;
}
