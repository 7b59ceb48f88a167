/**
 * Where outgoing frames are laid out: small things are copied one behind the other into a slab,
 * large ones go by reference. A slab is written once and then left to the garbage collector, so
 * that the socket may hold on to it. One writer serves all connections in turn.
 */
import type { LentMessage } from "./lent-message.ts";

const slabBytes = 64 * 1024;

/** From this size on a copy costs more than one more part of the writev. */
const referenceBytes = 4 * 1024;

export class FrameWriter {
  /** The slab; `reserve` makes room, whoever reserved writes from `at` on and moves it. */
  buffer: Buffer = Buffer.allocUnsafeSlow(slabBytes);
  at = 0;
  /** Where the part of the slab begins that is not yet among #parts. */
  #from = 0;
  #parts: Uint8Array[] = [];
  /** Bytes in #parts. */
  #partBytes = 0;
  /** Messages whose last byte is among what was laid out. */
  #lent: LentMessage[] = [];

  /** Bytes laid out since the last `take`. */
  get bytes(): number {
    return this.#partBytes + this.at - this.#from;
  }

  /** Makes sure that `n` bytes can be written from `at` on in one piece. */
  reserve(n: number): void {
    if (this.buffer.length - this.at >= n) return;
    this.#seal();
    this.buffer = Buffer.allocUnsafeSlow(Math.max(slabBytes, n));
    this.at = 0;
    this.#from = 0;
  }

  /** Appends bytes; large ones by reference, so they must not change any more. */
  append(bytes: Uint8Array): void {
    const n = bytes.length;
    if (n >= referenceBytes) {
      this.#seal();
      this.#parts.push(bytes);
      this.#partBytes += n;
      return;
    }
    this.reserve(n);
    this.buffer.set(bytes, this.at);
    this.at += n;
  }

  /** A message that wants to know when it was written was laid out to its end. */
  lent(message: LentMessage): void {
    this.#lent.push(message);
  }

  /** Those messages, for whoever writes what `take` returns; undefined when there are none. */
  takeLent(): readonly LentMessage[] | undefined {
    if (this.#lent.length === 0) return undefined;
    const lent = this.#lent;
    this.#lent = [];
    return lent;
  }

  /** What was laid out, in order, and a fresh start. */
  take(): Uint8Array[] {
    this.#seal();
    const parts = this.#parts;
    this.#parts = [];
    this.#partBytes = 0;
    return parts;
  }

  #seal(): void {
    if (this.at === this.#from) return;
    this.#parts.push(this.buffer.subarray(this.#from, this.at));
    this.#partBytes += this.at - this.#from;
    this.#from = this.at;
  }
}
