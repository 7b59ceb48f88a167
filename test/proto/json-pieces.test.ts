import assert from "node:assert/strict";
import { test } from "node:test";
import type { Revision } from "../../src/core/types.ts";
import { loadServices, ProtoError, rpcpb } from "../../src/proto/index.ts";

const { serviceMethods } = await loadServices();

const methodAt = (path: string) => {
  const method = serviceMethods.find((m) => m.path === path);
  assert.ok(method !== undefined);
  return method;
};
const range = methodAt("/etcdserverpb.KV/Range");
const txn = methodAt("/etcdserverpb.KV/Txn");

const header = {
  clusterId: 18_000_000_000_000_000_001n as never,
  memberId: 7n as never,
  revision: 99 as Revision,
  raftTerm: 3 as never,
};

const list = (count: number, valueBytes: number, more = {}): rpcpb.RangeResponse =>
  rpcpb.newRangeResponse({
    header,
    kvs: Array.from({ length: count }, (_, i) => ({
      key: Buffer.from(`k/${i}`),
      createRevision: 2 as Revision,
      modRevision: (i % 3) as Revision,
      version: 1 as never,
      value: Buffer.alloc(valueBytes, i),
      lease: 0n as never,
    })),
    ...more,
  });

/** Equal to the whole; no piece longer than the bound and what one value adds. */
function assertPieces(method: typeof range, message: Uint8Array, longest: number): number {
  const pieces = [...method.toJsonPieces(message)];
  assert.equal(pieces.join(""), method.toJson(message));
  assert.ok(pieces.every(({ length }) => length <= longest));
  return pieces.length;
}

test("jsonPieces() are together what the message is as a whole, and none is long", () => {
  const lists = [list(0, 0), list(1, 1), list(3000, 100, { count: 3000, more: true }), list(0, 0)];
  for (const one of lists) assertPieces(range, rpcpb.encodeRangeResponse(one), 70_000);
  const many = rpcpb.encodeRangeResponse(list(10_000, 0));
  assert.ok(assertPieces(range, many, 70_000) > 8);
  const large = rpcpb.encodeRangeResponse(list(3, 400_000, { count: 3 }));
  assert.ok(assertPieces(range, large, 640_000) >= 3);

  const answers = lists.map((one) => rpcpb.newResponseOp({ responseRange: one }));
  const inner = rpcpb.newTxnResponse({ succeeded: true, responses: answers });
  const outer = rpcpb.newTxnResponse({
    header,
    responses: [...answers, rpcpb.newResponseOp({ responseTxn: inner }), ...answers],
  });
  assert.ok(assertPieces(txn, rpcpb.encodeTxnResponse(outer), 70_000) > 10);
});

test("jsonPieces() of fields in any order, told twice and unknown ones are as protobuf has them", () => {
  const part = (one: Partial<rpcpb.RangeResponse>): Uint8Array =>
    rpcpb.encodeRangeResponse(rpcpb.newRangeResponse(one));
  const { kvs } = list(1000, 100);
  const unknown = Buffer.from([0xfa, 0x3f, 3, 1, 2, 3]);
  const message = Buffer.concat([
    part({ kvs: kvs.slice(0, 500), count: 5 as never }),
    unknown,
    part({ header: { ...header, revision: 1 as Revision } }),
    part({ kvs: kvs.slice(500), more: true }),
    part({ header: rpcpb.newResponseHeader({ revision: 8 as Revision }), count: 9 as never }),
  ]);
  assertPieces(range, message, 70_000);
});

test("jsonPieces() refuses a message that is cut off", () => {
  const message = rpcpb.encodeRangeResponse(list(1000, 100));
  assert.throws(() => [...range.toJsonPieces(message.subarray(0, -1))], ProtoError);
});
