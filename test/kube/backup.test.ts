// Backups above a real API server with its Job and CronJob controllers; pods end as the tests say.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JobReport, Manifest } from "../../src/backup/index.ts";
import { KubeError, type Resource, resources } from "../../src/operator/runtime/index.ts";
import type {
  CronJob,
  EtcdBackup,
  EtcdBackupSchedule,
  Job,
  KubeObject,
  Pod,
} from "../../src/operator/types/index.ts";
import { until } from "../until.ts";
import { makeBackup, makeSchedule, registerBackupSpecTests } from "./backup-spec-tests.ts";
import { api, make, settled, setUp, skip, startOperator, tearDown } from "./environment.ts";
import { type Ending, endings } from "./kubelet.ts";

/** How the pods of the Job of this name end, attempt by attempt; none: with a success. */
const scripts = new Map<string, (Ending | "run")[]>();
const deleted: string[] = [];

const argOf = (pod: Pod, flag: string): string =>
  pod.spec?.containers[0]?.args?.find((a) => a.startsWith(`--${flag}=`))?.split("=")[1] ?? "";
const jobOf = (pod: Pod): string => pod.metadata.labels?.["batch.kubernetes.io/job-name"] ?? "";

function manifest(pod: Pod): Manifest {
  const now = new Date().toISOString().replace(/\.\d+Z$/, "Z");
  const key = `default/a/20260101T000000Z-${jobOf(pod).slice(0, 8)}.db.zst`;
  return {
    format: "quoin-backup/v1",
    key,
    cluster: { namespace: "default", name: "a", clusterID: "c1" },
    lineage: argOf(pod, "lineage"),
    backup: argOf(pod, "backup").replace("$(BACKUP_NAME)", jobOf(pod)),
    compression: "zstd",
    sizeBytes: 100,
    sha256: "ab",
    snapshotBytes: 200,
    revision: 7,
    compactRevision: 1,
    hashKV: 5,
    quoinVersion: "0.1.0",
    possiblyStale: false,
    startTime: now,
    completionTime: now,
    verified: { kind: "Checksum", time: now },
  };
}

const says = (report: JobReport, exitCode = 0): Ending => ({
  exitCode,
  message: JSON.stringify(report),
});
/** For good, unless another exit code than 3 asks for another attempt. */
const fails = (reason: string, exitCode = 3): Ending =>
  says({ outcome: "Failed", reason, message: `it was ${reason}`, seconds: {} }, exitCode);
const succeeds = (pod: Pod): Ending => {
  const m = manifest(pod);
  const uri = `s3://backups/${m.key}`;
  return says({ outcome: "Succeeded", message: "stored", manifest: m, uri, seconds: {} });
};

/** The attempt this pod is, by its uid. */
const attempts = new Map<string, Map<string, number>>();

endings.set("backup-job", (pod) => {
  const job = jobOf(pod);
  const seen = attempts.get(job) ?? new Map<string, number>();
  attempts.set(job, seen);
  const uid = pod.metadata.uid ?? "";
  const attempt = seen.get(uid) ?? seen.size;
  seen.set(uid, attempt);
  const script = scripts.get(job);
  const step = script?.[Math.min(attempt, script.length - 1)];
  return step === "run" ? undefined : (step ?? succeeds(pod));
});
endings.set("backup-delete-job", (pod) => {
  deleted.push(`${argOf(pod, "key")} ${argOf(pod, "lineage")}`);
  return says({ outcome: "Succeeded", message: "deleted", seconds: {} });
});

before(async () => {
  if (!skip) await setUp();
});
after(tearDown);

registerBackupSpecTests();

const getBackup = (name: string): Promise<EtcdBackup> =>
  api.get(resources.etcdBackups, "default", name);
const getSchedule = (name: string): Promise<EtcdBackupSchedule> =>
  api.get(resources.etcdBackupSchedules, "default", name);

const ended = (name: string): Promise<EtcdBackup> =>
  until(`${name} to end`, async () => {
    const backup = await getBackup(name);
    const phase = backup.status?.phase ?? "";
    return ["Succeeded", "Failed", "Unknown"].includes(phase) && backup;
  });

const ready = (s: EtcdBackupSchedule): string => {
  const found = s.status?.conditions?.[0];
  return `${found?.status} ${found?.reason}`;
};

const isGone = async (resource: Resource, name: string): Promise<boolean> => {
  try {
    await api.get(resource, "default", name);
    return false;
  } catch (error) {
    if (error instanceof KubeError && error.status === 404) return true;
    throw error;
  }
};

async function aCluster(): Promise<void> {
  try {
    await api.create(resources.etcdClusters, make("a", {}));
  } catch (error) {
    if (!(error instanceof KubeError && error.status === 409)) throw error;
  }
  await settled("a", 1);
}

/** As `kubectl create job --from=cronjob/...` does. */
async function jobFrom(cronJob: string, name: string): Promise<void> {
  const from = await api.get<CronJob>(resources.cronJobs, "default", cronJob);
  const template = from.spec?.jobTemplate;
  const owner = { apiVersion: "batch/v1", kind: "CronJob", name: cronJob, controller: true };
  const job = {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name,
      namespace: "default",
      labels: template?.metadata?.labels ?? {},
      annotations: {
        ...template?.metadata?.annotations,
        "cronjob.kubernetes.io/instantiate": "manual",
      },
      ownerReferences: [{ ...owner, uid: from.metadata.uid ?? "" }],
    },
    spec: template?.spec,
  } as Job;
  await api.create<KubeObject>(resources.jobs, job);
}

test("an EtcdBackup waits for its cluster, then runs its Job and tells what is stored", {
  skip,
}, async () => {
  await using _operator = startOperator();
  await api.create(resources.etcdBackups, makeBackup("first", { deletionPolicy: "Delete" }));
  const waiting = await until("the backup to wait", async () => {
    const backup = await getBackup("first");
    return backup.status?.reason === "ClusterNotFound" && backup;
  });
  assert.equal(waiting.status?.phase, "Pending");
  await aCluster();
  const { status } = await ended("first");
  assert.equal(status?.phase, "Succeeded", status?.message);
  assert.equal(status?.artifact?.revision, 7);
  assert.equal(status?.verified?.kind, "Checksum");
  assert.deepEqual(
    status?.conditions?.map((c) => `${c.type} ${c.status} ${c.reason}`),
    ["Complete True Succeeded", "Verified True Checksum"],
  );
  const cluster = await api.get<KubeObject<unknown, { lineage?: string }>>(
    resources.etcdClusters,
    "default",
    "a",
  );
  assert.ok(cluster.status?.lineage);
  assert.equal(status?.lineage, cluster.status?.lineage);
  const job = await api.get<Job>(resources.jobs, "default", "first");
  const args = job.spec?.template.spec?.containers[0]?.args ?? [];
  assert.match(args.join(" "), /--endpoints=https:\/\/a-\w+-0\.a-peer\.default\.svc:2379/);
  assert.ok(args.includes("--backup=default/$(BACKUP_NAME)"), args.join(" "));

  await api.delete(resources.etcdBackups, "default", "first");
  await until("the backup to go", () => isGone(resources.etcdBackups, "first"));
  const [what = ""] = deleted;
  assert.match(what, /^default\/a\/20260101T000000Z-first\.db\.zst \w+$/);
});

test("a report that came while no operator ran is read by the next one", {
  skip,
}, async () => {
  scripts.set("between", ["run"]);
  {
    await using _first = startOperator();
    await aCluster();
    await api.create(resources.etcdBackups, makeBackup("between"));
    await until("the Job to run", async () => {
      return (await getBackup("between")).status?.phase === "Running";
    });
  }
  scripts.delete("between");
  await until("the Job to end", async () => {
    const { status } = await api.get<Job>(resources.jobs, "default", "between");
    return status?.succeeded === 1;
  });
  assert.equal((await getBackup("between")).status?.phase, "Running");
  await using _second = startOperator();
  assert.equal((await ended("between")).status?.phase, "Succeeded");
});

test("an EtcdBackup whose Job failed, was lost or never spoke says so and is no success", {
  skip,
}, async () => {
  await using _operator = startOperator();
  await aCluster();
  scripts.set("denied", [fails("AccessDenied")]);
  scripts.set("again", [fails("ClusterUnreachable", 1), "run"]);
  scripts.set("silent", [{ exitCode: 3, message: "" }]);
  scripts.set("late", ["run"]);
  scripts.set("gone", ["run"]);
  for (const name of ["denied", "silent", "again", "gone"]) {
    await api.create(resources.etcdBackups, makeBackup(name));
  }
  await api.create(resources.etcdBackups, makeBackup("late", { activeDeadlineSeconds: 3 }));

  const late = await ended("late");
  assert.equal(`${late.status?.phase} ${late.status?.reason}`, "Failed DeadlineExceeded");
  const again = await until("an attempt to be told", async () => {
    const backup = await getBackup("again");
    return backup.status?.reason === "AttemptFailed" && backup;
  });
  assert.match(again.status?.message ?? "", /ClusterUnreachable: it was ClusterUnreachable/);

  await until("the Job to run", async () => (await getBackup("gone")).status?.phase === "Running");
  await api.delete(resources.jobs, "default", "gone");
  const gone = await ended("gone");
  assert.equal(`${gone.status?.phase} ${gone.status?.reason}`, "Unknown ResultUnknown");
  assert.match(gone.status?.message ?? "", /Earlier backups are untouched.*Make another/);

  const denied = await ended("denied");
  assert.equal(`${denied.status?.phase} ${denied.status?.reason}`, "Failed AccessDenied");
  assert.match(denied.status?.message ?? "", /it was AccessDenied/);
  const silent = await ended("silent");
  assert.equal(`${silent.status?.phase} ${silent.status?.reason}`, "Unknown ResultUnknown");
  assert.match(silent.status?.message ?? "", /exit code 3/);
  assert.equal(silent.status?.conditions?.[0]?.status, "Unknown");
});

test("an EtcdBackupSchedule makes a CronJob, adopts its Jobs, keeps its history and its promise", {
  skip,
}, async () => {
  await using _operator = startOperator();
  await aCluster();
  const spec = { immediate: true, successfulBackupsHistoryLimit: 2, rpoSeconds: 60 };
  await api.create(resources.etcdBackupSchedules, makeSchedule("nightly", spec));
  const first = await ended("nightly-immediate");
  assert.equal(first.status?.phase, "Succeeded", first.status?.message);
  const up = await until("the schedule to be ready", async () => {
    const schedule = await getSchedule("nightly");
    return ready(schedule) === "True UpToDate" && schedule;
  });
  assert.equal(up.status?.cronJob, "nightly-backup");
  assert.equal(up.status?.lastVerifiedBackup, "nightly-immediate");
  const cronJob = await api.get<CronJob>(resources.cronJobs, "default", "nightly-backup");
  assert.equal(cronJob.spec?.concurrencyPolicy, "Forbid");

  for (const name of ["one", "two", "three"]) {
    await jobFrom("nightly-backup", name);
    const { status, metadata } = await ended(name);
    assert.equal(status?.phase, "Succeeded", status?.message);
    assert.equal(metadata.ownerReferences?.[0]?.name, "nightly");
  }
  await until("the history to be cut", async () => {
    const { items } = await api.list<EtcdBackup>(resources.etcdBackups, {
      namespace: "default",
      labelSelector: "quoin.dev/backup-schedule=nightly",
    });
    const { lastVerifiedBackup } = (await getSchedule("nightly")).status ?? {};
    return items.length === 2 && items.some((b) => b.metadata.name === lastVerifiedBackup);
  });
  // The Jobs are still there, and none is adopted twice.
  await api.get(resources.jobs, "default", "one");

  scripts.set("bad", [fails("BucketMissing")]);
  await api.patch(resources.etcdBackupSchedules, "default", "nightly", {
    spec: { suspend: true, rpoSeconds: null },
  });
  await jobFrom("nightly-backup", "bad");
  const failing = await until("the failure to be told", async () => {
    const schedule = await getSchedule("nightly");
    return ready(schedule) === "False LastBackupFailed" && schedule;
  });
  assert.match(failing.status?.conditions?.[0]?.message ?? "", /bad, failed: BucketMissing/);
  assert.equal(failing.status?.consecutiveFailures, 1);
  // The failure may be told by a pass that read the schedule before it was suspended.
  await until("the CronJob to be suspended", async () => {
    const paused = await api.get<CronJob>(resources.cronJobs, "default", "nightly-backup");
    return paused.spec?.suspend === true;
  });

  await api.patch(resources.etcdBackupSchedules, "default", "nightly", {
    spec: { timeZone: "Mars/Olympus" },
  });
  await until("the refusal to be told", async () => {
    return ready(await getSchedule("nightly")) === "False CronJobRefused";
  });
  await api.patch(resources.etcdBackupSchedules, "default", "nightly", {
    spec: { timeZone: "Europe/Berlin" },
  });
  await until("the refusal to be over", async () => {
    return ready(await getSchedule("nightly")) === "False LastBackupFailed";
  });

  await api.delete(resources.etcdBackupSchedules, "default", "nightly");
  await until("the children to go", async () => {
    return (
      (await isGone(resources.cronJobs, "nightly-backup")) &&
      (await isGone(resources.etcdBackups, "three"))
    );
  });
  await api.delete(resources.etcdClusters, "default", "a");
});
