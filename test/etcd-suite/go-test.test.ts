import assert from "node:assert/strict";
import { test } from "node:test";
import { unexpectedSkips } from "../../e2e/etcd-suite/expected.ts";
import { readResult } from "../../e2e/etcd-suite/go-test.ts";

const output = (lines: string): string => lines.replace(/^ {4}/gm, "");

test("readResult() reads cases, and why one was skipped, past the servers' log", () => {
  const result = readResult(
    "TestA",
    output(`=== RUN   TestA
    === RUN   TestA/one
        logger.go:146: 2026 INFO --- FAIL: not a verdict
    === RUN   TestA/two
        hashkv_test.go:44: Skipping test for single-member cluster
    --- PASS: TestA (1.50s)
        --- PASS: TestA/one (1.00s)
        --- SKIP: TestA/two (0.00s)
    PASS\r`),
    0,
  );
  assert.deepEqual(result, {
    test: "TestA",
    outcome: "passed",
    seconds: 1.5,
    cases: [
      { name: "TestA/one", outcome: "passed", reason: "" },
      { name: "TestA/two", outcome: "skipped", reason: "Skipping test for single-member cluster" },
    ],
    detail: "",
  });
  assert.deepEqual(unexpectedSkips(result), []);
});

test("readResult() keeps what a failed test said, and no log", () => {
  const result = readResult(
    "TestA",
    output(`=== RUN   TestA
        logger.go:146: noise
        kv_test.go:7: key is not there
    --- FAIL: TestA (0.10s)
    FAIL`),
    1,
  );
  assert.equal(result.outcome, "failed");
  assert.match(result.detail, /key is not there/);
  assert.doesNotMatch(result.detail, /noise/);
});

test("readResult() takes a program that ends without a verdict, or after one with an error, as failed", () => {
  const panicked = readResult("TestA", "=== RUN   TestA\npanic: boom", 2);
  assert.equal(panicked.outcome, "failed");
  assert.match(panicked.detail, /panic: boom\nthe test program ended with code 2/);
  assert.equal(readResult("TestA", "--- PASS: TestA (0.10s)\nleaked", 1).outcome, "failed");
});

test("unexpectedSkips() names skips that a real etcd does not have", () => {
  const skipped = "=== RUN   TestA/one\n    cluster.go:475: run 'make gofail-enable'\n";
  const one = readResult(
    "TestA",
    `${skipped}--- PASS: TestA (1s)\n    --- SKIP: TestA/one (0.0s)`,
    0,
  );
  assert.deepEqual(unexpectedSkips(one).length, 1);
  assert.deepEqual(unexpectedSkips(readResult("TestA", "--- SKIP: TestA (0.00s)", 0)), ["TestA"]);
  const known = readResult("TestSnapshotWithNoAuth", "--- SKIP: TestSnapshotWithNoAuth (0.00s)", 0);
  assert.deepEqual(unexpectedSkips(known), []);
});
