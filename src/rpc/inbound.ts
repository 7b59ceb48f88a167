/** What each kind of frame from a client means; RFC 9113, sections named are its. */
import { DataFrames, type DataHost } from "./data-frames.ts";
import { type FaultHost, Faults } from "./faults.ts";
import { HeaderBlocks, type HeaderHost } from "./header-blocks.ts";
import type { MethodEntry } from "./method-table.ts";
import type { Outbox } from "./outbox.ts";
import {
  ErrorCode,
  Flag,
  FrameType,
  frameHeaderBytes,
  getUint32,
  maxFrameBytes,
  maxWindowBytes,
  putFrameHeader,
  Setting,
} from "./wire.ts";

const settingsAck = new Uint8Array(frameHeaderBytes);
putFrameHeader(settingsAck, 0, 0, FrameType.settings, Flag.ack, 0);

/**
 * WINDOW_UPDATEs a client may send for each stream it opened and each DATA frame it got. Many messages
 * share a frame: some clients open both windows anew for each, which has a prefix of 5 bytes at least.
 */
const updatesPerStream = 2;
const updatesPerDataFrame = 10;
const updatesPerByte = 2 / 5;
/** Resets of calls that were answered meanwhile, and cost us nothing: so many are remembered. */
const mostFreeResets = 100_000;
/** A new initial window is told to every open stream: so many count as one frame more. */
const streamsPerNuisance = 64;

/** What frames do to their connection. */
export interface InboundHost extends DataHost, HeaderHost, FaultHost {
  readonly outbox: Outbox;
  /** Nothing that arrives matters any more. */
  readonly dead: boolean;
  /** Queues a control frame. */
  control(frame: Uint8Array): void;
  /** The client reset a stream. */
  cancelled(id: number): void;
  /** The stream's window has opened by so many bytes; false when beyond `maxBytes`. */
  openStreamWindow(id: number, bytes: number, maxBytes: number): boolean;
  /** WINDOW_UPDATE of the connection; false when its window would grow too large. */
  openWindow(bytes: number): boolean;
  /** SETTINGS_INITIAL_WINDOW_SIZE; false when a stream's window would exceed `maxBytes`. */
  setInitialWindow(bytes: number, maxBytes: number): boolean;
  /** Answers a ping, within reason. */
  ping(payload: Uint8Array): void;
  pingAnswered(payload: Buffer): void;
}

/** A call that was given up after this long was meant. */
const patienceMs = 1000;

export class Inbound {
  /** The client's first SETTINGS have come. */
  started = false;

  readonly #conn: InboundHost;
  readonly #faults: Faults;
  readonly #data: DataFrames;
  readonly #headers: HeaderBlocks;
  #windowUpdates = 0;
  /** Calls that were answered to their end, less the resets that came too late for one. */
  #freeResets = 0;

  constructor(connection: InboundHost, methods: ReadonlyMap<string, MethodEntry>) {
    this.#conn = connection;
    this.#faults = new Faults(connection);
    this.#data = new DataFrames(connection, this.#faults);
    this.#headers = new HeaderBlocks(connection, this.#faults, methods);
  }

  /** A call was answered to its end; a reset by its client may be on its way. */
  answered(): void {
    if (this.#freeResets < mostFreeResets) this.#freeResets++;
  }

  /** Takes one frame, payload at [from, to); false when the connection is over. */
  frame(type: number, flags: number, id: number, chunk: Buffer, from: number, to: number): boolean {
    const { unfinished } = this.#headers;
    if (unfinished !== 0 && (type !== FrameType.continuation || id !== unfinished)) {
      return this.#faults.protocol("a header block was interrupted");
    }
    if (!this.started && (type !== FrameType.settings || (flags & Flag.ack) !== 0)) {
      return this.#faults.protocol("the first frame is not SETTINGS");
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
        return this.#data.data(flags, id, chunk, from, to);
      case FrameType.headers:
        return this.#headers.headers(flags, id, chunk, from, to);
      case FrameType.windowUpdate:
        return this.#windowUpdate(id, chunk, from, to);
      case FrameType.rstStream:
        return this.#rstStream(id, to - from);
      case FrameType.ping:
        return this.#ping(flags, id, chunk, from, to);
      case FrameType.settings:
        return this.#settings(flags, id, chunk, from, to);
      case FrameType.continuation:
        return this.#headers.continuation(flags, chunk, from, to);
      case FrameType.priority:
        return this.#priority(id, chunk, from, to);
      case FrameType.goAway:
        if (id !== 0) return this.#faults.protocol("GOAWAY on a stream");
        return this.#faults.nuisance();
      case FrameType.pushPromise:
        return this.#faults.protocol("PUSH_PROMISE from a client");
      default:
        return this.#faults.nuisance();
    }
  }

  // ---- 6.3, 6.4

  #priority(id: number, chunk: Buffer, from: number, to: number): boolean {
    if (id === 0) return this.#faults.protocol("PRIORITY on stream 0");
    if (to - from !== 5) return this.#faults.reset(id, ErrorCode.frameSizeError);
    if ((getUint32(chunk, from) & 0x7fffffff) === id) {
      return this.#faults.reset(id, ErrorCode.protocolError);
    }
    return this.#faults.nuisance();
  }

  #rstStream(id: number, size: number): boolean {
    if (size !== 4) return this.#faults.size("RST_STREAM");
    if (id === 0 || this.#isIdle(id)) {
      return this.#faults.protocol("RST_STREAM on an idle stream");
    }
    const call = this.#conn.streams.get(id);
    if (call === undefined) {
      if (this.#freeResets === 0) return this.#faults.nuisance();
      this.#freeResets--;
      return true;
    }
    // Clients end streams they are done with by a reset; only one that was never answered made us
    // work for nothing.
    const { headersSent, startMs } = call;
    this.#conn.cancelled(id);
    // Who waited before giving up floods nobody: the calls at once are bounded.
    const isPatient = this.#conn.nowMs - startMs >= patienceMs;
    return headersSent || isPatient || this.#faults.nuisance();
  }

  // ---- 6.5

  #settings(flags: number, id: number, chunk: Buffer, from: number, to: number): boolean {
    if (id !== 0) return this.#faults.protocol("SETTINGS on a stream");
    if ((flags & Flag.ack) !== 0) {
      if (to !== from) return this.#faults.size("SETTINGS acknowledgement");
      return this.#faults.nuisance();
    }
    if ((to - from) % 6 !== 0) return this.#faults.size("SETTINGS");
    this.started = true;
    let window = -1;
    for (let at = from; at < to; at += 6) {
      const name = (chunk[at]! << 8) | chunk[at + 1]!;
      const value = getUint32(chunk, at + 2);
      if (!this.#setting(name, value)) return false;
      if (name === Setting.initialWindowSize) window = value;
    }
    if (window >= 0 && !this.#initialWindow(window)) return false;
    this.#conn.control(settingsAck);
    return this.#faults.nuisance();
  }

  #setting(name: number, value: number): boolean {
    const { outbox } = this.#conn;
    switch (name) {
      case Setting.headerTableSize:
        outbox.encoder.setTableSize(value);
        break;
      case Setting.enablePush:
        if (value > 1) return this.#faults.protocol("SETTINGS_ENABLE_PUSH beyond 1");
        break;
      case Setting.initialWindowSize:
        if (value > maxWindowBytes) return this.#windowTooLarge("SETTINGS_INITIAL_WINDOW_SIZE");
        break;
      case Setting.maxFrameSize:
        if (value < maxFrameBytes || value > 2 ** 24 - 1) {
          return this.#faults.protocol("SETTINGS_MAX_FRAME_SIZE out of range");
        }
        outbox.maxFrameBytes = Math.min(value, 64 * 1024);
        break;
      default:
        break;
    }
    return true;
  }

  /** Once a frame, with its last value: each costs a walk over all streams. */
  #initialWindow(bytes: number): boolean {
    if (bytes === this.#conn.outbox.initialWindowBytes) return true;
    if (!this.#faults.nuisance(this.#conn.streams.size / streamsPerNuisance)) return false;
    if (this.#conn.setInitialWindow(bytes, maxWindowBytes)) return true;
    return this.#windowTooLarge("SETTINGS_INITIAL_WINDOW_SIZE");
  }

  // ---- 6.7, 6.9

  #ping(flags: number, id: number, chunk: Buffer, from: number, to: number): boolean {
    if (id !== 0) return this.#faults.protocol("PING on a stream");
    if (to - from !== 8) return this.#faults.size("PING");
    const payload = chunk.subarray(from, to);
    if ((flags & Flag.ack) === 0) {
      this.#conn.ping(payload);
      return true;
    }
    this.#conn.pingAnswered(payload);
    return this.#faults.nuisance();
  }

  #windowUpdate(id: number, chunk: Buffer, from: number, to: number): boolean {
    if (to - from !== 4) return this.#faults.size("WINDOW_UPDATE");
    const { streams, outbox } = this.#conn;
    const due =
      updatesPerStream * streams.opened +
      updatesPerDataFrame * outbox.dataFrames +
      updatesPerByte * outbox.dataBytes;
    if (++this.#windowUpdates > due && !this.#faults.nuisance()) return false;
    const bytes = getUint32(chunk, from) & 0x7fffffff;
    if (id === 0) {
      if (bytes === 0) return this.#faults.protocol("WINDOW_UPDATE of 0");
      return this.#conn.openWindow(bytes) || this.#windowTooLarge("the connection's window");
    }
    if (this.#isIdle(id)) return this.#faults.protocol("WINDOW_UPDATE on an idle stream");
    if (streams.get(id) === undefined) return true;
    if (bytes === 0) return this.#faults.reset(id, ErrorCode.protocolError);
    if (this.#conn.openStreamWindow(id, bytes, maxWindowBytes)) return true;
    return this.#faults.reset(id, ErrorCode.flowControlError);
  }

  #windowTooLarge(what: string): false {
    return this.#faults.fatal(ErrorCode.flowControlError, `${what} is too large`);
  }

  #isIdle(id: number): boolean {
    return (id & 1) === 0 || id > this.#conn.streams.lastId;
  }
}
