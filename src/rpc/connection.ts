/** One HTTP/2 connection: its socket, its calls, its end. RFC 9113; sections named are its. */
import type * as net from "node:net";
import type { Cancel } from "../ports/index.ts";
import { Account, type AccountHost } from "./account.ts";
import { ServerCall } from "./call.ts";
import type { CallHost } from "./call-host.ts";
import type { Gzip } from "./compression.ts";
import type { ConnectionHost } from "./connection-host.ts";
import { frameOf, goAwayFrame, settingsFrame } from "./control-frames.ts";
import { FrameReader } from "./frame-reader.ts";
import { Inbound, type InboundHost } from "./inbound.ts";
import { keepAlive } from "./keep-alive.ts";
import { type MethodEntry, unknownMethodMessage } from "./method-table.ts";
import { Outbox } from "./outbox.ts";
import { PingPolicy } from "./ping-policy.ts";
import { ReceiveWindow } from "./receive-window.ts";
import type { RequestHead } from "./request-head.ts";
import { SocketWriter } from "./socket-writer.ts";
import { Status, type StatusCode } from "./status.ts";
import { StreamTable } from "./stream-table.ts";
import type { Limits, Peer } from "./types.ts";
import { ErrorCode, Flag, FrameType, wordsFrame } from "./wire.ts";

/** Unwritten control frames beyond this mean a client that provokes answers and does not read. */
const maxControlBytes = 256 * 1024;
/** How long a client may take to read our GOAWAY and close. */
const lingerMs = 1000;
/** Between the announcement of a drain and the end of new calls, unless the client answers. */
const drainNoticeMs = 100;
/** A GOAWAY with this id closes nothing yet (section 6.8). */
const anyStreamId = 2 ** 31 - 1;
const drainPing = Buffer.from("draining", "latin1");

export class Connection implements CallHost, InboundHost, AccountHost {
  readonly peer: Peer;
  readonly streams: StreamTable;
  readonly outbox: Outbox;
  readonly limits: Limits;
  readonly receiveMessageBytes: number;
  readonly streamQueueBytes: number;
  readonly headerListBytes: number;
  readonly gzip: Gzip;
  readonly account: Account;
  readonly onFields: ((fields: readonly string[]) => void) | undefined;
  /** The time of the chunk being read; deadlines count from it. */
  nowMs: number;
  /** True once nothing that arrives matters any more. */
  dead = false;
  /** New calls are ignored: the client was told the last one we take. */
  refusing = false;
  readonly #host: ConnectionHost;
  readonly #socket: net.Socket;
  readonly #writer: SocketWriter;
  readonly #reader: FrameReader;
  readonly #inbound: Inbound;
  readonly #pings: PingPolicy;
  readonly #window: ReceiveWindow;
  readonly #served: ServerCall[] = [];
  readonly #timers = new Set<Cancel>();
  #isDirty = false;
  #goingAway = false;
  #finished = false;

  constructor(host: ConnectionHost, socket: net.Socket) {
    const { limits } = host;
    this.#host = host;
    this.#socket = socket;
    this.limits = limits;
    this.receiveMessageBytes = limits.receiveMessageBytes;
    this.streamQueueBytes = limits.streamQueueBytes;
    this.headerListBytes = limits.headerListBytes;
    this.gzip = host.gzip;
    this.onFields = host.onFields;
    this.account = new Account(this, host.ledger);
    this.#writer = new SocketWriter(socket, this.account, () => this.#touch());
    this.nowMs = host.clock.nowMs();
    this.peer = { address: addressOf(socket), socket };
    this.streams = new StreamTable(host.ledger);
    this.#pings = new PingPolicy(limits.pingMinIntervalMs);
    this.#window = new ReceiveWindow(limits.connectionWindowBytes);
    this.outbox = new Outbox((call) => this.#streamEnded(call));
    const inbound = new Inbound(this, host.methods);
    this.#inbound = inbound;
    this.#reader = new FrameReader(
      (type, flags, id, chunk, from, to) => inbound.frame(type, flags, id, chunk, from, to),
      (code, message) => this.fatal(code, message),
    );
    this.control(settingsFrame(limits));
    const { surplus } = this.#window;
    if (surplus > 0) this.control(wordsFrame(FrameType.windowUpdate, 0, surplus));
    this.#startTimers();
    socket.on("data", (chunk: Buffer) => this.receive(chunk));
    socket.on("end", () => this.close());
    socket.on("error", () => this.close());
    socket.on("close", () => this.#closed());
  }

  /** Bytes from the socket. */
  receive(chunk: Buffer): void {
    if (this.dead) return;
    this.nowMs = this.#host.clock.nowMs();
    this.#reader.push(chunk);
  }

  /** Writes what is due; called by the server at the end of the turn. */
  flush(): void {
    this.#isDirty = false;
    if (this.#writer.full || this.#finished) return;
    const w = this.#host.writer;
    if (this.outbox.hasReady) this.#pings.forgive();
    this.outbox.flush(w, this.#served);
    if (w.bytes > 0) this.#writer.write(w.take(), w.takeLent());
    for (const call of this.#served) call.maybeDrain();
    this.#served.length = 0;
    if (this.outbox.pending) this.#touch();
    else if (this.dead || (this.refusing && this.streams.size === 0)) this.#finish();
  }

  /** Tells the client to go elsewhere; the connection ends with its last call. */
  drain(): void {
    if (this.dead || this.#goingAway) return;
    this.#goingAway = true;
    this.control(wordsFrame(FrameType.goAway, 0, anyStreamId, ErrorCode.noError));
    this.control(frameOf(FrameType.ping, 0, drainPing));
    this.#after(drainNoticeMs, () => this.#refuse());
  }

  /** Ends the connection and its calls, but says so: TLS's close_notify (RFC 8446 section 6.1). */
  end(): void {
    this.dead = true;
    this.#finished = true;
    this.#socket.destroySoon();
    this.#after(lingerMs, () => this.#socket.destroy());
    this.#cancelAll();
  }

  /** Ends the connection without a word. */
  close(): void {
    this.dead = true;
    this.#finished = true;
    this.#socket.destroy();
  }

  // ---- AccountHost, documented there

  overdrawn(): void {
    this.account.leave();
    this.close();
  }

  relieve(): void {
    this.#host.relieve();
  }

  mostQueued(): number {
    return this.#host.mostQueued();
  }

  // ---- InboundHost, documented there

  get full(): boolean {
    const { concurrentStreams, calls } = this.limits;
    return this.streams.size >= concurrentStreams || this.#host.ledger.calls >= calls;
  }

  control(frame: Uint8Array): void {
    this.outbox.control(frame);
    if (this.outbox.controlBytes > maxControlBytes) this.close();
    else this.#touch();
  }

  fatal(code: ErrorCode, message: string): void {
    if (this.dead) return;
    const fields = { remote: this.peer.address, error: message, code };
    this.#host.logger.debug("closing an HTTP/2 connection", fields);
    this.dead = true;
    this.#reader.stop();
    this.outbox.control(goAwayFrame(this.streams.lastId, code, message));
    this.#touch();
    // A client that does not read would never let the GOAWAY out.
    this.#after(lingerMs, () => this.#socket.destroy());
    this.#cancelAll();
  }

  resetStream(id: number, code: ErrorCode): void {
    this.control(wordsFrame(FrameType.rstStream, id, code));
    const call = this.streams.get(id);
    if (call === undefined) return;
    this.streams.close(id, !call.remoteEnded);
    call.cancel("cancelled");
  }

  cancelled(id: number): void {
    const call = this.streams.get(id);
    this.streams.close(id, false);
    call?.cancel("cancelled");
  }

  newCall(id: number, head: RequestHead<MethodEntry>, endStream: boolean): void {
    const entry = head.method ?? this.#host.unknownMethod;
    const window = this.outbox.initialWindowBytes;
    const received = this.limits.streamWindowBytes;
    const call = new ServerCall(this, id, head, entry, this.nowMs, window, received);
    this.streams.open(call);
    entry.started++;
    call.remoteEnded = endStream;
    if (head.refusal !== undefined && head.refusal.httpStatus !== 200) {
      call.refuse(head.refusal.httpStatus, head.refusal.message);
      if (endStream) call.receiveEnd();
    } else if (head.refusal !== undefined) {
      call.fail(head.refusal.code, head.refusal.message);
    } else if (head.method === undefined) {
      call.fail(Status.unimplemented, unknownMethodMessage(head.path, this.#host.methods));
    } else if (this.account.isBeyond(this.limits.connectionQueueBytes / 2)) {
      call.fail(Status.resourceExhausted, "too many unread bytes on this connection");
    } else {
      this.#host.clientVersions.count(entry.method.kind === "unary", head.metadata);
      if (call.deadlineMs !== Number.POSITIVE_INFINITY) this.#host.deadlines.add(call);
      call.open();
      if (endStream) call.receiveEnd();
    }
  }

  takeWindow(bytes: number): boolean {
    const credit = this.#window.take(bytes);
    if (credit > 0) this.control(wordsFrame(FrameType.windowUpdate, 0, credit));
    return credit >= 0;
  }

  hold(call: ServerCall): boolean {
    return this.account.hold(call);
  }

  ping(payload: Uint8Array): void {
    this.control(frameOf(FrameType.ping, Flag.ack, payload));
    if (!this.#pings.accept(this.nowMs, this.streams.size > 0)) {
      this.fatal(ErrorCode.enhanceYourCalm, "too_many_pings");
    }
  }

  pingAnswered(payload: Buffer): void {
    if (this.#goingAway && payload.equals(drainPing)) this.#refuse();
  }

  setInitialWindow(bytes: number, maxBytes: number): boolean {
    const delta = bytes - this.outbox.initialWindowBytes;
    this.outbox.initialWindowBytes = bytes;
    for (const call of this.streams.all()) {
      call.sendWindow += delta;
      if (call.sendWindow > maxBytes) return false;
      if (delta > 0 && call.leftBytes > 0) this.wake(call);
    }
    return true;
  }

  openWindow(bytes: number): boolean {
    const open = this.outbox.openWindow(bytes);
    if (this.outbox.pending) this.#touch();
    return open;
  }

  openStreamWindow(id: number, bytes: number, maxBytes: number): boolean {
    const call = this.streams.get(id);
    if (call === undefined) return true;
    call.sendWindow += bytes;
    if (call.leftBytes > 0) this.wake(call);
    return call.sendWindow <= maxBytes;
  }

  // ---- CallHost, documented there

  wake(call: ServerCall): void {
    this.outbox.ready(call);
    this.#touch();
  }

  deliverLater(call: ServerCall): void {
    this.#host.clock.soon(() => {
      if (call.ended) return;
      call.deliver();
      this.account.hold(call);
    });
  }

  credit(call: ServerCall): void {
    if (call.remoteEnded || call.closed || call.backlogged) return;
    if (call.uncredited < this.limits.streamWindowBytes / 2) return;
    this.control(wordsFrame(FrameType.windowUpdate, call.id, call.uncredited));
    call.receiveWindow += call.uncredited;
    call.uncredited = 0;
  }

  messageReceived(bytes: number): void {
    this.#host.messageReceived(bytes);
  }

  messageSent(bytes: number): void {
    this.#host.messageSent(bytes);
  }

  ended(call: ServerCall, code: StatusCode): void {
    this.#host.deadlines.remove(call);
    this.account.release(call);
    call.entry.handled[code]!++;
    const { onHandled, clock } = this.#host;
    if (onHandled !== undefined) onHandled(call.path, code, clock.nowMs() - call.startMs);
  }

  reset(call: ServerCall): void {
    this.control(wordsFrame(FrameType.rstStream, call.id, ErrorCode.cancel));
    call.closed = true;
    this.streams.close(call.id, !call.remoteEnded);
  }

  handlerFailed(call: ServerCall, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#host.logger.error("a method handler failed", { method: call.path, error: text });
  }

  // ---- inside

  #startTimers(): void {
    const { handshakeMs, keepAliveIntervalMs, keepAliveTimeoutMs } = this.limits;
    this.#after(handshakeMs, () => {
      if (!this.#inbound.started) this.close();
    });
    if (keepAliveIntervalMs <= 0) return;
    keepAlive({
      intervalMs: keepAliveIntervalMs,
      timeoutMs: keepAliveTimeoutMs,
      nowMs: () => this.#host.clock.nowMs(),
      heardMs: () => this.nowMs,
      after: (ms, f) => this.#after(ms, f),
      ping: () => this.control(frameOf(FrameType.ping, 0, Buffer.alloc(8))),
      drop: () => this.close(),
    });
  }

  #touch(): void {
    if (this.#isDirty || this.#writer.full || this.#finished) return;
    this.#isDirty = true;
    this.#host.dirty(this);
  }

  /** The last frame of a stream was laid out. */
  #streamEnded(call: ServerCall): void {
    call.closed = true;
    this.streams.close(call.id, !call.remoteEnded);
    this.#inbound.answered();
  }

  #refuse(): void {
    if (this.dead || this.refusing) return;
    this.refusing = true;
    this.control(wordsFrame(FrameType.goAway, 0, this.streams.lastId, ErrorCode.noError));
  }

  #after(ms: number, f: () => void): void {
    const cancel = this.#host.clock.after(ms, () => {
      this.#timers.delete(cancel);
      f();
    });
    this.#timers.add(cancel);
  }

  /** Everything is written: closes our side, and the rest if the client does not. */
  #finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.dead = true;
    this.#socket.end();
    this.#after(lingerMs, () => this.#socket.destroy());
  }

  #closed(): void {
    this.dead = true;
    this.#finished = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.outbox.clear();
    this.#cancelAll();
    this.account.leave();
    this.#host.closed(this);
  }

  #cancelAll(): void {
    for (const call of this.streams.takeAll()) call.cancel("connection");
  }
}

function addressOf(socket: net.Socket): string {
  const { remoteAddress: host, remotePort: port } = socket;
  if (host === undefined) return "@";
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
