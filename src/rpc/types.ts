/** What a server of this room is given and what it hands to method handlers. */
import type * as net from "node:net";
import type * as tls from "node:tls";
import type { Clock, Logger } from "../ports/index.ts";
import type { StatusCode } from "./status.ts";

/** A message as one run of bytes, or as parts that are sent one behind the other without a copy. */
export type MessageBytes = Uint8Array | readonly Uint8Array[];

/** Who is at the other end of the connection a call came in on. */
export interface Peer {
  /** `host:port` (IPv6 in brackets), or "@" on a Unix socket. */
  readonly address: string;
  /** For TLS facts (peer certificate, ALPN). Never read from it or write to it. */
  readonly socket: net.Socket | tls.TLSSocket;
}

/** The request's headers beside HTTP/2's and gRPC's own. */
export interface Metadata {
  /** The first value of a header (name in lower case), as latin1 text; undefined when absent. */
  get(name: string): string | undefined;
  /** All values of a header, in order. `-bin` values are as on the wire (base64). */
  getAll(name: string): readonly string[];
}

/** Why a call ended before its handler ended it. */
export type CancelReason = "cancelled" | "deadline" | "connection";

/**
 * What unary and stream calls share. All of it is used on the loop's own thread; no callback runs
 * inside a method of the call, and none after the call ended.
 */
export interface Call {
  /** "/package.Service/Method". */
  readonly path: string;
  readonly peer: Peer;
  readonly metadata: Metadata;
  /** Value of the `:authority` header; "" when absent. */
  readonly authority: string;
  /** `Clock.nowMs` at which the client gives up; Infinity when it set no deadline. */
  readonly deadlineMs: number;
  /** True once answered, failed or cancelled; everything sent afterwards is dropped silently. */
  readonly ended: boolean;
  /**
   * Runs once if the client cancels, its deadline passes or the connection goes. By then the
   * answer, if any is still possible, has been sent (DeadlineExceeded); just release what is held.
   */
  onCancel: ((reason: CancelReason) => void) | undefined;
  /** Adds to the response headers; only before the first message or failure. ASCII values. */
  setHeader(name: string, value: string): void;
  /** Adds to the trailers that go with the status. ASCII values. */
  setTrailer(name: string, value: string): void;
  /** Ends the call with a status; `message` may be any text (percent-encoded on the wire). */
  fail(code: StatusCode, message: string): void;
}

/** One request, one answer. */
export interface UnaryCall extends Call {
  /**
   * Answers with OK. The bytes are read when the client's windows and the socket allow it, which may
   * be much later: they must never change again (copy out of memory that is reused).
   */
  respond(message: MessageBytes): void;
}

/** Messages both ways (also used for server-streaming methods: one message in, then onEnd). */
export interface StreamCall extends Call {
  /**
   * A message of the client; the bytes belong to the handler. Messages that arrive before this is
   * set wait; the handler sets it within `open` or holds the client back by leaving it unset.
   */
  onMessage: ((message: Uint8Array) => void) | undefined;
  /** The client will send no more (half close); the server may go on sending. */
  onEnd: (() => void) | undefined;
  /** Runs when `queuedBytes` has fallen below half of the limit after `send` returned false. */
  onDrain: (() => void) | undefined;
  /** Bytes accepted by `send` that the client's windows have not yet let out. */
  readonly queuedBytes: number;
  /** True while `queuedBytes` is below the stream's limit (`Limits.streamQueueBytes`). */
  readonly writable: boolean;
  /**
   * Queues one message; it is always accepted, and its bytes must never change again. False means the queue is at its limit: stop until
   * `onDrain`. A connection whose queues exceed `Limits.connectionQueueBytes` is closed.
   */
  send(message: MessageBytes): boolean;
  /** Sends the response headers now, without a message (a client may wait for them). */
  sendHeaders(): void;
  /** Ends the call with OK once everything queued is out. */
  end(): void;
  /** Stops taking messages: the client's window runs full. Idempotent. */
  pause(): void;
  /** Undoes `pause`; messages that waited are delivered in a later turn. */
  resume(): void;
}

/**
 * Handles one unary call. `request` is a view into the socket's buffer that the handler may keep
 * (the buffer is never written again), but it pins a whole read of up to 64 KiB: copy what is stored
 * for long. Answer by `call.respond` or `call.fail`, now or later, exactly once. An exception
 * ends the call with Unknown and is logged as an error.
 */
export interface UnaryMethod {
  readonly kind: "unary";
  handle(request: Uint8Array, call: UnaryCall): void;
}

/** Handles one stream; `open` sets the callbacks. */
export interface StreamMethod {
  readonly kind: "stream";
  /** For the metrics label grpc_type; default "bidi_stream". */
  readonly type?: "bidi_stream" | "server_stream" | "client_stream";
  open(call: StreamCall): void;
}

export type Method = UnaryMethod | StreamMethod;

/** Everything a client could use up. Defaults in `defaultLimits`. */
export interface Limits {
  /** Largest request message in bytes; etcd: max-request-bytes + 512 KiB. */
  readonly receiveMessageBytes: number;
  /** Calls at once on one connection; etcd: max-concurrent-streams (where the default is no limit). */
  readonly concurrentStreams: number;
  /** Decoded size of one request's headers (RFC 9113 6.5.2: name + value + 32 each). */
  readonly headerListBytes: number;
  /** Window a client may fill on one stream, and on one connection, before we must read. */
  readonly streamWindowBytes: number;
  readonly connectionWindowBytes: number;
  /** `StreamCall.writable` turns false at this many queued bytes. */
  readonly streamQueueBytes: number;
  /**
   * A connection with more unsent bytes is closed (its client does not read), and so is one with more
   * bytes of requests that no handler has taken.
   */
  readonly connectionQueueBytes: number;
  /** The same for all connections together: the one with the largest share is closed. */
  readonly serverQueueBytes: number;
  readonly serverHeldBytes: number;
  /** Connections at once, HTTP/1.x included; more are closed as they come. */
  readonly connections: number;
  /** Calls at once on all connections; more are refused and may be tried again. */
  readonly calls: number;
  /** How long a new connection may take to show what it speaks, and to finish its preface. */
  readonly handshakeMs: number;
  /** grpc-keepalive-min-time: pings that come faster are answered by GOAWAY ENHANCE_YOUR_CALM. */
  readonly pingMinIntervalMs: number;
  /** grpc-keepalive-interval and -timeout: a silent client is pinged, then dropped; 0: never. */
  readonly keepAliveIntervalMs: number;
  readonly keepAliveTimeoutMs: number;
}

/**
 * Per method figures since the start, read by the metrics page when scraped (nothing is called per
 * request). `handled` is indexed by status code.
 */
export interface MethodStats {
  readonly path: string;
  readonly type: "unary" | "bidi_stream" | "server_stream" | "client_stream";
  readonly started: number;
  readonly handled: readonly number[];
  readonly messagesReceived: number;
  readonly messagesSent: number;
}

export interface ServerStats {
  readonly connections: number;
  readonly activeCalls: number;
  /** Bytes of answers not yet sent, and of requests no handler has taken. */
  readonly queuedBytes: number;
  readonly heldBytes: number;
  /** Message bytes, as etcd_network_client_grpc_{received,sent}_bytes_total count them. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly methods: readonly MethodStats[];
  /** Calls of methods that are served, by the version that their clients name; "unknown" without one. */
  readonly versions: readonly {
    readonly version: string;
    readonly unary: number;
    readonly stream: number;
  }[];
}

export interface RpcServerOptions {
  /** By "/package.Service/Method". Read once, at creation. */
  readonly methods: ReadonlyMap<string, Method>;
  /**
   * Takes over a connection that speaks HTTP/1.x; what was read has been put back by unshift, so
   * `httpServer.emit("connection", socket)` does. Absent: such connections are closed.
   */
  readonly onHttp1?: (socket: net.Socket | tls.TLSSocket) => void;
  readonly limits?: Partial<Limits>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called at the end of every call, for latency histograms; leave out unless wanted. */
  readonly onHandled?: (path: string, code: StatusCode, durationMs: number) => void;
  /**
   * Called with the fields (names and values in turn) of every header block that had to be decoded;
   * one that repeats the one before is not. For debugging only.
   */
  readonly onFields?: (fields: readonly string[]) => void;
}

/** Where to listen without TLS: TCP, or a Unix socket, of which a dead one is replaced. */
export interface ListenOptions {
  readonly host?: string;
  readonly port?: number;
  readonly unixPath?: string;
}

export interface Listener {
  /** `host:port` as bound (with port 0: the one given), or the Unix path. */
  readonly address: string;
  /** Accepts no more; connections stay. Resolves when the port is free. */
  close(): Promise<void>;
}

export interface RpcServer {
  /** Rejects with the system's error (EADDRINUSE, EACCES, ...). */
  listen(options: ListenOptions): Promise<Listener>;
  /** Serves a connection accepted elsewhere: plaintext, or TLS after its handshake. */
  attach(socket: net.Socket | tls.TLSSocket): void;
  stats(): ServerStats;
  /**
   * Graceful end: listeners close, every client gets GOAWAY, new calls are refused, running ones
   * may finish. Resolves when none is left, or after `timeoutMs` (default 1000) with the rest cut.
   */
  drain(timeoutMs?: number): Promise<void>;
  /** Cuts all connections and closes the listeners. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
