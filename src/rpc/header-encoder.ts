/** Header compression for responses. Two fields ever enter the client's table; all else is literal. */
import type { FrameWriter } from "./frame-writer.ts";
import type { StatusCode } from "./status.ts";
import { Flag, FrameType, frameHeaderBytes, putFrameHeader } from "./wire.ts";

/** Static table index 8: `:status: 200` as one byte. */
const status200 = 0x88;
/** Static table indexes of names that take a literal value. */
const statusName = 8;
const contentTypeName = 31;
const staticCount = 61;

/** Our two entries take 104 bytes; a client with a smaller table than this gets literals. */
const leastTableBytes = 256;
const defaultTableBytes = 4096;

/** A longer grpc-message is cut, so that trailers always fit one frame. */
const maxMessageBytes = 8 * 1024;
/** Room for everything in a block but the status message and the handler's own fields. */
const fixedBytes = 128;

export class HeaderEncoder {
  /** How many entries are in the client's table, and which came when; 0 means not in it. */
  #inserted = 0;
  #contentTypeAt = 0;
  #statusOkAt = 0;
  #tableBytes = defaultTableBytes;
  /** The smallest size the client announced since the last block; undefined: no change. */
  #smallest: number | undefined;

  /** The client's SETTINGS_HEADER_TABLE_SIZE; takes effect with the next block. */
  setTableSize(bytes: number): void {
    const next = Math.min(bytes, defaultTableBytes);
    if (next === this.#tableBytes && this.#smallest === undefined) return;
    this.#smallest = Math.min(next, this.#smallest ?? next);
    this.#tableBytes = next;
  }

  /** HEADERS in front of the messages. */
  writeHeaders(w: FrameWriter, streamId: number, extra: readonly string[] | undefined): void {
    const start = this.#begin(w, extra, "");
    w.buffer[w.at++] = status200;
    this.#putContentType(w);
    putFields(w, extra);
    finish(w, start, streamId, Flag.endHeaders);
  }

  /** HEADERS behind the messages. */
  writeTrailers(
    w: FrameWriter,
    streamId: number,
    code: StatusCode,
    message: string,
    extra: readonly string[] | undefined,
  ): void {
    const start = this.#begin(w, extra, message);
    this.#putStatus(w, code, message);
    putFields(w, extra);
    finish(w, start, streamId, Flag.endHeaders | Flag.endStream);
  }

  /** The single HEADERS frame of a call that ends without a message. */
  writeTrailersOnly(
    w: FrameWriter,
    streamId: number,
    code: StatusCode,
    message: string,
    extra: readonly string[] | undefined,
  ): void {
    const start = this.#begin(w, extra, message);
    w.buffer[w.at++] = status200;
    this.#putContentType(w);
    this.#putStatus(w, code, message);
    putFields(w, extra);
    finish(w, start, streamId, Flag.endHeaders | Flag.endStream);
  }

  /** HEADERS of an answer that is plain HTTP with a text behind it. */
  writeHttpHeaders(w: FrameWriter, streamId: number, httpStatus: number): void {
    const start = this.#begin(w, undefined, "");
    w.buffer[w.at++] = statusName;
    putString(w, String(httpStatus));
    putInteger(w, 0x00, 4, contentTypeName);
    putString(w, "text/plain; charset=utf-8");
    finish(w, start, streamId, Flag.endHeaders);
  }

  #begin(w: FrameWriter, extra: readonly string[] | undefined, message: string): number {
    // A UTF-16 unit becomes at most three bytes of UTF-8, each of which three characters.
    const messageBytes = Math.min(9 * message.length, maxMessageBytes);
    w.reserve(frameHeaderBytes + fixedBytes + messageBytes + fieldsBytes(extra));
    const start = w.at;
    w.at += frameHeaderBytes;
    if (this.#smallest !== undefined) this.#putSizeUpdates(w, this.#smallest);
    return start;
  }

  #putSizeUpdates(w: FrameWriter, smallest: number): void {
    this.#smallest = undefined;
    if (smallest < leastTableBytes) {
      putInteger(w, 0x20, 5, 0);
      this.#inserted = 0;
      this.#contentTypeAt = 0;
      this.#statusOkAt = 0;
      if (this.#tableBytes >= leastTableBytes) putInteger(w, 0x20, 5, this.#tableBytes);
    } else {
      putInteger(w, 0x20, 5, smallest);
      if (this.#tableBytes > smallest) putInteger(w, 0x20, 5, this.#tableBytes);
    }
  }

  #putContentType(w: FrameWriter): void {
    if (this.#contentTypeAt > 0) {
      w.buffer[w.at++] = 0x80 | this.#indexOf(this.#contentTypeAt);
    } else if (this.#tableBytes >= leastTableBytes) {
      w.buffer[w.at++] = 0x40 | contentTypeName;
      putString(w, "application/grpc");
      this.#contentTypeAt = ++this.#inserted;
    } else {
      putInteger(w, 0x00, 4, contentTypeName);
      putString(w, "application/grpc");
    }
  }

  #putStatus(w: FrameWriter, code: StatusCode, message: string): void {
    if (code === 0 && this.#statusOkAt > 0) {
      w.buffer[w.at++] = 0x80 | this.#indexOf(this.#statusOkAt);
    } else {
      const insert = code === 0 && this.#tableBytes >= leastTableBytes;
      w.buffer[w.at++] = insert ? 0x40 : 0x00;
      putString(w, "grpc-status");
      putString(w, String(code));
      if (insert) this.#statusOkAt = ++this.#inserted;
    }
    if (message === "") return;
    w.buffer[w.at++] = 0x00;
    putString(w, "grpc-message");
    putString(w, percentEncode(message));
  }

  #indexOf(insertion: number): number {
    return staticCount + 1 + this.#inserted - insertion;
  }
}

/**
 * gRPC's form of a status message: bytes of UTF-8 outside of printable ASCII, and the percent
 * sign, become %XX. Cut at 8 KiB, between whole characters.
 */
export function percentEncode(message: string): string {
  let out = "";
  for (const character of message) {
    const c = character.charCodeAt(0);
    let piece = character;
    if (character.length > 1 || c < 0x20 || c > 0x7e || c === 0x25) {
      piece = "";
      for (const byte of Buffer.from(character, "utf8")) {
        piece += `%${byte < 16 ? "0" : ""}${byte.toString(16).toUpperCase()}`;
      }
    }
    if (out.length + piece.length > maxMessageBytes) break;
    out += piece;
  }
  return out;
}

function finish(w: FrameWriter, start: number, streamId: number, flags: number): void {
  const length = w.at - start - frameHeaderBytes;
  putFrameHeader(w.buffer, start, length, FrameType.headers, flags, streamId);
}

/** Literals without indexing, names and values in turn. */
export function putFields(w: FrameWriter, fields: readonly string[] | undefined): void {
  if (fields === undefined) return;
  for (let i = 0; i < fields.length; i += 2) {
    w.buffer[w.at++] = 0x00;
    putString(w, fields[i]!);
    putString(w, fields[i + 1]!);
  }
}

/** No less than what `putFields` takes. */
export function fieldsBytes(fields: readonly string[] | undefined): number {
  let bytes = 0;
  for (const text of fields ?? []) bytes += text.length + 8;
  return bytes;
}

/** A string of latin1 characters, not Huffman coded. */
function putString(w: FrameWriter, text: string): void {
  putInteger(w, 0x00, 7, text.length);
  w.at += w.buffer.write(text, w.at, "latin1");
}

function putInteger(w: FrameWriter, pattern: number, prefixBits: number, value: number): void {
  const mask = (1 << prefixBits) - 1;
  if (value < mask) {
    w.buffer[w.at++] = pattern | value;
    return;
  }
  w.buffer[w.at++] = pattern | mask;
  let rest = value - mask;
  while (rest >= 0x80) {
    w.buffer[w.at++] = 0x80 | (rest & 0x7f);
    rest >>>= 7;
  }
  w.buffer[w.at++] = rest;
}
