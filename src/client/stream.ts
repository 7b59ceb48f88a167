import type { MessageStream } from "../rpc/client/index.ts";
import type { Caller, CallOptions } from "./client.ts";
import type { CallContext, Connection } from "./connection.ts";
import { isUnprocessed, toRpcError } from "./errors.ts";
import type { Method } from "./methods.ts";

type Connector = Pick<Caller, "connect">;
type Connected = Awaited<ReturnType<Caller["connect"]>>;

/** Both directions of one stream; iterate for the answers (once), dispose to cancel. */
export interface BidiStream<Q, R> extends Disposable, AsyncIterable<R> {
  /** Queued without bound by the transport: callers send few and small requests. */
  send(request: Q): void;
  /** No more requests; answers still come. */
  end(): void;
}

/**
 * Opens a stream on a connection of the caller's. Iteration throws RpcError, or the signal's reason
 * when that ended the stream.
 */
export async function openBidi<Q, R>(
  caller: Connector,
  method: Method<Q, R>,
  options: CallOptions = {},
): Promise<BidiStream<Q, R>> {
  return new Bidi(caller, method, options, await caller.connect(options));
}

/**
 * How often a stream is begun, at most, while servers say that they have not looked at it (GOAWAY,
 * REFUSED_STREAM): as a server says that leaves. grpc-go does it twice (stream.go shouldRetry).
 */
const beginningsMax = 3;
/** With more requests than this before the first answer, a stream is not begun again. */
const keptRequestsMax = 1024;

class Bidi<Q, R> implements BidiStream<Q, R> {
  readonly #caller: Connector;
  readonly #method: Method<Q, R>;
  readonly #options: CallOptions;
  #connected: Connected;
  #stream: MessageStream;
  /** Stops listening to the signal, and cancels the stream. */
  #cancel: () => void;
  /** What was sent, until the first answer: a stream that is begun again needs it. */
  #kept: Uint8Array[] | undefined = [];
  #isEnding = false;
  #isDisposed = false;

  constructor(caller: Connector, method: Method<Q, R>, options: CallOptions, connected: Connected) {
    this.#caller = caller;
    this.#method = method;
    this.#options = options;
    this.#connected = connected;
    this.#stream = connected.connection.stream(method.path, connected.context);
    this.#cancel = cancelOnAbort(this.#stream, connected.context);
  }

  send(request: Q): void {
    const bytes = this.#method.encode(request);
    this.#kept?.push(bytes);
    if (this.#kept !== undefined && this.#kept.length > keptRequestsMax) this.#kept = undefined;
    this.#stream.call.send(bytes);
  }

  end(): void {
    this.#isEnding = true;
    this.#stream.call.end();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<R> {
    for (let beginnings = 1; ; beginnings++) {
      const { connection, context } = this.#connected;
      try {
        for await (const answer of answers(this.#stream, this.#method, connection, context)) {
          this.#kept = undefined;
          yield answer;
        }
        return;
      } catch (error) {
        if (this.#isDisposed || beginnings === beginningsMax || !isUnprocessed(error)) throw error;
        if (!(await this.#beginAgain())) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#cancel();
  }

  /** False when what was sent is not known any more; more may be sent while it connects. */
  async #beginAgain(): Promise<boolean> {
    this.#cancel();
    if (this.#kept === undefined) return false;
    this.#connected = await connectAgain(this.#caller, this.#options, this.#connected);
    if (this.#kept === undefined) return false;
    const { connection, context } = this.#connected;
    this.#stream = connection.stream(this.#method.path, context);
    this.#cancel = cancelOnAbort(this.#stream, context);
    for (const bytes of this.#kept) this.#stream.call.send(bytes);
    if (this.#isEnding) this.#stream.call.end();
    if (this.#isDisposed) this.#cancel();
    return true;
  }
}

/** The deadline stays. */
const connectAgain = (
  caller: Connector,
  options: CallOptions,
  { context }: Connected,
): Promise<Connected> =>
  caller.connect({ ...options, timeoutMs: context.deadline - performance.now() });

/** What a server says at the end of a call, by name in lower case. */
export type Trailers = ReadonlyMap<string, string>;

/**
 * The answers of a server stream, on a connection of the caller's. Leaving the loop cancels it. Throws as
 * a BidiStream's iteration.
 */
export async function* serverStream<Q, R>(
  caller: Connector,
  method: Method<Q, R>,
  request: Q,
  options: CallOptions = {},
  onTrailers?: (trailers: Trailers) => void,
): AsyncGenerator<R> {
  let connected = await caller.connect(options);
  for (let beginnings = 1; ; beginnings++) {
    const { connection, context } = connected;
    const stream = connection.stream(method.path, context);
    const cancel = cancelOnAbort(stream, context);
    let isBegun = false;
    try {
      stream.call.send(method.encode(request));
      stream.call.end();
      for await (const answer of answers(stream, method, connection, context)) {
        isBegun = true;
        yield answer;
      }
      if (stream.trailers !== undefined) onTrailers?.(stream.trailers);
      return;
    } catch (error) {
      if (isBegun || beginnings === beginningsMax || !isUnprocessed(error)) throw error;
    } finally {
      cancel();
    }
    connected = await connectAgain(caller, options, connected);
  }
}

/** Cancels the stream when the signal says so; the function returned does so at once. */
function cancelOnAbort({ call }: MessageStream, { signal }: CallContext): () => void {
  const cancel = (): void => call.cancel();
  if (signal?.aborted) cancel();
  else signal?.addEventListener("abort", cancel, { once: true });
  return () => {
    signal?.removeEventListener("abort", cancel);
    cancel();
  };
}

async function* answers<Q, R>(
  stream: MessageStream,
  method: Method<Q, R>,
  { endpoint }: Connection,
  context: CallContext,
): AsyncGenerator<R> {
  try {
    for await (const bytes of stream) yield method.decode(bytes);
  } catch (error) {
    if (context.signal?.aborted) throw context.signal.reason;
    throw toRpcError(error, endpoint);
  }
}
