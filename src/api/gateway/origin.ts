import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Socket } from "node:net";
import type { Clock } from "../../ports/index.ts";
import type { Metadata } from "../../rpc/index.ts";
import type { Origin } from "../local/index.ts";

/** Stands in for the connection: a client's certificate does not count through the gateway (etcd embed/serve.go). */
const noCertificate = new Socket();

/** grpc-timeout's units in milliseconds. */
const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** Who asks, and for how long, by the headers of an HTTP request. */
export function originOf(request: IncomingMessage, clock: Clock): Origin {
  const { remoteAddress, remotePort } = request.socket;
  const address = remoteAddress === undefined ? "@" : `${remoteAddress}:${remotePort}`;
  return {
    peer: { address, socket: noCertificate },
    metadata: metadataOf(request.headers),
    authority: request.headers.host ?? "",
    deadlineMs: deadlineOf(request.headers["grpc-timeout"], clock),
  };
}

/** `Authorization: TOKEN`, and what is named `Grpc-Metadata-...`, as grpc-gateway passes them on. */
function metadataOf(headers: IncomingHttpHeaders): Metadata {
  const get = (name: string): string | undefined => {
    const found = headers[`grpc-metadata-${name}`] ?? headers[name];
    return Array.isArray(found) ? found[0] : found;
  };
  return {
    get: (name) => (name === "token" ? (get("token") ?? get("authorization")) : get(name)),
    getAll: (name) => {
      const found = get(name);
      return found === undefined ? [] : [found];
    },
  };
}

function deadlineOf(timeout: string | string[] | undefined, clock: Clock): number {
  const match = /^(\d{1,8})([HMSmun])$/.exec(String(timeout ?? ""));
  const unit = unitMs[match?.[2] ?? ""];
  if (match === null || unit === undefined) return Number.POSITIVE_INFINITY;
  return clock.nowMs() + Number(match[1]) * unit;
}
