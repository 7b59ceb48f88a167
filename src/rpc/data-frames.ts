/** DATA (RFC 9113 section 6.1): windows, padding, lengths, and on to the call. */
import type { ServerCall } from "./call.ts";
import type { Faults } from "./faults.ts";
import type { StreamTable } from "./stream-table.ts";
import { ErrorCode, Flag, getUint32 } from "./wire.ts";

/** What DATA does to its connection. */
export interface DataHost {
  readonly streams: StreamTable;
  readonly receiveMessageBytes: number;
  /** Accounts for the payload of a DATA frame; false when the client overran its window. */
  takeWindow(bytes: number): boolean;
  /** Gives a stream's window back as far as its handler keeps up. */
  credit(call: ServerCall): void;
  /** Keeps count of what is held for a call; false when the connection holds too much. */
  hold(call: ServerCall): boolean;
}

const prefixBytes = 5;

export class DataFrames {
  readonly #conn: DataHost;
  readonly #faults: Faults;

  constructor(connection: DataHost, faults: Faults) {
    this.#conn = connection;
    this.#faults = faults;
  }

  /** Takes one frame, payload at [begin, end); false when the connection is over. */
  data(flags: number, id: number, chunk: Buffer, begin: number, end: number): boolean {
    let from = begin;
    let to = end;
    if (id === 0) return this.#faults.protocol("DATA on stream 0");
    if ((flags & Flag.padded) !== 0) {
      const padding = from < to ? chunk[from]! : 256;
      from++;
      to -= padding;
      if (from > to) return this.#faults.protocol("more padding than frame");
    }
    const size = end - begin;
    if (!this.#conn.takeWindow(size)) {
      return this.#faults.fatal(ErrorCode.flowControlError, "the connection's window is overrun");
    }
    const call = this.#conn.streams.get(id);
    if (call === undefined) return this.#stray(id);
    if (call.remoteEnded) return this.#faults.reset(id, ErrorCode.streamClosed);
    if (size > call.receiveWindow) return this.#faults.reset(id, ErrorCode.flowControlError);
    const ends = (flags & Flag.endStream) !== 0;
    call.receivedBytes += to - from;
    if (ends && !lengthMatches(call)) return this.#faults.reset(id, ErrorCode.protocolError);
    if (to === from && !ends && !this.#faults.nuisance()) return false;

    const first = call.receivedBytes === to - from;
    if (ends && first && isWholeRequest(call, chunk, from, to, this.#conn.receiveMessageBytes)) {
      call.receiveWhole(chunk.subarray(from + prefixBytes, to));
      return true;
    }
    return this.#piece(call, chunk, from, to, size, ends);
  }

  #piece(
    call: ServerCall,
    chunk: Buffer,
    from: number,
    to: number,
    size: number,
    ends: boolean,
  ): boolean {
    call.receiveWindow -= size;
    call.uncredited += size;
    call.receive(chunk, from, to);
    if (ends) call.receiveEnd();
    else this.#conn.credit(call);
    if (this.#conn.hold(call)) return true;
    const message = "too many bytes of unfinished messages";
    return this.#faults.fatal(ErrorCode.enhanceYourCalm, message);
  }

  #stray(id: number): boolean {
    switch (this.#conn.streams.state(id)) {
      case "idle":
        return this.#faults.protocol("DATA on an idle stream");
      case "reset":
        return true;
      default:
        return this.#faults.reset(id, ErrorCode.streamClosed);
    }
  }
}

/** At the end of a request's body: the content-length, if there was one, was right (8.1.1). */
export function lengthMatches(call: ServerCall): boolean {
  const { contentLength } = call.head;
  return contentLength < 0 || contentLength === call.receivedBytes;
}

/** The usual unary request: one uncompressed message that fills the only DATA frame. */
function isWholeRequest(
  call: ServerCall,
  chunk: Buffer,
  from: number,
  to: number,
  maxBytes: number,
): boolean {
  const length = to - from - prefixBytes;
  return (
    length >= 0 &&
    length <= maxBytes &&
    call.takesWhole &&
    chunk[from] === 0 &&
    getUint32(chunk, from + 1) === length
  );
}
