/**
 * KV.RangeStream: a range in pieces of about max-request-bytes, all of one revision. Source: etcd
 * server/etcdserver/v3_server.go rangeStream.
 *
 * Nothing is pinned for a reader: when it is slower than compaction, the stream ends with Compacted.
 */

import type { AuthInfo } from "../../core/auth/index.ts";
import {
  checkRange,
  decodeKeyValue,
  hasRevisionFilters,
  isDefaultOrder,
  type RangeRequest,
  type RangeResult,
  SortTarget,
} from "../../core/mvcc/index.ts";
import { EtcdError, type EtcdErrorCode, rpcpb, Writer } from "../../proto/index.ts";
import { type MessageBytes, type Method, Status, type StreamCall } from "../../rpc/index.ts";
import { hasChanged, permitRead } from "./access.ts";
import { type ApiContext, decodeOrFail, fail, header, openStream } from "./context.ts";
import { LongAnswer, sizeOfKvs } from "./long-answers.ts";

/** Keys of the first piece; then it doubles or halves towards max-request-bytes. */
const firstKeys = 10;

export const rangeStreamMethod = (ctx: ApiContext): Method => ({
  kind: "stream",
  type: "server_stream",
  open: (call) => open(ctx, call),
});

function open(ctx: ApiContext, call: StreamCall): void {
  const reading: { current: Reading | undefined } = { current: undefined };
  const stop = (): void => reading.current?.stop();
  const release = openStream(ctx, call, { onLost: stop });
  if (release === undefined) return;
  call.onCancel = () => {
    release();
    stop();
  };
  call.onDrain = () => reading.current?.next();
  call.onMessage = (bytes) => {
    call.onMessage = undefined;
    const request = decodeOrFail(call, rpcpb.decodeRangeRequest, bytes);
    if (request === undefined || !check(call, request)) {
      release();
      return;
    }
    const begin = (request: rpcpb.RangeRequest, who: AuthInfo | undefined): void => {
      if (call.ended) return;
      reading.current = new Reading(ctx, call, request, release, who);
      reading.current.next();
    };
    if (!ctx.member.authority.enabled) {
      begin(request, undefined);
      return;
    }
    const { key, rangeEnd, serializable } = request;
    const refuse = (error: EtcdError): void => {
      release();
      fail(call, error);
    };
    const read = {
      serializable,
      check: (who: AuthInfo) => ctx.member.state.auth.store.checkRead(who, key, rangeEnd),
    };
    permitRead(ctx, call, read, refuse, (who) => begin({ ...request, serializable: true }, who));
  };
}

function check(call: StreamCall, request: rpcpb.RangeRequest): boolean {
  const refused = checkRange(request);
  if (refused !== undefined) {
    fail(call, new EtcdError(refused.replace(/^Err/, "") as EtcdErrorCode));
    return false;
  }
  if (!isDefaultOrder(request)) {
    call.fail(Status.unimplemented, "RangeStream does not support custom sort orders");
    return false;
  }
  if (hasRevisionFilters(request)) {
    call.fail(Status.unimplemented, "RangeStream does not support revision filters");
    return false;
  }
  return true;
}

class Reading {
  readonly #ctx: ApiContext;
  readonly #call: StreamCall;
  readonly #release: () => void;
  /** Who was permitted to read this. */
  readonly #who: AuthInfo | undefined;
  /** What is still to be read; the revision is fixed by the first piece. */
  #rest: RangeRequest;
  /** Keys still wanted; Infinity without a limit. */
  #wanted: number;
  /**
   * What an answer of one piece is sorted by, as etcd sorts it. Pieces of a longer one go by key:
   * etcd sorts each by itself and goes on behind its last key, which loses some and repeats others.
   */
  #target: number;
  #pieceKeys = firstKeys;
  #sent = 0;
  /** The store's revision when the first piece was read. */
  #revision = 0;
  #busy = false;
  #stopped = false;

  constructor(
    ctx: ApiContext,
    call: StreamCall,
    request: RangeRequest,
    release: () => void,
    who: AuthInfo | undefined,
  ) {
    this.#ctx = ctx;
    this.#call = call;
    this.#release = release;
    this.#who = who;
    this.#rest = { ...request, sortTarget: SortTarget.Key };
    this.#target = request.sortTarget;
    this.#wanted = request.limit > 0 ? request.limit : Number.POSITIVE_INFINITY;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Reads one piece and sends it, if nothing is under way. */
  next(): void {
    if (this.#busy || this.#stopped) return;
    this.#busy = true;
    this.#ctx.member.faults.hit("beforeRangeStreamChunk");
    const limit = Math.min(this.#pieceKeys, this.#wanted);
    this.#ctx.member.reads.range({ ...this.#rest, limit }, (error, result) => {
      this.#busy = false;
      if (this.#stopped) return;
      const stale = hasChanged(this.#ctx, this.#who) ?? this.#beganOpen();
      if (result === undefined) this.#fail(error);
      else if (stale !== undefined) this.#fail(stale);
      else if (this.#rest.countOnly) this.#end({ count: result.count });
      else if (this.#isUnsorted(result)) this.next();
      else this.#piece(result);
    });
  }

  /** Authentication went on after this began: whoever asks must say who they are. */
  #beganOpen(): EtcdError | undefined {
    const isOpen = this.#who === undefined && this.#ctx.member.authority.enabled;
    return isOpen ? new EtcdError("AuthOldRevision") : undefined;
  }

  /** Whether the only piece has to be read again in its order, at the revision it was read at. */
  #isUnsorted({ more, revision }: RangeResult): boolean {
    const sortTarget = this.#target;
    this.#target = SortTarget.Key;
    if (more || sortTarget === SortTarget.Key) return false;
    const at = this.#rest.revision <= 0 ? revision : this.#rest.revision;
    this.#revision = revision;
    this.#rest = { ...this.#rest, sortTarget, revision: at, serializable: true };
    return true;
  }

  #piece(result: RangeResult): void {
    const { kvs, more } = result;
    if (this.#revision === 0) {
      this.#revision = result.revision;
      const revision = this.#rest.revision <= 0 ? result.revision : this.#rest.revision;
      // The read index of the first piece holds for the others too: they are of its revision.
      this.#rest = { ...this.#rest, revision, serializable: true };
    }
    const before = this.#sent;
    this.#sent += kvs.length;
    this.#wanted -= kvs.length;
    if (!more || this.#wanted <= 0) {
      this.#end({ kvs: kvs as Uint8Array[], more, count: before + result.count });
      return;
    }
    let bytes = 0;
    for (const kv of kvs) bytes += kv.byteLength;
    const target = this.#ctx.member.options.maxRequestBytes;
    if (bytes < target / 2) this.#pieceKeys *= 2;
    else if (bytes > target * 2) this.#pieceKeys = Math.max(1, this.#pieceKeys >> 1);
    const last = decodeKeyValue(kvs.at(-1) as Uint8Array).key;
    this.#rest = { ...this.#rest, key: Buffer.concat([last, Uint8Array.of(0)]) };
    const writable = this.#call.send(pieceOf(kvs));
    if (writable) this.#ctx.clock.soon(() => this.next());
  }

  #end(rest: Partial<rpcpb.EncodedRangeResponse>): void {
    const at = this.#revision || this.#ctx.member.kv.revision;
    const rangeResponse = rpcpb.newEncodedRangeResponse({
      ...rest,
      header: header(this.#ctx, at),
    });
    this.#stopped = true;
    this.#call.send(rpcpb.encodeEncodedRangeStreamResponse({ rangeResponse }));
    this.#release();
    this.#call.end();
  }

  #fail(error: unknown): void {
    this.#stopped = true;
    this.#release();
    fail(this.#call, error);
  }
}

/** RangeStreamResponse: range_response. */
const responseTag = 0x0a;

/** A RangeStreamResponse with key values alone, as `rpcpb` encodes it. */
function pieceOf(kvs: readonly Uint8Array[]): MessageBytes {
  const piece = new LongAnswer();
  const w = new Writer(1 + maxLengthBytes);
  w.u32(responseTag);
  w.u32(sizeOfKvs(kvs));
  piece.bytes(w.bytes.subarray(0, w.pos));
  piece.kvs(kvs);
  return piece.end();
}

const maxLengthBytes = 5;
