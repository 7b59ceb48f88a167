/** The client's side of one HTTP/2 connection (RFC 9113): its calls, frames and end. */
import type * as net from "node:net";
import { FrameReader } from "../frame-reader.ts";
import { FrameWriter } from "../frame-writer.ts";
import { keepAlive } from "../keep-alive.ts";
import {
  clientPreface,
  ErrorCode,
  FrameType,
  frameHeaderBytes,
  putFrameHeader,
  putUint32,
  Setting,
  wordsFrame,
} from "../wire.ts";
import { type CallHost, type CallStart, ClientCall } from "./call.ts";
import { CallFailure, connectionDropped, resetFailure } from "./failure.ts";
import { ClientInbound, headerListBytes, type InboundHost } from "./inbound.ts";
import { ClientOutbox } from "./outbox.ts";

export interface ConnectionOptions {
  readonly isSecure: boolean;
  /** Bytes that a server may send on a stream, and on the whole connection, before we read. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** With calls under way: PING when nothing came for so long, and how long its answer may take. */
  readonly keepAliveMs: number;
  readonly keepAliveTimeoutMs: number;
  /** The server's SETTINGS are here: calls may be made. */
  readonly onReady: () => void;
  /** Takes no new calls: the server said so, or it is gone. Once. */
  readonly onLeaving: () => void;
  /** It is gone, after `onLeaving`. */
  readonly onClosed: () => void;
}

/** Stream ids end here; far from it a new connection is made. */
const lastStreamId = 2 ** 31 - 1001;

/** What we say in answer to a server that does not read it. */
const mostControlBytes = 256 * 1024;

/** One writer serves all connections in turn. */
let writer: FrameWriter | undefined;

export class ClientConnection implements CallHost, InboundHost {
  readonly outbox: ClientOutbox;
  readonly calls: Map<number, ClientCall> = new Map();
  dead = false;
  /** The server has answered a call, if only by a refusal. */
  answered = false;

  readonly #socket: net.Socket;
  readonly #options: ConnectionOptions;
  readonly #timers = new Set<NodeJS.Timeout>();
  #nextId = 1;
  #heardMs = performance.now();
  #isReady = false;
  #isLeaving = false;
  #isFlushDue = false;
  #full = false;

  /** Speaks on a socket that is connected. */
  constructor(socket: net.Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.outbox = new ClientOutbox(options.isSecure, (call) => this.#number(call));
    const inbound = new ClientInbound(this, options.connectionWindowBytes);
    const reader = new FrameReader(
      (...frame) => inbound.frame(...frame),
      (_, message) => this.fail(message),
    );
    socket.on("data", (chunk) => {
      this.#heardMs = performance.now();
      if (!this.dead) reader.push(chunk as Buffer);
    });
    socket.on("drain", () => {
      this.#full = false;
      this.flushSoon();
    });
    socket.on("close", () => this.close());
    socket.on("error", () => this.close());
    socket.on("end", () => this.close());
    this.#hello(inbound.surplus);
    this.#startKeepAlive();
  }

  /** Calls may be made. */
  get usable(): boolean {
    return this.#isReady && !this.#isLeaving;
  }

  /** Begins a call; its HEADERS go out at the end of this turn. */
  call(start: CallStart): ClientCall {
    const call = new ClientCall(this, start);
    if (this.#active === 0) this.#socket.ref();
    this.outbox.wake(call);
    this.flushSoon();
    return call;
  }

  /** Cuts the connection; calls under way end with `failure`. */
  close(failure: CallFailure = connectionDropped()): void {
    if (this.dead) return;
    this.dead = true;
    this.#leave();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#socket.destroy();
    for (const call of [...this.calls.values()]) call.finish(failure, false);
    const unsent = new CallFailure(failure.status, failure.message, true);
    for (const call of this.outbox.unsent()) call.finish(unsent, false);
    this.outbox.clear();
    this.#options.onClosed();
  }

  // ---- CallHost

  wake(call: ClientCall): void {
    this.outbox.wake(call);
    this.flushSoon();
  }

  credit(call: ClientCall, bytes: number): void {
    if (!this.dead) this.control(wordsFrame(FrameType.windowUpdate, call.id, bytes));
  }

  left(call: ClientCall, isOpen: boolean, isCancelled: boolean): void {
    this.outbox.forget(call);
    if (call.id !== 0) {
      this.calls.delete(call.id);
      const code = isCancelled ? ErrorCode.cancel : ErrorCode.noError;
      if (isOpen && !this.dead) this.control(wordsFrame(FrameType.rstStream, call.id, code));
    }
    if (this.#active === 0) this.#idle();
    // One of those that wait for a stream may go.
    else if (this.outbox.unsentCount > 0) this.flushSoon();
  }

  // ---- InboundHost

  control(frame: Uint8Array): void {
    this.outbox.control(frame);
    if (this.outbox.controlBytes > mostControlBytes) this.fail("the server does not read");
    this.flushSoon();
  }

  get idleFrom(): number {
    return this.#nextId;
  }

  settled(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    if (this.#active === 0) this.#socket.unref();
    this.#options.onReady();
  }

  /** GOAWAY: calls above `lastId` were not looked at, the others go on. */
  goAway(lastId: number, code: number): void {
    this.#leave();
    const failure = new CallFailure(14, `the server is closing the connection (${code})`, true);
    for (const call of [...this.calls.values()]) {
      if (call.id > lastId) call.finish(failure, false);
    }
    for (const call of this.outbox.unsent()) call.finish(failure, false);
    if (this.#active === 0) this.#idle();
  }

  reset(id: number, code: number): void {
    this.calls.get(id)?.finish(resetFailure(code), false);
  }

  /** The server broke the protocol: nothing that it says can be relied on. */
  fail(message: string): false {
    this.close(new CallFailure(14, `connection error: ${message}`));
    return false;
  }

  /** At the end of this turn of the loop, everything in one write. */
  flushSoon(): void {
    if (this.#isFlushDue || this.dead) return;
    this.#isFlushDue = true;
    process.nextTick(() => this.#flush());
  }

  // ---- inside

  get #active(): number {
    return this.calls.size + this.outbox.unsentCount;
  }

  #number(call: ClientCall): boolean {
    if (this.calls.size >= this.outbox.maxStreams) return false;
    call.id = this.#nextId;
    this.#nextId += 2;
    this.calls.set(call.id, call);
    if (this.#nextId > lastStreamId) this.#leave();
    return true;
  }

  #flush(): void {
    this.#isFlushDue = false;
    if (this.dead || this.#full) return;
    writer ??= new FrameWriter();
    const isMore = this.outbox.flush(writer);
    const parts = writer.take();
    if (parts.length === 0) return;
    this.#full = !this.#write(parts);
    if (isMore && !this.#full) setImmediate(() => this.flushSoon());
  }

  #write(parts: readonly Uint8Array[]): boolean {
    if (parts.length === 1) return this.#socket.write(parts[0]!);
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
    return !this.#socket.writableNeedDrain;
  }

  #hello(surplus: number): void {
    const settings = [
      [Setting.enablePush, 0],
      [Setting.initialWindowSize, this.#options.streamWindowBytes],
      [Setting.maxHeaderListSize, headerListBytes],
    ] as const;
    const frame = new Uint8Array(frameHeaderBytes + 6 * settings.length);
    let at = putFrameHeader(frame, 0, 6 * settings.length, FrameType.settings, 0, 0);
    for (const [name, value] of settings) {
      frame[at + 1] = name;
      at = putUint32(frame, at + 2, value);
    }
    this.control(clientPreface);
    this.control(frame);
    if (surplus > 0) this.control(wordsFrame(FrameType.windowUpdate, 0, surplus));
  }

  #startKeepAlive(): void {
    keepAlive({
      intervalMs: this.#options.keepAliveMs,
      timeoutMs: this.#options.keepAliveTimeoutMs,
      nowMs: () => performance.now(),
      heardMs: () => this.#heardMs,
      isIdle: () => this.#active === 0,
      after: (ms, f) => this.#after(ms, f),
      ping: () => this.control(pingFrame()),
      drop: () => this.close(),
    });
  }

  #after(ms: number, f: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      f();
    }, ms);
    timer.unref();
    this.#timers.add(timer);
  }

  #leave(): void {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#options.onLeaving();
  }

  /** No call is under way: the process need not stay for us. */
  #idle(): void {
    if (this.dead) return;
    if (this.#isLeaving) this.close();
    else this.#socket.unref();
  }
}

function pingFrame(): Uint8Array {
  const frame = new Uint8Array(frameHeaderBytes + 8);
  putFrameHeader(frame, 0, 8, FrameType.ping, 0, 0);
  return frame;
}
