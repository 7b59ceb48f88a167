/**
 * The store as the recipes use it: our own v3 methods, on behalf of the client that called the recipe, so
 * that its token and permissions hold.
 */
import type { LeaseId, Revision } from "../../core/types.ts";
import { mvccpb, rpcpb } from "../../proto/index.ts";
import { Status, type StatusCode } from "../../rpc/index.ts";
import type { LocalClient, LocalFailure, LocalStream, Origin } from "../local/index.ts";

/** A recipe's end by a status. */
export class RecipeError extends Error {
  override readonly name = "RecipeError";
  readonly code: StatusCode;

  constructor(code: StatusCode, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * etcd runs the recipes with its own client, whose errors carry no status any more when they leave the
 * handler: whatever it was, its text goes out as Unknown (server/etcdserver/api/v3lock/lock.go).
 */
const passedOn = (failure: LocalFailure): RecipeError =>
  new RecipeError(
    failure.code === Status.cancelled || failure.code === Status.deadlineExceeded
      ? failure.code
      : Status.unknown,
    failure.message,
  );

export class RecipeStore {
  readonly #client: LocalClient;
  readonly #origin: Origin;
  readonly #signal: AbortSignal | undefined;

  constructor(client: LocalClient, origin: Origin, signal: AbortSignal | undefined) {
    this.#client = client;
    this.#origin = origin;
    this.#signal = signal;
  }

  /** For tidying up after the caller has gone: nothing ends it but the store's own time limits. */
  get detached(): RecipeStore {
    const origin = { ...this.#origin, deadlineMs: Number.POSITIVE_INFINITY };
    return new RecipeStore(this.#client, origin, undefined);
  }

  /** The caller has gone, or its time is over. */
  get isAbandoned(): boolean {
    return this.#signal?.aborted === true;
  }

  /** Until `begin`'s argument is called; throws when the caller has gone before. */
  async wait(begin: (done: () => void) => void): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const signal = this.#signal;
    signal?.addEventListener("abort", resolve as () => void, { once: true });
    begin(resolve);
    if (signal?.aborted) resolve();
    await promise;
    signal?.removeEventListener("abort", resolve as () => void);
    if (signal?.aborted) throw new RecipeError(Status.cancelled, "context canceled");
  }

  /** The oldest key below the prefix by create revision; or the newest that is at most `upTo`. */
  first(prefix: Uint8Array, upTo?: number): Promise<rpcpb.RangeResponse> {
    return this.#range({
      ...firstBelow(prefix),
      ...(upTo === undefined
        ? {}
        : {
            sortOrder: rpcpb.SortOrder.DESCEND,
            maxCreateRevision: upTo as Revision,
          }),
    });
  }

  get(key: Uint8Array): Promise<rpcpb.RangeResponse> {
    return this.#range({ key });
  }

  async #range(request: Partial<rpcpb.RangeRequest>): Promise<rpcpb.RangeResponse> {
    const bytes = rpcpb.encodeRangeRequest(rpcpb.newRangeRequest(request));
    return rpcpb.decodeRangeResponse(await this.#unary("/etcdserverpb.KV/Range", bytes));
  }

  async delete(key: Uint8Array): Promise<rpcpb.DeleteRangeResponse> {
    const request = rpcpb.newDeleteRangeRequest({ key });
    return rpcpb.decodeDeleteRangeResponse(
      await this.#unary("/etcdserverpb.KV/DeleteRange", rpcpb.encodeDeleteRangeRequest(request)),
    );
  }

  async txn(request: Partial<rpcpb.TxnRequest>): Promise<rpcpb.TxnResponse> {
    const bytes = rpcpb.encodeTxnRequest(rpcpb.newTxnRequest(request));
    return rpcpb.decodeTxnResponse(await this.#unary("/etcdserverpb.KV/Txn", bytes));
  }

  /** The given lease, or a new one of a minute when it is 0, as the recipes' sessions have it. */
  async lease(id: LeaseId): Promise<LeaseId> {
    if (id !== 0n) return id;
    const request = rpcpb.newLeaseGrantRequest({ ttl: sessionSeconds });
    const bytes = rpcpb.encodeLeaseGrantRequest(request);
    const answer = await this.#unary("/etcdserverpb.Lease/LeaseGrant", bytes);
    return rpcpb.decodeLeaseGrantResponse(answer).id;
  }

  /** Events from `revision` on; ends by an error, or when the caller of `return` has enough. */
  async *watch(
    request: Partial<rpcpb.WatchCreateRequest>,
  ): AsyncGenerator<rpcpb.WatchResponse, never> {
    const arrived: rpcpb.WatchResponse[] = [];
    let failure: LocalFailure | undefined;
    let wake = (): void => undefined;
    const stream: LocalStream = this.#client.stream("/etcdserverpb.Watch/Watch", this.#origin, {
      message: (bytes) => {
        arrived.push(rpcpb.decodeWatchResponse(bytes));
        stream.readable = false;
        wake();
      },
      end: (why) => {
        failure = why ?? { code: Status.unavailable, message: "the watch ended" };
        wake();
      },
    });
    const stop = (): void => {
      failure ??= { code: Status.cancelled, message: "context canceled" };
      wake();
    };
    this.#signal?.addEventListener("abort", stop, { once: true });
    const createRequest = rpcpb.newWatchCreateRequest(request);
    stream.write(rpcpb.encodeWatchRequest(rpcpb.newWatchRequest({ createRequest })));
    try {
      for (;;) {
        const response = arrived.shift();
        if (response !== undefined) {
          throwIfCanceled(response);
          yield response;
          continue;
        }
        if (failure !== undefined) throw passedOn(failure);
        stream.readable = true;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      this.#signal?.removeEventListener("abort", stop);
      stream.cancel();
    }
  }

  /** Until no key below the prefix is left that was created at or before `revision`. */
  async untilOldestIs(prefix: Uint8Array, revision: number): Promise<void> {
    for (;;) {
      const found = await this.first(prefix, revision - 1);
      const [before] = found.kvs;
      if (before === undefined) return;
      await this.#untilDeleted(before.key, found.header?.revision ?? 0);
    }
  }

  async #untilDeleted(key: Uint8Array, revision: number): Promise<void> {
    for await (const { events } of this.watch({ key, startRevision: revision as Revision })) {
      if (events.some((e) => e.type === mvccpb.EventType.DELETE)) return;
    }
  }

  #unary(path: string, request: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const signal = this.#signal;
      const giveUp = this.#client.unary(path, request, this.#origin, (failure, message) => {
        signal?.removeEventListener("abort", abort);
        if (failure === undefined) resolve(message as Uint8Array);
        else reject(passedOn(failure));
      });
      const abort = (): void => {
        giveUp();
        reject(new RecipeError(Status.cancelled, "context canceled"));
      };
      if (signal?.aborted) abort();
      else signal?.addEventListener("abort", abort, { once: true });
    });
  }
}

/** etcd client/v3/concurrency: the time to live of a session that names no lease. */
const sessionSeconds = 60;

/** The oldest key below a prefix, as a range. */
export const firstBelow = (prefix: Uint8Array): Partial<rpcpb.RangeRequest> => ({
  key: prefix,
  rangeEnd: prefixEnd(prefix),
  limit: 1,
  sortOrder: rpcpb.SortOrder.ASCEND,
  sortTarget: rpcpb.SortTarget.CREATE,
});

/** The first key behind all that begin so; a recipe's prefix ends with "/". */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const end = Buffer.from(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return end;
}

/** A watch that was not created, or that lost its history. */
function throwIfCanceled(response: rpcpb.WatchResponse): void {
  if (!response.canceled) return;
  const message =
    response.compactRevision !== 0
      ? "etcdserver: mvcc: required revision has been compacted"
      : response.cancelReason || "etcdserver: mvcc: required revision is a future revision";
  throw new RecipeError(Status.unknown, message);
}
