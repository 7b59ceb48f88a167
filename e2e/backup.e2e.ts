// Backups on the real thing: Jobs and CronJobs that run our image, a volume, a real S3 server; and what
// goes wrong with them. After each failure nothing that was stored is lost and the next run succeeds.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { after, test } from "node:test";
import { Client } from "../src/client/index.ts";
import { resources } from "../src/operator/runtime/index.ts";
import type { EtcdBackup, Job, KubeObject, Pod } from "../src/operator/types/index.ts";
import {
  api,
  Backups,
  killProcess,
  kubectl,
  MemberDisk,
  on,
  processOf,
  secondsSince,
  TestCluster,
  TestS3,
  until,
  useNamespace,
} from "./rig/index.ts";
import { leadingOperator } from "./rig/operator.ts";

const namespace = useNamespace("backup", prepare);
const cluster = new TestCluster(namespace, "orders");
const backups = new Backups(namespace, "orders");
const bucket = "backups";
let s3: TestS3;

async function prepare(): Promise<void> {
  s3 = await TestS3.start([bucket]);
  await s3.putSecret(namespace);
  await cluster.apply({ replicas: 3, storage: { size: "1Gi" } });
  await cluster.settled(3);
  await fill(1_000, 10_000);
}
after(() => s3?.stop());

/** Values that no compression makes smaller. */
async function fill(count: number, bytes: number): Promise<void> {
  using client = new Client(await cluster.access());
  for (let i = 0; i < count; i += 50) {
    const some = Array.from({ length: Math.min(50, count - i) }, (_, k) => `fill-${i + k}`);
    const put = (key: string) =>
      until("a write", () => client.kv.put(Buffer.from(key), randomBytes(bytes)));
    await Promise.all(some.map(put));
  }
}

const artifacts = async (prefix: string): Promise<string[]> =>
  (await s3.server.keys(bucket, prefix)).filter((key) => /\.db(\.gz|\.zst)?$/.test(key));

const keyOf = ({ status }: EtcdBackup): string =>
  status?.artifact?.uri.replace(`s3://${bucket}/`, "") ?? "";

async function makeVolume(name: string, storageClassName: string, size: string): Promise<void> {
  const spec = {
    accessModes: ["ReadWriteOnce"],
    storageClassName,
    resources: { requests: { storage: size } },
  };
  const metadata = { name, namespace };
  const claim = { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata, spec };
  await kubectl(["apply", "-f", "-"], JSON.stringify(claim));
}

test(
  "an EtcdBackup to a volume is verified by a member that boots from it",
  on(cluster, async (t) => {
    await makeVolume("shelf", "standard", "1Gi");
    const started = performance.now();
    const destination = { pvc: { claimName: "shelf", subPath: "etcd/orders" } };
    await backups.begin("drilled", { destination, verify: "Restore" });
    const { status } = await backups.succeeded("drilled");
    t.diagnostic(`10 MB, with the drill: ${secondsSince(started)}`);
    assert.equal(status?.verified?.kind, "Restore");
    assert.match(status?.artifact?.uri ?? "", /^pvc:\/\/shelf\/etcd\/orders\/e2e-backup\/orders\//);
    const table = await backups.kubectl("get", "etcdbackup", "drilled");
    assert.match(table, /drilled +orders +Succeeded +Restore/);
    const { revision = 0, hashKV } = status?.artifact ?? {};
    const [pod] = await cluster.pods();
    assert.ok(pod, "a member");
    const access = await cluster.accessToPod(pod);
    using client = new Client(access);
    const { hash } = await client.maintenance.hashKv(access.endpoints[0] ?? "", revision);
    assert.equal(hash, hashKV, "the cluster's own hash at that revision");
  }),
);

test(
  "a schedule's volume holds what retention keeps, the immediate backup and its own only",
  on(cluster, async () => {
    await backups.makeSchedule("shelved", {
      schedule: "0 3 29 2 *",
      destination: { pvc: { claimName: "shelf", subPath: "etcd/orders" } },
      retention: { keepLast: 1 },
      immediate: true,
    });
    await backups.succeeded("shelved-immediate");
    await backups.readiness("shelved", "True UpToDate");
    await backups.runNow("shelved", "shelved-by-hand");
    const kept = [await backups.succeeded("shelved-by-hand"), await backups.get("drilled")]
      .map(({ status }) => status?.artifact?.uri.replace("pvc://shelf/", "./") ?? "")
      .flatMap((path) => [path, `${path}.manifest.json`]);
    const disk = await MemberDisk.of(await backups.pod("shelved-by-hand", "Succeeded"));
    const files = (await disk.sh("find . -type f")).trim().split("\n");
    assert.deepEqual(files.sort(), kept.sort());
  }),
);

test(
  "a schedule's CronJob ticks, Jobs made from it by hand count too, and retention keeps what it says",
  on(cluster, async (t) => {
    const foreign = `${namespace}/orders/19990101T000000Z-00000000.db`;
    const destination = s3.destination(bucket, "tick");
    const file = s3.server.fileOf(bucket, `tick/${foreign}`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, "not ours");
    const retention = { keepLast: 2 };
    const started = performance.now();
    await backups.makeSchedule("ticking", {
      schedule: "* * * * *",
      destination,
      retention,
      rpoSeconds: 3600,
    });
    await backups.readiness("ticking", "False NeverBackedUp");
    const tick = await until("a tick", async () => (await backups.of("ticking"))[0], 150);
    await backups.kubectl(
      ...["patch", "etcdbackupschedule", "ticking", "--type=merge", "-p"],
      JSON.stringify({ spec: { suspend: true } }),
    );
    const first = await backups.succeeded(tick.metadata.name);
    t.diagnostic(`made, ticked and backed up: ${secondsSince(started)}`);
    const job = await api.get<Job>(resources.jobs, namespace, tick.metadata.name);
    const [owner] = job.metadata.ownerReferences ?? [];
    assert.equal(`${owner?.kind} ${owner?.name}`, "CronJob ticking-backup");
    const { status } = await backups.readiness("ticking", "True UpToDate");
    assert.equal(status?.lastVerifiedBackup, tick.metadata.name);
    assert.ok(status?.lastScheduleTime);

    // Suspended: no further tick, also when one began before the patch was seen.
    await until("the CronJob to be suspended", async () => {
      const cron = await backups.kubectl(
        "get",
        "cronjob",
        "ticking-backup",
        "-o=jsonpath={.spec.suspend}",
      );
      return cron === "true";
    });
    const kept: string[] = [];
    for (const name of ["by-hand-1", "by-hand-2"]) {
      await backups.runNow("ticking", name);
      kept.push(keyOf(await backups.succeeded(name)));
    }
    assert.deepEqual(await artifacts("tick/"), [`tick/${foreign}`, ...kept].sort());
    assert.ok(!kept.includes(keyOf(first)), "the tick's artefact is gone");
    const manifests = (await s3.server.keys(bucket, "tick/")).filter((k) => k.endsWith(".json"));
    assert.deepEqual(manifests, kept.map((key) => `${key}.manifest.json`).sort());
    const shown = await metrics();
    const labels = `namespace="${namespace}",cluster="orders",schedule="ticking"`;
    assert.match(shown, new RegExp(`quoin_backup_ready{${labels}} 1`));
    assert.match(shown, new RegExp(`quoin_backup_size_bytes{${labels}} [0-9]{7}`));
    assert.match(shown, new RegExp(`quoin_backup_age_seconds{${labels}} [0-9.]+`));
  }),
);

/** Of the operator that leads. */
async function metrics(): Promise<string> {
  const pod = await api.get<Pod>(resources.pods, "quoin-system", await leadingOperator());
  return (await fetch(`http://${pod.status?.podIP}:8080/metrics`)).text();
}

test(
  "wrong credentials are told on backup and schedule, lose nothing, and the next run succeeds",
  on(cluster, async () => {
    const before = await artifacts("tick/");
    await s3.putSecret(namespace, { secretKey: "wrong" });
    await backups.runNow("ticking", "wrong-key");
    assert.equal(await backups.outcome("wrong-key"), "Failed AccessDenied");
    const ready = await until("the schedule to tell", async () => {
      const { status } = await backups.schedule("ticking");
      return status?.consecutiveFailures === 1 && status.conditions?.[0];
    });
    assert.match(ready.message, /wrong-key, failed: AccessDenied/);
    assert.deepEqual(await artifacts("tick/"), before);
    await s3.putSecret(namespace);
    await backups.runNow("ticking", "right-key");
    const { metadata } = await backups.succeeded("right-key");
    await until("the schedule to be well", async () => {
      const { status } = await backups.schedule("ticking");
      return status?.consecutiveFailures === 0 && status.lastVerifiedBackup === metadata.name;
    });
  }),
);

test(
  "a missing bucket and a full volume are told, lose nothing, and the next run succeeds",
  on(cluster, async () => {
    await makeVolume("small", "sized", "20Mi");
    const pvc = { pvc: { claimName: "small" } };
    const absent = { destination: s3.destination("absent"), compression: "none" };
    const onDisk = { destination: pvc, compression: "none" };
    const bucketStory = async () => {
      await backups.begin("no-bucket", absent);
      assert.equal(await backups.outcome("no-bucket"), "Failed BucketMissing");
      await s3.server.createBucket("absent");
      await backups.begin("bucket", absent);
      await backups.succeeded("bucket");
    };
    const volumeStory = async () => {
      await backups.begin("fits", { ...onDisk, deletionPolicy: "Delete" });
      const fits = await backups.succeeded("fits");
      await backups.begin("too-much", onDisk);
      assert.equal(await backups.outcome("too-much"), "Failed DestinationFull");
      // Deleting the first with deletionPolicy Delete makes room: so its artefact was there.
      await backups.kubectl("delete", "etcdbackup", "fits", "--timeout=300s");
      await backups.begin("fits-again", onDisk);
      const again = await backups.succeeded("fits-again");
      assert.notEqual(again.status?.artifact?.uri, fits.status?.artifact?.uri);
    };
    await Promise.all([bucketStory(), volumeStory()]);
  }),
);

test(
  "a Job killed in mid-upload leaves nothing half, and its next attempt succeeds",
  on(cluster, async () => {
    // Slow enough that the pod is told to run, and killed, long before all of it is through.
    const proxy = await s3.slow(200_000);
    await backups.begin("killed", { destination: s3.destination(bucket, "kill", proxy.endpoint) });
    const pod = await backups.pod("killed", "Running");
    await until("the upload to be under way", () => proxy.upBytes > 500_000);
    assert.deepEqual(await artifacts("kill/"), []);
    await killProcess(processOf(pod, ["quoin", "backup"]));
    proxy.slowUploads(Number.POSITIVE_INFINITY);
    const { status } = await backups.succeeded("killed");
    assert.equal(status?.verified?.kind, "Checksum");
    assert.equal((await artifacts("kill/")).length, 1);
  }),
);

test(
  "a cluster without a quorum is backed up all the same, and the backup says what may be missing",
  on(cluster, async () => {
    await cluster.patch({ paused: true });
    await cluster.isPaused();
    const sets = (await cluster.owned<KubeObject>(resources.statefulSets)).map(
      (s) => s.metadata.name,
    );
    const stopped = sets.slice(1);
    await backups.kubectl("scale", "statefulset", ...stopped, "--replicas=0");
    await until("two members to be gone", async () => (await cluster.pods()).length === 1);
    await backups.begin("stale", { destination: s3.destination(bucket, "stale") });
    const { status } = await backups.succeeded("stale");
    assert.equal(status?.possiblyStale, true);
    assert.match(status?.message ?? "", /had no quorum.*keep older backups/);
    await backups.kubectl("scale", "statefulset", ...stopped, "--replicas=1");
    await cluster.patch({ paused: false });
    await cluster.settled(3);
    await backups.begin("whole", { destination: s3.destination(bucket, "stale") });
    const whole = await backups.succeeded("whole");
    assert.equal(whole.status?.possiblyStale, undefined);
  }),
);
