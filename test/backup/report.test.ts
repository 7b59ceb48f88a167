import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BackupError,
  encodeReport,
  type JobReport,
  parseJobReport,
  reportBytesMax,
} from "../../src/backup/index.ts";
import { failureReport } from "../../src/backup/report.ts";

const report = (message: string): JobReport => ({
  outcome: "Failed",
  reason: "SnapshotFailed",
  message,
  seconds: { total: 1.5 },
});

test("encodeReport() keeps a report within what Kubernetes keeps, and it can be read back", () => {
  for (const message of ["short", "x".repeat(9000), "ü€😀".repeat(2000), '\\"\n'.repeat(3000)]) {
    const text = encodeReport(report(message));
    assert.ok(Buffer.byteLength(text) <= reportBytesMax, `${Buffer.byteLength(text)} bytes`);
    const back = parseJobReport(text);
    assert.deepEqual({ ...back, message: "" }, report(""));
    const start = back?.message.replace(/\.\.\.$/, "") ?? "?";
    assert.ok(message.startsWith(start), "the message is the beginning of what was said");
    assert.ok(message.length < 1000 || start.length > 500, "no more is cut than must be");
  }
});

test("parseJobReport() takes nothing but a report", () => {
  for (const text of ["", "Killed", "{}", "[]", "null", '{"outcome":"Succeeded"}', '"x"']) {
    assert.equal(parseJobReport(text), undefined, text);
  }
});

test("failureReport() names the reason of failures it knows", () => {
  const known = failureReport(new BackupError("BucketMissing", "no bucket"), { total: 1 });
  assert.deepEqual([known.outcome, known.reason], ["Failed", "BucketMissing"]);
  assert.equal(failureReport(new TypeError("a bug"), {}).reason, "Unexpected");
});
