import assert from "node:assert/strict";
import { test } from "node:test";
import { digestJob, type ObservedBackup } from "../../src/operator/backup/observe.ts";
import { planBackup } from "../../src/operator/backup/plan-backup.ts";
import type { Job, Pod } from "../../src/operator/types/index.ts";
import { ago, backup, cluster, failure, job, manifest, nowMs, success } from "./backup-records.ts";

const observed = (change: Partial<ObservedBackup> = {}): ObservedBackup => ({
  backup: backup(),
  cluster: cluster(),
  defaultImage: "quoin:dev",
  nowMs,
  ...change,
});

const plan = (change: Partial<ObservedBackup> = {}) => planBackup(observed(change));
const told = (change: Partial<ObservedBackup> = {}): string => {
  const { status } = plan(change);
  return `${status.phase} ${status.reason ?? ""}`.trimEnd();
};

test("planBackup() waits for the cluster and its members, then makes the Job of its name", () => {
  const { cluster: _none, ...nothing } = observed();
  assert.equal(planBackup(nothing).status.reason, "ClusterNotFound");
  assert.equal(told({ cluster: cluster({ members: [] }) }), "Pending ClusterNotReady");
  const { step, status } = plan();
  assert.equal(status.job, "one");
  assert.ok(step?.kind === "create");
  assert.equal(`${step.object.kind} ${step.object.metadata.name}`, "Job one");
});

test("planBackup() keeps a refusal of the Job on record until a try succeeds", () => {
  const first = plan();
  const refused = first.refused?.("exceeded quota");
  assert.equal(refused?.reason, "JobRefused");
  assert.match(refused?.message ?? "", /exceeded quota/);
  const second = plan({ backup: backup({}, refused) });
  assert.deepEqual(second.status, refused);
  assert.equal(second.step?.kind, "create");
});

test("planBackup() tells what the Job is about while it runs", () => {
  assert.equal(told({ job: job() }), "Running Running");
  assert.equal(told({ job: job({ stuck: "ErrImagePull" }) }), "Running BackupStuck");
  const again = plan({ job: job({ report: failure("ClusterUnreachable") }) });
  assert.equal(again.status.reason, "AttemptFailed");
  assert.match(again.status.message ?? "", /ClusterUnreachable: it was/);
  assert.equal(told({ job: job({ controller: "other" }) }), "Pending NameConflict");
});

test("planBackup() believes a success only with a manifest of this very backup", () => {
  const { status, news } = plan({ job: job({ state: "complete", report: success() }) });
  assert.equal(status.phase, "Succeeded");
  assert.equal(status.reason, undefined);
  assert.equal(status.artifact?.checksum, "sha256:ab");
  assert.equal(status.startTime, manifest().startTime);
  assert.equal(news?.reason, "BackupSucceeded");
  for (const report of [
    success({ backup: "shop/two" }),
    { ...success(), uri: "s3://other/shop/demo/x.db" },
    { outcome: "Succeeded", message: "deleted", seconds: {} } as const,
  ]) {
    assert.equal(told({ job: job({ state: "complete", report }) }), "Unknown ResultUnknown");
  }
});

test("planBackup() warns of what a cluster without a quorum may lack", () => {
  const report = success({ possiblyStale: true });
  const { status, news } = plan({ job: job({ state: "complete", report }) });
  assert.equal(status.possiblyStale, true);
  assert.equal(news?.type, "Warning");
  assert.match(news?.message ?? "", /keep older backups/);
});

test("planBackup() never calls a Job without a report a success", () => {
  const ended = { state: "complete", endTime: ago(0) } as const;
  assert.equal(told({ job: job(ended) }), "Unknown ResultUnknown");
  const failed = { ...ended, state: "failed" } as const;
  assert.equal(told({ job: job({ ...failed, lastWords: "OOMKilled" }) }), "Unknown ResultUnknown");
  assert.equal(told({ backup: backup({}, { startTime: ago(1) }) }), "Unknown ResultUnknown");
  const adopted = { annotations: { "quoin.dev/job-uid": "x" } };
  assert.equal(told({ backup: backup({}, {}, adopted) }), "Unknown ResultUnknown");
  const { status } = plan({ job: job({ ...failed, lastWords: "OOMKilled" }) });
  assert.match(status.message ?? "", /OOMKilled.*Earlier backups are untouched.*Make another/);
  assert.equal(status.conditions?.[0]?.status, "Unknown");
});

test("planBackup() gives the report's reason, and the deadline as one", () => {
  const failed = { state: "failed", endTime: ago(0) } as const;
  const denied = job({ ...failed, report: failure("AccessDenied") });
  assert.equal(told({ job: denied }), "Failed AccessDenied");
  const late = job({ ...failed, failure: "DeadlineExceeded", report: failure("Interrupted") });
  assert.equal(told({ job: late }), "Failed DeadlineExceeded");
  const drill = { ...failure("DrillFailed"), manifest: manifest(), uri: success().uri ?? "" };
  const stored = plan({ job: job({ ...failed, report: drill }) });
  assert.equal(stored.status.artifact?.revision, 7);
  assert.equal(stored.status.verified, undefined);
});

test("planBackup() leaves an ended backup as it is, whatever becomes of its Job", () => {
  const status = plan({ job: job({ state: "complete", report: success() }) }).status;
  const later = plan({ backup: backup({}, status) });
  assert.deepEqual(later, { status });
});

const held = { finalizers: ["quoin.dev/delete-artifact"] };
const doomed = { ...held, deletionTimestamp: ago(0.01) };
const stored = planBackup(observed({ job: job({ state: "complete", report: success() }) })).status;

test("planBackup() holds a deletion only where the artefact is to go, and lets go in the end", () => {
  const hold = (change: Partial<ObservedBackup>) => plan(change).step;
  assert.deepEqual(hold({ backup: backup({ deletionPolicy: "Delete" }) }), {
    kind: "hold",
    held: true,
  });
  assert.deepEqual(hold({ backup: backup({}, stored, held) }), { kind: "hold", held: false });
  assert.equal(hold({ backup: backup({}, stored, { deletionTimestamp: ago(0) }) }), undefined);

  const spec = { deletionPolicy: "Delete" } as const;
  const going = backup(spec, stored, doomed);
  const step = hold({ backup: going });
  assert.ok(step?.kind === "create");
  const args = (step.object as Job).spec?.template.spec?.containers[0]?.args ?? [];
  assert.ok(args.includes("--key=shop/demo/20260101T000000Z-00000000.db.zst"), args.join(" "));
  assert.ok(args.includes("--lineage=lin"));
  assert.equal(hold({ backup: going, deleteJob: job() }), undefined);
  const gone = plan({ backup: going, deleteJob: job({ state: "complete" }) });
  assert.equal(gone.news?.reason, "ArtifactDeleted");
  const failed = job({ state: "failed", report: failure("AccessDenied") });
  const left = plan({ backup: going, deleteJob: failed });
  assert.deepEqual(left.step, { kind: "hold", held: false });
  assert.match(left.news?.message ?? "", /s3:\/\/b\/p.*left where it is.*it was AccessDenied/);
  const old = backup(spec, stored, { ...held, deletionTimestamp: ago(1) });
  assert.deepEqual(plan({ backup: old }).step, { kind: "hold", held: false });
});

test("planBackup() ends a running Job before a backup that takes its artefact with it goes", () => {
  const spec = { deletionPolicy: "Delete" } as const;
  const going = backup(spec, { phase: "Running" }, doomed);
  const step = plan({ backup: going, job: job() }).step;
  assert.equal(step?.kind === "delete" && step.target, "Job");
  assert.equal(plan({ backup: going, job: job({ deleting: true }) }).step, undefined);
  assert.deepEqual(plan({ backup: going }).step, { kind: "hold", held: false });
});

const pod = (made: string, message: string, exitCode = 1, reason = "Error"): Pod =>
  ({
    metadata: { name: made, creationTimestamp: made },
    status: { containerStatuses: [{ state: { terminated: { exitCode, message, reason } } }] },
  }) as unknown as Pod;

test("digestJob() prefers a success of any attempt, else the last word, and knows no report from one", () => {
  const object = { metadata: { name: "one" }, status: {} } as unknown as Job;
  const bad = pod(ago(3), JSON.stringify(failure("ClusterUnreachable")));
  const good = pod(ago(2), JSON.stringify(success()), 0, "Completed");
  const killed = pod(ago(1), "", 137, "OOMKilled");
  assert.equal(digestJob(object, [bad, good, killed], nowMs).report?.outcome, "Succeeded");
  assert.equal(digestJob(object, [killed, bad], nowMs).report?.reason, "ClusterUnreachable");
  const silent = digestJob(object, [killed], nowMs);
  assert.equal(silent.report, undefined);
  assert.equal(silent.lastWords, "OOMKilled");
  assert.equal(digestJob(object, [bad], nowMs).state, "running");
  const final = pod(ago(1), JSON.stringify(failure("AccessDenied")), 3);
  assert.equal(digestJob(object, [final], nowMs).state, "failed", "no other attempt will be made");
  const other = digestJob(object, [pod(ago(1), '{"hello": 1}')], nowMs);
  assert.equal(other.report, undefined);
  assert.match(other.lastWords ?? "", /exit code 1: \{"hello": 1\}/);
});
