/** Listening sockets for plain connections, TLS, or both on one port. */
import { rmSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";
import type { Clock, Logger } from "../ports/index.ts";
import { addressProblem, type Resolver, systemResolver } from "./address.ts";
import { namesOf } from "./certificate.ts";
import type { TlsContexts } from "./contexts.ts";
import { asGoSays } from "./failure.ts";

/** etcd's tlsHandshakeTimeout. */
const defaultHandshakeMs = 10_000;
/** Connections open at a time where the options do not say; rpc counts those that it serves. */
const connectionsMax = 16 * 1024;
/** First byte of every TLS connection: a handshake record (RFC 8446 section 5.1). */
const handshakeRecord = 0x16;

/** TCP, or a socket file, which replaces one that is there. */
export type Where =
  | { readonly host: string; readonly port: number; readonly reusePort?: boolean }
  | { readonly path: string };

export interface ListenerOptions {
  readonly where: Where;
  /** Serves connections that speak no TLS; beside `tls` the first byte tells. */
  readonly plain: boolean;
  readonly tls: TlsContexts | undefined;
  /** Whom connections come from: names them in the log. */
  readonly endpoint: "client" | "peer";
  /** What is spoken here, best first, for clients that let us choose (ALPN). */
  readonly protocols: readonly ("h2" | "http/1.1")[];
  /** Certificates with names must fit the address they come from (etcd checkSAN). */
  readonly checksAddress?: boolean;
  /** Connections at once, in their handshake or beyond; more are closed as they come. */
  readonly connectionsMax?: number;
  /** How long a handshake may take, and how long a connection may hide whether it speaks TLS. */
  readonly handshakeMs?: number;
  readonly resolver?: Resolver;
  /** Open at a time, in their handshake or behind it; more are closed at once. */
  readonly connections?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** A connection ready to be used: TLS is up and every check passed. Add listeners at once. */
  onSocket(socket: net.Socket | tls.TLSSocket): void;
}

/** Rejects with the system's error (EADDRINUSE, EACCES, ...), or when TLS lacks a certificate. */
export async function listen(options: ListenerOptions): Promise<Listener> {
  const listener = new Listener(options);
  await listener.open();
  return listener;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: net.Server;
  /** Shakes hands for connections that #server accepts; listens nowhere itself. */
  readonly #tls: tls.Server | undefined;
  readonly #resolver: Resolver;
  /** Every connection that is open, handshake or not. */
  readonly #sockets = new Set<net.Socket>();
  /** Of these, as TLS, those behind their handshake. */
  readonly #secured = new Set<tls.TLSSocket>();
  readonly #handshakeMs: number;
  /** Whether it was said that there are too many. */
  #isFull = false;
  #generation = -1;
  #address = "";
  #closed: Promise<void> | undefined;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#resolver = options.resolver ?? systemResolver();
    this.#handshakeMs = options.handshakeMs ?? defaultHandshakeMs;
    // HTTP/1.x clients may close their half and still wait for the answer.
    this.#server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#accept(socket);
    });
    if (options.connectionsMax !== undefined) this.#bound(options.connectionsMax);
    if (options.tls !== undefined) this.#tls = this.#createTls(options.tls);
  }

  /** `host:port` as bound, or the socket's path. */
  get address(): string {
    return this.#address;
  }

  /** Connections that are open, in their handshake or behind it. */
  get connections(): number {
    return this.#sockets.size;
  }

  async open(): Promise<void> {
    const { where } = this.#options;
    if ("path" in where) rmSync(where.path, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ ...where }, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    this.#server.on("error", (error) => {
      this.#options.logger.warn("listener failed", {
        address: this.#address,
        error: error.message,
      });
    });
    const bound = this.#server.address();
    if (bound === null || typeof bound === "string") this.#address = bound ?? "";
    else this.#address = hostPort(bound);
  }

  /** Accepts no more; connections stay. */
  stop(): void {
    this.#closed ??= new Promise((resolve) => {
      this.#server.close();
      setImmediate(resolve);
    });
  }

  /** Accepts no more and cuts every connection; TLS says so: close_notify (RFC 8446 section 6.1). */
  async close(): Promise<void> {
    this.stop();
    for (const socket of this.#secured) socket.end();
    await new Promise((resolve) => setImmediate(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await this.#closed;
  }

  #createTls(contexts: TlsContexts): tls.Server {
    const asks = contexts.asksForCertificates;
    const server = tls.createServer({
      ...contexts.contextOptions(),
      requestCert: asks,
      rejectUnauthorized: asks,
      handshakeTimeout: this.#handshakeMs,
      // Undefined ends the handshake: no protocol in common.
      ALPNCallback: ({ protocols }) => this.#options.protocols.find((p) => protocols.includes(p)),
    });
    server.on("secureConnection", (socket) => void this.#check(socket, contexts));
    server.on("tlsClientError", (error, socket) => {
      this.#reject(socket, asGoSays(error, socket.authorizationError));
    });
    return server;
  }

  /** Node closes what is beyond the bound before it becomes a socket; told once until some end. */
  #bound(connectionsMax: number): void {
    let told = false;
    this.#server.maxConnections = connectionsMax;
    this.#server.on("connection", () => {
      told = false;
    });
    this.#server.on("drop", () => {
      if (told) return;
      told = true;
      const fields = { address: this.#address, connections: connectionsMax };
      this.#options.logger.warn("too many connections; closing new ones until some end", fields);
    });
  }

  #accept(socket: net.Socket): void {
    const { connections = connectionsMax, logger } = this.#options;
    if (this.#sockets.size >= connections) {
      const fields = { address: this.#address, connections };
      if (!this.#isFull)
        logger.warn("too many connections; closing new ones until some end", fields);
      this.#isFull = true;
      socket.destroy();
      return;
    }
    this.#isFull = false;
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    if (this.#tls === undefined) this.#options.onSocket(socket);
    else if (!this.#options.plain) this.#shakeHands(socket);
    else this.#peek(socket);
  }

  /** Waits for the first byte, which stays in the socket. */
  #peek(socket: net.Socket): void {
    const ignore = (): void => undefined;
    const forget = (): void => {
      cancel();
      socket.off("data", onData);
      socket.off("end", give);
      socket.off("close", forget);
    };
    const give = (): void => {
      forget();
      socket.destroy();
    };
    const onData = (chunk: Buffer): void => {
      forget();
      socket.pause();
      socket.unshift(chunk);
      socket.off("error", ignore);
      if (chunk[0] === handshakeRecord) {
        this.#shakeHands(socket);
        return;
      }
      this.#options.onSocket(socket);
      socket.resume();
    };
    const cancel = this.#options.clock.after(this.#handshakeMs, give);
    socket.on("error", ignore);
    socket.on("data", onData);
    socket.on("end", give);
    socket.on("close", forget);
  }

  #shakeHands(socket: net.Socket): void {
    const { tls: contexts } = this.#options;
    const server = this.#tls;
    if (contexts === undefined || server === undefined) return;
    contexts.refresh();
    if (this.#generation !== contexts.generation) {
      this.#generation = contexts.generation;
      useContext(server, contexts);
    }
    // Who leaves in the middle of a handshake is gone, not only silent.
    socket.allowHalfOpen = false;
    // Asked once, an address is known even when the connection is no more.
    void socket.remoteAddress;
    server.emit("connection", socket);
  }

  async #check(socket: tls.TLSSocket, contexts: TlsContexts): Promise<void> {
    const leaf = socket.getPeerX509Certificate();
    if (leaf !== undefined) {
      const refusal = contexts.refusal(leaf);
      if (refusal !== undefined) return this.#reject(socket, refusal);
      const from = socket.remoteAddress?.replace(/^::ffff:/, "");
      if (this.#options.checksAddress && from !== undefined) {
        const ignore = (): void => undefined;
        socket.on("error", ignore);
        const problem = await addressProblem(leaf, from, this.#resolver);
        if (problem !== undefined) return this.#reject(socket, problem);
        socket.off("error", ignore);
      }
    }
    if (socket.destroyed || this.#closed !== undefined) {
      socket.destroy();
      return;
    }
    this.#secured.add(socket);
    socket.once("close", () => this.#secured.delete(socket));
    this.#options.onSocket(socket);
  }

  /** `error` undefined: the client just left, which is nobody's business. */
  #reject(socket: tls.TLSSocket, error: string | undefined): void {
    const { endpoint, logger } = this.#options;
    const leaf = socket.getPeerX509Certificate?.();
    const names = leaf === undefined ? undefined : namesOf(leaf);
    // Node has destroyed the connection already when a chain was bad; what is below it remembers.
    const below = (socket as { _parent?: net.Socket })._parent ?? socket;
    const fields = {
      "remote-addr": `${below.remoteAddress ?? ""}:${below.remotePort ?? ""}`,
      "server-name": (socket as { servername?: string | false }).servername || "",
      ...(names === undefined ? {} : { "ip-addresses": names.ips, "dns-names": names.dns }),
      error: error ?? "EOF",
    };
    const msg = `rejected connection on ${endpoint} endpoint`;
    if (error === undefined) logger.debug(msg, fields);
    else logger.warn(msg, fields);
    socket.on("error", () => undefined);
    socket.destroy();
  }
}

/** Gives new connections of the server the newest context. */
function useContext(server: tls.Server, contexts: TlsContexts): void {
  server.setSecureContext(contexts.contextOptions());
  // Node's setSecureContext forgets allowPartialTrustChain (24.21); this is where it puts what it
  // makes. Without it only chains to a self-signed root are accepted.
  (server as unknown as { _sharedCreds: tls.SecureContext })._sharedCreds =
    contexts.serverContext();
}

const hostPort = ({ address, port }: net.AddressInfo): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
