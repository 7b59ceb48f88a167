import assert from "node:assert/strict";
import { test } from "node:test";
import { rpcpb } from "../../src/proto/index.ts";
import { decodeLogged, PendingRequests, timeoutError } from "../../src/server/requests.ts";

const request = (bytes: number): rpcpb.InternalRaftRequest => {
  const put = rpcpb.newPutRequest({ key: Buffer.from("k"), value: Buffer.alloc(bytes) });
  return rpcpb.newInternalRaftRequest({ put });
};

test("add() refuses what is beyond the number or the bytes, until others are answered", () => {
  const byCount = new PendingRequests(1n, { count: 2, bytes: 1e6 });
  const first = byCount.add(request(1), 10, () => undefined);
  assert.ok(first !== undefined && byCount.add(request(1), 10, () => undefined) !== undefined);
  assert.equal(
    byCount.add(request(1), 10, () => undefined),
    undefined,
  );
  byCount.takeByData(first.data);
  assert.ok(byCount.add(request(1), 10, () => undefined) !== undefined);

  const byBytes = new PendingRequests(1n, { count: 100, bytes: 1000 });
  assert.ok(byBytes.add(request(900), 10, () => undefined) !== undefined);
  assert.ok(byBytes.add(request(900), 10, () => undefined) !== undefined, "one may overshoot");
  assert.equal(
    byBytes.add(request(1), 10, () => undefined),
    undefined,
  );
  byBytes.expire(10, timeoutError());
  assert.equal(byBytes.failed, 2);
  assert.ok(byBytes.add(request(1), 10, () => undefined) !== undefined);
});

test("decodeLogged() reads what a client may nest, which is one level deeper in the log", () => {
  const wrap = (tags: readonly number[], inner: Buffer): Buffer =>
    tags.reduceRight<Buffer>((bytes, tag) => {
      const length: number[] = [];
      for (let n = bytes.byteLength; ; n >>>= 7) {
        if (n < 128) {
          length.push(n);
          break;
        }
        length.push((n & 127) | 128);
      }
      return Buffer.concat([Buffer.from([tag, ...length]), bytes]);
    }, inner);
  // TxnRequest.success, RequestOp.request_txn, ...: two levels each.
  const deepest = (levels: number) =>
    wrap(
      Array.from({ length: levels }, (_, i) => (i % 2 === 0 ? 0x12 : 0x22)),
      Buffer.alloc(0),
    );
  const request = deepest(2000);
  assert.doesNotThrow(() => rpcpb.decodeTxnRequest(request));
  assert.throws(() => rpcpb.decodeTxnRequest(deepest(2001)), /nest deeper than 2000/);
  const logged = wrap([0x32], request);
  assert.throws(() => rpcpb.decodeInternalRaftRequest(logged), /nest deeper/);
  assert.ok(decodeLogged(logged).txn !== undefined);
});
