/** etcdserverpb.KV. Source: etcd server/etcdserver/api/v3rpc/key.go. */
import {
  checkDeleteRange,
  checkPut,
  checkRange,
  checkTxn,
  type DeleteResult,
  isTxnReadonly,
  isTxnSerializable,
  type OpResult,
  type PutResult,
  type RangeResult,
  type TxnResult,
} from "../../core/mvcc/index.ts";
import type { Revision } from "../../core/types.ts";
import { assertNever } from "../../lib/assert.ts";
import { EtcdError, type EtcdErrorCode, rpcpb } from "../../proto/index.ts";
import type { MessageBytes, Method } from "../../rpc/index.ts";
import { type Reply, sliceKeys } from "../../server/index.ts";
import { type GuardedRead, guardedRead, identify } from "./access.ts";
import { type ApiContext, header, unary } from "./context.ts";
import { LongAnswer } from "./long-answers.ts";
import { rangeStreamMethod } from "./range-stream.ts";

type Header = rpcpb.ResponseHeader;

export function kvMethods(ctx: ApiContext): [string, Method][] {
  return [
    ["/etcdserverpb.KV/Range", rangeMethod(ctx)],
    ["/etcdserverpb.KV/RangeStream", rangeStreamMethod(ctx)],
    ["/etcdserverpb.KV/Put", putMethod(ctx)],
    ["/etcdserverpb.KV/DeleteRange", deleteRangeMethod(ctx)],
    ["/etcdserverpb.KV/Txn", txnMethod(ctx)],
    ["/etcdserverpb.KV/Compact", compactMethod(ctx)],
  ];
}

const refusal = (code: string): EtcdError =>
  new EtcdError(code.replace(/^Err/, "") as EtcdErrorCode);

const rangeMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeRangeRequest,
    (request, reply, _bytes, call) => {
      const refused = checkRange(request);
      if (refused !== undefined) {
        reply(refusal(refused));
        return;
      }
      const { state, reads } = ctx.member;
      const answer: Reply<RangeResult> = (error, result) => {
        if (error !== undefined || result === undefined) reply(error);
        else encodeRange(ctx, result, reply);
      };
      const { key, rangeEnd, serializable } = request;
      const read: GuardedRead<RangeResult> = {
        serializable,
        check: (who) => state.auth.store.checkRead(who, key, rangeEnd),
        read: (local, done) =>
          reads.range(local === serializable ? request : { ...request, serializable: local }, done),
      };
      guardedRead(ctx, call, read, answer);
    },
    { access: "own", onLearner: (request) => request.serializable },
  );

/** From so many keys on an answer is encoded into buffers that are used again. */
const longKeys = 64;

/** Encodes a long answer a slice a turn. */
function encodeRange(ctx: ApiContext, result: RangeResult, reply: Reply<MessageBytes>): void {
  const { kvs, more, count, revision } = result;
  const all = rangeResponse(result, header(ctx, revision));
  if (kvs.length < longKeys) {
    reply(undefined, rpcpb.encodeEncodedRangeResponse(all));
    return;
  }
  const answer = new LongAnswer();
  // Protobuf messages one behind the other are one message: the bytes are those of a single piece.
  const part = { ...all, kvs: [], more: false, count: 0 };
  answer.bytes(rpcpb.encodeEncodedRangeResponse(part));
  const next = (at: number): void => {
    const to = Math.min(at + sliceKeys, kvs.length);
    answer.kvs(at === 0 && to === kvs.length ? kvs : kvs.slice(at, to));
    if (to < kvs.length) {
      ctx.clock.soon(() => next(to));
      return;
    }
    answer.bytes(rpcpb.encodeEncodedRangeResponse(rpcpb.newEncodedRangeResponse({ more, count })));
    reply(undefined, answer.end());
  };
  next(0);
}

const putMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodePutRequest,
    (request, reply, bytes, call) => {
      const refused = checkPut(request);
      if (refused !== undefined) {
        reply(refusal(refused));
        return;
      }
      const { proposals, authority } = ctx.member;
      const answer: Reply<PutResult> = (error, result) => {
        if (result === undefined) reply(error);
        else {
          const h = header(ctx, result.revision);
          reply(undefined, rpcpb.encodeEncodedPutResponse(putResponse(result, h)));
        }
      };
      if (!authority.enabled) proposals.put(request, bytes, answer);
      else identify(ctx, call, reply, (who) => proposals.put(request, bytes, answer, who));
    },
    { access: "own" },
  );

const deleteRangeMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeDeleteRangeRequest,
    (request, reply, bytes, call) => {
      const refused = checkDeleteRange(request);
      if (refused !== undefined) {
        reply(refusal(refused));
        return;
      }
      const answer: Reply<DeleteResult> = (error, result) => {
        if (result === undefined) reply(error);
        else {
          const h = header(ctx, result.revision);
          reply(undefined, rpcpb.encodeEncodedDeleteRangeResponse(deleteResponse(result, h)));
        }
      };
      identify(ctx, call, reply, (who) =>
        ctx.member.proposals.deleteRange(request, bytes, answer, who),
      );
    },
    { access: "own" },
  );

const txnMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeTxnRequest,
    (request, reply, bytes, call) => {
      const refused = checkTxn(request, ctx.member.options.maxTxnOps);
      if (refused !== undefined) {
        reply(refusal(refused));
        return;
      }
      const { state, proposals, reads } = ctx.member;
      const answer: Reply<TxnResult> = (error, result) => {
        if (error !== undefined || result === undefined) reply(error);
        else {
          const h = header(ctx, result.revision);
          reply(undefined, rpcpb.encodeEncodedTxnResponse(txnResponse(result, h)));
        }
      };
      if (!isTxnReadonly(request)) {
        identify(ctx, call, reply, (who) => proposals.txn(request, bytes, answer, who));
        return;
      }
      const read: GuardedRead<TxnResult> = {
        serializable: isTxnSerializable(request),
        check: (who) => state.auth.checks.txn(who, request),
        read: (local, done) => reads.readTxn(request, local, done),
      };
      guardedRead(ctx, call, read, answer);
    },
    { access: "own" },
  );

const compactMethod = (ctx: ApiContext): Method =>
  unary(
    ctx,
    rpcpb.decodeCompactionRequest,
    (request, reply) => {
      ctx.member.proposals.compact(request.revision, request.physical, (error, result) => {
        if (result === undefined) reply(error);
        else {
          const h = header(ctx, result.revision);
          reply(undefined, rpcpb.encodeCompactionResponse({ header: h }));
        }
      });
    },
    { access: "root" },
  );

const rangeResponse = (r: RangeResult, h: Header): rpcpb.EncodedRangeResponse => ({
  header: h,
  kvs: r.kvs as Uint8Array[],
  more: r.more,
  count: r.count,
});

const putResponse = (r: PutResult, h: Header): rpcpb.EncodedPutResponse => ({
  header: h,
  prevKv: r.prevKv,
});

const deleteResponse = (r: DeleteResult, h: Header): rpcpb.EncodedDeleteRangeResponse => ({
  header: h,
  deleted: r.deleted,
  prevKvs: r.prevKvs as Uint8Array[],
});

const txnResponse = (r: TxnResult, h: Header): rpcpb.EncodedTxnResponse => ({
  header: h,
  succeeded: r.succeeded,
  responses: r.responses.map(responseOp),
});

/** Within a txn a header carries the revision alone. */
function responseOp(r: OpResult): rpcpb.EncodedResponseOp {
  const op = rpcpb.newEncodedResponseOp();
  const h = rpcpb.newResponseHeader({ revision: r.revision as Revision });
  switch (r.kind) {
    case "range":
      op.responseRange = rangeResponse(r, h);
      break;
    case "put":
      op.responsePut = putResponse(r, h);
      break;
    case "deleteRange":
      op.responseDeleteRange = deleteResponse(r, h);
      break;
    case "txn":
      op.responseTxn = txnResponse(r, h);
      break;
    default:
      assertNever(r);
  }
  return op;
}
