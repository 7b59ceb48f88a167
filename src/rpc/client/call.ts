/** One call of a client: what goes out waits in its queue, what comes in goes to its sink. */
import { gunzip } from "../gunzip.ts";
import { MessageReader } from "../message-reader.ts";
import { SendQueue } from "../send-queue.ts";
import { Status } from "../status.ts";
import { defaultWindowBytes } from "../wire.ts";
import { CallFailure } from "./failure.ts";
import { type Fields, fieldMap, headFailure, trailersFailure } from "./response-head.ts";

/** Whom a call tells: `end` once, as the last, which may be within `cancel`. */
export interface CallSink {
  /** A whole message; the bytes belong to the sink. */
  message(bytes: Uint8Array): void;
  /** OK when `failure` is undefined. The trailers are empty when none came. */
  end(failure: CallFailure | undefined, trailers: Fields): void;
  /** Messages wait in the sink: the server shall hold back. */
  readonly backlogged: boolean;
}

/** What a call needs of its connection. */
export interface CallHost {
  /** The call has something to send. */
  wake(call: ClientCall): void;
  /** Gives `bytes` of the stream's window back to the server. */
  credit(call: ClientCall, bytes: number): void;
  /** The call is over here; `isOpen`: the server does not know that. */
  left(call: ClientCall, isOpen: boolean, isCancelled: boolean): void;
}

export interface CallStart {
  /** Names and values of the headers in turn. */
  readonly fields: readonly string[];
  /** Milliseconds of performance.now(); Infinity: none. */
  readonly deadline: number;
  readonly sink: CallSink;
  readonly receiveMessageBytes: number;
  readonly receiveWindowBytes: number;
}

const noTrailers: Fields = new Map();
/** The longest that setTimeout can wait; a later deadline is the server's alone. */
const longestTimerMs = 2 ** 31 - 1;

export class ClientCall {
  /** 0 until its HEADERS are laid out. */
  id = 0;
  readonly fields: readonly string[];
  readonly queue: SendQueue = new SendQueue();
  /** Bytes that the server takes on this stream, once it has an id. */
  sendWindow: number = defaultWindowBytes;
  ended = false;
  /** END_STREAM was laid out. */
  halfClosed = false;

  readonly #host: CallHost;
  readonly #sink: CallSink;
  readonly #windowBytes: number;
  readonly #maxBytes: number;
  #reader: MessageReader | undefined;
  #receiveWindow: number;
  #uncredited = 0;
  #isEnding = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(host: CallHost, start: CallStart) {
    this.#host = host;
    this.#sink = start.sink;
    this.fields = start.fields;
    this.#windowBytes = start.receiveWindowBytes;
    this.#receiveWindow = start.receiveWindowBytes;
    this.#maxBytes = start.receiveMessageBytes;
    const ms = start.deadline - performance.now();
    if (ms <= longestTimerMs) this.#timer = setTimeout(() => this.#late(), Math.max(0, ms));
  }

  /** Queues one message; its bytes must not change any more. */
  send(message: Uint8Array): void {
    if (this.ended || this.#isEnding) return;
    this.queue.push(message, message.length);
    this.#host.wake(this);
  }

  /** No more messages from us. */
  end(): void {
    if (this.ended || this.#isEnding) return;
    this.#isEnding = true;
    this.#host.wake(this);
  }

  /** Ends the call with Cancelled; nothing when it is over. */
  cancel(): void {
    this.finish(new CallFailure(Status.cancelled, "Cancelled on client"), true);
  }

  /** The frame laid out last, if the queue is empty now, ends our side. */
  get isLast(): boolean {
    return this.#isEnding && this.queue.left === 0;
  }

  /** The sink has taken messages: the server may send as many again. */
  taken(): void {
    if (this.ended || this.#sink.backlogged) return;
    if (this.#uncredited < this.#windowBytes / 2) return;
    this.#host.credit(this, this.#uncredited);
    this.#receiveWindow += this.#uncredited;
    this.#uncredited = 0;
  }

  /** A header block of the answer. False: the server broke the protocol. */
  receiveFields(list: readonly string[], ends: boolean): boolean {
    const fields = fieldMap(list);
    if (this.#reader !== undefined) {
      if (!ends) return false;
      this.#receiveTrailers(fields);
      return true;
    }
    const status = fields.get(":status") ?? "";
    if (!ends && /^1\d\d$/.test(status)) return true;
    const failure = headFailure(fields);
    if (failure !== undefined) this.finish(failure, !ends, fields);
    else if (ends) this.#receiveTrailers(fields);
    else {
      const isGzip = fields.get("grpc-encoding") === "gzip";
      this.#reader = new MessageReader(this.#maxBytes, isGzip ? { inflate: gunzip } : undefined);
    }
    return true;
  }

  /** Payload [from, to) of a DATA frame that took `size` of the window; false: it was overrun. */
  receiveData(chunk: Buffer, from: number, to: number, size: number, ends: boolean): boolean {
    const reader = this.#reader;
    if (reader === undefined || size > this.#receiveWindow) return false;
    this.#receiveWindow -= size;
    this.#uncredited += size;
    let at = from;
    while (at < to && !this.ended) {
      at = reader.read(chunk, at, to);
      if (reader.failure !== undefined) {
        const { code, message } = reader.failure;
        this.finish(new CallFailure(code, message), !ends);
      } else if (reader.message !== undefined) this.#sink.message(reader.message);
    }
    if (ends) this.#endWithout("server closed the stream without sending trailers");
    else this.taken();
    return true;
  }

  /** Ends the call. `isOpen`: the server is told by RST_STREAM. */
  finish(failure: CallFailure | undefined, isOpen: boolean, trailers = noTrailers): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.#timer);
    this.queue.clear();
    this.#host.left(this, isOpen, failure !== undefined);
    this.#sink.end(failure, trailers);
  }

  #receiveTrailers(fields: Fields): void {
    const failure = trailersFailure(fields);
    if (failure === undefined && this.#reader?.midMessage === true) {
      this.#endWithout("the stream ended within a message");
    } else this.finish(failure, !this.halfClosed, fields);
  }

  #endWithout(text: string): void {
    this.finish(new CallFailure(Status.internal, text), !this.halfClosed);
  }

  #late(): void {
    this.finish(new CallFailure(Status.deadlineExceeded, "context deadline exceeded"), true);
  }
}
