import { assert } from "../../lib/assert.ts";

/**
 * The MsgApps on their way to one follower: a ring of (last index, bytes), bounded in messages.
 * Bytes may overshoot by one message, so that a large entry always gets through.
 * Behaviour: etcd raft tracker/inflights.go.
 */
export class Inflights {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  /** Pairs of last index and bytes; grows on demand up to 2 * maxMessages slots. */
  #ring: number[] = [];
  #start = 0;
  #count = 0;
  #bytes = 0;

  constructor(maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  full(): boolean {
    return this.#count >= this.#maxMessages || this.#bytes >= this.#maxBytes;
  }

  /** Notes a message whose last entry is `index`; indexes must come in rising order. */
  add(index: number, bytes: number): void {
    assert(!this.full(), "add() to a full window of in-flight messages");
    const capacity = this.#ring.length / 2;
    if (this.#count === capacity) this.#grow(capacity);
    const slot = ((this.#start + this.#count) % (this.#ring.length / 2)) * 2;
    this.#ring[slot] = index;
    this.#ring[slot + 1] = bytes;
    this.#count++;
    this.#bytes += bytes;
  }

  /** Frees every message whose last entry is at or below `index`. */
  freeUpTo(index: number): void {
    while (this.#count > 0) {
      const slot = this.#start * 2;
      if ((this.#ring[slot] as number) > index) return;
      this.#bytes -= this.#ring[slot + 1] as number;
      this.#start = (this.#start + 1) % (this.#ring.length / 2);
      this.#count--;
    }
    this.#start = 0;
  }

  reset(): void {
    this.#start = 0;
    this.#count = 0;
    this.#bytes = 0;
  }

  #grow(capacity: number): void {
    const next: number[] = [];
    for (let i = 0; i < this.#count; i++) {
      const slot = ((this.#start + i) % capacity) * 2;
      next.push(this.#ring[slot] as number, this.#ring[slot + 1] as number);
    }
    const size = Math.min(Math.max(4, capacity * 2), this.#maxMessages);
    while (next.length < size * 2) next.push(0, 0);
    this.#ring = next;
    this.#start = 0;
  }
}
