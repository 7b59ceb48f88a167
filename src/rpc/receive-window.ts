/**
 * The window clients send into on a whole connection (RFC 9113 section 5.2). It is given back as soon
 * as bytes arrive, as grpc-go does: a stream whose handler does not take its messages must not hold
 * back the others. What handlers leave lying is bounded by `Limits.connectionQueueBytes` instead.
 */
import { defaultWindowBytes } from "./wire.ts";

export class ReceiveWindow {
  readonly #bytes: number;
  #left: number;
  #uncredited = 0;

  constructor(bytes: number) {
    this.#bytes = Math.max(bytes, defaultWindowBytes);
    this.#left = this.#bytes;
  }

  /** By how much the window is larger than a client expects at first. */
  get surplus(): number {
    return this.#bytes - defaultWindowBytes;
  }

  /** Accounts for the payload of a DATA frame: how much to give back now, or -1 for an overrun. */
  take(bytes: number): number {
    if (bytes > this.#left) return -1;
    this.#left -= bytes;
    this.#uncredited += bytes;
    if (this.#uncredited < this.#bytes / 2) return 0;
    const credit = this.#uncredited;
    this.#left += credit;
    this.#uncredited = 0;
    return credit;
  }
}
