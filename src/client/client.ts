import type { EtcdErrorCode } from "../proto/client/index.ts";
import { Auth } from "./auth.ts";
import { Cluster } from "./cluster.ts";
import { type CallContext, Connection } from "./connection.ts";
import { deadlineExceeded, isDialError, isEtcdError, isUnprocessed, RpcError } from "./errors.ts";
import { Kv } from "./kv.ts";
import { Lease } from "./lease.ts";
import { Maintenance } from "./maintenance.ts";
import { type Method, methods } from "./methods.ts";
import type { TlsOptions } from "./tls.ts";
import { Watch } from "./watch.ts";

/** All times in milliseconds. */
export interface ClientOptions {
  /** `http(s)://host:port`, `unix(s)://path` or `host:port`, which has TLS if `tls` is given; in this order. */
  readonly endpoints: readonly string[];
  /** Index of the endpoint to ask first; default 0. */
  readonly preferred?: number;
  readonly tls?: TlsOptions;
  /** How long one endpoint may take to connect; 2000. */
  readonly dialTimeoutMs?: number;
  /** Deadline of a request where the call gives none; 5000. */
  readonly requestTimeoutMs?: number;
  /**
   * HTTP/2 PING when nothing came for this long, and how long its answer may take; 10000 and 6000.
   * Never below 10 s, like grpc-go: servers end connections that ping more often than every 5 s.
   */
  readonly keepaliveTimeMs?: number;
  readonly keepaliveTimeoutMs?: number;
  /**
   * Bytes that a server may send on a stream before we have read them; 256 KiB by default. More makes
   * long streams such as snapshots faster, by fewer waits for each other.
   */
  readonly receiveWindowBytes?: number;
  /** Name and password: a token is fetched before the first request. */
  readonly user?: { readonly name: string; readonly password: string };
  /** A token that was got elsewhere, instead of a user: a JWT. */
  readonly token?: string;
}

export interface CallOptions {
  /** Milliseconds from now for the whole call, whatever endpoints are tried. */
  readonly timeoutMs?: number;
  /**
   * Aborting rejects with the signal's reason; a request that was sent may still take effect. With one that
   * has aborted before, calls reject within the turn: a loop that tries again must look at it.
   */
  readonly signal?: AbortSignal;
  /** Ask this endpoint only, instead of whichever answers. It need not be in the client's list. */
  readonly endpoint?: string;
  /** For streams: end with NoLeader when the member has had no leader for a while. */
  readonly requireLeader?: boolean;
}

/** What the services need of the client. */
export interface Caller {
  call<Q, R>(method: Method<Q, R>, request: Q, options?: CallOptions): Promise<R>;
  /** A connection that stands: for streams. */
  connect(options?: CallOptions): Promise<{ connection: Connection; context: CallContext }>;
  /**
   * Of a stream that the server refused: whether its token was to blame and another may do. The next
   * call fetches that.
   */
  forgetToken(refusal: EtcdErrorCode | undefined): boolean;
  readonly endpoints: readonly string[];
}

/** How often one request may fetch a new token. */
const loginsMax = 3;
/** No deadline, as grpc understands it. */
const never = Number.POSITIVE_INFINITY;

/**
 * A v3 client. Requests go to the endpoint that answered last; when it cannot be reached, to the
 * next one. A write that was sent is never sent twice: if its connection breaks, the call throws
 * Unavailable and the outcome is unknown. Reads are repeated elsewhere until the deadline.
 */
export class Client implements Caller, Disposable {
  readonly endpoints: readonly string[];
  readonly kv: Kv;
  readonly lease: Lease;
  readonly watch: Watch;
  readonly cluster: Cluster;
  readonly maintenance: Maintenance;
  readonly auth: Auth;
  readonly #options: ClientOptions;
  readonly #connections = new Map<string, Connection>();
  /** Index into `endpoints` of the one that answered last. */
  #preferred = 0;
  /** The auth token, fetched before the first request; "" where none is needed. */
  #token: string | undefined;
  #isClosed = false;

  constructor(options: ClientOptions) {
    if (options.endpoints.length === 0) throw new RangeError("a client needs an endpoint");
    this.endpoints = [...options.endpoints];
    this.#options = options;
    this.#token = options.token;
    this.#preferred = options.preferred ?? 0;
    this.kv = new Kv(this);
    this.lease = new Lease(this);
    this.watch = new Watch(this);
    this.cluster = new Cluster(this);
    this.maintenance = new Maintenance(this);
    this.auth = new Auth(this);
  }

  /** Any method of `methods`. Throws RpcError, or the signal's reason. */
  async call<Q, R>(method: Method<Q, R>, request: Q, options: CallOptions = {}): Promise<R> {
    let context = await this.#context(options, this.#options.requestTimeoutMs ?? 5000);
    const candidates = this.#candidates(options.endpoint);
    let last: unknown;
    let logins = 0;
    for (let round = 0; ; round++) {
      if (this.#isClosed) await refuseClosed();
      const connection = this.#connection(candidates[round % candidates.length] as string);
      try {
        await connection.ready(this.#dialContext(context));
        const response = await connection.unary(method, request, context);
        this.#prefer(connection.endpoint);
        return response;
      } catch (error) {
        last = error;
        const refusal = error instanceof RpcError ? error.etcd : undefined;
        if (
          logins < loginsMax &&
          performance.now() < context.deadline &&
          this.forgetToken(refusal)
        ) {
          logins++;
          context = await this.#loginAgain(options, context);
          continue;
        }
        if (!mayTryAgain(error, method.idempotent, context)) {
          if (isDialError(error) && performance.now() >= context.deadline) {
            throw deadlineExceeded(connection.endpoint, error);
          }
          throw error;
        }
      }
      if ((round + 1) % candidates.length === 0) {
        const isUnsent = isUnreachable(last) || isUnprocessed(last);
        if (options.endpoint !== undefined && !isUnsent) throw last;
        await pause(Math.min(50 * 2 ** Math.min(round, 4), 500), context, last);
      }
    }
  }

  async connect(
    options: CallOptions = {},
  ): Promise<{ connection: Connection; context: CallContext }> {
    const context = await this.#context(options, never);
    const candidates = this.#candidates(options.endpoint);
    let last: unknown;
    for (const endpoint of candidates) {
      if (this.#isClosed) await refuseClosed();
      const connection = this.#connection(endpoint);
      try {
        await connection.ready(this.#dialContext(context));
        this.#prefer(endpoint);
        return { connection, context };
      } catch (error) {
        context.signal?.throwIfAborted();
        last = error;
      }
    }
    throw last;
  }

  /** Nothing can be asked any more. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    for (const connection of this.#connections.values()) connection[Symbol.dispose]();
    this.#connections.clear();
  }

  /**
   * Closes all connections; calls under way, watches and sessions end with Canceled, and so does each later
   * one, in a later turn of the loop.
   */
  close(): void {
    this[Symbol.dispose]();
  }

  async #context(options: CallOptions, defaultTimeoutMs: number): Promise<CallContext> {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    const context = {
      deadline: timeoutMs === never ? never : performance.now() + timeoutMs,
      signal: options.signal,
      metadata: options.requireLeader === true ? { hasleader: "true" } : {},
    };
    this.#token ??= await this.#newToken(options, context);
    if (this.#token === "") return context;
    return { ...context, metadata: { ...context.metadata, token: this.#token } };
  }

  /** As clientv3's shouldRefreshToken: the request was not carried out, and may be another time. */
  forgetToken(refusal: EtcdErrorCode | undefined): boolean {
    const { user, token } = this.#options;
    if (token !== undefined) return false;
    const isStale = refusal === "AuthOldRevision";
    if (!isStale && (user === undefined || !isTokenRefused(refusal))) return false;
    this.#token = undefined;
    return true;
  }

  /** The context with a new token; the deadline stays. */
  async #loginAgain(options: CallOptions, old: CallContext): Promise<CallContext> {
    const { deadline, signal } = old;
    const context = await this.#context({ ...options, ...(signal && { signal }) }, never);
    return { ...context, deadline };
  }

  /** "" without a user, and where authentication is off. */
  async #newToken(options: CallOptions, context: CallContext): Promise<string> {
    const { user } = this.#options;
    if (user === undefined) return "";
    let last: unknown;
    for (const endpoint of this.#candidates(options.endpoint)) {
      if (this.#isClosed) await refuseClosed();
      const connection = this.#connection(endpoint);
      const dial = this.#dialContext(context);
      try {
        await connection.ready(dial);
        return (await connection.unary(methods.authenticate, user, dial)).token;
      } catch (error) {
        if (isEtcdError(error, "AuthNotEnabled")) return "";
        if (!isDialError(error)) throw error;
        last = error;
      }
    }
    throw last;
  }

  #dialContext(context: CallContext): CallContext {
    const dial = performance.now() + (this.#options.dialTimeoutMs ?? 2000);
    return { ...context, deadline: Math.min(context.deadline, dial) };
  }

  #candidates(endpoint: string | undefined): readonly string[] {
    if (endpoint !== undefined) return [endpoint];
    const at = this.#preferred;
    return [...this.endpoints.slice(at), ...this.endpoints.slice(0, at)];
  }

  #prefer(endpoint: string): void {
    const at = this.endpoints.indexOf(endpoint);
    if (at >= 0) this.#preferred = at;
  }

  #connection(endpoint: string): Connection {
    let connection = this.#connections.get(endpoint);
    if (connection === undefined) {
      connection = new Connection({
        endpoint,
        tls: this.#options.tls,
        keepaliveTimeMs: Math.max(this.#options.keepaliveTimeMs ?? 0, 10_000),
        keepaliveTimeoutMs: this.#options.keepaliveTimeoutMs ?? 6000,
        receiveWindowBytes: this.#options.receiveWindowBytes ?? 256 * 1024,
      });
      this.#connections.set(endpoint, connection);
    }
    return connection;
  }
}

/**
 * Rejects: whatever goes on or tries again ends here. A turn of the loop later, because who tries again
 * without a pause would else have all turns to himself, and no timer or socket of the process any.
 */
async function refuseClosed(): Promise<never> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
  throw new RpcError(1, "the client is closed", "");
}

const isTokenRefused = (refusal: EtcdErrorCode | undefined): boolean =>
  refusal === "InvalidAuthToken" || refusal === "UserEmpty";

/** The connection was refused or broke while it was made. */
const isUnreachable = (error: unknown): boolean =>
  error instanceof RpcError && error.code === "Unavailable" && isDialError(error);

function mayTryAgain(error: unknown, idempotent: boolean, context: CallContext): boolean {
  if (context.signal?.aborted || performance.now() >= context.deadline) return false;
  if (!(error instanceof RpcError)) return false;
  if (isDialError(error) || isUnprocessed(error)) return true;
  return idempotent && error.code === "Unavailable";
}

function pause(ms: number, context: CallContext, last: unknown): Promise<void> {
  const left = context.deadline - performance.now();
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(context.signal?.reason);
    };
    const timer = setTimeout(
      () => {
        context.signal?.removeEventListener("abort", abort);
        if (ms < left) resolve();
        else reject(deadlineExceeded(last instanceof RpcError ? last.endpoint : "", last));
      },
      Math.min(ms, left),
    );
    context.signal?.addEventListener("abort", abort, { once: true });
  });
}
