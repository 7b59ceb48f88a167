import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import protobuf from "protobufjs";
import { leaseId, memberId, revision } from "../../src/core/types.ts";
import { generate } from "../../src/proto/generate/main.ts";
import { ProtoError, Reader, raftpb, rpcpb, Writer } from "../../src/proto/index.ts";

const gen = join(import.meta.dirname, "../../src/proto/gen");
const schema = join(import.meta.dirname, "../../src/proto/schema");

test("generate() writes what is committed", () => {
  for (const [name, text] of generate()) {
    assert.equal(readFileSync(join(gen, name), "utf8"), text, `${name}: run npm run codecs`);
  }
});

test("counter() keeps every safe integer and clamps the rest", () => {
  const anySafe = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, 127, 128, 2 ** 32, 2 ** 53 - 1));
  fc.assert(
    fc.property(anySafe, (n) => {
      const w = new Writer(10);
      w.counter(n);
      assert.equal(new Reader(w.bytes.subarray(0, w.pos)).counter(), n);
    }),
  );
  const w = new Writer(10);
  w.id(2n ** 63n - 1n);
  assert.equal(new Reader(w.bytes).counter(), Number.MAX_SAFE_INTEGER);
});

test("id() keeps all 64 bits", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (n) => {
      const w = new Writer(10);
      w.id(n);
      assert.equal(new Reader(w.bytes.subarray(0, w.pos)).signedId(), n);
    }),
  );
});

test("encodeTxnRequest() is what protobufjs writes for the same message", () => {
  const root = new protobuf.Root();
  for (const name of ["mvccpb", "authpb", "membershippb", "rpcpb"]) {
    protobuf.parse(readFileSync(join(schema, `${name}.proto`), "utf8"), root, { keepCase: true });
  }
  const peer = root.lookupType("rpcpb.TxnRequest");
  const key = Buffer.from("k");
  const ours = rpcpb.encodeTxnRequest(
    rpcpb.newTxnRequest({
      compare: [
        rpcpb.newCompare({ result: 1, target: 2, key, modRevision: revision(0), rangeEnd: key }),
      ],
      success: [
        rpcpb.newRequestOp({
          requestPut: rpcpb.newPutRequest({
            key,
            value: Buffer.alloc(300, 7),
            lease: leaseId(-5n),
          }),
        }),
      ],
    }),
  );
  const theirs = peer
    .encode(
      peer.fromObject({
        compare: [{ result: 1, target: 2, key, mod_revision: 0, range_end: key }],
        success: [{ request_put: { key, value: Buffer.alloc(300, 7), lease: "-5" } }],
      }),
    )
    .finish();
  assert.deepEqual(Buffer.from(ours), Buffer.from(theirs));
});

test("decodeMessage() returns what encodeMessage() was given", () => {
  const entry = raftpb.newEntry({ data: Buffer.from("x") });
  const m = raftpb.newMessage({ type: 3, to: memberId(2n ** 64n - 1n), entries: [entry, entry] });
  assert.deepEqual(raftpb.decodeMessage(raftpb.encodeMessage(m)), m);
});

test("decode throws ProtoError, never anything else, for random bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        rpcpb.decodeTxnRequest(bytes);
      } catch (err) {
        assert.ok(err instanceof ProtoError, String(err));
      }
    }),
    { numRuns: 2000 },
  );
});
