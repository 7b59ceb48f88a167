import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom } from "../../src/io/index.ts";

test("below() stays in its range and reaches all of a small one", () => {
  const random = createRandom();
  const seen = new Set<number>();
  for (let i = 0; i < 2000; i++) seen.add(random.below(7));
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(random.below(1), 0);
  for (let i = 0; i < 100; i++) assert(Number.isSafeInteger(random.below(Number.MAX_SAFE_INTEGER)));
  assert.throws(() => random.below(0), /positive safe integer/);
});

test("bits64() fills 64 bits and does not repeat", () => {
  const random = createRandom();
  const drawn = Array.from({ length: 1000 }, () => random.bits64());
  assert.equal(new Set(drawn).size, 1000);
  assert(drawn.every((b) => b >= 0n && b < 1n << 64n));
  assert(drawn.some((b) => b >= 1n << 63n));
});
