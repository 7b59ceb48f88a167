import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { parse, stringify } from "yaml";
import { buildCronJob } from "../../src/operator/backup/cron-job.ts";
import { buildDeleteJob, buildSaveJob } from "../../src/operator/backup/jobs.ts";
import type { EtcdBackupScheduleSpec } from "../../src/operator/types/index.ts";
import { backup, cluster, schedule } from "./backup-records.ts";

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

const full: Partial<EtcdBackupScheduleSpec> = {
  destination: {
    s3: {
      endpoint: "https://s3.example.com:9000",
      bucket: "b",
      prefix: "p",
      region: "r",
      forcePathStyle: true,
      credentialsSecretRef: { name: "keys" },
      caSecretRef: { name: "ca" },
    },
  },
  timeZone: "Europe/Berlin",
  compression: "gzip",
  verify: "Restore",
  retention: { keepLast: 3, maxAge: "720h", keepDaily: 7, keepWeekly: 4, keepMonthly: 12 },
  successfulBackupsHistoryLimit: 10,
  failedBackupsHistoryLimit: 0,
  activeDeadlineSeconds: 600,
  job: {
    resources: { limits: { memory: "256Mi" } },
    tolerations: [{ key: "db", operator: "Exists" }],
    nodeSelector: { disk: "ssd" },
    imagePullSecrets: [{ name: "other" }],
    serviceAccountName: "backups",
    scratchSize: "4Gi",
  },
};

test("builders make the objects of testdata/backup-objects.yaml", () => {
  const destination = { pvc: { claimName: "shelf", subPath: "etcd" } };
  const stored = backup({ destination }, { lineage: "lin" });
  const docs = [
    buildSaveJob(backup({ destination }), cluster(), "quoin:dev"),
    buildDeleteJob(stored, "shop/demo/x.db", undefined, "quoin:dev"),
    buildCronJob(schedule(full), cluster(), "quoin:dev"),
  ];
  const actual = docs.map((o) => stringify(o, { aliasDuplicateObjects: false })).join("---\n");
  const path = new URL("testdata/backup-objects.yaml", import.meta.url).pathname;
  if (process.env["REWRITE"]) writeFileSync(path, actual);
  assert.equal(actual, readFileSync(path, "utf8"));
});

test("the definitions of backups have the fields of types/backup.ts", () => {
  const types = read("src/operator/types/backup.ts");
  const fieldsOf = (name: string): string[] => {
    const [, parent, body = ""] =
      new RegExp(`interface ${name}(?: extends (\\w+))? \\{([\\s\\S]*?)\\n\\}`).exec(types) ?? [];
    const own = [...body.matchAll(/^ {2}readonly (\w+)\??:/gm)].map((m) => m[1] ?? "");
    return [...own, ...(parent === undefined ? [] : fieldsOf(parent))];
  };
  const schemas = (plural: string) =>
    parse(read(`crds/quoin.dev_${plural}.yaml`)).spec.versions[0].schema.openAPIV3Schema.properties;
  const one = schemas("etcdbackups");
  const many = schemas("etcdbackupschedules");
  for (const [name, schema] of [
    ["EtcdBackupSpec", one.spec],
    ["EtcdBackupStatus", one.status],
    ["EtcdBackupScheduleSpec", many.spec],
    ["EtcdBackupScheduleStatus", many.status],
    ["BackupArtifact", one.status.properties.artifact],
    ["BackupArtifact", many.status.properties.lastArtifact],
    ["BackupRetention", many.spec.properties.retention],
    ["JobOptions", one.spec.properties.job],
    ["JobOptions", many.spec.properties.job],
  ] as const) {
    assert.deepEqual(fieldsOf(name).sort(), Object.keys(schema.properties).sort(), name);
  }
  assert.deepEqual(one.spec.properties.destination, many.spec.properties.destination);
});
