import assert from "node:assert/strict";
import { test } from "node:test";
import { KubeError, resources } from "../../src/operator/runtime/index.ts";
import type { EtcdBackup, EtcdBackupSchedule } from "../../src/operator/types/index.ts";
import { api, skip } from "./environment.ts";

const s3 = { bucket: "backups" };
const clusterRef = { name: "a" };

export const makeBackup = (name: string, spec: object = {}): EtcdBackup =>
  ({
    apiVersion: "quoin.dev/v1alpha1",
    kind: "EtcdBackup",
    metadata: { name, namespace: "default" },
    spec: { clusterRef, destination: { s3 }, ...spec },
  }) as EtcdBackup;

export const makeSchedule = (name: string, spec: object = {}): EtcdBackupSchedule =>
  ({
    apiVersion: "quoin.dev/v1alpha1",
    kind: "EtcdBackupSchedule",
    metadata: { name, namespace: "default" },
    spec: { clusterRef, destination: { s3 }, schedule: "0 3 * * *", ...spec },
  }) as EtcdBackupSchedule;

const refused =
  (message: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof KubeError);
    assert.equal(error.status, 422, error.message);
    assert.match(error.message, message);
    return true;
  };

const pvc = { claimName: "v" };
const backups: [what: string, name: string, spec: object, message: RegExp][] = [
  ["a long name", "b".repeat(64), {}, /shorten metadata.name to at most 63/],
  ["a name with a dot", "a.b", {}, /use only a-z/],
  ["no destination", "b", { destination: {} }, /exactly one of destination.pvc/],
  ["two destinations", "b", { destination: { s3, pvc } }, /exactly one of destination.pvc/],
  ["a folder from the root", "b", { destination: { pvc: { ...pvc, subPath: "/x" } } }, /'\/' at/],
  ["a way out", "b", { destination: { pvc: { ...pvc, subPath: "x/../.." } } }, /'\.\.'/],
  ["a bucket with a folder", "b", { destination: { s3: { bucket: "x/y" } } }, /goes into prefix/],
  [
    "an endpoint that is no URL",
    "b",
    { destination: { s3: { ...s3, endpoint: "minio:9000" } } },
    /as a URL/,
  ],
  [
    "credentials in the endpoint",
    "b",
    { destination: { s3: { ...s3, endpoint: "https://me:secret@minio" } } },
    /credentialsSecretRef/,
  ],
  ["an unknown verification", "b", { verify: "Hash" }, /Checksum/],
];

const crons = ["61 * * * *", "* * * *", "* * * * * *", "@daily", "0 0 0 * *", "* * * * 7", "x"];
const schedules: [what: string, name: string, spec: object, message: RegExp][] = [
  ["a long name", "b".repeat(46), {}, /shorten metadata.name to at most 45/],
  ["a time zone of this machine", "b", { timeZone: "Local" }, /tz database/],
  ["a short deadline", "b", { startingDeadlineSeconds: 5 }, /at least 10/],
  ["days as an age", "b", { retention: { maxAge: "30d" } }, /720h for 30 days/],
  ["no age", "b", { retention: { maxAge: "0s" } }, /above 0/],
  ["a promise of seconds", "b", { rpoSeconds: 5 }, /at least 60/],
  ...crons.map((schedule): [string, string, object, RegExp] => [
    `schedule ${JSON.stringify(schedule)}`,
    "b",
    { schedule },
    /five cron fields|Too short|should be at least/,
  ]),
];

/** What the API server refuses by the rules of the backups' definitions. */
export function registerBackupSpecTests(): void {
  for (const [what, name, spec, message] of backups) {
    test(`the API server refuses an EtcdBackup with ${what}`, { skip }, async () => {
      await assert.rejects(
        api.create(resources.etcdBackups, makeBackup(name, spec)),
        refused(message),
      );
    });
  }

  for (const [what, name, spec, message] of schedules) {
    test(`the API server refuses an EtcdBackupSchedule with ${what}`, { skip }, async () => {
      await assert.rejects(
        api.create(resources.etcdBackupSchedules, makeSchedule(name, spec)),
        refused(message),
      );
    });
  }

  test("an EtcdBackup cannot change but for its deletionPolicy", { skip }, async () => {
    const made = await api.create(resources.etcdBackups, makeBackup("fixed"));
    assert.equal(made.spec.compression, "zstd");
    assert.equal(made.spec.verify, "Checksum");
    const change = (spec: object) => api.patch(resources.etcdBackups, "default", "fixed", { spec });
    await change({ deletionPolicy: "Delete" });
    const unlike = [
      { verify: "Restore" },
      { destination: { s3: { bucket: "other" } } },
      { clusterRef: { name: "b" } },
      { job: { scratchSize: "1Gi" } },
    ];
    for (const spec of unlike)
      await assert.rejects(change(spec), refused(/make another EtcdBackup/));
    await api.delete(resources.etcdBackups, "default", "fixed");
  });

  test("an EtcdBackupSchedule takes what cron takes and keeps its cluster", { skip }, async () => {
    const names = ["0 3 * * *", "*/15 0-6,22 1,15 JAN-mar mon-FRI", "5/10 * ? * 0"];
    const made = await api.create(resources.etcdBackupSchedules, makeSchedule("fixed"));
    assert.equal(made.spec.startingDeadlineSeconds, 3600);
    const change = (spec: object) =>
      api.patch(resources.etcdBackupSchedules, "default", "fixed", { spec });
    for (const schedule of names) await change({ schedule });
    await change({ destination: { s3: { bucket: "other" } }, retention: { maxAge: "1h30m" } });
    await assert.rejects(change({ clusterRef: { name: "b" } }), refused(/make another/));
    await api.delete(resources.etcdBackupSchedules, "default", "fixed");
  });
}
