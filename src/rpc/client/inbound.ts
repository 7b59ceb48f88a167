/** What each kind of frame from a server means; RFC 9113, sections named are its. */
import { HpackDecoder } from "../hpack.ts";
import { ReceiveWindow } from "../receive-window.ts";
import {
  Flag,
  FrameType,
  frameHeaderBytes,
  getUint32,
  maxFrameBytes,
  maxWindowBytes,
  putFrameHeader,
  Setting,
  wordsFrame,
} from "../wire.ts";
import type { ClientCall } from "./call.ts";
import type { ClientOutbox } from "./outbox.ts";

/** What frames do to their connection. */
export interface InboundHost {
  readonly dead: boolean;
  /** Set with the first answer to a call. */
  answered: boolean;
  readonly calls: ReadonlyMap<number, ClientCall>;
  readonly outbox: ClientOutbox;
  /** The lowest stream id that we have not used. */
  readonly idleFrom: number;
  control(frame: Uint8Array): void;
  /** The server's SETTINGS have come. */
  settled(): void;
  goAway(lastId: number, code: number): void;
  /** The server ended a stream by RST_STREAM. */
  reset(id: number, code: number): void;
  /** Ends the connection. */
  fail(message: string): false;
  flushSoon(): void;
}

/** Decoded size of the headers or trailers of one answer. */
export const headerListBytes = 64 * 1024;
/** A header block may come in so many pieces. */
const maxContinuations = 64;

const settingsAck = new Uint8Array(frameHeaderBytes);
putFrameHeader(settingsAck, 0, 0, FrameType.settings, Flag.ack, 0);

export class ClientInbound {
  readonly #conn: InboundHost;
  readonly #decoder = new HpackDecoder(headerListBytes);
  readonly #window: ReceiveWindow;
  #started = false;
  /** A header block that continues in the next frame. */
  #block: Buffer[] | undefined;
  #blockBytes = 0;
  #blockStream = 0;
  #blockEnds = false;

  constructor(connection: InboundHost, windowBytes: number) {
    this.#conn = connection;
    this.#window = new ReceiveWindow(windowBytes);
  }

  /** By how much the connection's window is larger than a server expects at first. */
  get surplus(): number {
    return this.#window.surplus;
  }

  /** Takes one frame, payload at [from, to); false when the connection is over. */
  frame(type: number, flags: number, id: number, chunk: Buffer, from: number, to: number): boolean {
    const continues = type === FrameType.continuation && id === this.#blockStream;
    if (this.#block !== undefined && !continues) {
      return this.#conn.fail("a header block was interrupted");
    }
    if (!this.#started && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      return this.#conn.fail("the first frame is not SETTINGS");
    }
    return this.#dispatch(type, flags, id, chunk, from, to) && !this.#conn.dead;
  }

  #dispatch(
    type: number,
    flags: number,
    id: number,
    chunk: Buffer,
    from: number,
    to: number,
  ): boolean {
    switch (type) {
      case FrameType.data:
        return this.#data(flags, id, chunk, from, to);
      case FrameType.headers:
        return this.#headers(flags, id, chunk, from, to);
      case FrameType.continuation:
        return this.#continuation(flags, chunk, from, to);
      case FrameType.windowUpdate:
        return this.#windowUpdate(id, chunk, from, to);
      case FrameType.rstStream:
        if (to - from !== 4 || this.#isIdle(id)) return this.#conn.fail("RST_STREAM out of place");
        this.#conn.reset(id, getUint32(chunk, from));
        return true;
      case FrameType.settings:
        return this.#settings(flags, id, chunk, from, to);
      case FrameType.ping:
        return this.#ping(flags, id, chunk, from, to);
      case FrameType.goAway:
        if (to - from < 8 || id !== 0) return this.#conn.fail("GOAWAY out of place");
        this.#conn.goAway(getUint32(chunk, from) & 0x7fffffff, getUint32(chunk, from + 4));
        return true;
      case FrameType.pushPromise:
        return this.#conn.fail("PUSH_PROMISE, which we forbade");
      default:
        return true;
    }
  }

  // ---- 6.1

  #data(flags: number, id: number, chunk: Buffer, begin: number, end: number): boolean {
    const piece = unpadded(flags, chunk, begin, end);
    if (piece === undefined || this.#isIdle(id)) return this.#conn.fail("DATA out of place");
    const size = end - begin;
    const credit = this.#window.take(size);
    if (credit < 0) return this.#conn.fail("the connection's window is overrun");
    if (credit > 0) this.#conn.control(wordsFrame(FrameType.windowUpdate, 0, credit));
    const call = this.#conn.calls.get(id);
    if (call === undefined) return true;
    const ends = (flags & Flag.endStream) !== 0;
    if (call.receiveData(chunk, piece.from, piece.to, size, ends)) return true;
    return this.#conn.fail("DATA before headers, or beyond the stream's window");
  }

  // ---- 6.2, 6.10

  #headers(flags: number, id: number, chunk: Buffer, begin: number, end: number): boolean {
    const piece = unpadded(flags, chunk, begin, end);
    if (piece === undefined || this.#isIdle(id)) return this.#conn.fail("HEADERS out of place");
    const from = piece.from + ((flags & Flag.priority) !== 0 ? 5 : 0);
    if (from > piece.to) return this.#conn.fail("HEADERS shorter than its own fields");
    const ends = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) return this.#whole(id, ends, chunk, from, piece.to);
    this.#block = [Buffer.from(chunk.subarray(from, piece.to))];
    this.#blockBytes = piece.to - from;
    this.#blockStream = id;
    this.#blockEnds = ends;
    return true;
  }

  #continuation(flags: number, chunk: Buffer, from: number, to: number): boolean {
    const block = this.#block;
    if (block === undefined) return this.#conn.fail("CONTINUATION without HEADERS");
    this.#blockBytes += to - from;
    block.push(Buffer.from(chunk.subarray(from, to)));
    if (this.#blockBytes > headerListBytes + maxFrameBytes || block.length > maxContinuations) {
      return this.#conn.fail("a header block too large");
    }
    if ((flags & Flag.endHeaders) === 0) return true;
    this.#block = undefined;
    const whole = Buffer.concat(block, this.#blockBytes);
    return this.#whole(this.#blockStream, this.#blockEnds, whole, 0, whole.length);
  }

  #whole(id: number, ends: boolean, chunk: Buffer, from: number, to: number): boolean {
    if (this.#decoder.decode(chunk, from, to) === "bad") {
      return this.#conn.fail("a header block that does not decode");
    }
    const call = this.#conn.calls.get(id);
    if (call === undefined) return true;
    if (this.#decoder.tooLarge) return this.#conn.fail("headers too large");
    if (call.receiveFields(this.#decoder.fields, ends)) {
      this.#conn.answered = true;
      return true;
    }
    return this.#conn.fail("HEADERS amid an answer");
  }

  // ---- 6.5, 6.7, 6.9

  #settings(flags: number, id: number, chunk: Buffer, from: number, to: number): boolean {
    if (id !== 0 || (to - from) % 6 !== 0) return this.#conn.fail("SETTINGS out of place");
    if ((flags & Flag.ack) !== 0) return true;
    this.#started = true;
    const { outbox } = this.#conn;
    for (let at = from; at < to; at += 6) {
      const value = getUint32(chunk, at + 2);
      switch ((chunk[at]! << 8) | chunk[at + 1]!) {
        case Setting.headerTableSize:
          outbox.tableBytes = Math.min(outbox.tableBytes, value);
          break;
        case Setting.maxConcurrentStreams:
          outbox.maxStreams = value;
          break;
        case Setting.initialWindowSize:
          if (!this.#initialWindow(value)) return this.#conn.fail("a window too large");
          break;
        case Setting.maxFrameSize:
          outbox.maxFrameBytes = Math.min(Math.max(value, maxFrameBytes), 64 * 1024);
          break;
        default:
          break;
      }
    }
    this.#conn.control(settingsAck);
    this.#conn.settled();
    return true;
  }

  #initialWindow(bytes: number): boolean {
    const { outbox, calls } = this.#conn;
    const change = bytes - outbox.initialWindowBytes;
    outbox.initialWindowBytes = bytes;
    for (const call of calls.values()) {
      call.sendWindow += change;
      if (call.queue.left > 0) outbox.wake(call);
    }
    return bytes <= maxWindowBytes;
  }

  #ping(flags: number, id: number, chunk: Buffer, from: number, to: number): boolean {
    if (id !== 0 || to - from !== 8) return this.#conn.fail("PING out of place");
    if ((flags & Flag.ack) !== 0) return true;
    const answer = new Uint8Array(frameHeaderBytes + 8);
    putFrameHeader(answer, 0, 8, FrameType.ping, Flag.ack, 0);
    answer.set(chunk.subarray(from, to), frameHeaderBytes);
    this.#conn.control(answer);
    return true;
  }

  #windowUpdate(id: number, chunk: Buffer, from: number, to: number): boolean {
    if (to - from !== 4) return this.#conn.fail("WINDOW_UPDATE of a wrong size");
    const bytes = getUint32(chunk, from) & 0x7fffffff;
    if (id === 0) {
      if (!this.#conn.outbox.openWindow(bytes)) return this.#conn.fail("a window too large");
      this.#conn.flushSoon();
      return true;
    }
    const call = this.#conn.calls.get(id);
    if (call === undefined) return true;
    call.sendWindow += bytes;
    if (call.sendWindow > maxWindowBytes) return this.#conn.fail("a window too large");
    if (call.queue.left > 0) this.#conn.outbox.wake(call);
    this.#conn.flushSoon();
    return true;
  }

  #isIdle(id: number): boolean {
    return (id & 1) === 0 || id >= this.#conn.idleFrom;
  }
}

/** Where the payload is without its padding (6.1, 6.2); undefined: more padding than frame. */
function unpadded(
  flags: number,
  chunk: Buffer,
  from: number,
  to: number,
): { from: number; to: number } | undefined {
  if ((flags & Flag.padded) === 0) return { from, to };
  const padding = from < to ? chunk[from]! : 256;
  return from + 1 > to - padding ? undefined : { from: from + 1, to: to - padding };
}
