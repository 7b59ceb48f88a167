import assert from "node:assert/strict";
import { test } from "node:test";
import { RpcError } from "../../src/client/index.ts";
import { Results } from "../../src/ctl/check/load.ts";
import { verdict } from "../../src/ctl/check/perf.ts";

test("verdict() fails a check for errors and for too few writes", async () => {
  const results = new Results();
  for (let i = 0; i < 3; i++) await results.note(Promise.resolve());
  await results.note(Promise.reject(new RpcError(8, "etcdserver: too many requests", "")));
  const { text, passed } = verdict(results, 1e12);
  assert.equal(passed, false);
  assert.match(
    text,
    /^FAIL: too many errors\nFAIL: ERROR\(etcdserver: too many requests\) -> 1\nFAIL: Throughput too low: \d+ writes\/s\nPASS: Slowest request took 0\.\d{6}s\nPASS: Stddev is 0\.\d{6}s\nFAIL\n$/,
  );
});

test("verdict() passes a fast check", async () => {
  const results = new Results();
  for (let i = 0; i < 3; i++) await results.note(Promise.resolve());
  const { text, passed } = verdict(results, 1e-9);
  assert.equal(passed, true);
  assert.match(text, /^PASS: Throughput is \d+ writes\/s\n[\s\S]*\nPASS\n$/);
});
