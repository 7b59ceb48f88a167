/** What a connection has to say: control frames first, then its streams in turn within windows. */
import type { ServerCall } from "./call.ts";
import type { FrameWriter } from "./frame-writer.ts";
import { HeaderEncoder } from "./header-encoder.ts";
import type { StatusCode } from "./status.ts";
import {
  defaultWindowBytes,
  ErrorCode,
  Flag,
  FrameType,
  frameHeaderBytes,
  maxFrameBytes,
  maxWindowBytes,
  putFrameHeader,
  putUint32,
} from "./wire.ts";

/** What one stream may write before the next has its turn, and all of them before the loop has. */
const streamQuantumBytes = 64 * 1024;
const flushBytes = 1024 * 1024;

/** "later": others first; "window": until the client opens the stream's or connection's window. */
type Outcome = "later" | "streamWindow" | "connectionWindow" | "idle" | "ended";

export class Outbox {
  readonly encoder: HeaderEncoder = new HeaderEncoder();
  /** The client's limits. */
  maxFrameBytes: number = maxFrameBytes;
  initialWindowBytes: number = defaultWindowBytes;
  /** Bytes we may still send on the whole connection. */
  window: number = defaultWindowBytes;
  /** Control frames not yet written; bounded by the connection. */
  controlBytes = 0;
  /** DATA frames written so far, and their bytes; both entitle the client to some WINDOW_UPDATEs. */
  dataFrames = 0;
  dataBytes = 0;

  readonly #onStreamEnd: (call: ServerCall) => void;
  #control: Uint8Array[] = [];
  #ready: ServerCall[] = [];
  #spare: ServerCall[] = [];
  /** Have data, and the connection's window is shut. */
  #shut: ServerCall[] = [];

  /** `onStreamEnd` runs when a stream's last frame has been laid out. */
  constructor(onStreamEnd: (call: ServerCall) => void) {
    this.#onStreamEnd = onStreamEnd;
  }

  /** True when `flush` would write something. */
  get pending(): boolean {
    return this.#control.length > 0 || this.#ready.length > 0;
  }

  get hasReady(): boolean {
    return this.#ready.length > 0;
  }

  /** Queues a frame that needs no window. */
  control(frame: Uint8Array): void {
    this.#control.push(frame);
    this.controlBytes += frame.length;
  }

  /** The stream has something to send, or its window has opened. */
  ready(call: ServerCall): void {
    if (call.inOutbox || call.closed) return;
    call.inOutbox = true;
    this.#ready.push(call);
  }

  /** False when the client opened the window beyond what the protocol allows. */
  openWindow(bytes: number): boolean {
    this.window += bytes;
    if (this.window > maxWindowBytes) return false;
    if (this.window > 0 && this.#shut.length > 0) {
      for (const call of this.#shut) this.#ready.push(call);
      this.#shut = [];
    }
    return true;
  }

  /** Forgets everything; the connection is gone. */
  clear(): void {
    this.#control = [];
    this.#ready = [];
    this.#shut = [];
    this.controlBytes = 0;
  }

  flush(w: FrameWriter, served: ServerCall[]): void {
    for (const frame of this.#control) w.append(frame);
    this.#control.length = 0;
    this.controlBytes = 0;
    while (this.#ready.length > 0 && w.bytes < flushBytes) {
      const turn = this.#ready;
      this.#ready = this.#spare;
      this.#spare = turn;
      this.#flushTurn(turn, w, served);
      turn.length = 0;
    }
  }

  #flushTurn(turn: readonly ServerCall[], w: FrameWriter, served: ServerCall[]): void {
    for (const call of turn) {
      if (call.closed) {
        call.inOutbox = false;
        continue;
      }
      const outcome = w.bytes < flushBytes ? this.#write(call, w) : "later";
      switch (outcome) {
        case "later":
          this.#ready.push(call);
          break;
        case "connectionWindow":
          this.#shut.push(call);
          break;
        case "streamWindow":
        case "idle":
          call.inOutbox = false;
          break;
        case "ended":
          call.inOutbox = false;
          this.#onStreamEnd(call);
          break;
      }
      if (call.drainOwed) served.push(call);
    }
  }

  #write(call: ServerCall, w: FrameWriter): Outcome {
    if (!call.headersSent) {
      if (call.httpStatus !== 200) this.encoder.writeHttpHeaders(w, call.id, call.httpStatus);
      else if (call.leftBytes === 0 && call.status !== -1) return this.#writeTrailersOnly(call, w);
      else this.encoder.writeHeaders(w, call.id, responseHeaders(call));
      call.headersSent = true;
    }
    let quantum = streamQuantumBytes;
    while (call.leftBytes > 0) {
      if (quantum <= 0) return "later";
      if (call.sendWindow <= 0) return "streamWindow";
      if (this.window <= 0) return "connectionWindow";
      const n = Math.min(call.leftBytes, call.sendWindow, this.window, this.maxFrameBytes);
      w.reserve(frameHeaderBytes);
      w.at = putFrameHeader(w.buffer, w.at, n, FrameType.data, 0, call.id);
      call.writeNext(w, n);
      this.dataFrames++;
      this.dataBytes += n;
      call.sendWindow -= n;
      this.window -= n;
      quantum -= n;
    }
    if (call.status === -1) return "idle";
    if (call.httpStatus !== 200) {
      w.reserve(frameHeaderBytes);
      w.at = putFrameHeader(w.buffer, w.at, 0, FrameType.data, Flag.endStream, call.id);
      return this.#end(call, w);
    }
    this.encoder.writeTrailers(w, call.id, call.status, call.statusMessage, call.trailers);
    return this.#end(call, w);
  }

  #writeTrailersOnly(call: ServerCall, w: FrameWriter): Outcome {
    const extra = call.headers ? [...call.headers, ...(call.trailers ?? [])] : call.trailers;
    const code = call.status as StatusCode;
    this.encoder.writeTrailersOnly(w, call.id, code, call.statusMessage, extra);
    call.headersSent = true;
    return this.#end(call, w);
  }

  /** A client that is still sending is told to stop, without blame (RFC 9113 section 8.1). */
  #end(call: ServerCall, w: FrameWriter): Outcome {
    if (!call.remoteEnded) {
      w.reserve(frameHeaderBytes + 4);
      w.at = putFrameHeader(w.buffer, w.at, 4, FrameType.rstStream, 0, call.id);
      w.at = putUint32(w.buffer, w.at, ErrorCode.noError);
    }
    return "ended";
  }
}

/** A client that compresses gets compressed messages, as from grpc-go. */
function responseHeaders(call: ServerCall): readonly string[] | undefined {
  if (!call.head.gzip) return call.headers;
  return ["grpc-encoding", "gzip", ...(call.headers ?? [])];
}
