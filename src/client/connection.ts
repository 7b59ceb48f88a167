import {
  CallFailure,
  Channel,
  callUnary,
  DialFailure,
  MessageStream,
} from "../rpc/client/index.ts";
import { deadlineExceeded, RpcError, toRpcError } from "./errors.ts";
import type { Method } from "./methods.ts";
import { dialer, parseEndpoint, type TlsOptions } from "./tls.ts";

export interface ConnectionOptions {
  readonly endpoint: string;
  readonly tls: TlsOptions | undefined;
  readonly keepaliveTimeMs: number;
  readonly keepaliveTimeoutMs: number;
  readonly receiveWindowBytes: number;
}

/** What one call needs beside its request. Times are absolute, in milliseconds of performance.now(). */
export interface CallContext {
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The longest that setTimeout can wait. */
const longestTimerMs = 2 ** 31 - 1;

/** One endpoint's channel: connects when first used, reconnects by itself. */
export class Connection implements Disposable {
  readonly endpoint: string;
  readonly #channel: Channel;

  /** Throws Error when the client's certificate and key are no pair. */
  constructor(options: ConnectionOptions) {
    this.endpoint = options.endpoint;
    this.#channel = new Channel({
      ...dialer(parseEndpoint(options.endpoint), options.tls),
      keepAliveMs: options.keepaliveTimeMs,
      keepAliveTimeoutMs: options.keepaliveTimeoutMs,
      receiveWindowBytes: options.receiveWindowBytes,
    });
  }

  /**
   * Resolves when the channel stands. Throws Unavailable as soon as the connection is refused, and
   * DeadlineExceeded at `context.deadline`: in both cases nothing has been sent.
   */
  async ready(context: CallContext): Promise<void> {
    context.signal?.throwIfAborted();
    if (this.#channel.isReady) return;
    try {
      await this.#untilDeadline(this.#channel.ready(), context);
    } catch (error) {
      if (error instanceof DialFailure) {
        const why = error.message === "" ? "" : `: ${error.message}`;
        throw new RpcError(14, `connection to ${this.endpoint} failed${why}`, this.endpoint, error);
      }
      if (!(error instanceof CallFailure)) throw error;
      throw new RpcError(error.status, error.message, this.endpoint);
    }
  }

  /** What `dial` comes to, unless the context ends before. */
  #untilDeadline(dial: Promise<void>, { deadline, signal }: CallContext): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = (): void => settle(() => reject(signal?.reason));
      const ms = Math.min(Math.max(0, deadline - performance.now()), longestTimerMs);
      const late = (): void => {
        const cause = new DialFailure("the connection did not stand in time");
        settle(() => reject(deadlineExceeded(this.endpoint, cause)));
      };
      const timer = setTimeout(late, ms);
      const settle = (f: () => void): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        f();
      };
      signal?.addEventListener("abort", abort, { once: true });
      dial.then(
        () => settle(resolve),
        (error) => settle(() => reject(error)),
      );
    });
  }

  /** Throws RpcError, or the signal's reason. */
  async unary<Q, R>(method: Method<Q, R>, request: Q, context: CallContext): Promise<R> {
    const { signal } = context;
    signal?.throwIfAborted();
    let cancel: (() => void) | undefined;
    try {
      const { call, answer } = callUnary(
        this.#channel,
        method.path,
        method.encode(request),
        context,
      );
      cancel = () => call.cancel();
      signal?.addEventListener("abort", cancel, { once: true });
      return method.decode(await answer);
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      throw this.#explain(error, context);
    } finally {
      if (cancel !== undefined) signal?.removeEventListener("abort", cancel);
    }
  }

  /** A stream of messages both ways, as bytes. Throws RpcError. */
  stream(path: string, context: CallContext): MessageStream {
    try {
      return new MessageStream(this.#channel, path, context);
    } catch (error) {
      throw toRpcError(error, this.endpoint);
    }
  }

  #explain(error: unknown, context: CallContext): unknown {
    const mine = toRpcError(error, this.endpoint);
    // Our own deadline; a server's DeadlineExceeded comes earlier and keeps its text.
    if (mine instanceof RpcError && mine.code === "DeadlineExceeded") {
      if (performance.now() >= context.deadline) return deadlineExceeded(this.endpoint, error);
    }
    return mine;
  }

  [Symbol.dispose](): void {
    this.#channel[Symbol.dispose]();
  }
}
