/** What the header blocks of an answer say: may messages follow, and how did the call end. */
import { Status, type StatusCode } from "../status.ts";
import { CallFailure } from "./failure.ts";

/** Fields by name in lower case, the first of each; HTTP/2's own among them. */
export type Fields = ReadonlyMap<string, string>;

/** `fields`: names and values in turn. */
export function fieldMap(fields: readonly string[]): Fields {
  const map = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) {
    if (!map.has(fields[i]!)) map.set(fields[i]!, fields[i + 1]!);
  }
  return map;
}

/** Statuses that are no gRPC answer (grpc/grpc doc/http-grpc-status-mapping.md), and their names. */
const httpStatuses: Readonly<Record<string, readonly [StatusCode, string]>> = {
  400: [Status.internal, "Bad Request"],
  401: [Status.unauthenticated, "Unauthorized"],
  403: [Status.permissionDenied, "Forbidden"],
  404: [Status.unimplemented, "Not Found"],
  429: [Status.unavailable, "Too Many Requests"],
  502: [Status.unavailable, "Bad Gateway"],
  503: [Status.unavailable, "Service Unavailable"],
  504: [Status.unavailable, "Gateway Timeout"],
};

/** Why the answer that begins like this is none of gRPC; undefined when it is one. */
export function headFailure(head: Fields): CallFailure | undefined {
  const http = head.get(":status") ?? "";
  const type = head.get("content-type");
  if (http === "200" && (head.has("grpc-status") || isGrpc(type))) return encodingFailure(head);
  const [code, name] = httpStatuses[http] ?? [Status.unknown, ""];
  const wrongType = isGrpc(type)
    ? ""
    : `; transport: received unexpected content-type ${JSON.stringify(type ?? "")}`;
  const status = `unexpected HTTP status code received from server: ${http} (${name})`;
  return new CallFailure(code, `${status}${wrongType}`);
}

const isGrpc = (type: string | undefined): boolean => type?.startsWith("application/grpc") === true;

function encodingFailure(head: Fields): CallFailure | undefined {
  const encoding = head.get("grpc-encoding") ?? "identity";
  if (encoding === "identity" || encoding === "gzip") return undefined;
  const text = `grpc: Decompressor is not installed for grpc-encoding "${encoding}"`;
  return new CallFailure(Status.unimplemented, text);
}

/** The status in trailers; undefined: OK. */
export function trailersFailure(trailers: Fields): CallFailure | undefined {
  const text = trailers.get("grpc-status") ?? "";
  if (text === "0") return undefined;
  const code = Number(text);
  if (!/^\d+$/.test(text)) {
    return new CallFailure(Status.unknown, "server closed the stream without sending trailers");
  }
  const known = code <= Status.unauthenticated ? (code as StatusCode) : Status.unknown;
  return new CallFailure(known, percentDecode(trailers.get("grpc-message") ?? ""));
}

/** grpc-message as text; what is no escape stays as it is. */
function percentDecode(message: string): string {
  if (!/[%\x80-\xff]/.test(message)) return message;
  const bytes = message.replace(/%([0-9a-fA-F]{2})/g, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(bytes, "latin1").toString("utf8");
}
