/** HEADERS and CONTINUATION (RFC 9113 sections 6.2, 6.10): blocks become requests and trailers. */
import type { ServerCall } from "./call.ts";
import { lengthMatches } from "./data-frames.ts";
import type { Faults } from "./faults.ts";
import { HeadCache, SimilarHeads } from "./head-cache.ts";
import { HpackDecoder } from "./hpack.ts";
import type { MethodEntry } from "./method-table.ts";
import { parseRequestHead, type RequestHead, validTrailers } from "./request-head.ts";
import type { StreamTable } from "./stream-table.ts";
import { ErrorCode, Flag, getUint32, maxFrameBytes } from "./wire.ts";

/** What header blocks do to their connection. */
export interface HeaderHost {
  readonly streams: StreamTable;
  readonly headerListBytes: number;
  /** New calls are ignored: the client was told the last one we take. */
  readonly refusing: boolean;
  /** Sees the fields of every block that was decoded. */
  readonly onFields: ((fields: readonly string[]) => void) | undefined;
  /** One more call would be too many, for the connection or for the server. */
  readonly full: boolean;
  /** Opens a stream and starts its handler. */
  newCall(id: number, head: RequestHead<MethodEntry>, endStream: boolean): void;
  /** Keeps count of what is held for a call. */
  hold(call: ServerCall): boolean;
}

/** A header block may come in so many pieces. */
const maxContinuations = 64;
/** Heads beyond this are parsed each time: what is remembered of a connection stays small. */
const rememberedHeadBytes = 4096;

export class HeaderBlocks {
  readonly #conn: HeaderHost;
  readonly #faults: Faults;
  readonly #methods: ReadonlyMap<string, MethodEntry>;
  readonly #decoder: HpackDecoder;
  readonly #heads = new HeadCache<RequestHead<MethodEntry>>();
  readonly #similar = new SimilarHeads<MethodEntry>();
  /** A header block that continues in the next frame. */
  #block: Buffer[] | undefined;
  #blockBytes = 0;
  #blockStream = 0;
  #blockEnds = false;

  constructor(conn: HeaderHost, faults: Faults, methods: ReadonlyMap<string, MethodEntry>) {
    this.#conn = conn;
    this.#faults = faults;
    this.#methods = methods;
    this.#decoder = new HpackDecoder(conn.headerListBytes);
  }

  /** The stream whose block must be continued by the next frame; 0 when none. */
  get unfinished(): number {
    return this.#block === undefined ? 0 : this.#blockStream;
  }

  headers(flags: number, id: number, chunk: Buffer, begin: number, end: number): boolean {
    let from = begin;
    let to = end;
    if ((id & 1) === 0) {
      return this.#faults.protocol("HEADERS on a stream that clients cannot open");
    }
    if ((flags & Flag.padded) !== 0) {
      const padding = from < to ? chunk[from]! : 256;
      from++;
      to -= padding;
    }
    if ((flags & Flag.priority) !== 0) {
      if (to - from >= 5 && (getUint32(chunk, from) & 0x7fffffff) === id) {
        return this.#faults.protocol("a stream depends on itself");
      }
      from += 5;
    }
    if (from > to) return this.#faults.protocol("HEADERS shorter than its own fields");
    const ends = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) return this.#whole(id, ends, chunk, from, to);
    this.#block = [Buffer.from(chunk.subarray(from, to))];
    this.#blockBytes = to - from;
    this.#blockStream = id;
    this.#blockEnds = ends;
    return true;
  }

  continuation(flags: number, chunk: Buffer, from: number, to: number): boolean {
    const block = this.#block;
    if (block === undefined) return this.#faults.protocol("CONTINUATION without HEADERS");
    this.#blockBytes += to - from;
    block.push(Buffer.from(chunk.subarray(from, to)));
    const most = this.#conn.headerListBytes + maxFrameBytes;
    if (this.#blockBytes > most || block.length > maxContinuations) {
      return this.#faults.fatal(ErrorCode.enhanceYourCalm, "a header block too large");
    }
    if ((flags & Flag.endHeaders) === 0) return true;
    this.#block = undefined;
    const whole = Buffer.concat(block, this.#blockBytes);
    return this.#whole(this.#blockStream, this.#blockEnds, whole, 0, whole.length);
  }

  #whole(id: number, ends: boolean, chunk: Buffer, from: number, to: number): boolean {
    const decoder = this.#decoder;
    const known = this.#heads.find(decoder.generation, chunk, from, to);
    if (known !== undefined && id > this.#conn.streams.lastId) {
      return this.#request(id, known, ends);
    }
    const { generation } = decoder;
    if (decoder.decode(chunk, from, to) === "bad") {
      const message = "a header block that does not decode";
      return this.#faults.fatal(ErrorCode.compressionError, message);
    }
    this.#conn.onFields?.(decoder.fields);
    const call = this.#conn.streams.get(id);
    if (call !== undefined) return this.#trailers(call, ends);
    if (id <= this.#conn.streams.lastId) return this.#stray(id);
    if (decoder.tooLarge) return this.#refuse(id, ErrorCode.enhanceYourCalm);
    const head = this.#parse();
    if (head === undefined) return this.#refuse(id, ErrorCode.protocolError);
    if (decoder.generation === generation && decoder.listBytes <= rememberedHeadBytes) {
      this.#heads.add(generation, chunk, from, to, head);
    }
    return this.#request(id, head, ends);
  }

  #parse(): RequestHead<MethodEntry> | undefined {
    const { fields, listBytes } = this.#decoder;
    const similar = this.#similar.find(fields);
    if (similar !== undefined) return similar;
    const head = parseRequestHead(fields, this.#methods);
    if (head !== undefined && listBytes <= rememberedHeadBytes) this.#similar.add(fields, head);
    return head;
  }

  #request(id: number, head: RequestHead<MethodEntry>, ends: boolean): boolean {
    if (this.#conn.refusing) return true;
    if (this.#conn.full) return this.#refuse(id, ErrorCode.refusedStream);
    if (ends && head.contentLength > 0) return this.#refuse(id, ErrorCode.protocolError);
    this.#conn.newCall(id, head, ends);
    return true;
  }

  #trailers(call: ServerCall, ends: boolean): boolean {
    if (call.remoteEnded) return this.#faults.reset(call.id, ErrorCode.streamClosed);
    if (!ends || this.#decoder.tooLarge || !validTrailers(this.#decoder.fields)) {
      return this.#faults.reset(call.id, ErrorCode.protocolError);
    }
    if (!lengthMatches(call)) return this.#faults.reset(call.id, ErrorCode.protocolError);
    call.receiveEnd();
    this.#conn.hold(call);
    return true;
  }

  #stray(id: number): boolean {
    switch (this.#conn.streams.state(id)) {
      case "reset":
        return true;
      case "closed":
        return this.#faults.fatal(ErrorCode.streamClosed, "HEADERS on a closed stream");
      default:
        return this.#faults.protocol("a stream id lower than one before");
    }
  }

  /** Ends a stream before it became a call. */
  #refuse(id: number, code: ErrorCode): boolean {
    this.#conn.streams.lastId = id;
    this.#conn.streams.close(id, true);
    return this.#faults.reset(id, code);
  }
}
