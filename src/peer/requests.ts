import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http";
import { request as requestSecurely, Agent as SecureAgent } from "node:https";
import type { ClusterId } from "../core/types.ts";
import { clusterId } from "../core/types.ts";
import type { TlsContexts } from "../tls/index.ts";
import { targetOf } from "./peer-url.ts";

/** One request to another member's peer port, outside of Raft. */
export interface PeerQuestion {
  readonly method?: "GET" | "POST";
  /** Path with query, e.g. `/leases`. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** For the whole exchange. */
  readonly timeoutMs: number;
  /** Largest answer accepted, 100 MiB by default. */
  readonly answerBytesMax?: number;
  readonly signal?: AbortSignal | undefined;
  /** For https URLs; without it only the system's authorities are trusted, and none is shown. */
  readonly tls?: TlsContexts | undefined;
}

export interface PeerAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
}

/**
 * Asks one peer URL (`https://host:port`). Resolves with any status; rejects with Error when there
 * is no answer: refused, timed out, aborted, too large.
 */
export function askPeer(url: string, question: PeerQuestion): Promise<PeerAnswer> {
  const { method = "GET", path, headers = {}, body, timeoutMs, signal, tls } = question;
  const max = question.answerBytesMax ?? 100 << 20;
  return new Promise((resolve, reject) => {
    const sent = startRequest(url, path, {
      method,
      headers: {
        ...headers,
        ...(method === "POST" || body !== undefined
          ? { "Content-Length": body?.byteLength ?? 0 }
          : {}),
      },
      tls,
    });
    const abort = (): void => {
      sent.destroy(new Error(`request to ${url}${path} aborted`));
    };
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort, { once: true });
    const timer = setTimeout(() => {
      sent.destroy(new Error(`no answer from ${url}${path} within ${timeoutMs} ms`));
    }, timeoutMs);
    const settle = (f: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      f();
    };
    sent.on("error", (e) => settle(() => reject(e)));
    sent.on("response", (response) => {
      readAll(response, max).then(
        (bytes) => settle(() => resolve(toAnswer(response, bytes))),
        (e: unknown) => settle(() => reject(e)),
      );
    });
    sent.end(body);
  });
}

/** What GET /members of a running cluster told. */
export interface FetchedMembers {
  readonly clusterId: ClusterId;
  /** Body as it came; core/membership's decodeMembers reads it. */
  readonly body: Uint8Array;
  /** The URL that answered. */
  readonly url: string;
}

/**
 * Asks the URLs one after the other for the members of their cluster (getClusterFromRemotePeers);
 * the first good answer counts. Rejects with etcd's text when none answers, with the signal's reason
 * when it was aborted.
 */
export async function fetchMembers(
  urls: readonly string[],
  how: { readonly tls?: TlsContexts | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<FetchedMembers> {
  const question = { path: "/members", timeoutMs: 10_000, ...how };
  for (const url of urls) {
    how.signal?.throwIfAborted();
    try {
      const answer = await askPeer(url, question);
      const id = answer.headers["x-etcd-cluster-id"] ?? "";
      if (answer.status !== 200 || !/^[0-9a-fA-F]{1,16}$/.test(id)) continue;
      return { clusterId: clusterId(BigInt(`0x${id}`)), body: answer.body, url };
    } catch {
      // The next URL may answer.
    }
  }
  how.signal?.throwIfAborted();
  throw new Error("could not retrieve cluster information from the given URLs");
}

/** A member's GET /version. */
export interface PeerVersions {
  readonly etcdserver: string;
  /** `X.Y.Z`, or `not_decided`. */
  readonly etcdcluster: string;
  readonly storage: string;
}

/** Asks one member at its URLs for its versions; undefined when none answers. */
export async function fetchVersions(
  urls: readonly string[],
  timeoutMs: number,
  tls?: TlsContexts | undefined,
): Promise<PeerVersions | undefined> {
  for (const url of urls) {
    try {
      const answer = await askPeer(url, { path: "/version", timeoutMs, tls });
      const value = JSON.parse(Buffer.from(answer.body).toString("utf8")) as Partial<PeerVersions>;
      if (typeof value.etcdserver !== "string") continue;
      const { etcdserver, etcdcluster = "", storage = "" } = value;
      return { etcdserver, etcdcluster, storage };
    } catch {
      // The next URL may answer.
    }
  }
  return undefined;
}

/** Kept connections to one peer, plain and secure. */
export class PeerAgents {
  readonly plain: Agent;
  readonly secure: SecureAgent;

  constructor(maxSockets: number) {
    this.plain = new Agent({ keepAlive: true, maxSockets });
    // No session is kept: the other side wants to see the newest certificate.
    this.secure = new SecureAgent({ keepAlive: true, maxSockets, maxCachedSessions: 0 });
  }

  destroy(): void {
    this.plain.destroy();
    this.secure.destroy();
  }
}

export interface RequestStart {
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string | number>>;
  /** Absent: a connection of its own. */
  readonly agents?: PeerAgents | undefined;
  readonly tls?: TlsContexts | undefined;
}

/**
 * Starts a request to a peer URL: http, https, unix or unixs. Never throws for the URL's content:
 * a bad one fails as a refused connection does, by an `error` event.
 */
export function startRequest(url: string, path: string, start: RequestStart): ClientRequest {
  const { secure, name, options } = targetOf(url);
  const { method = "GET", headers = {}, agents, tls } = start;
  const common = { method, headers, path, ...options };
  if (!secure) return request({ ...common, agent: agents?.plain ?? false });
  const shown = tls?.dialOptions(name) ?? { servername: name };
  return requestSecurely({ ...common, ...shown, agent: agents?.secure ?? false });
}

/** Reads a whole body; rejects when it is larger than `max` or breaks off. */
export async function readAll(message: IncomingMessage, max: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of message as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > max) throw new BodyTooLarge(`body exceeds ${max} bytes`);
    parts.push(part);
  }
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts, size);
}

export class BodyTooLarge extends Error {
  override readonly name = "BodyTooLarge";
}

function toAnswer(response: IncomingMessage, body: Uint8Array): PeerAnswer {
  const headers: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(response.headers)) headers[name] = String(value);
  return { status: response.statusCode ?? 0, headers, body };
}
