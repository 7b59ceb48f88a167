// Objects that tests of backups are about.

import type { JobReport, Manifest } from "../../src/backup/index.ts";
import type { ObservedJob, ObservedSchedule } from "../../src/operator/backup/observe.ts";
import type {
  EtcdBackup,
  EtcdBackupSchedule,
  EtcdBackupScheduleSpec,
  EtcdBackupSpec,
  EtcdBackupStatus,
  EtcdCluster,
} from "../../src/operator/types/index.ts";

export const image = "registry.example:5000/quoin:1.0.0";
export const nowMs = Date.UTC(2026, 0, 2);
/** RFC 3339, hours before now. */
export const ago = (hours: number): string =>
  new Date(nowMs - hours * 3_600_000).toISOString().replace(".000", "");

const s3 = { bucket: "b", prefix: "p" };
const apiVersion = "quoin.dev/v1alpha1";

export const cluster = (status: EtcdCluster["status"] = {}): EtcdCluster => ({
  apiVersion,
  kind: "EtcdCluster",
  metadata: { name: "demo", namespace: "shop", uid: "c-uid" },
  spec: { replicas: 3, storage: { size: "1.5Gi" }, image: { pullSecrets: ["reg"] } },
  status: {
    lineage: "lin",
    image,
    members: ["demo-b", "demo-a"].map((name) => ({
      name,
      leader: false,
      learner: false,
      healthy: true,
    })),
    ...status,
  },
});

export function backup(
  spec: Partial<EtcdBackupSpec> = {},
  status?: EtcdBackupStatus,
  metadata: Partial<EtcdBackup["metadata"]> = {},
): EtcdBackup {
  return {
    apiVersion,
    kind: "EtcdBackup",
    metadata: { name: "one", namespace: "shop", uid: "b-uid", generation: 1, ...metadata },
    spec: { clusterRef: { name: "demo" }, destination: { s3 }, ...spec },
    ...(status ? { status } : {}),
  };
}

export const schedule = (
  spec: Partial<EtcdBackupScheduleSpec> = {},
  status?: EtcdBackupSchedule["status"],
): EtcdBackupSchedule => ({
  apiVersion,
  kind: "EtcdBackupSchedule",
  metadata: { name: "nightly", namespace: "shop", uid: "s-uid", generation: 1 },
  spec: { clusterRef: { name: "demo" }, destination: { s3 }, schedule: "0 3 * * *", ...spec },
  ...(status ? { status } : {}),
});

export const job = (change: Partial<ObservedJob> = {}): ObservedJob => ({
  name: "one",
  uid: "j-uid",
  controller: "b-uid",
  state: "running",
  deleting: false,
  startTime: ago(1),
  ...change,
});

export const manifest = (change: Partial<Manifest> = {}): Manifest => ({
  format: "quoin-backup/v1",
  key: "shop/demo/20260101T000000Z-00000000.db.zst",
  cluster: { namespace: "shop", name: "demo", clusterID: "c1" },
  lineage: "lin",
  backup: "shop/one",
  compression: "zstd",
  sizeBytes: 100,
  sha256: "ab",
  snapshotBytes: 200,
  revision: 7,
  compactRevision: 1,
  hashKV: 5,
  quoinVersion: "0.1.0",
  possiblyStale: false,
  startTime: ago(1),
  completionTime: ago(0.9),
  verified: { kind: "Checksum", time: ago(0.9) },
  ...change,
});

export const success = (change: Partial<Manifest> = {}): JobReport => ({
  outcome: "Succeeded",
  message: "stored",
  manifest: manifest(change),
  uri: "s3://b/p/shop/demo/20260101T000000Z-00000000.db.zst",
  seconds: {},
});

export const failure = (reason: string): JobReport => ({
  outcome: "Failed",
  reason,
  message: `it was ${reason}`,
  seconds: {},
});

/** A backup of the schedule that began so many hours ago. */
export function done(
  name: string,
  hours: number,
  how: "verified" | "stored" | "Failed" | "Unknown",
): EtcdBackup {
  const isGood = how === "verified" || how === "stored";
  const status: EtcdBackupStatus = {
    phase: isGood ? "Succeeded" : how,
    startTime: ago(hours),
    completionTime: ago(hours - 0.1),
    ...(isGood ? {} : { reason: "BucketMissing", message: "no such bucket" }),
    ...(how === "verified" ? { verified: { kind: "Checksum", time: ago(hours - 0.1) } } : {}),
  };
  return backup({}, status, { name, uid: `${name}-uid` });
}

export const observedSchedule = (change: Partial<ObservedSchedule> = {}): ObservedSchedule => ({
  schedule: schedule(),
  cluster: cluster(),
  jobs: [],
  backups: [],
  foreignBackups: new Set(),
  defaultImage: "quoin:dev",
  nowMs,
  ...change,
});
