import { parseTimeout, type RequestHead } from "./request-head.ts";

/**
 * Request heads seen before, so that a call to a method just called costs no parsing.
 *
 * By the bytes of the header block: once a client's fields are all in the dynamic
 * table, every call to a method has the same few bytes, and equal bytes mean equal fields for as
 * long as the table stands still.
 */
const capacity = 8;

interface Cached<Head> {
  readonly block: Buffer;
  readonly head: Head;
}

export class HeadCache<Head> {
  #entries: Cached<Head>[] = [];
  #generation = 0;
  #next = 0;

  find(generation: number, chunk: Buffer, from: number, to: number): Head | undefined {
    if (generation !== this.#generation) return undefined;
    const length = to - from;
    for (const { block, head } of this.#entries) {
      if (block.length === length && same(block, chunk, from)) return head;
    }
    return undefined;
  }

  /** Only for blocks whose decoding left the table as it was. */
  add(generation: number, chunk: Buffer, from: number, to: number, head: Head): void {
    if (generation !== this.#generation) {
      this.#entries = [];
      this.#next = 0;
      this.#generation = generation;
    }
    const block = Buffer.from(chunk.subarray(from, to));
    this.#entries[this.#next] = { block, head };
    this.#next = (this.#next + 1) % capacity;
  }
}

function same(block: Buffer, chunk: Buffer, from: number): boolean {
  for (let i = block.length - 1; i >= 0; i--) if (block[i] !== chunk[from + i]) return false;
  return true;
}

interface Parsed<Method> {
  readonly fields: readonly string[];
  readonly head: RequestHead<Method>;
}

/**
 * Request heads by their decoded fields, the timeout aside: a client whose calls have deadlines
 * never sends the same block twice, but only the timeout differs.
 */
export class SimilarHeads<Method> {
  readonly #entries: Parsed<Method>[] = [];
  #next = 0;

  find(fields: readonly string[]): RequestHead<Method> | undefined {
    for (const entry of this.#entries) {
      const timeoutAt = differsAt(entry.fields, fields);
      if (timeoutAt === -2) continue;
      if (timeoutAt === -1) return entry.head;
      const timeoutMs = parseTimeout(fields[timeoutAt]!);
      return Number.isNaN(timeoutMs) ? undefined : { ...entry.head, timeoutMs };
    }
    return undefined;
  }

  add(fields: readonly string[], head: RequestHead<Method>): void {
    if (head.refusal !== undefined) return;
    this.#entries[this.#next] = { fields, head };
    this.#next = (this.#next + 1) % capacity;
  }
}

/** Where two lists differ in nothing but the timeout; -1 if in nothing at all, -2 in more. */
function differsAt(a: readonly string[], b: readonly string[]): number {
  if (a.length !== b.length) return -2;
  let at = -1;
  for (let i = 0; i < a.length; i++) {
    if (a[i] === b[i]) continue;
    if (at >= 0 || (i & 1) === 0 || a[i - 1] !== "grpc-timeout") return -2;
    at = i;
  }
  return at;
}
