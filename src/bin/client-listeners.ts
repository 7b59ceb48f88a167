// Where clients reach a member: gRPC and HTTP on one port, HTTP alone, metrics; plain and TLS.

import { createServer, type RequestListener, type Server, ServerResponse } from "node:http";
import { isWebSocketUpgrade } from "../api/index.ts";
import type { MemberUrl } from "../core/membership/index.ts";
import type { Clock, Logger } from "../ports/index.ts";
import type { RpcServer } from "../rpc/index.ts";
import type { ServerConfig } from "../server/config/index.ts";
import {
  isSecure,
  type Listener,
  type ListenerOptions,
  listen,
  type TlsContexts,
  whereOf,
} from "../tls/index.ts";

export interface ClientListenersOptions {
  readonly config: ServerConfig;
  /** Present where a URL asks for TLS. */
  readonly tls: TlsContexts | undefined;
  /** Answers HTTP/1.1 requests of clients. */
  readonly http: RequestListener;
  /** Answers on --listen-metrics-urls. */
  readonly pages: RequestListener;
  /** Connections at once on each listener. */
  readonly connectionsMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Opened {
  readonly listener: Listener;
  /** Whether TLS is spoken, or plain, or both. */
  readonly secure: readonly boolean[];
  readonly traffic: Purpose["traffic"];
}

export class ClientListeners {
  readonly #options: ClientListenersOptions;
  /** Speaks HTTP/1.1 on the connections of all listeners; listens nowhere itself. */
  readonly #http: Server;
  readonly #metricsHttp: Server;
  readonly #listeners: Opened[] = [];

  constructor(options: ClientListenersOptions) {
    this.#options = options;
    this.#http = httpServer(options.http);
    takeUpgrades(this.#http, options.http);
    this.#metricsHttp = httpServer(options.pages);
  }

  /** What the gRPC server does with a client that speaks HTTP/1.1; undefined cuts it off. */
  get onHttp1(): ((socket: object) => void) | undefined {
    if (this.#options.config.listenClientHttpUrls.length > 0) return undefined;
    return (socket) => this.#http.emit("connection", socket);
  }

  /** Rejects with the system's error, e.g. EADDRINUSE. */
  async listen(rpc: RpcServer): Promise<void> {
    const { listenClientUrls, listenClientHttpUrls, listenMetricsUrls } = this.#options.config;
    const isSplit = listenClientHttpUrls.length > 0;
    for (const urls of byAddress(listenClientUrls)) {
      await this.#open(urls, {
        traffic: isSplit ? "grpc" : "grpc+http",
        // gRPC clients offer h2 alone; who also speaks HTTP/1.1 wants health, metrics or the
        // gateway, which are served in HTTP/1.1 only.
        protocols: isSplit ? ["h2"] : ["http/1.1", "h2"],
        onSocket: (socket) => rpc.attach(socket),
      });
    }
    for (const urls of byAddress(listenClientHttpUrls)) {
      await this.#open(urls, {
        traffic: "http",
        protocols: ["http/1.1"],
        onSocket: (socket) => this.#http.emit("connection", socket),
      });
    }
    for (const url of listenMetricsUrls) {
      await this.#open([url], {
        protocols: ["http/1.1"],
        checksAddress: true,
        onSocket: (socket) => this.#metricsHttp.emit("connection", socket),
      });
      this.#options.logger.info("serving metrics", { address: url.text });
    }
  }

  /** Tells where clients are served, once they are. */
  tell(): void {
    for (const { listener, secure, traffic } of this.#listeners) {
      if (traffic === undefined) continue;
      for (const isSecured of secure) {
        const msg = isSecured
          ? "serving client traffic securely"
          : "serving client traffic insecurely; this is strongly discouraged!";
        this.#options.logger.info(msg, { traffic, address: listener.address });
      }
    }
  }

  /** Accepts no more; connections stay. */
  stop(): void {
    for (const { listener } of this.#listeners) listener.stop();
  }

  async close(): Promise<void> {
    await Promise.all(this.#listeners.map(({ listener }) => listener.close()));
    this.#http.close();
    this.#metricsHttp.close();
  }

  /** Opens one socket for URLs that differ by their scheme only. */
  async #open(urls: readonly MemberUrl[], purpose: Purpose): Promise<void> {
    const { config, tls, connectionsMax, clock, logger } = this.#options;
    const where = whereOf(urls[0] as MemberUrl);
    const secure = [...new Set(urls.map(isSecure))].sort();
    const { traffic, ...rest } = purpose;
    const listener = await listen({
      ...rest,
      where: "path" in where ? where : { ...where, reusePort: config.socketReusePort },
      plain: secure.includes(false),
      tls: secure.includes(true) ? tls : undefined,
      endpoint: "client",
      connectionsMax,
      clock,
      logger,
    });
    this.#listeners.push({ listener, secure, traffic });
  }
}

type Purpose = Pick<ListenerOptions, "protocols" | "checksAddress" | "onSocket"> & {
  /** As etcd's log names it; undefined for metrics. */
  readonly traffic?: "grpc" | "http" | "grpc+http";
};

/** Whoever asks for a websocket is answered by the same handler, which takes the socket if it agrees. */
function takeUpgrades(server: Server, answer: RequestListener): void {
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => undefined);
    socket.unshift(head);
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(request.socket);
    // A client that keeps its side open does not keep the connection.
    response.on("finish", () => socket.end(() => socket.destroy()));
    answer(request, response);
  });
}

function httpServer(answer: RequestListener): Server {
  const server = createServer({ shouldUpgradeCallback: isWebSocketUpgrade }, answer);
  // Node watches over slow headers only in a server that listens.
  server.emit("listening");
  return server;
}

/** http and https URLs of the same address share a socket, as in etcd. */
function byAddress(urls: readonly MemberUrl[]): (readonly MemberUrl[])[] {
  return [...Map.groupBy(urls, (url) => url.host + url.path).values()];
}
