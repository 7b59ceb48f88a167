/** Cuts the bytes of a stream into messages: one flag byte, 32 bits of length, the message. */
import type { ReadFailure } from "./gunzip.ts";
import { Status } from "./status.ts";
import { getUint32 } from "./wire.ts";

const prefixBytes = 5;

/** Opens compressed messages: at most `maxBytes` of one, or why not. */
export interface Inflater {
  inflate(body: Uint8Array, maxBytes: number): Uint8Array | ReadFailure;
}

export class MessageReader {
  /** The message completed by the last `read`; a view into its chunk where it lay in one piece. */
  message: Uint8Array | undefined;
  /** Set when the stream cannot go on. */
  failure: ReadFailure | undefined;

  readonly #maxBytes: number;
  readonly #gzip: Inflater | undefined;
  readonly #prefix: Buffer = Buffer.alloc(prefixBytes);
  #prefixHave = 0;
  #length = 0;
  /** Grows with what has arrived, so that announcing a large message costs the sender its bytes. */
  #body: Buffer | undefined;
  #bodyHave = 0;

  /** `gzip` when the sender declared that encoding. */
  constructor(maxBytes: number, gzip: Inflater | undefined) {
    this.#maxBytes = maxBytes;
    this.#gzip = gzip;
  }

  /** True inside a message. */
  get midMessage(): boolean {
    return this.#prefixHave > 0;
  }

  /** Bytes reserved for an incomplete message. */
  get heldBytes(): number {
    return this.#body?.length ?? 0;
  }

  /** Reads up to the end of one message; returns the position it stopped at. */
  read(chunk: Buffer, from: number, to: number): number {
    let at = from;
    this.message = undefined;
    while (this.#prefixHave < prefixBytes) {
      if (at === to) return at;
      this.#prefix[this.#prefixHave++] = chunk[at++]!;
      if (this.#prefixHave === prefixBytes && !this.#acceptPrefix()) return at;
    }
    const take = Math.min(to - at, this.#length - this.#bodyHave);
    if (take === this.#length) {
      this.#complete(chunk.subarray(at, at + take));
      return at + take;
    }
    this.#append(chunk, at, take);
    if (this.#bodyHave === this.#length) this.#complete(this.#body!.subarray(0, this.#length));
    return at + take;
  }

  #acceptPrefix(): boolean {
    this.#length = getUint32(this.#prefix, 1);
    if (this.#length > this.#maxBytes) {
      this.failure = {
        code: Status.resourceExhausted,
        message: `grpc: received message larger than max (${this.#length} vs. ${this.#maxBytes})`,
      };
      return false;
    }
    const format = this.#prefix[0]!;
    if (format > 1) {
      const message = `grpc: received unexpected payload format ${format}`;
      this.failure = { code: Status.internal, message };
    } else if (format === 1 && this.#gzip === undefined) {
      const message = "grpc: compressed flag set with identity or empty encoding";
      this.failure = { code: Status.internal, message };
    }
    return this.failure === undefined;
  }

  #append(chunk: Buffer, at: number, take: number): void {
    const need = this.#bodyHave + take;
    if (this.#body === undefined || this.#body.length < need) {
      const size = Math.min(this.#length, Math.max(4 * need, 64 * 1024));
      const grown = Buffer.allocUnsafeSlow(size);
      this.#body?.copy(grown, 0, 0, this.#bodyHave);
      this.#body = grown;
    }
    chunk.copy(this.#body, this.#bodyHave, at, at + take);
    this.#bodyHave = need;
  }

  #complete(body: Uint8Array): void {
    const compressed = this.#prefix[0] === 1;
    this.#prefixHave = 0;
    this.#body = undefined;
    this.#bodyHave = 0;
    if (!compressed) {
      this.message = body;
      return;
    }
    const inflated = this.#gzip!.inflate(body, this.#maxBytes);
    if (inflated instanceof Uint8Array) this.message = inflated;
    else this.failure = inflated;
  }
}
