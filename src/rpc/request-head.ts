/** What one header block of a request says, once parsed; immutable, shared by equal requests. */
import { Status, type StatusCode } from "./status.ts";
import type { Metadata } from "./types.ts";

export interface RequestHead<Method> {
  readonly path: string;
  readonly authority: string;
  readonly metadata: Metadata;
  /** Undefined for a path nobody serves. */
  readonly method: Method | undefined;
  /** From grpc-timeout; Infinity without one. */
  readonly timeoutMs: number;
  /** The request's messages may be compressed with gzip (grpc-encoding), and the answers too. */
  readonly gzip: boolean;
  /** -1 when not given. */
  readonly contentLength: number;
  /** Set when the request is proper HTTP but cannot be served as gRPC. */
  readonly refusal: Refusal | undefined;
}

export interface Refusal {
  /** 200 except where the gRPC specification wants a bare HTTP error. */
  readonly httpStatus: number;
  readonly code: StatusCode;
  readonly message: string;
}

/** All fields of a block but the pseudo fields, and the timeout, which similar heads share. */
class Fields implements Metadata {
  readonly #fields: readonly string[];

  constructor(fields: readonly string[], from: number) {
    const own: string[] = [];
    for (let i = from; i < fields.length; i += 2) {
      if (fields[i] !== "grpc-timeout") own.push(fields[i]!, fields[i + 1]!);
    }
    this.#fields = own;
  }

  get(name: string): string | undefined {
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
    return undefined;
  }

  getAll(name: string): readonly string[] {
    return this.#fields.filter((_, i) => i % 2 === 1 && this.#fields[i - 1] === name);
  }
}

/**
 * Parses decoded fields (names and values in turn). Undefined means the request is malformed
 * (RFC 9113 section 8.1.1): the stream must be reset with PROTOCOL_ERROR.
 */
export function parseRequestHead<Method>(
  fields: readonly string[],
  methods: ReadonlyMap<string, Method>,
): RequestHead<Method> | undefined {
  let httpMethod: string | undefined;
  let scheme: string | undefined;
  let path: string | undefined;
  let authority: string | undefined;
  let at = 0;
  for (; at < fields.length && fields[at]!.charCodeAt(0) === colon; at += 2) {
    const value = fields[at + 1]!;
    switch (fields[at]) {
      case ":method":
        if (httpMethod !== undefined) return undefined;
        httpMethod = value;
        break;
      case ":scheme":
        if (scheme !== undefined) return undefined;
        scheme = value;
        break;
      case ":path":
        if (path !== undefined || value === "") return undefined;
        path = value;
        break;
      case ":authority":
        if (authority !== undefined) return undefined;
        authority = value;
        break;
      default:
        return undefined;
    }
  }
  if (httpMethod === undefined || scheme === undefined || path === undefined) return undefined;
  const grpc = parseRegular(fields, at);
  if (grpc === undefined) return undefined;
  return {
    path,
    authority: authority ?? grpc.host,
    metadata: new Fields(fields, at),
    method: methods.get(path),
    timeoutMs: grpc.timeoutMs,
    gzip: grpc.encoding === "gzip",
    contentLength: grpc.contentLength,
    refusal: refuse(httpMethod, grpc),
  };
}

/** True when the fields may stand behind a request's messages: no pseudo fields, nothing banned. */
export function validTrailers(fields: readonly string[]): boolean {
  return parseRegular(fields, 0) !== undefined;
}

const colon = 0x3a;

interface Regular {
  host: string;
  contentType: string;
  timeout: string | undefined;
  timeoutMs: number;
  encoding: string;
  contentLength: number;
}

function parseRegular(fields: readonly string[], from: number): Regular | undefined {
  const found: Regular = {
    host: "",
    contentType: "",
    timeout: undefined,
    timeoutMs: Number.POSITIVE_INFINITY,
    encoding: "identity",
    contentLength: -1,
  };
  for (let i = from; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    switch (name) {
      case "content-type":
        found.contentType = value;
        break;
      case "te":
        if (value !== "trailers") return undefined;
        break;
      case "user-agent":
      case "grpc-accept-encoding":
        break;
      case "grpc-timeout":
        found.timeout = value;
        found.timeoutMs = parseTimeout(value);
        break;
      case "grpc-encoding":
        found.encoding = value;
        break;
      case "host":
        found.host = value;
        break;
      case "content-length":
        if (!/^\d{1,15}$/.test(value)) return undefined;
        found.contentLength = Number(value);
        break;
      case "connection":
      case "keep-alive":
      case "proxy-connection":
      case "transfer-encoding":
      case "upgrade":
        return undefined;
      default:
        if (!validName(name)) return undefined;
    }
    if (!validValue(value)) return undefined;
  }
  return found;
}

/** Field names are lower-case visible ASCII; a colon would make a pseudo field out of place. */
function validName(name: string): boolean {
  if (name.length === 0) return false;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c <= 0x20 || c >= 0x7f || c === colon || (c >= 0x41 && c <= 0x5a)) return false;
  }
  return true;
}

function validValue(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c === 0 || c === 0x0a || c === 0x0d) return false;
  }
  return true;
}

const timeoutUnitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Milliseconds of at most eight digits and a unit (gRPC over HTTP/2, "Timeout"); NaN if not so. */
export function parseTimeout(text: string): number {
  const unit = timeoutUnitMs[text.charAt(text.length - 1)];
  const digits = text.length - 1;
  if (unit === undefined || digits < 1 || digits > 8) return Number.NaN;
  let value = 0;
  for (let i = 0; i < digits; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value * unit;
}

function refuse(httpMethod: string, grpc: Regular): Refusal | undefined {
  if (!isGrpc(grpc.contentType)) {
    const message = `invalid gRPC request content-type ${JSON.stringify(grpc.contentType)}`;
    return { httpStatus: 415, code: Status.internal, message };
  }
  if (httpMethod !== "POST") {
    const message = `invalid gRPC request method ${JSON.stringify(httpMethod)}`;
    return { httpStatus: 405, code: Status.internal, message };
  }
  if (Number.isNaN(grpc.timeoutMs)) {
    const message = `malformed grpc-timeout: ${JSON.stringify(grpc.timeout)}`;
    return { httpStatus: 200, code: Status.internal, message };
  }
  if (grpc.encoding !== "identity" && grpc.encoding !== "gzip") {
    const quoted = JSON.stringify(grpc.encoding);
    const message = `grpc: Decompressor is not installed for grpc-encoding ${quoted}`;
    return { httpStatus: 200, code: Status.unimplemented, message };
  }
  return undefined;
}

/** "application/grpc", with "+proto" and the like or parameters behind it. */
function isGrpc(contentType: string): boolean {
  if (contentType === "application/grpc") return true;
  if (!contentType.startsWith("application/grpc")) return false;
  const next = contentType.charAt("application/grpc".length);
  return next === "+" || next === ";";
}
