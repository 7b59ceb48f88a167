import type { Index, MemberId } from "../types.ts";
import type { Tracker } from "./tracker.ts";
import type { Message } from "./types.ts";

/** A ReadIndex request and the commit index at the moment it arrived. */
export interface ReadRequest {
  readonly request: Message;
  readonly index: Index;
}

/**
 * Reads that wait for a quorum to confirm our leadership (thesis 6.4). They are numbered in order
 * of arrival; a heartbeat carries the number of the newest as its context, its echo acknowledges
 * that one and all before, so one round serves every read that waits. As in etcd 3.7 the context
 * is the number as 8 bytes, little endian; peers give it back as it is.
 */
export class ReadOnly {
  readonly #acks = new Map<MemberId, number>();
  #waiting: ReadRequest[] = [];
  /** How many reads were confirmed in this term: the number of the newest confirmed one. */
  #confirmed = 0;

  get waiting(): number {
    return this.#waiting.length;
  }

  add(index: Index, request: Message): void {
    this.#waiting.push({ request, index });
  }

  /** What a heartbeat must carry; undefined when no read waits. */
  heartbeatContext(): Uint8Array | undefined {
    if (this.#waiting.length === 0) return undefined;
    return encode(this.#confirmed + this.#waiting.length);
  }

  acknowledge(from: MemberId, context: Uint8Array): void {
    const n = decode(context);
    if (n > (this.#acks.get(from) ?? 0)) this.#acks.set(from, n);
  }

  /** Takes out the reads that a quorum has confirmed. */
  advance(tracker: Tracker): readonly ReadRequest[] {
    const newest = Math.min(
      tracker.quorumReached(this.#acks),
      this.#confirmed + this.#waiting.length,
    );
    const count = newest - this.#confirmed;
    if (count <= 0) return none;
    const confirmed = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    this.#confirmed = newest;
    return confirmed;
  }
}

const none: readonly ReadRequest[] = [];

function encode(n: number): Uint8Array {
  const b = new Uint8Array(8);
  const view = new DataView(b.buffer);
  view.setUint32(0, n % 2 ** 32, true);
  view.setUint32(4, Math.floor(n / 2 ** 32), true);
  return b;
}

/** 0 for anything that is not one of our contexts. */
function decode(b: Uint8Array): number {
  if (b.length !== 8) return 0;
  const view = new DataView(b.buffer, b.byteOffset, 8);
  return view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
}
