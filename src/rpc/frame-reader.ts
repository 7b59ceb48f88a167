/** Cuts what a socket delivers into frames, without a copy where a frame lies in one piece. */
import { ErrorCode, frameHeaderBytes, getUint32, maxFrameBytes } from "./wire.ts";

/**
 * Takes one frame, payload at [from, to) of `chunk`; the chunk is never written again. False stops
 * the reader for good.
 */
export type FrameSink = (
  type: number,
  flags: number,
  streamId: number,
  chunk: Buffer,
  from: number,
  to: number,
) => boolean;

export class FrameReader {
  readonly #sink: FrameSink;
  readonly #onError: (code: ErrorCode, message: string) => void;
  /** The beginning of a frame that has not arrived whole; #have bytes of it are there. */
  #partial: Buffer | undefined;
  #have = 0;
  #stopped = false;

  constructor(sink: FrameSink, onError: (code: ErrorCode, message: string) => void) {
    this.#sink = sink;
    this.#onError = onError;
  }

  stop(): void {
    this.#stopped = true;
    this.#partial = undefined;
  }

  push(chunk: Buffer): void {
    let at = this.#partial === undefined ? 0 : this.#fill(chunk, 0);
    while (!this.#stopped && chunk.length - at >= frameHeaderBytes) {
      const length = payloadBytes(chunk, at);
      if (length > maxFrameBytes) {
        this.#tooLong(length);
        return;
      }
      const end = at + frameHeaderBytes + length;
      if (end > chunk.length) break;
      this.#frame(chunk, at, end);
      at = end;
    }
    if (!this.#stopped && at < chunk.length) this.#keep(chunk, at);
  }

  #frame(chunk: Buffer, at: number, end: number): void {
    const streamId = getUint32(chunk, at + 5) & 0x7fffffff;
    const from = at + frameHeaderBytes;
    if (!this.#sink(chunk[at + 3]!, chunk[at + 4]!, streamId, chunk, from, end)) this.stop();
  }

  /** Stores the rest of a chunk; less than a frame. */
  #keep(chunk: Buffer, at: number): void {
    const rest = chunk.length - at;
    const whole = rest < frameHeaderBytes ? 0 : payloadBytes(chunk, at);
    this.#partial = Buffer.allocUnsafeSlow(frameHeaderBytes + whole);
    chunk.copy(this.#partial, 0, at);
    this.#have = rest;
  }

  /** Completes the stored frame as far as the chunk goes; returns how much of it was used. */
  #fill(chunk: Buffer, from: number): number {
    let at = from;
    if (this.#have < frameHeaderBytes) {
      at = this.#copy(chunk, at, frameHeaderBytes);
      if (this.#have < frameHeaderBytes) return at;
      const length = payloadBytes(this.#partial!, 0);
      if (length > maxFrameBytes) {
        this.#tooLong(length);
        return at;
      }
      if (this.#partial!.length < frameHeaderBytes + length) {
        const header = this.#partial!;
        this.#partial = Buffer.allocUnsafeSlow(frameHeaderBytes + length);
        header.copy(this.#partial);
      }
    }
    const partial = this.#partial!;
    at = this.#copy(chunk, at, partial.length);
    if (this.#have < partial.length) return at;
    this.#partial = undefined;
    this.#have = 0;
    this.#frame(partial, 0, partial.length);
    return at;
  }

  #copy(chunk: Buffer, at: number, until: number): number {
    const take = Math.min(until - this.#have, chunk.length - at);
    chunk.copy(this.#partial!, this.#have, at, at + take);
    this.#have += take;
    return at + take;
  }

  #tooLong(length: number): void {
    this.stop();
    this.#onError(ErrorCode.frameSizeError, `a frame of ${length} bytes`);
  }
}

function payloadBytes(b: Buffer, at: number): number {
  return (b[at]! << 16) | (b[at + 1]! << 8) | b[at + 2]!;
}
