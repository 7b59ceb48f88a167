/** Received chunks, read in pieces of known length; bytes are copied only across a chunk's end. */
export class ByteQueue {
  readonly #chunks: Buffer[] = [];
  /** Where the first chunk's unread part begins. */
  #head = 0;
  #length = 0;

  /** Unread bytes. */
  get length(): number {
    return this.#length;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The next `n` bytes in one piece; undefined while fewer are there. */
  take(n: number): Buffer | undefined {
    if (this.#length < n) return undefined;
    if (n === 0) return Buffer.alloc(0);
    const first = this.#chunks[0] as Buffer;
    if (first.length - this.#head >= n) {
      const piece = first.subarray(this.#head, this.#head + n);
      this.#skip(n);
      return piece;
    }
    const piece = Buffer.allocUnsafe(n);
    for (let filled = 0; filled < n; ) {
      const chunk = this.#chunks[0] as Buffer;
      const part = Math.min(n - filled, chunk.length - this.#head);
      chunk.copy(piece, filled, this.#head, this.#head + part);
      filled += part;
      this.#skip(part);
    }
    return piece;
  }

  u8(): number | undefined {
    return this.take(1)?.[0];
  }

  /** A big-endian u64 as a number; beyond 2^53-1 it is no length and reads as Infinity. */
  u64(): number | undefined {
    if (this.#length < 8) return undefined;
    let b = this.#chunks[0] as Buffer;
    let at = this.#head;
    // As a rule it lies in one chunk: then no view is made for it.
    if (b.length - at >= 8) this.#skip(8);
    else {
      b = this.take(8) as Buffer;
      at = 0;
    }
    const high = b.readUInt32BE(at);
    return high > 0x1fffff ? Number.POSITIVE_INFINITY : high * 4294967296 + b.readUInt32BE(at + 4);
  }

  /** Everything unread, in one piece. */
  rest(): Buffer {
    return this.take(this.#length) as Buffer;
  }

  /** Moves on within the first chunk. */
  #skip(n: number): void {
    this.#head += n;
    this.#length -= n;
    if (this.#head === (this.#chunks[0] as Buffer).length) {
      this.#chunks.shift();
      this.#head = 0;
    }
  }
}
