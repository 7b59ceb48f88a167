/**
 * What a call receives, unless it is the usual unary request in one frame: bytes become messages,
 * and the messages of a stream wait here until its handler takes them.
 */
import type { Gzip } from "./compression.ts";
import { MessageReader } from "./message-reader.ts";
import { Status, type StatusCode } from "./status.ts";

/** What an inbox needs of its call. */
export interface InboxHost {
  readonly ended: boolean;
  readonly remoteEnded: boolean;
  /** A message is complete, for the counters. */
  counted(bytes: number): void;
  /** Runs a handler's callback; what it throws ends the call. */
  guard<T>(f: (argument: T) => void, argument: T): void;
  /** Ends the call from our side. */
  cut(code: StatusCode, message: string): void;
  /** The client may send as many bytes again as were taken. */
  credit(): void;
  /** Calls `deliver` in a later turn. */
  deliverLater(): void;
}

/** What a message that waits costs beside its bytes: without it empty messages would be free. */
const waitingOverheadBytes = 128;

export class Inbox {
  readonly #host: InboxHost;
  readonly #isUnary: boolean;
  readonly #reader: MessageReader;
  /** The message of a unary call whose end has not come. */
  #request: Uint8Array | undefined = undefined;
  #onMessage: ((message: Uint8Array) => void) | undefined = undefined;
  #onEnd: (() => void) | undefined = undefined;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #endDelivered = false;
  #paused = false;
  #delivering = false;

  constructor(host: InboxHost, isUnary: boolean, maxBytes: number, gzip: Gzip | undefined) {
    this.#host = host;
    this.#isUnary = isUnary;
    this.#reader = new MessageReader(maxBytes, gzip);
  }

  get onMessage(): ((message: Uint8Array) => void) | undefined {
    return this.#onMessage;
  }

  set onMessage(f) {
    this.#onMessage = f;
    this.#deliverSoon();
  }

  get onEnd(): (() => void) | undefined {
    return this.#onEnd;
  }

  set onEnd(f) {
    this.#onEnd = f;
    this.#deliverSoon();
  }

  /** Bytes of messages that are incomplete or wait for the handler. */
  get bytes(): number {
    return this.#reader.heldBytes + this.#waitingBytes + (this.#request?.length ?? 0);
  }

  /** True while complete messages wait: the client's window is then not refilled. */
  get backlogged(): boolean {
    return this.#waiting.length > 0;
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#deliverSoon();
  }

  /** Bytes [from, to) of the stream. */
  receive(chunk: Buffer, from: number, to: number): void {
    const reader = this.#reader;
    let at = from;
    while (at < to && !this.#host.ended) {
      at = reader.read(chunk, at, to);
      if (reader.failure !== undefined) {
        this.#host.cut(reader.failure.code, reader.failure.message);
        return;
      }
      const { message } = reader;
      if (message === undefined) return;
      this.#host.counted(message.length);
      if (this.#isUnary) this.#keepRequest(message);
      else this.#receiveMessage(message);
    }
  }

  /** The client has ended its half: the request of a unary call, if all is well with it. */
  end(): Uint8Array | undefined {
    if (this.#reader.midMessage) {
      this.#host.cut(Status.internal, "the stream ended within a message");
      return undefined;
    }
    if (!this.#isUnary) {
      this.deliver();
      return undefined;
    }
    const request = this.#request;
    this.#request = undefined;
    if (request === undefined) {
      this.#host.cut(Status.internal, "the call has no request message");
    }
    return request;
  }

  /** Hands waiting messages and the end to a stream's handler, as far as it takes them. */
  deliver(): void {
    if (this.#delivering) return;
    this.#delivering = true;
    const waiting = this.#waiting;
    let n = 0;
    while (n < waiting.length && this.#takes()) {
      const message = waiting[n++]!;
      this.#waitingBytes -= message.length + waitingOverheadBytes;
      this.#host.guard(this.#onMessage!, message);
    }
    if (n > 0) {
      waiting.splice(0, n);
      this.#host.credit();
    }
    this.#delivering = false;
    const endIsDue = waiting.length === 0 && this.#host.remoteEnded && !this.#endDelivered;
    if (endIsDue && !this.#host.ended && this.#onEnd !== undefined && !this.#paused) {
      this.#endDelivered = true;
      this.#host.guard(this.#onEnd as (_: undefined) => void, undefined);
    }
  }

  #receiveMessage(message: Uint8Array): void {
    if (this.#waiting.length === 0 && !this.#delivering && this.#takes()) {
      this.#delivering = true;
      this.#host.guard(this.#onMessage!, message);
      this.#delivering = false;
      return;
    }
    this.#waiting.push(message);
    this.#waitingBytes += message.length + waitingOverheadBytes;
  }

  #keepRequest(message: Uint8Array): void {
    if (this.#request === undefined) this.#request = message;
    else this.#host.cut(Status.internal, "the call has more than one request message");
  }

  #takes(): boolean {
    return this.#onMessage !== undefined && !this.#paused && !this.#host.ended;
  }

  #deliverSoon(): void {
    const endWaits = this.#host.remoteEnded && !this.#endDelivered;
    if (this.backlogged || endWaits) this.#host.deliverLater();
  }
}
