import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { ClusterId } from "../core/types.ts";
import { hexId, memberId } from "../core/types.ts";
import type { Clock, Logger } from "../ports/index.ts";
import { isSecure, type Listener, listen, type TlsContexts, whereOf } from "../tls/index.ts";
import { sendError } from "./headers.ts";
import { splitUrl } from "./peer-url.ts";
import { BodyTooLarge, readAll } from "./requests.ts";
import type { Transport } from "./transport.ts";
import type { PeerReply, PeerRequest, PeerRoute, PeerRoutes } from "./types.ts";

export interface PeerListenerOptions {
  readonly clusterId: ClusterId;
  readonly transport: Transport;
  readonly routes: PeerRoutes;
  /** For https and unixs URLs. */
  readonly tls?: TlsContexts | undefined;
  /** Certificates with names need not name the address they come from. */
  readonly skipClientSanVerify?: boolean;
  readonly reusePort?: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Largest body of a server's route: lease requests are tiny (etcd leasehttp). */
const bodyBytesMax = 64 << 10;

interface Route {
  readonly method: "GET" | "POST";
  readonly answer: PeerRoute;
}

const promotePrefix = "/members/promote/";

/** Serves the peer URLs: the transport's paths and the server's own routes. */
export class PeerListener {
  readonly #options: PeerListenerOptions;
  /** Speaks HTTP on the connections of all listeners; listens nowhere itself. */
  readonly #http: Server;
  readonly #listeners: Listener[] = [];
  readonly #routes: Map<string, Route>;

  constructor(options: PeerListenerOptions) {
    this.#options = options;
    this.#http = this.#createHttp();
    const r = options.routes;
    const table: [string, "GET" | "POST", PeerRoute | undefined][] = [
      ["/members", "GET", r.members],
      ["/members/hashkv", "GET", r.hashKv],
      ["/leases", "POST", r.leases],
      ["/leases/internal", "POST", r.leasesInternal],
      ["/version", "GET", r.version],
      ["/downgrade/enabled", "GET", r.downgradeEnabled],
    ];
    this.#routes = new Map(
      table.flatMap(([path, method, answer]) =>
        answer === undefined ? [] : [[path, { method, answer }] as const],
      ),
    );
  }

  /**
   * Listens on each URL (http, https, unix, unixs). Rejects with the system's error (EADDRINUSE),
   * or etcd's text where TLS has no certificate to show.
   */
  async listen(urls: readonly string[]): Promise<void> {
    const { tls, skipClientSanVerify = false, reusePort = false, clock, logger } = this.#options;
    for (const text of urls) {
      const url = splitUrl(text);
      const secure = isSecure(url);
      if (secure && !tls?.canServe) {
        throw new Error(
          `cannot listen on TLS for ${url.host}: KeyFile and CertFile are not presented`,
        );
      }
      const where = whereOf(url);
      const listener = await listen({
        where: "path" in where ? where : { ...where, reusePort },
        plain: !secure,
        tls: secure ? tls : undefined,
        endpoint: "peer",
        protocols: ["http/1.1"],
        checksAddress: !skipClientSanVerify,
        clock,
        logger,
        onSocket: (socket) => this.#http.emit("connection", socket),
      });
      this.#listeners.push(listener);
      logger.info("serving peer traffic", { address: listener.address });
    }
  }

  /** `host:port` of each socket, e.g. where port 0 was asked for, or the path of its file. */
  addresses(): string[] {
    return this.#listeners.map((listener) => listener.address);
  }

  /** Stops listening and closes every connection. */
  async close(): Promise<void> {
    this.#http.close();
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()));
  }

  #createHttp(): Server {
    const server = createServer((request, response) => this.#serve(request, response));
    // A snapshot may take longer than any limit on a whole request.
    server.requestTimeout = 0;
    server.headersTimeout = 60_000;
    // Longer than any pause of a peer's pipeline, which would lose a message to a closing one.
    server.keepAliveTimeout = 60_000;
    server.on("clientError", (_e, socket) => socket.destroy());
    // Node watches over slow headers only in a server that listens.
    server.emit("listening");
    return server;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const [path = "/", query = ""] = (request.url ?? "/").split("?", 2);
    if (this.#options.transport.handle(path, request, response)) return;
    response.on("error", () => undefined);
    this.#answer(path, query, request, response).catch((e: unknown) => {
      const error = e instanceof Error ? e.message : String(e);
      this.#options.logger.warn("failed to answer a peer", { path, error });
      sendError(response, 500, "Internal Server Error");
    });
  }

  async #answer(
    path: string,
    query: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const route = this.#find(path);
    if (route === undefined) {
      sendError(response, 404, "404 page not found");
      return;
    }
    if (request.method !== route.method) {
      response.setHeader("Allow", route.method);
      sendError(response, 405, "Method Not Allowed");
      return;
    }
    response.setHeader("X-Etcd-Cluster-ID", hexId(this.#options.clusterId));
    let body: Uint8Array;
    try {
      body = await readAll(request, bodyBytesMax);
    } catch (e) {
      if (e instanceof BodyTooLarge) sendError(response, 413, "request body too large");
      else sendError(response, 400, "error reading body");
      return;
    }
    const asked: PeerRequest = {
      method: route.method,
      path,
      query: new URLSearchParams(query),
      authorization: request.headers.authorization,
      body,
    };
    send(response, await route.answer(asked));
  }

  #find(path: string): Route | undefined {
    const { promote } = this.#options.routes;
    if (promote === undefined || !path.startsWith(promotePrefix)) return this.#routes.get(path);
    const text = path.slice(promotePrefix.length);
    const isId = /^\d{1,20}$/.test(text) && BigInt(text) < 1n << 64n;
    const answer: PeerRoute = isId
      ? (request) => promote(memberId(BigInt(text)), request)
      : () => plain(404, `member ${text} not found in cluster`);
    return { method: "POST", answer };
  }
}

const plain = (status: number, text: string): PeerReply => ({
  status,
  contentType: "text/plain; charset=utf-8",
  body: `${text}\n`,
});

function send(response: ServerResponse, reply: PeerReply): void {
  response.writeHead(reply.status, {
    "Content-Type": reply.contentType,
    "Content-Length": Buffer.byteLength(reply.body),
  });
  response.end(reply.body);
}
