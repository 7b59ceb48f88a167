/** Who may ask over HTTP. Source: etcd embed/serve.go accessController, server/etcdserver/cors.go. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Logger } from "../../ports/index.ts";
import { isWebSocketUpgrade } from "../gateway/index.ts";

export interface AccessOptions {
  /** --cors; none means any. */
  readonly origins: ReadonlySet<string>;
  /** --host-whitelist: host names, or "*"; asked of plain HTTP alone. */
  readonly hosts: ReadonlySet<string>;
  readonly logger: Logger;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Puts the checks of browsers' requests before a handler. */
export function withAccess(options: AccessOptions, handler: Handler): Handler {
  return (request, response) => {
    const host = hostName(request.headers.host ?? "");
    if (!isEncrypted(request) && !isAllowed(options.hosts, host)) {
      options.logger.warn("rejecting HTTP request to prevent DNS rebinding attacks", { host });
      response.writeHead(421, { "Content-Type": "text/plain; charset=utf-8" });
      response.end(misdirected(host));
      return;
    }
    const { origin } = request.headers;
    if (isWebSocketUpgrade(request) && !mayOpenSocket(options.origins, request)) {
      options.logger.warn("rejecting websocket from another origin", { origin, host });
      response.writeHead(403, { "Content-Type": "text/plain; charset=utf-8" });
      response.end(foreign(origin ?? ""));
      return;
    }
    allowOrigin(options.origins, request, response);
    if (request.method === "OPTIONS") {
      response.writeHead(200, { "Content-Length": 0 });
      response.end();
      return;
    }
    handler(request, response);
  };
}

const isEncrypted = (request: IncomingMessage): boolean => "encrypted" in request.socket;

const isAllowed = (hosts: ReadonlySet<string>, host: string): boolean =>
  hosts.size === 0 || hosts.has("*") || hosts.has(host);

/** Without a port; an IPv6 address without its brackets. */
function hostName(host: string): string {
  const bracketed = /^\[([^\]]*)\]/.exec(host);
  return bracketed?.[1] ?? host.replace(/:\d*$/, "");
}

/** Browsers do not ask CORS before a websocket; it may be read by whom CORS lets read, and by our own pages. */
function mayOpenSocket(origins: ReadonlySet<string>, { headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  if (origin === undefined || origins.size === 0 || origins.has(origin)) return true;
  return URL.parse(origin)?.host === host?.toLowerCase();
}

function allowOrigin(
  origins: ReadonlySet<string>,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const origin = request.headers.origin;
  const allowed = origins.size === 0 ? "*" : origins.has(origin ?? "") ? origin : undefined;
  if (allowed === undefined) return;
  response.setHeader("Access-Control-Allow-Methods", "POST, GET, OPTIONS, PUT, DELETE");
  response.setHeader("Access-Control-Allow-Origin", allowed);
  response.setHeader("Access-Control-Allow-Headers", "accept, content-type, authorization");
}

const misdirected = (host: string): string =>
  `The Host header ${JSON.stringify(host)} is not one this server answers to (CVE-2018-5702, DNS rebinding).\n` +
  `Use TLS, or add it: --host-whitelist ${JSON.stringify(host)}\n`;

const foreign = (origin: string): string =>
  `Pages of ${JSON.stringify(origin)} may not open websockets here: --cors does not name it.\n`;
