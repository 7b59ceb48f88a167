/** One server's address: connects when asked to, again after a while, and makes calls. */
import type * as net from "node:net";
import { Status } from "../status.ts";
import type { CallSink, ClientCall } from "./call.ts";
import { ClientConnection } from "./connection.ts";
import { CallFailure } from "./failure.ts";
import { requestFields } from "./request-head.ts";

/**
 * Begins to connect, TLS's handshake included, and calls `done` once, later. The function returned
 * gives up on it: `done` is then not called any more.
 */
export type Connect = (done: (outcome: net.Socket | Error) => void) => () => void;

/** Times in milliseconds. */
export interface ChannelOptions {
  readonly connect: Connect;
  readonly isSecure: boolean;
  /** Value of `:authority`. */
  readonly authority: string;
  /** With calls under way: PING when nothing came for so long, and how long its answer may take. */
  readonly keepAliveMs: number;
  readonly keepAliveTimeoutMs: number;
  /** Bytes that a server may send on a stream before they were taken. */
  readonly receiveWindowBytes: number;
}

export interface CallOptions {
  readonly metadata: Readonly<Record<string, string>>;
  /** Milliseconds of performance.now(); Infinity: none. */
  readonly deadline: number;
}

/** No connection came about, so nothing was sent; the message says why, or is empty. */
export class DialFailure extends Error {
  override readonly name = "DialFailure";
}

/**
 * grpc-go's backoff begins later and ends at two minutes: what people wait for must be quicker. It also
 * forgets a failure as soon as the server's SETTINGS are here (clientconn.go resetTransportAndUnlock), so
 * that a server that sends them and then GOAWAY is dialled without a pause; here a connection has to be
 * of use for that: it answered a call, or stood for `mostBackoffMs`.
 */
const firstBackoffMs = 100;
const mostBackoffMs = 2000;
const backoffFactor = 1.6;
/** Until the server's SETTINGS (grpc-go's minConnectTimeout). */
const dialMs = 20_000;
/** As etcd's client (clientv3 defaultMaxCallRecvMsgSize). */
const receiveMessageBytes = 2 ** 31 - 1;
const connectionWindowBytes = 4 * 1024 * 1024;

export class Channel implements Disposable {
  readonly #options: ChannelOptions;
  #connection: ClientConnection | undefined;
  /** Connections that were told to go and still have calls. */
  readonly #leaving = new Set<ClientConnection>();
  #dial: Promise<void> | undefined;
  #giveUp: (() => void) | undefined;
  #backoffMs = firstBackoffMs;
  /** Milliseconds of performance.now(): nobody sets that clock. */
  #retryAtMs = 0;
  /** Since when the connection stands. */
  #readyAtMs = 0;
  #isClosed = false;

  constructor(options: ChannelOptions) {
    this.#options = options;
  }

  /** A connection stands. */
  get isReady(): boolean {
    return this.#connection?.usable === true;
  }

  /**
   * Resolves when a connection stands. Rejects with DialFailure when the next attempt fails, which
   * is made at once unless one has just failed, or its connection was of no use; all who wait share it.
   */
  ready(): Promise<void> {
    if (this.isReady) return Promise.resolve();
    if (this.#isClosed) return Promise.reject(closed());
    this.#dial ??= this.#dialOnce().finally(() => {
      this.#dial = undefined;
    });
    return this.#dial;
  }

  /** Begins a call on the connection that stands. Throws CallFailure: none does, or bad metadata. */
  call(path: string, options: CallOptions, sink: CallSink): ClientCall {
    if (this.#isClosed) throw closed();
    const connection = this.#connection;
    if (connection?.usable !== true) {
      throw new CallFailure(Status.unavailable, "the connection has gone", true);
    }
    const { authority, receiveWindowBytes } = this.#options;
    const { deadline, metadata } = options;
    const fields = requestFields({ authority, path, metadata, deadline });
    return connection.call({ fields, deadline, sink, receiveMessageBytes, receiveWindowBytes });
  }

  /** Closes the connection; calls under way end with Cancelled. */
  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#giveUp?.();
    this.#connection?.close(closed());
    for (const connection of this.#leaving) connection.close(closed());
  }

  async #dialOnce(): Promise<void> {
    const waitMs = this.#retryAtMs - performance.now();
    if (waitMs > 0) await this.#pause(waitMs);
    try {
      await this.#attempt();
    } catch (error) {
      this.#backOff();
      throw error;
    }
    // Its SETTINGS and its GOAWAY can be in one piece.
    if (!this.isReady) throw new DialFailure("the server takes no calls");
  }

  #backOff(): void {
    const jitter = 0.8 + 0.4 * Math.random();
    this.#retryAtMs = performance.now() + this.#backoffMs * jitter;
    this.#backoffMs = Math.min(this.#backoffMs * backoffFactor, mostBackoffMs);
  }

  /** The connection takes no new calls: was it worth the next attempt at once? */
  #left({ answered }: ClientConnection): void {
    if (!answered && performance.now() - this.#readyAtMs < mostBackoffMs) {
      this.#backOff();
      return;
    }
    this.#backoffMs = firstBackoffMs;
    this.#retryAtMs = 0;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      this.#giveUp = () => {
        clearTimeout(timer);
        reject(closed());
      };
    });
  }

  /** One connection, up to the server's SETTINGS. */
  #attempt(): Promise<void> {
    if (this.#isClosed) return Promise.reject(closed());
    return new Promise((resolve, reject) => {
      let connection: ClientConnection | undefined;
      let isSettled = false;
      const settle = (f: () => void): void => {
        // A late word of this attempt must not end the next one.
        if (isSettled) return;
        isSettled = true;
        clearTimeout(timer);
        this.#giveUp = undefined;
        f();
      };
      const fail = (error: Error): void =>
        settle(() => {
          abandon();
          connection?.close();
          reject(error);
        });
      const timer = setTimeout(() => fail(new DialFailure("the server does not answer")), dialMs);
      this.#giveUp = () => fail(closed());
      const abandon = this.#options.connect((outcome) => {
        if (outcome instanceof Error) {
          fail(outcome);
          return;
        }
        let why = "";
        const note = ({ message }: Error): void => {
          why = message;
        };
        if (this.#options.isSecure) outcome.on("error", note);
        const onReady = (): void => {
          outcome.off("error", note);
          this.#connection = connection;
          this.#readyAtMs = performance.now();
          settle(resolve);
        };
        connection = this.#open(outcome, onReady, () => fail(new DialFailure(why)));
      });
    });
  }

  #open(socket: net.Socket, onReady: () => void, onFailure: () => void): ClientConnection {
    const { receiveWindowBytes, keepAliveMs, keepAliveTimeoutMs, isSecure } = this.#options;
    const connection = new ClientConnection(socket, {
      isSecure,
      streamWindowBytes: receiveWindowBytes,
      connectionWindowBytes: Math.max(connectionWindowBytes, receiveWindowBytes),
      keepAliveMs,
      keepAliveTimeoutMs,
      onReady,
      onLeaving: () => {
        if (this.#connection !== connection) onFailure();
        else {
          this.#connection = undefined;
          this.#left(connection);
          if (!connection.dead) this.#leaving.add(connection);
        }
      },
      onClosed: () => this.#leaving.delete(connection),
    });
    return connection;
  }
}

const closed = (): CallFailure => new CallFailure(Status.cancelled, "the client is closed");
