import type { LeaseId, Revision } from "../core/types.ts";
import { rpcpb } from "../proto/client/index.ts";
import type { Caller, CallOptions } from "./client.ts";
import { methods } from "./methods.ts";
import { serverStream } from "./stream.ts";

/** A key or value: text is sent as UTF-8. */
export type Bytes = string | Uint8Array;

export const toBytes = (b: Bytes): Uint8Array => (typeof b === "string" ? Buffer.from(b) : b);

/** One zero byte: as a range end "to the end of all keys", as a key with it "from the first". */
const zeroByte: Uint8Array = Buffer.from([0]);

/**
 * The end of the range of all keys with this prefix: the prefix with its last byte raised, trailing
 * 0xff bytes dropped; all 0xff or empty means to the end (etcd client/v3 GetPrefixRangeEnd).
 */
export function prefixEnd(prefix: Bytes): Uint8Array {
  const end = Buffer.from(toBytes(prefix));
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] as number;
    if (byte < 0xff) {
      end[i] = byte + 1;
      return end.subarray(0, i + 1);
    }
  }
  return zeroByte;
}

/** A range of keys: one key, all with a prefix, all from a key on, or key to (excluded) end. */
export function keyRange(
  key: Bytes,
  span: { prefix?: boolean; fromKey?: boolean; rangeEnd?: Bytes } = {},
): { key: Uint8Array; rangeEnd: Uint8Array } {
  const start = toBytes(key);
  if (span.prefix === true) {
    return { key: start.length === 0 ? zeroByte : start, rangeEnd: prefixEnd(start) };
  }
  if (span.fromKey === true) {
    return { key: start.length === 0 ? zeroByte : start, rangeEnd: zeroByte };
  }
  return { key: start, rangeEnd: toBytes(span.rangeEnd ?? "") };
}

export interface GetOptions extends CallOptions {
  readonly prefix?: boolean;
  readonly fromKey?: boolean;
  readonly rangeEnd?: Bytes;
  readonly limit?: number;
  readonly revision?: number;
  readonly serializable?: boolean;
  readonly keysOnly?: boolean;
  readonly countOnly?: boolean;
}

export interface PutOptions extends CallOptions {
  readonly lease?: LeaseId;
  readonly prevKv?: boolean;
}

export interface DeleteOptions extends CallOptions {
  readonly prefix?: boolean;
  readonly fromKey?: boolean;
  readonly rangeEnd?: Bytes;
  readonly prevKv?: boolean;
}

/** The KV service. */
export class Kv {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  get(key: Bytes, options: GetOptions = {}): Promise<rpcpb.RangeResponse> {
    const request = {
      ...keyRange(key, options),
      limit: options.limit ?? 0,
      revision: (options.revision ?? 0) as Revision,
      serializable: options.serializable ?? false,
      keysOnly: options.keysOnly ?? false,
      countOnly: options.countOnly ?? false,
    };
    return this.range(request, options);
  }

  /** Range with every field of the request at hand. */
  range(request: Partial<rpcpb.RangeRequest>, options?: CallOptions): Promise<rpcpb.RangeResponse> {
    return this.#caller.call(methods.range, rpcpb.newRangeRequest(request), options);
  }

  /**
   * Range in pieces, all of one revision: the server holds no more than one of them at a time.
   * `count` and `more` are in the last one. Throws Unimplemented for custom sort orders and for
   * filters by revision.
   */
  async *rangeStream(
    request: Partial<rpcpb.RangeRequest>,
    options?: CallOptions,
  ): AsyncGenerator<rpcpb.RangeResponse> {
    const full = rpcpb.newRangeRequest(request);
    const stream = serverStream(this.#caller, methods.rangeStream, full, options);
    for await (const { rangeResponse } of stream) if (rangeResponse) yield rangeResponse;
  }

  put(key: Bytes, value: Bytes, options: PutOptions = {}): Promise<rpcpb.PutResponse> {
    const request = rpcpb.newPutRequest({
      key: toBytes(key),
      value: toBytes(value),
      prevKv: options.prevKv ?? false,
      ...(options.lease === undefined ? {} : { lease: options.lease }),
    });
    return this.#caller.call(methods.put, request, options);
  }

  delete(key: Bytes, options: DeleteOptions = {}): Promise<rpcpb.DeleteRangeResponse> {
    const request = { ...keyRange(key, options), prevKv: options.prevKv ?? false };
    return this.#caller.call(methods.deleteRange, request, options);
  }

  txn(request: Partial<rpcpb.TxnRequest>, options?: CallOptions): Promise<rpcpb.TxnResponse> {
    return this.#caller.call(methods.txn, rpcpb.newTxnRequest(request), options);
  }

  /** `physical`: answer when the old revisions are gone from the disk. */
  compact(
    revision: number,
    options: CallOptions & { readonly physical?: boolean } = {},
  ): Promise<rpcpb.CompactionResponse> {
    const request = { revision: revision as Revision, physical: options.physical ?? false };
    return this.#caller.call(methods.compact, request, options);
  }
}
