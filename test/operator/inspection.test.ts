import assert from "node:assert/strict";
import { test } from "node:test";
import { observeInspections } from "../../src/operator/observe/inspection.ts";
import type { Job, Pod } from "../../src/operator/types/index.ts";

const labels = { "quoin.dev/member": "a-x", "quoin.dev/component": "inspect-job" };

function job(condition?: string): Job {
  const conditions = condition === undefined ? [] : [{ type: condition, status: "True" }];
  const metadata = { name: "a-x-inspect", uid: "j1", labels };
  return { apiVersion: "batch/v1", kind: "Job", metadata, status: { conditions } };
}

function pod(message: string | undefined): Pod {
  const terminated = { exitCode: 0, ...(message === undefined ? {} : { message }) };
  const containerStatuses = [{ name: "quoin", state: { terminated } }] as never;
  const metadata = { name: "a-x-inspect-1", uid: "p1", labels };
  return { apiVersion: "v1", kind: "Pod", metadata, status: { containerStatuses } };
}

const seen = (condition: string | undefined, ...pods: Pod[]) =>
  observeInspections({ jobs: [job(condition)], pods }, 0).get("a-x");

test("observeInspections() reads what the Job's pod said last", () => {
  const report = { lastLogTerm: 2, lastLogIndex: 9, revision: 5, clusterID: "c1", removed: false };
  assert.deepEqual(seen("Complete", pod(JSON.stringify(report))), {
    uid: "j1",
    state: "complete",
    deleting: false,
    found: report,
  });
  const error = { code: "empty", message: "holds no member" };
  assert.deepEqual(seen("Complete", pod(JSON.stringify({ error })))?.found, { error });
});

test("observeInspections() finds nothing in a lost or foreign message", () => {
  for (const message of [undefined, "", "{", "null", '{"level":"info"}']) {
    assert.equal(seen("Complete", pod(message))?.found, undefined, message);
  }
  assert.equal(seen("Failed")?.state, "failed");
  assert.equal(seen(undefined)?.state, "running");
});
