/** One call: what its handler sees of it, and what the connection keeps of its stream. */
import { AssertionError, assert } from "../lib/assert.ts";
import { largeAnswerBytes } from "./account.ts";
import type { CallHost } from "./call-host.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { Inbox, type InboxHost } from "./inbox.ts";
import type { MethodEntry } from "./method-table.ts";
import type { RequestHead } from "./request-head.ts";
import { queuedLength, SendQueue } from "./send-queue.ts";
import { Status, type StatusCode } from "./status.ts";
import type { WheelEntry } from "./timer-wheel.ts";
import type { CancelReason, MessageBytes, Metadata, Peer, StreamCall, UnaryCall } from "./types.ts";

export class ServerCall implements UnaryCall, StreamCall, WheelEntry, InboxHost {
  readonly id: number;
  readonly head: RequestHead<MethodEntry>;
  readonly entry: MethodEntry;
  readonly deadlineMs: number;
  readonly startMs: number;
  onCancel: ((reason: CancelReason) => void) | undefined = undefined;
  onDrain: (() => void) | undefined = undefined;

  // The stream, kept by connection and outbox.
  /** Bytes we may still send; may be negative after the client shrank its windows. */
  sendWindow: number;
  /** Bytes the client may still send. */
  receiveWindow: number;
  /** Received and not yet given back to the client's window. */
  uncredited = 0;
  /** Data received in all, for content-length. */
  receivedBytes = 0;
  /** Bytes of messages not yet taken by the handler, as last told to the connection. */
  heldBytes = 0;
  /** The client has ended its half. */
  remoteEnded = false;
  /** The stream is gone from the connection: nothing may be written for it. */
  closed = false;
  /** In the outbox's queue, or waiting for the connection's window. */
  inOutbox = false;
  headersSent = false;
  /** What ends the call once the queue is out; -1 while it goes on. */
  status: StatusCode | -1 = -1;
  statusMessage = "";
  httpStatus = 200;
  headers: string[] | undefined = undefined;
  trailers: string[] | undefined = undefined;
  /** `send` has said stop, and onDrain is owed. */
  drainOwed = false;

  wheelNext: WheelEntry | undefined = undefined;
  wheelPrevious: WheelEntry | undefined = undefined;

  readonly #host: CallHost;
  readonly #queue = new SendQueue();
  #ended = false;
  /** Only of streams, and of requests that come in pieces. */
  #inbox: Inbox | undefined = undefined;
  /** The body of the answer to a request that is not gRPC. */
  #refusal: Uint8Array | undefined = undefined;

  constructor(
    host: CallHost,
    id: number,
    head: RequestHead<MethodEntry>,
    entry: MethodEntry,
    nowMs: number,
    sendWindow: number,
    receiveWindow: number,
  ) {
    this.#host = host;
    this.id = id;
    this.head = head;
    this.entry = entry;
    this.startMs = nowMs;
    this.deadlineMs = nowMs + head.timeoutMs;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  // ---- what handlers see

  get path(): string {
    return this.head.path;
  }

  get peer(): Peer {
    return this.#host.peer;
  }

  get metadata(): Metadata {
    return this.head.metadata;
  }

  get authority(): string {
    return this.head.authority;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  get writable(): boolean {
    return !this.#ended && this.#queue.bytes < this.#host.streamQueueBytes;
  }

  get onMessage(): ((message: Uint8Array) => void) | undefined {
    return this.#inbox?.onMessage;
  }

  set onMessage(f) {
    if (this.#inbox !== undefined) this.#inbox.onMessage = f;
  }

  get onEnd(): (() => void) | undefined {
    return this.#inbox?.onEnd;
  }

  set onEnd(f) {
    if (this.#inbox !== undefined) this.#inbox.onEnd = f;
  }

  setHeader(name: string, value: string): void {
    this.headers = withField(this.headers, name, value);
  }

  setTrailer(name: string, value: string): void {
    this.trailers = withField(this.trailers, name, value);
  }

  respond(message: MessageBytes): void {
    if (this.#ended) return;
    const bytes = queuedLength(message);
    const refusal = bytes < largeAnswerBytes ? undefined : this.#host.account.refusal(this, bytes);
    if (refusal !== undefined) {
      this.#finish(Status.resourceExhausted, refusal);
      return;
    }
    this.#enqueue(message);
    this.#finish(Status.ok, "");
  }

  fail(code: StatusCode, message: string): void {
    if (this.#ended) return;
    this.#finish(code, message);
  }

  send(message: MessageBytes): boolean {
    if (this.#ended) return false;
    this.#enqueue(message);
    this.#host.wake(this);
    if (this.#queue.bytes < this.#host.streamQueueBytes) return true;
    this.drainOwed = true;
    return false;
  }

  sendHeaders(): void {
    if (this.#ended || this.headersSent) return;
    this.#host.wake(this);
  }

  end(): void {
    if (!this.#ended) this.#finish(Status.ok, "");
  }

  pause(): void {
    this.#inbox?.pause();
  }

  resume(): void {
    this.#inbox?.resume();
  }

  // ---- incoming, called by the connection

  /** Bytes of messages that are incomplete or wait for the handler. */
  get pendingBytes(): number {
    return this.#inbox?.bytes ?? 0;
  }

  /** True while complete messages wait: the client's window is then not refilled. */
  get backlogged(): boolean {
    return this.#inbox?.backlogged ?? false;
  }

  /** Starts the handler of a stream; unary ones start with the end of their request. */
  open(): void {
    const { method } = this.entry;
    if (method.kind !== "stream") return;
    this.#inbox = this.#newInbox();
    this.guard((call) => method.open(call), this);
  }

  /**
   * Makes this a plain HTTP exchange that is no call: `text` is the answer, given when the request
   * has ended, whatever it was.
   */
  refuse(httpStatus: number, text: string): void {
    this.httpStatus = httpStatus;
    this.#refusal = Buffer.from(`${text}\n`);
  }

  /** True for what takes the usual path of a unary request. */
  get takesWhole(): boolean {
    return !this.#ended && this.#refusal === undefined && this.entry.method.kind === "unary";
  }

  /** A whole unary request in one frame. */
  receiveWhole(request: Uint8Array): void {
    this.counted(request.length);
    this.remoteEnded = true;
    this.#handle(request);
  }

  /** Bytes [from, to) of the stream. */
  receive(chunk: Buffer, from: number, to: number): void {
    if (this.#ended || this.#refusal !== undefined) return;
    this.#inbox ??= this.#newInbox();
    this.#inbox.receive(chunk, from, to);
  }

  /** The client has ended its half. */
  receiveEnd(): void {
    this.remoteEnded = true;
    if (this.#ended) return;
    if (this.#refusal !== undefined) {
      this.#queue.pushRaw(this.#refusal);
      this.#host.account.queued(this.#refusal.length);
      this.#finish(Status.internal, "");
      return;
    }
    this.#inbox ??= this.#newInbox();
    const request = this.#inbox.end();
    if (request !== undefined) this.#handle(request);
  }

  /** Hands waiting messages and the end to a stream's handler, as far as it takes them. */
  deliver(): void {
    this.#inbox?.deliver();
  }

  /** The client reset the stream, or the connection is gone. */
  cancel(reason: CancelReason): void {
    this.closed = true;
    if (!this.#ended) {
      this.#release(Status.cancelled);
      this.#dropQueue();
      this.#tellCancelled(reason);
    } else {
      this.#dropQueue();
    }
  }

  onDue(): void {
    if (this.#ended) return;
    const { midMessage } = this.#queue;
    this.#dropQueue();
    if (midMessage) this.#host.reset(this);
    else this.#setStatus(Status.deadlineExceeded, "context deadline exceeded");
    this.#release(Status.deadlineExceeded);
    this.#tellCancelled("deadline");
  }

  // ---- InboxHost, documented there

  counted(bytes: number): void {
    this.entry.messagesReceived++;
    this.#host.messageReceived(bytes);
  }

  credit(): void {
    this.#host.credit(this);
  }

  deliverLater(): void {
    this.#host.deliverLater(this);
  }

  cut(code: StatusCode, message: string): void {
    const running = this.entry.method.kind === "stream";
    this.fail(code, message);
    if (running) this.#tellCancelled("cancelled");
  }

  guard<T>(f: (argument: T) => void, argument: T): void {
    try {
      f(argument);
    } catch (error) {
      this.#failed(error);
    }
  }

  // ---- outgoing, called by the outbox

  /** Bytes left of all messages, prefixes included; 0 when the queue is empty. */
  get leftBytes(): number {
    return this.#queue.left;
  }

  /** Writes the next `n` <= leftBytes bytes. */
  writeNext(w: FrameWriter, n: number): void {
    this.#host.account.queued(-this.#queue.write(w, n));
  }

  /** Tells the handler that it may send again, if it waits for that and may. */
  maybeDrain(): void {
    if (!this.drainOwed || this.#ended) return;
    if (this.#queue.bytes > this.#host.streamQueueBytes / 2) return;
    this.drainOwed = false;
    if (this.onDrain !== undefined) this.guard(this.onDrain as (_: undefined) => void, undefined);
  }

  // ---- inside

  #newInbox(): Inbox {
    const gzip = this.head.gzip ? this.#host.gzip : undefined;
    const isUnary = this.entry.method.kind === "unary";
    return new Inbox(this, isUnary, this.#host.receiveMessageBytes, gzip);
  }

  #handle(request: Uint8Array): void {
    const { method } = this.entry;
    assert(method.kind === "unary", "only unary calls collect a request");
    try {
      method.handle(request, this);
    } catch (error) {
      this.#failed(error);
    }
  }

  #enqueue(message: MessageBytes): void {
    let bytes = queuedLength(message);
    this.entry.messagesSent++;
    this.#host.messageSent(bytes);
    if (this.head.gzip) {
      const deflated = this.#host.gzip.deflate(message, bytes);
      bytes = queuedLength(deflated);
      this.#queue.push(deflated, bytes);
    } else {
      this.#queue.push(message, bytes);
    }
    this.#host.account.queued(bytes);
  }

  #finish(code: StatusCode, message: string): void {
    this.#setStatus(code, message);
    this.#release(code);
  }

  #setStatus(code: StatusCode, message: string): void {
    this.status = code;
    this.statusMessage = message;
    this.#host.wake(this);
  }

  #release(code: StatusCode): void {
    this.#ended = true;
    this.#inbox = undefined;
    this.#host.ended(this, code);
  }

  #dropQueue(): void {
    this.#host.account.queued(-this.#queue.bytes);
    this.#queue.clear();
  }

  #tellCancelled(reason: CancelReason): void {
    const { onCancel } = this;
    this.onCancel = undefined;
    if (onCancel !== undefined) this.guard(onCancel, reason);
  }

  /** A broken invariant ends the process; anything else ends this call. */
  #failed(error: unknown): void {
    if (error instanceof AssertionError) throw error;
    this.#host.handlerFailed(this, error);
    this.fail(Status.unknown, error instanceof Error ? error.message : String(error));
  }
}

function withField(fields: string[] | undefined, name: string, value: string): string[] {
  assert(/^[a-z0-9_.-]+$/.test(name), `${name} is no header name`);
  assert(/^[\x20-\x7e]*$/.test(value), `the value of header ${name} is not ASCII`);
  const all = fields ?? [];
  all.push(name, value);
  return all;
}
