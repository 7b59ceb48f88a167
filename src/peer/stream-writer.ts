import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Message } from "../core/raft/index.ts";
import type { MemberId } from "../core/types.ts";
import type { Cancel } from "../ports/index.ts";
import { messageCost, StreamEncoder, type StreamKind } from "./frames.ts";
import type { Settings } from "./settings.ts";

/** Bytes encoded into one write; more waits for the next round. */
const writeBytes = 8 << 20;

/** A chunk of HTTP/1.1: its length as eight hexadecimal digits (zeros may lead), the bytes, a line end. */
const chunkHead = 10;
const chunkTail = 2;

function closeChunk(b: Buffer): void {
  const size = b.byteLength - chunkHead - chunkTail;
  b.write(`${size.toString(16).padStart(8, "0")}\r\n`, 0, "latin1");
  b.write("\r\n", b.byteLength - chunkTail, "latin1");
}

/**
 * What leaves on one stream: the peer has dialled us and waits for the body of our answer. All
 * messages of one turn leave in one write; while the socket is full they wait, up to the bounds.
 * The body's chunks are framed here and go to the socket itself: Node would make four buffers of
 * each write, and send them a tick later.
 */
export class StreamWriter {
  readonly #kind: StreamKind;
  readonly #to: MemberId;
  readonly #settings: Settings;
  /** Called when a connection broke with messages waiting or under way. */
  readonly #onLost: () => void;
  #response: ServerResponse | undefined;
  #socket: Socket | undefined;
  #encoder: StreamEncoder;
  #queue: Message[] = [];
  #queuedBytes = 0;
  #flushing = false;
  /** When the socket stopped taking; undefined while it takes. */
  #fullSince: number | undefined;
  #cancelTick: Cancel | undefined;

  constructor(kind: StreamKind, to: MemberId, settings: Settings, onLost: () => void) {
    this.#kind = kind;
    this.#to = to;
    this.#settings = settings;
    this.#onLost = onLost;
    this.#encoder = new StreamEncoder(kind);
  }

  get isOpen(): boolean {
    return this.#response !== undefined;
  }

  /**
   * Takes over a connection whose headers are sent and announce a chunked body; an older one is
   * closed.
   */
  attach(response: ServerResponse): void {
    this.close();
    this.#response = response;
    this.#socket = response.socket ?? undefined;
    this.#encoder = new StreamEncoder(this.#kind);
    this.#socket?.on("drain", () => {
      if (this.#response !== response) return;
      this.#fullSince = undefined;
      this.#schedule();
    });
    response.on("close", () => {
      if (this.#response !== response) return;
      this.close();
      this.#onLost();
    });
    this.#tick(response);
  }

  /** Queues a message; false when it had to be dropped. Only while open. */
  send(m: Message): boolean {
    const cost = messageCost(m);
    const { queuedMessages, queuedBytes } = this.#settings.limits;
    if (this.#queue.length >= queuedMessages) return false;
    if (this.#queue.length > 0 && this.#queuedBytes + cost > queuedBytes) return false;
    this.#queue.push(m);
    this.#queuedBytes += cost;
    this.#schedule();
    return true;
  }

  /** Drops the connection and what waits; nothing is reported. */
  close(): void {
    const response = this.#response;
    this.#response = undefined;
    this.#socket = undefined;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#fullSince = undefined;
    response?.destroy();
  }

  /** Writes at the end of the present callback, so that one turn's messages share a write. */
  #schedule(): void {
    if (this.#flushing || this.#fullSince !== undefined) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#response === undefined || this.#queue.length === 0) return;
    let bytes = 0;
    let n = 0;
    while (n < this.#queue.length && (n === 0 || bytes < writeBytes)) {
      bytes += messageCost(this.#queue[n++] as Message);
    }
    const batch = n === this.#queue.length ? this.#queue : this.#queue.slice(0, n);
    this.#queue = n === this.#queue.length ? [] : this.#queue.slice(n);
    this.#queuedBytes -= bytes;
    this.#write(this.#encoder.encode(batch, chunkHead, chunkTail));
    if (this.#queue.length > 0) this.#schedule();
  }

  /** Bytes with room for the chunk's ends. */
  #write(bytes: Buffer): void {
    const socket = this.#socket;
    if (socket === undefined || socket.destroyed) return; // its close event is on its way
    closeChunk(bytes);
    this.#settings.metrics.sent(this.#to, bytes.byteLength - chunkHead - chunkTail);
    if (!socket.write(bytes)) this.#fullSince ??= this.#settings.clock.nowMs();
  }

  /** The link's heartbeat; also ends a connection that has taken nothing for too long. */
  #tick(response: ServerResponse): void {
    const { clock, times } = this.#settings;
    const everyMs = Math.min(times.readTimeoutMs, times.writeTimeoutMs) / 3;
    this.#cancelTick = clock.after(everyMs, () => {
      if (this.#response !== response) return;
      const full = this.#fullSince;
      if (full !== undefined && clock.nowMs() - full > times.writeTimeoutMs) {
        response.destroy();
        return;
      }
      if (full === undefined) this.#write(this.#encoder.heartbeat(chunkHead, chunkTail));
      this.#tick(response);
    });
  }
}
