import type { Clock } from "../../ports/index.ts";
import type { MessageBytes, StreamCall } from "../../rpc/index.ts";
import { joined, LocalCall, type LocalFailure, type Origin } from "./call.ts";

/** Who reads a local stream. Nothing is called inside a method of the stream. */
export interface StreamSink {
  message(bytes: Uint8Array): void;
  /** The stream is over, with a failure or well. */
  end(failure: LocalFailure | undefined): void;
  /** The handler takes no more (or again) of what the reader writes. */
  hold?(isHeld: boolean): void;
}

/** Bytes that may wait for the sink before the handler is told to stop. */
const queueBytesMax = 1 << 20;

/** Requests that may wait for the handler before the client is told to stop. */
const inboxMax = 100;

/** A stream whose two ends are both in this process. */
export class LocalStream extends LocalCall implements StreamCall {
  onDrain: (() => void) | undefined;
  readonly #sink: StreamSink;
  #onMessage: ((message: Uint8Array) => void) | undefined;
  #onEnd: (() => void) | undefined;
  readonly #inbox: Uint8Array[] = [];
  #inboxEnded = false;
  readonly #outbox: Uint8Array[] = [];
  #outcome: { readonly failure: LocalFailure | undefined } | undefined;
  #queuedBytes = 0;
  #drainOwed = false;
  #isReadable = true;
  #isPaused = false;
  #isHeld = false;
  #scheduled = false;

  constructor(path: string, origin: Origin, clock: Clock, sink: StreamSink) {
    super(path, origin, clock);
    this.#sink = sink;
  }

  // ---- the client's side

  /** One request. The sink is told to hold while too many wait. */
  write(message: Uint8Array): void {
    if (this.ended) return;
    this.#inbox.push(message);
    this.#tellHold();
    this.#schedule();
  }

  /** No more requests. */
  endWrites(): void {
    this.#inboxEnded = true;
    this.#schedule();
  }

  /** The sink takes messages, or not for now. */
  set readable(isReadable: boolean) {
    this.#isReadable = isReadable;
    if (isReadable) this.#schedule();
  }

  // ---- the handler's side

  get onMessage(): ((message: Uint8Array) => void) | undefined {
    return this.#onMessage;
  }

  set onMessage(callback: ((message: Uint8Array) => void) | undefined) {
    this.#onMessage = callback;
    this.#schedule();
  }

  get onEnd(): (() => void) | undefined {
    return this.#onEnd;
  }

  set onEnd(callback: (() => void) | undefined) {
    this.#onEnd = callback;
    this.#schedule();
  }

  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  get writable(): boolean {
    return !this.ended && this.#queuedBytes < queueBytesMax;
  }

  send(message: MessageBytes): boolean {
    if (this.ended) return false;
    const bytes = joined(message);
    this.#outbox.push(bytes);
    this.#queuedBytes += bytes.byteLength;
    this.#schedule();
    if (!this.writable) this.#drainOwed = true;
    return this.writable;
  }

  sendHeaders(): void {}

  end(): void {
    if (this.finish()) this.#over(undefined);
  }

  pause(): void {
    this.#isPaused = true;
    this.#tellHold();
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#tellHold();
    this.#schedule();
  }

  #tellHold(): void {
    const isHeld = this.#isPaused || this.#inbox.length >= inboxMax;
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    this.#sink.hold?.(isHeld);
  }

  protected failed(failure: LocalFailure): void {
    this.#over(failure);
  }

  #over(failure: LocalFailure | undefined): void {
    this.#outcome = { failure };
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.clock.soon(() => {
      this.#scheduled = false;
      this.#deliverIn();
      this.#deliverOut();
    });
  }

  #deliverIn(): void {
    while (!this.ended && !this.#isPaused && this.#onMessage !== undefined) {
      const message = this.#inbox.shift();
      if (message === undefined) break;
      const take = this.#onMessage;
      this.guard(() => take(message));
    }
    this.#tellHold();
    if (this.ended || this.#inbox.length > 0 || !this.#inboxEnded) return;
    const onEnd = this.#onEnd;
    this.#onEnd = undefined;
    this.guard(() => onEnd?.());
  }

  #deliverOut(): void {
    while (this.#isReadable) {
      const message = this.#outbox.shift();
      if (message === undefined) break;
      this.#queuedBytes -= message.byteLength;
      this.#sink.message(message);
    }
    if (this.#outbox.length > 0) return;
    if (this.#outcome !== undefined) {
      const { failure } = this.#outcome;
      this.#outcome = undefined;
      this.#sink.end(failure);
      return;
    }
    if (!this.#drainOwed || this.ended) return;
    this.#drainOwed = false;
    this.guard(() => this.onDrain?.());
  }
}
