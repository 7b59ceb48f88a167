/** A value that is longer than it may be. */
export class ValueTooLong extends Error {}

const quote = 0x22;
const backslash = 0x5c;
const openers = new Set([0x7b, 0x5b]);
const closers = new Set([0x7d, 0x5d]);
const blanks = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Cuts a stream of JSON objects, one behind the other with or without blanks, into single ones. Whether
 * they are JSON is for their reader to say.
 */
export class JsonSplitter {
  readonly #bytesMax: number;
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #depth = 0;
  #inText = false;
  #isEscaped = false;

  /** `bytesMax`: the longest value. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The values that end in this piece. Throws ValueTooLong. */
  push(piece: Uint8Array): string[] {
    const values: string[] = [];
    let from = 0;
    for (let at = 0; at < piece.byteLength; at++) {
      if (!this.#isLast(piece[at] as number)) continue;
      this.#hold(piece.subarray(from, at + 1));
      values.push(this.#take());
      from = at + 1;
    }
    this.#hold(piece.subarray(from));
    return values;
  }

  /** What came behind the last whole value; "" when that was but blanks. */
  rest(): string {
    return this.#take().trim();
  }

  #isLast(byte: number): boolean {
    if (this.#inText) {
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === backslash) this.#isEscaped = true;
      else if (byte === quote) this.#inText = false;
      return false;
    }
    if (byte === quote) this.#inText = true;
    else if (openers.has(byte)) this.#depth++;
    else if (closers.has(byte)) return --this.#depth <= 0;
    return false;
  }

  #hold(piece: Uint8Array): void {
    if (piece.byteLength === 0) return;
    if (this.#heldBytes === 0 && piece.every((byte) => blanks.has(byte))) return;
    this.#heldBytes += piece.byteLength;
    if (this.#heldBytes > this.#bytesMax) throw new ValueTooLong();
    this.#held.push(piece);
  }

  #take(): string {
    const text = Buffer.concat(this.#held).toString("utf8");
    this.#held = [];
    this.#heldBytes = 0;
    this.#depth = 0;
    return text;
  }
}
