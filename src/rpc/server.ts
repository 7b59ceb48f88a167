/** The server: listeners, the connections they bring, and the end of all of it. */
import type net from "node:net";
import type tls from "node:tls";
import type { Clock, Logger } from "../ports/index.ts";
import { ClientVersions } from "./client-versions.ts";
import { Gzip } from "./compression.ts";
import { Connection } from "./connection.ts";
import type { ConnectionHost } from "./connection-host.ts";
import { FrameWriter } from "./frame-writer.ts";
import { emptyLedger, type Ledger } from "./ledger.ts";
import { defaultLimits } from "./limits.ts";
import { ServerListener } from "./listener.ts";
import { buildMethodTable, type MethodEntry, unknownMethodEntry } from "./method-table.ts";
import { sniff } from "./sniff.ts";
import type { StatusCode } from "./status.ts";
import { TimerWheel } from "./timer-wheel.ts";
import type {
  Limits,
  Listener,
  ListenOptions,
  RpcServer,
  RpcServerOptions,
  ServerStats,
} from "./types.ts";
import { ErrorCode } from "./wire.ts";

/** Makes a server that listens nowhere yet. Throws nothing; the options are trusted. */
export function createRpcServer(options: RpcServerOptions): RpcServer {
  return new Server(options);
}

const defaultDrainMs = 1000;

class Server implements RpcServer, ConnectionHost {
  readonly methods: ReadonlyMap<string, MethodEntry>;
  readonly unknownMethod: MethodEntry = unknownMethodEntry();
  readonly limits: Limits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly deadlines: TimerWheel;
  readonly writer: FrameWriter = new FrameWriter();
  readonly gzip: Gzip;
  readonly ledger: Ledger = emptyLedger();
  readonly clientVersions: ClientVersions = new ClientVersions();
  readonly onHandled: ((path: string, code: StatusCode, ms: number) => void) | undefined;
  readonly onFields: ((fields: readonly string[]) => void) | undefined;

  readonly #onHttp1: ((socket: net.Socket | tls.TLSSocket) => void) | undefined;
  readonly #listeners = new Set<ServerListener>();
  /** Connections that have not yet shown what they speak. */
  readonly #unknown = new Set<net.Socket>();
  /** Connections in all, those that speak HTTP/1.x included. */
  #attached = 0;
  #isFull = false;
  readonly #connections = new Set<Connection>();
  #dirty: Connection[] = [];
  #bytesReceived = 0;
  #bytesSent = 0;
  #closing = false;
  /** Runs when the last connection is gone during a drain. */
  #onEmpty: (() => void) | undefined;

  constructor(options: RpcServerOptions) {
    this.methods = buildMethodTable(options.methods);
    this.limits = { ...defaultLimits, ...options.limits };
    this.clock = options.clock;
    this.logger = options.logger;
    this.deadlines = new TimerWheel(options.clock);
    this.gzip = new Gzip(options.clock);
    this.onHandled = options.onHandled;
    this.onFields = options.onFields;
    this.#onHttp1 = options.onHttp1;
  }

  async listen(options: ListenOptions): Promise<Listener> {
    const listener = new ServerListener(options, (socket) => this.attach(socket));
    await listener.open();
    this.#listeners.add(listener);
    if (this.#closing) await listener.close();
    return listener;
  }

  attach(socket: net.Socket | tls.TLSSocket): void {
    if (this.#closing || !this.#admit(socket)) {
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    this.#unknown.add(socket);
    sniff(socket, {
      clock: this.clock,
      timeoutMs: this.limits.handshakeMs,
      onHttp2: (_, rest) => {
        this.#unknown.delete(socket);
        const connection = new Connection(this, socket);
        this.#connections.add(connection);
        if (rest.length > 0) connection.receive(rest);
        if (this.#closing) connection.drain();
      },
      onHttp1: () => {
        this.#unknown.delete(socket);
        if (this.#onHttp1 === undefined) socket.destroy();
        else this.#onHttp1(socket);
      },
      onGone: () => this.#unknown.delete(socket),
    });
  }

  stats(): ServerStats {
    return {
      connections: this.#connections.size,
      activeCalls: this.ledger.calls,
      queuedBytes: this.ledger.queuedBytes,
      heldBytes: this.ledger.heldBytes,
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
      methods: [...this.methods.values()],
      versions: this.clientVersions.all(),
    };
  }

  async drain(timeoutMs: number = defaultDrainMs): Promise<void> {
    this.#closing = true;
    for (const listener of this.#listeners) listener.stop();
    for (const socket of this.#unknown) socket.destroy();
    for (const connection of this.#connections) connection.drain();
    if (this.#connections.size > 0) {
      await new Promise<void>((resolve) => {
        const cancel = this.clock.after(timeoutMs, resolve);
        this.#onEmpty = () => {
          cancel();
          resolve();
        };
      });
    }
    await this.close();
  }

  async close(): Promise<void> {
    this.#closing = true;
    for (const socket of this.#unknown) socket.destroy();
    for (const connection of this.#connections) connection.end();
    this.deadlines.close();
    await Promise.all([...this.#listeners].map((listener) => listener.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // ---- ConnectionHost, documented there

  messageReceived(bytes: number): void {
    this.#bytesReceived += bytes;
  }

  messageSent(bytes: number): void {
    this.#bytesSent += bytes;
  }

  dirty(connection: Connection): void {
    if (this.#dirty.length === 0) this.clock.soon(() => this.#flush());
    this.#dirty.push(connection);
  }

  closed(connection: Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onEmpty?.();
  }

  relieve(): void {
    const { serverHeldBytes, serverQueueBytes } = this.limits;
    if (this.ledger.heldBytes > serverHeldBytes) {
      const most = this.#largest((connection) => connection.account.heldBytes);
      this.#warnOf("unfinished requests", most, most?.account.heldBytes);
      most?.fatal(ErrorCode.enhanceYourCalm, "too many bytes of unfinished messages");
    }
    if (this.ledger.queuedBytes > serverQueueBytes) {
      const most = this.#largest((connection) => connection.account.queuedBytes);
      this.#warnOf("unread answers", most, most?.account.queuedBytes);
      most?.overdrawn();
    }
  }

  mostQueued(): number {
    return this.#largest(({ account }) => account.queuedBytes)?.account.queuedBytes ?? 0;
  }

  #largest(bytesOf: (connection: Connection) => number): Connection | undefined {
    let largest: Connection | undefined;
    for (const connection of this.#connections) {
      if (connection.dead) continue;
      if (largest === undefined || bytesOf(connection) > bytesOf(largest)) largest = connection;
    }
    return largest;
  }

  #warnOf(what: string, connection: Connection | undefined, bytes: number | undefined): void {
    if (connection === undefined) return;
    const fields = { "remote-addr": connection.peer.address, bytes };
    this.logger.warn(`clients hold too much memory with ${what}; closed the largest`, fields);
  }

  /** Counts a connection in; false when there are too many. */
  #admit(socket: net.Socket): boolean {
    const { connections } = this.limits;
    if (this.#attached >= connections) {
      const msg = "too many connections; closing new ones until some end";
      if (!this.#isFull) this.logger.warn(msg, { connections });
      this.#isFull = true;
      return false;
    }
    this.#isFull = false;
    this.#attached++;
    socket.once("close", () => this.#attached--);
    return true;
  }

  /** One write per connection and turn. */
  #flush(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const connection of dirty) connection.flush();
  }
}
