import assert from "node:assert/strict";
import { test } from "node:test";
import { buildCronJob } from "../../src/operator/backup/cron-job.ts";
import type { ObservedSchedule } from "../../src/operator/backup/observe.ts";
import { planSchedule } from "../../src/operator/backup/plan-schedule.ts";
import type { EtcdBackup, EtcdBackupScheduleSpec } from "../../src/operator/types/index.ts";
import { ago, backup, cluster, done, observedSchedule, schedule } from "./backup-records.ts";

const plan = (change: Partial<ObservedSchedule> = {}) => planSchedule(observedSchedule(change));

/** With its CronJob in place. */
function steady(
  spec: Partial<EtcdBackupScheduleSpec>,
  backups: readonly EtcdBackup[],
  change: Partial<ObservedSchedule> = {},
) {
  const s = schedule(spec, { cronJob: "nightly-backup" });
  const cronJob = buildCronJob(s, cluster(), "quoin:dev");
  return plan({ schedule: s, cronJob, backups, ...change });
}

const ready = (p: ReturnType<typeof plan>): string => {
  const condition = p.status.conditions?.[0];
  return `${condition?.status} ${condition?.reason}`;
};
const messageOf = (p: ReturnType<typeof plan>): string => p.status.conditions?.[0]?.message ?? "";

test("planSchedule() makes the immediate backup once, then the CronJob", () => {
  const fresh = schedule({ immediate: true });
  const first = plan({ schedule: fresh }).step;
  assert.ok(first?.kind === "create");
  assert.equal(first.object.metadata.name, "nightly-immediate");
  const made = backup({}, {}, { name: "nightly-immediate" });
  const second = plan({ schedule: fresh, backups: [made] }).step;
  assert.ok(second?.kind === "apply");
  assert.equal(second.object.metadata.name, "nightly-backup");
  assert.equal(steady({ immediate: true }, []).step, undefined);
});

test("planSchedule() needs a cluster with members, and goes on without when it had one", () => {
  const { cluster: _gone, ...without } = observedSchedule();
  const none = planSchedule(without);
  assert.equal(ready(none), "False ClusterNotFound");
  assert.equal(none.step, undefined);
  assert.equal(ready(plan({ cluster: cluster({ members: [] }) })), "False ClusterNotReady");
  const s = schedule();
  const cronJob = buildCronJob(s, cluster(), "quoin:dev");
  const lost = planSchedule({ ...without, cronJob, backups: [done("a", 1, "verified")] });
  assert.match(messageOf(lost), /the CronJob goes on with the members it knows/);
});

test("planSchedule() follows the members and the spec with its CronJob, and leaves a foreign one", () => {
  const s = schedule();
  const cronJob = buildCronJob(s, cluster(), "quoin:dev");
  assert.equal(plan({ schedule: s, cronJob }).step, undefined);
  const [member] = cluster().status?.members ?? [];
  const moved = cluster({ members: member ? [member] : [] });
  assert.equal(plan({ schedule: s, cronJob, cluster: moved }).step?.kind, "apply");
  assert.equal(plan({ schedule: schedule({ suspend: true }), cronJob }).step?.kind, "apply");
  const edited = { ...cronJob, spec: { ...cronJob.spec, suspend: true } } as typeof cronJob;
  assert.equal(plan({ schedule: s, cronJob: edited }).step?.kind, "apply");
  const foreign = { ...cronJob, metadata: { ...cronJob.metadata, ownerReferences: [] } };
  const conflict = plan({ schedule: s, cronJob: foreign });
  assert.equal(ready(conflict), "False NameConflict");
  assert.equal(conflict.step, undefined);
});

test("planSchedule() makes one EtcdBackup for each Job, with the Job's own options", () => {
  const options = { clusterRef: { name: "demo" }, destination: { s3: { bucket: "before" } } };
  const job = { name: "nightly-backup-1", uid: "j1", adopted: false, options };
  const { step } = plan({ jobs: [job] });
  assert.ok(step?.kind === "create");
  const made = step.object as EtcdBackup;
  assert.equal(made.spec.destination.s3?.bucket, "before");
  assert.equal(made.metadata.annotations?.["quoin.dev/job-uid"], "j1");
  const adopted = { kind: "adopted", job: job.name, uid: "j1" };
  const named = backup({}, {}, { name: job.name });
  assert.deepEqual(plan({ jobs: [job], backups: [named] }).step, adopted);
  // Somebody deleted it: it is not made again.
  assert.notDeepEqual(plan({ jobs: [{ ...job, adopted: true }] }).step, step);
  const taken = plan({ jobs: [job], foreignBackups: new Set([job.name]) });
  assert.deepEqual(taken.step, adopted);
  assert.equal(taken.news?.reason, "NameConflict");
});

test("planSchedule() keeps the history it is told, and always the newest verified backup", () => {
  const good = [1, 2, 3].map((i) => done(`good-${i}`, i, "stored"));
  const verified = done("verified", 9, "verified");
  const bad = [4, 5, 6].map((i) => done(`bad-${i}`, i, "Failed"));
  const limits = { successfulBackupsHistoryLimit: 2, failedBackupsHistoryLimit: 1 };
  const left = new Map([...good, verified, ...bad].map((b) => [b.metadata.name, b]));
  const deleted: string[] = [];
  for (;;) {
    const { step } = steady(limits, [...left.values()]);
    if (step?.kind !== "delete") break;
    deleted.push(step.name);
    left.delete(step.name);
  }
  assert.deepEqual(deleted, ["bad-6", "bad-5", "good-3"]);
  assert.deepEqual([...left.keys()], ["good-1", "good-2", "verified", "bad-4"]);
  const running = backup({}, { phase: "Running" }, { name: "now" });
  assert.equal(steady({ failedBackupsHistoryLimit: 0 }, [running]).step, undefined);
});

test("a schedule whose CronJob is not made yet is not ready, whatever its immediate backup did", () => {
  const p = plan({ schedule: schedule({}), backups: [done("a", 1, "verified")] });
  assert.equal(p.step?.kind, "apply");
  assert.equal(ready(p), "False NotScheduled");
});

test("BackupReady tells of the promise, of failures and of suspension, in this order", () => {
  const day = { rpoSeconds: 24 * 3600 };
  const table: [Partial<EtcdBackupScheduleSpec>, readonly EtcdBackup[], string][] = [
    [{}, [], "False NeverBackedUp"],
    [{}, [done("a", 1, "stored")], "False NeverBackedUp"],
    [{ verify: "None" }, [done("a", 1, "stored")], "True UpToDate"],
    [{}, [done("a", 1, "verified")], "True UpToDate"],
    [{}, [done("a", 2, "verified"), done("b", 1, "Failed")], "False LastBackupFailed"],
    [{}, [done("a", 2, "verified"), done("b", 1, "Unknown")], "False LastBackupFailed"],
    [{}, [done("a", 1, "verified"), done("b", 2, "Failed")], "True UpToDate"],
    [{ suspend: true }, [done("a", 1, "verified")], "False Suspended"],
    [day, [done("a", 2, "verified"), done("b", 1, "Failed")], "True UpToDate"],
    [{ ...day, suspend: true }, [done("a", 2, "verified")], "True UpToDate"],
    [day, [done("a", 25, "verified")], "False RPOExceeded"],
    [day, [done("a", 25, "verified"), done("b", 1, "stored")], "False RPOExceeded"],
    [day, [], "False NeverBackedUp"],
  ];
  for (const [spec, backups, expected] of table) {
    assert.equal(ready(steady(spec, backups)), expected, JSON.stringify(spec));
  }
});

test("BackupReady says what can be restored and what went wrong", () => {
  const backups = [done("a", 25, "verified"), done("b", 2, "Failed"), done("c", 1, "Failed")];
  const p = steady({ rpoSeconds: 3600, suspend: true }, backups);
  assert.match(messageOf(p), /older than rpoSeconds \(3600\)/);
  assert.match(messageOf(p), new RegExp(`a holds all that was acknowledged before ${ago(25)}`));
  assert.match(messageOf(p), /It can be restored/);
  assert.match(messageOf(p), /c, failed \(2 in a row\): BucketMissing: no such bucket/);
  assert.match(messageOf(p), /spec.suspend is true/);
  assert.equal(p.status.consecutiveFailures, 2);
  assert.equal(p.status.lastVerifiedBackup, "a");
  assert.equal(p.news?.type, "Warning");
});

test("planSchedule() looks again when the promise would break", () => {
  const spec = { rpoSeconds: 3605 };
  assert.equal(steady(spec, [done("a", 1, "verified")]).requeueMs, 5_000);
  assert.equal(steady(spec, [done("a", 2, "verified")]).requeueMs, 20_000);
});

test("planSchedule() keeps a refusal of the CronJob on record until a try succeeds", () => {
  const first = plan();
  const refused = first.refused?.("unknown time zone Mars");
  assert.equal(refused?.conditions?.[0]?.reason, "CronJobRefused");
  const again = plan({ schedule: schedule({}, refused) });
  assert.equal(ready(again), "False CronJobRefused");
  assert.equal(again.step?.kind, "apply");
});

test("planSchedule() promises nothing of backups made without a quorum, and keeps the one before them", () => {
  const stale = [1, 2, 3].map((i) => {
    const b = done(`stale-${i}`, i, "verified");
    return { ...b, status: { ...b.status, possiblyStale: true } };
  });
  const told = steady({}, [...stale, done("whole", 9, "verified")]);
  assert.equal(told.step, undefined, "the only whole one stays, beyond the limit of 3");
  assert.equal(told.status.lastVerifiedBackup, "stale-1");
  assert.match(messageOf(told), /stale-1 was made at .* without a quorum and may lack/);
  assert.match(
    messageOf(told),
    /whole holds all that was acknowledged before 2026-01-01T15:00:00Z/,
  );
  assert.doesNotMatch(messageOf(steady({}, stale)), /holds all/);
  const promise = { rpoSeconds: 2 * 3600 };
  assert.equal(ready(steady(promise, [...stale, done("whole", 1, "verified")])), "True UpToDate");
  assert.equal(
    ready(steady(promise, [...stale, done("whole", 9, "verified")])),
    "False RPOExceeded",
  );
  assert.equal(ready(steady(promise, stale)), "False RPOExceeded");
});
