import assert from "node:assert/strict";
import { test } from "node:test";
import { SimpleTokens } from "../../../src/core/auth/index.ts";

test("a token lives from its last use on", () => {
  const tokens = new SimpleTokens(10_000);
  tokens.assign("t", "u", 0);
  assert.equal(tokens.use("t", 9000), "u");
  assert.equal(tokens.use("t", 18_999), "u");
  assert.equal(tokens.use("t", 29_000), undefined);
  tokens.sweep(29_000);
  assert.equal(tokens.size, 0);
});

test("sweep() leaves those that were used since", () => {
  const tokens = new SimpleTokens(10_000);
  for (const name of ["a", "b", "c"]) tokens.assign(name, name, 0);
  tokens.use("a", 5000);
  tokens.sweep(10_000);
  assert.deepEqual([tokens.size, tokens.use("a", 10_000)], [1, "a"]);
});

test("a user's tokens can be forgotten, and all", () => {
  const tokens = new SimpleTokens(10_000);
  for (const name of ["a1", "a2", "b1"]) tokens.assign(name, name.slice(0, 1), 0);
  tokens.forgetUser("a");
  assert.deepEqual([tokens.use("a1", 1), tokens.use("b1", 1)], [undefined, "b"]);
  tokens.forgetAll();
  assert.equal(tokens.use("b1", 1), undefined);
});

test("there is a limit to how many are kept: the one used longest ago goes", () => {
  const tokens = new SimpleTokens(10_000);
  for (let i = 0; i < 100_001; i++) tokens.assign(`t${i}`, "u", 0);
  assert.deepEqual(
    [tokens.size, tokens.use("t0", 1), tokens.use("t1", 1)],
    [100_000, undefined, "u"],
  );
});
