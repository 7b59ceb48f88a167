/** What one connection holds, counted for itself and in the ledger of its server. */
import type { ServerCall } from "./call.ts";
import type { Ledger } from "./ledger.ts";
import type { Limits } from "./types.ts";

/** What an account needs of its connection. */
export interface AccountHost {
  readonly limits: Limits;
  /** This connection holds more unsent bytes than one may. */
  overdrawn(): void;
  /** All connections together hold too much. */
  relieve(): void;
  /** What the connection that holds most has queued. */
  mostQueued(): number;
}

/** Answers below this are not asked about before they are queued. */
export const largeAnswerBytes: number = 1024 * 1024;
const advice = "ask for less (limit), or for a stream (RangeStream)";

export class Account {
  /** Message bytes waiting on all streams, and what the socket has not taken. */
  queuedBytes = 0;
  /** Bytes of messages that no handler has taken. */
  heldBytes = 0;
  readonly #host: AccountHost;
  readonly #ledger: Ledger;
  #left = false;
  /** The one answer that may be larger than all else that waits here; see `refusal`. */
  #large: ServerCall | undefined;

  constructor(host: AccountHost, ledger: Ledger) {
    this.#host = host;
    this.#ledger = ledger;
  }

  /** So many bytes more (or less) wait to be sent. */
  queued(bytes: number): void {
    this.queuedBytes += bytes;
    if (this.#left) return;
    this.#ledger.queuedBytes += bytes;
    if (bytes <= 0) return;
    const { connectionQueueBytes, serverQueueBytes } = this.#host.limits;
    // One answer alone may be of any size.
    const alone = this.queuedBytes === bytes;
    if (!alone && this.isBeyond(connectionQueueBytes)) this.#host.overdrawn();
    else if (this.#ledger.queuedBytes > serverQueueBytes) this.#host.relieve();
  }

  /** Whether more than `bytes` wait, the one large answer aside. */
  isBeyond(bytes: number): boolean {
    if (this.queuedBytes <= bytes) return false;
    return this.queuedBytes - (this.#large?.queuedBytes ?? 0) > bytes;
  }

  /**
   * Why the large answer of a call cannot be queued; undefined when it can. Beside what a connection may
   * have waiting, one answer may be of any size that all connections together may have.
   */
  refusal(call: ServerCall, bytes: number): string | undefined {
    const { connectionQueueBytes, serverQueueBytes } = this.#host.limits;
    const answer = `the answer of ${bytes} bytes`;
    if (bytes > serverQueueBytes) {
      return `${answer} is beyond what all clients may have waiting (${serverQueueBytes}): ${advice}`;
    }
    const isTooMuch = this.#ledger.queuedBytes + bytes > serverQueueBytes;
    if (isTooMuch && this.queuedBytes + bytes >= this.#host.mostQueued()) {
      return `${answer} is too large while clients have others to read (${this.#ledger.queuedBytes} of ${serverQueueBytes}): try again, or ${advice}`;
    }
    if (!this.isBeyond(connectionQueueBytes - bytes)) return undefined;
    if ((this.#large?.queuedBytes ?? 0) === 0) {
      this.#large = call;
      return undefined;
    }
    return `${answer} is too large beside what this connection has not read (${this.queuedBytes}): read that first, or ${advice}`;
  }

  /** Looks again at what is held for a call; false when the connection holds too much. */
  hold(call: ServerCall): boolean {
    this.#held(call, call.closed ? 0 : call.pendingBytes);
    return this.heldBytes <= this.#host.limits.connectionQueueBytes;
  }

  /** Nothing is held for the call any more. */
  release(call: ServerCall): void {
    this.#held(call, 0);
  }

  /** The connection is over: what it still holds counts for nobody but itself. */
  leave(): void {
    if (this.#left) return;
    this.#large = undefined;
    this.#left = true;
    this.#ledger.queuedBytes -= this.queuedBytes;
    this.#ledger.heldBytes -= this.heldBytes;
  }

  #held(call: ServerCall, bytes: number): void {
    const more = bytes - call.heldBytes;
    if (more === 0) return;
    call.heldBytes = bytes;
    this.heldBytes += more;
    if (this.#left) return;
    this.#ledger.heldBytes += more;
    if (more > 0 && this.#ledger.heldBytes > this.#host.limits.serverHeldBytes) {
      this.#host.relieve();
    }
  }
}
