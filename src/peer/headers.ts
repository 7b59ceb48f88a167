import type { IncomingHttpHeaders, ServerResponse } from "node:http";
import type { MemberId } from "../core/types.ts";
import { memberId } from "../core/types.ts";
import type { Settings } from "./settings.ts";

/** Bodies by which peers tell two refusals (412) apart. */
export const incompatibleVersion = "incompatible version";
export const clusterIdMismatch = "cluster ID mismatch";

/** What a removed member's POST is told (403); other causes of a 403 do not stop a member. */
export const removedSender = "cannot process message from removed member";

/** The headers of every request to a peer. */
export function requestHeaders(s: Settings): Record<string, string> {
  const { serverVersion, minClusterVersion, peerURLs } = s.identity;
  return {
    "X-Server-From": s.localHex,
    "X-Server-Version": serverVersion,
    "X-Min-Cluster-Version": minClusterVersion,
    "X-Etcd-Cluster-ID": s.clusterHex,
    "X-PeerURLs": peerURLs.join(","),
  };
}

/** Why a request may not be served (checkClusterCompatibilityFromHeader), or undefined. */
export function checkCompatibility(s: Settings, headers: IncomingHttpHeaders): string | undefined {
  // A peer without these headers counts as etcd 2.0.
  const server = majorMinor(headerText(headers, "x-server-version") || "2.0.0");
  const minCluster = majorMinor(headerText(headers, "x-min-cluster-version") || "2.0.0");
  const ourServer = majorMinor(s.identity.serverVersion) as number;
  const ourMinCluster = majorMinor(s.identity.minClusterVersion) as number;
  if (server === undefined || minCluster === undefined) return incompatibleVersion;
  if (server < ourMinCluster || minCluster > ourServer) return incompatibleVersion;
  const cluster = headerText(headers, "x-etcd-cluster-id");
  return cluster === s.clusterHex ? undefined : clusterIdMismatch;
}

/** The sender and the URLs it says it has, where both are well-formed. */
export function senderOf(
  headers: IncomingHttpHeaders,
): { id: MemberId; urls: string[] } | undefined {
  const id = parseHexId(headerText(headers, "x-server-from"));
  const urls = headerText(headers, "x-peerurls").split(",");
  const good = urls.every((u) => URL.canParse(u) && u.startsWith("http"));
  return id === undefined || !good ? undefined : { id, urls };
}

/** An id as Go's ParseUint(s, 16, 64) reads it. */
export function parseHexId(text: string): MemberId | undefined {
  return /^0*[0-9a-fA-F]{1,16}$/.test(text) ? memberId(BigInt(`0x${text}`)) : undefined;
}

export const headerText = (headers: IncomingHttpHeaders, name: string): string =>
  String(headers[name] ?? "");

/** Refuses as Go's http.Error does: plain text with a newline. */
export function sendError(response: ServerResponse, status: number, text: string): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    "X-Content-Type-Options": "nosniff",
    // What is left of the request's body is not waited for.
    ...(response.req.complete ? {} : { Connection: "close" }),
  });
  response.end(`${text}\n`);
}

/** Major and minor as one comparable number. */
function majorMinor(text: string): number | undefined {
  const m = /^(\d{1,6})\.(\d{1,6})\.\d+/.exec(text);
  return m === null ? undefined : Number(m[1]) * 1e6 + Number(m[2]);
}
