import assert from "node:assert/strict";
import { test } from "node:test";
import { LongAnswer, sizeOfKvs } from "../../src/api/v3/long-answers.ts";
import { rpcpb } from "../../src/proto/index.ts";

const kvOf = (bytes: number, fill: number): Uint8Array => new Uint8Array(bytes).fill(fill);
const answerOf = (kvs: readonly Uint8Array[]): LongAnswer => {
  const answer = new LongAnswer();
  answer.kvs(kvs);
  return answer;
};

test("a long answer is encoded as the generated codec does, whatever the sizes of its key values", () => {
  const sizes = [0, 1, 127, 128, 8191, 8192, 100_000, 16_383, 300_000, 5, 2 ** 21];
  const kvs = [...sizes, ...Array<number>(600).fill(1000)].map((n, i) => kvOf(n, i & 255));
  const message = answerOf(kvs).end();
  const expected = rpcpb.encodeEncodedRangeResponse(
    rpcpb.newEncodedRangeResponse({ kvs: kvs as Uint8Array[] }),
  );
  assert.ok(Buffer.concat(message).equals(expected));
  assert.equal(sizeOfKvs(kvs), expected.length);
});

test("its buffers are used again when it was written, and not before", () => {
  const first = answerOf([kvOf(1000, 1)]).end();
  const second = answerOf([kvOf(1000, 2)]).end();
  const buffers = [first, second].map(([part]) => part!.buffer);
  assert.notEqual(buffers[0], buffers[1]);
  first.onWritten();
  // Told twice, it gives its buffers back once.
  first.onWritten();
  const third = answerOf([kvOf(1000, 3)]).end();
  const fourth = answerOf([kvOf(1000, 4)]).end();
  assert.equal(third[0]!.buffer, buffers[0]);
  assert.ok(![buffers[0], buffers[1]].includes(fourth[0]!.buffer));
  assert.equal(second[0]![10], 2);
});
