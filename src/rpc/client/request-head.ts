/** The HEADERS of a request. All fields are literals: servers then read equal heads at a glance. */
import type { FrameWriter } from "../frame-writer.ts";
import { fieldsBytes, putFields } from "../header-encoder.ts";
import { Status } from "../status.ts";
import { Flag, FrameType, frameHeaderBytes, putFrameHeader } from "../wire.ts";
import { CallFailure } from "./failure.ts";

/** Static table: `:method: POST`, `:scheme: http`, `:scheme: https`. */
const methodPost = 0x83;
const schemeHttp = 0x86;
const schemeHttps = 0x87;
/** A dynamic table size update to 0 (RFC 7541 section 6.3). */
const noTable = 0x20;
/** Beyond it servers refuse a request (etcd's bound is grpc-go's 16 MiB, ours 64 KiB). */
const mostHeadBytes = 64 * 1024;

export interface RequestHead {
  readonly authority: string;
  readonly path: string;
  /** By name in lower case. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Milliseconds of performance.now(); Infinity: none. */
  readonly deadline: number;
}

const constantFields = [
  ...["content-type", "application/grpc", "te", "trailers"],
  ...["user-agent", "grpc-quoin/1", "grpc-accept-encoding", "gzip"],
];

/** Throws CallFailure for what cannot be said in a header. */
export function requestFields(head: RequestHead): string[] {
  const fields = [":path", head.path, ":authority", head.authority, ...constantFields];
  if (head.deadline !== Number.POSITIVE_INFINITY) {
    fields.push("grpc-timeout", timeoutText(head.deadline - performance.now()));
  }
  for (const [name, value] of Object.entries(head.metadata)) {
    if (!/^[\x20-\x7e]*$/.test(value)) {
      const text = `header key "${name}" contains value with non-printable ASCII characters`;
      throw new CallFailure(Status.internal, text);
    }
    fields.push(name, value);
  }
  if (fieldsBytes(fields) > mostHeadBytes) {
    const text = `the headers of a request exceed ${mostHeadBytes} bytes`;
    throw new CallFailure(Status.resourceExhausted, text);
  }
  return fields;
}

/** At most eight digits and a unit (grpc/grpc doc/PROTOCOL-HTTP2.md); rounded up. */
function timeoutText(ms: number): string {
  const least = Math.max(1, Math.ceil(ms));
  return least < 1e8 ? `${least}m` : `${Math.min(Math.ceil(least / 1000), 99_999_999)}S`;
}

/** Lays out HEADERS, and CONTINUATION where they exceed `maxFrameBytes`. */
export function writeRequestHead(
  w: FrameWriter,
  id: number,
  isSecure: boolean,
  fields: readonly string[],
  maxFrameBytes: number,
  dropsTable: boolean,
): void {
  w.reserve(frameHeaderBytes + fieldsBytes(fields) + 3);
  const start = w.at;
  w.at += frameHeaderBytes;
  if (dropsTable) w.buffer[w.at++] = noTable;
  w.buffer[w.at++] = methodPost;
  w.buffer[w.at++] = isSecure ? schemeHttps : schemeHttp;
  putFields(w, fields);
  const length = w.at - start - frameHeaderBytes;
  if (length <= maxFrameBytes) {
    putFrameHeader(w.buffer, start, length, FrameType.headers, Flag.endHeaders, id);
    return;
  }
  const block = Buffer.from(w.buffer.subarray(start + frameHeaderBytes, w.at));
  w.at = start;
  for (let at = 0; at < length; at += maxFrameBytes) {
    const piece = block.subarray(at, at + maxFrameBytes);
    const type = at === 0 ? FrameType.headers : FrameType.continuation;
    const flags = at + piece.length === length ? Flag.endHeaders : 0;
    w.reserve(frameHeaderBytes + piece.length);
    w.at = putFrameHeader(w.buffer, w.at, piece.length, type, flags, id);
    w.append(piece);
  }
}
