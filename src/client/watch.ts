import type { Revision, WatchId } from "../core/types.ts";
import { type EtcdErrorCode, etcdErrorByText, rpcpb } from "../proto/client/index.ts";
import type { Caller, CallOptions } from "./client.ts";
import { isEtcdError, RpcError } from "./errors.ts";
import { type Bytes, keyRange } from "./kv.ts";
import { methods } from "./methods.ts";
import { openBidi } from "./stream.ts";

export interface WatchOptions extends CallOptions {
  readonly prefix?: boolean;
  readonly fromKey?: boolean;
  readonly rangeEnd?: Bytes;
  /** First revision wanted; 0 = from now on. */
  readonly startRevision?: number;
  readonly prevKv?: boolean;
  readonly progressNotify?: boolean;
  readonly filters?: readonly rpcpb.FilterType[];
  /** Told of each stream that the watch opens, to ask it for progress. */
  readonly onStream?: (stream: WatchStream) => void;
}

/** One gRPC watch stream with any number of watches; iterate for the answers (once). */
export interface WatchStream extends Disposable, AsyncIterable<rpcpb.WatchResponse> {
  create(request: Partial<rpcpb.WatchCreateRequest>): void;
  cancel(watchId: WatchId): void;
  /** Asks for the revision that all watches of the stream have reached. */
  progress(): void;
}

/** The server ended a watch: `compactRevision` above 0 when its start was compacted. */
export class WatchCanceledError extends Error {
  override readonly name = "WatchCanceledError";
  readonly compactRevision: Revision;
  readonly response: rpcpb.WatchResponse;

  constructor(response: rpcpb.WatchResponse) {
    super(
      response.compactRevision > 0
        ? "etcdserver: mvcc: required revision has been compacted"
        : response.cancelReason,
    );
    this.response = response;
    this.compactRevision = response.compactRevision;
  }
}

/** The Watch service. */
export class Watch {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** A bare stream on one connection; it ends with that connection. */
  async open(options?: CallOptions): Promise<WatchStream> {
    const stream = await openBidi(this.#caller, methods.watch, options);
    const send = (request: Partial<rpcpb.WatchRequest>): void =>
      stream.send(rpcpb.newWatchRequest(request));
    return {
      create: (request) => send({ createRequest: rpcpb.newWatchCreateRequest(request) }),
      cancel: (watchId) => send({ cancelRequest: { watchId } }),
      progress: () => send({ progressRequest: {} }),
      [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
      [Symbol.dispose]: () => stream[Symbol.dispose](),
    };
  }

  /**
   * One watch that survives its connection: it is resumed behind the last revision seen. Yields
   * answers with events, and progress notifications when asked for; also the first, `created`.
   * Throws WatchCanceledError, or the signal's reason.
   */
  async *watch(key: Bytes, options: WatchOptions = {}): AsyncGenerator<rpcpb.WatchResponse> {
    let next = options.startRevision ?? 0;
    let announced = false;
    let logins = 0;
    for (;;) {
      try {
        using stream = await this.open(options);
        options.onStream?.(stream);
        stream.create({
          ...keyRange(key, options),
          startRevision: next as Revision,
          prevKv: options.prevKv ?? false,
          progressNotify: options.progressNotify ?? false,
          filters: [...(options.filters ?? [])],
        });
        for await (const response of stream) {
          if (response.canceled) {
            const refusal = refusalOf(response);
            if (logins++ < loginsMax && this.#caller.forgetToken(refusal)) break;
            throw new WatchCanceledError(response);
          }
          if (response.created) {
            // A resumed watch must not start later than the first one would have.
            if (next === 0) next = (response.header?.revision ?? 0) + 1;
            logins = 0;
            if (announced) continue;
            announced = true;
          }
          const last = response.events.at(-1)?.kv?.modRevision;
          if (last !== undefined) next = last + 1;
          yield response;
        }
      } catch (error) {
        if (!isBroken(error) && !isSlowDial(error, options)) throw error;
      }
      await pause(100, options.signal);
    }
  }
}

/** How often in a row a watch may be refused for its token. */
const loginsMax = 3;

/** Why the server did not create the watch, when it is an error of etcd's. */
const refusalOf = ({ cancelReason }: rpcpb.WatchResponse): EtcdErrorCode | undefined =>
  etcdErrorByText(cancelReason.replace(/^rpc error: code = \w+ desc = /, ""));

/** The connection, not the watch, has ended. */
const isBroken = (error: unknown): boolean =>
  error instanceof RpcError && error.code === "Unavailable" && !isEtcdError(error, "NoLeader");

/** The dial's own time was over, not the caller's: a member that is away or silent is waited for. */
const isSlowDial = (error: unknown, { timeoutMs }: WatchOptions): boolean =>
  timeoutMs === undefined && error instanceof RpcError && error.code === "DeadlineExceeded";

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
