import assert from "node:assert/strict";
import { test } from "node:test";
import { createClock } from "../../src/io/index.ts";
import { resources } from "../../src/operator/runtime/index.ts";
import type { EtcdBackup, EtcdRestore, KubeObject } from "../../src/operator/types/index.ts";
import { runPlugin } from "../../src/plugin/index.ts";
import { until } from "../until.ts";
import { admin } from "./api-server.ts";
import { api, make, oldObjects, server, skip } from "./environment.ts";

interface Result {
  readonly code: number;
  readonly text: string;
  readonly errors: string;
}

/** The plugin as an administrator runs it; no operator is at work. */
async function quoin(command: string, onText: (text: string) => void = () => {}): Promise<Result> {
  let text = "";
  let errors = "";
  const code = await runPlugin(command.split(" "), {
    clock: createClock(),
    signal: new AbortController().signal,
    connect: () => ({ api: server.api(admin), namespace: "default" }),
    stdout: (more) => {
      text += more;
      onText(text);
    },
    stderr: (more) => {
      errors += more;
    },
  });
  return { code, text, errors };
}

/** Says of an object what the operator would. */
async function tell(kind: "etcdBackups" | "etcdRestores", name: string, status: object) {
  const object = await api.get<KubeObject>(resources[kind], "default", name);
  await api.replaceStatus(resources[kind], { ...object, status });
}

const time = (second: number): string => `2026-11-22T10:00:${String(second).padStart(2, "0")}Z`;

const artifact = {
  uri: "pvc://backups/nightly/x.db",
  sizeBytes: 3_355_443,
  checksum: `sha256:${"0".repeat(64)}`,
  revision: 42,
  compactRevision: 7,
  hashKV: 1,
  clusterID: "cdf818194e3a8c32",
};

const schedule = (name: string): KubeObject => ({
  apiVersion: "quoin.dev/v1alpha1",
  kind: "EtcdBackupSchedule",
  metadata: { name, namespace: "default" },
  spec: {
    clusterRef: { name: "plugin" },
    schedule: "0 3 * * *",
    destination: { pvc: { claimName: "backups", subPath: "nightly" } },
    compression: "gzip",
    verify: "Restore",
    rpoSeconds: 90_000,
  },
});

/** A cluster that is paused in the middle of an incident, as an operator has left it. */
async function createCluster(): Promise<void> {
  const past = oldObjects().find(({ status }) => status !== undefined)?.status;
  const created = await api.create(
    resources.etcdClusters,
    make("plugin", { replicas: 3, paused: true }),
  );
  const incident = {
    id: "7f3a",
    since: time(0),
    message: "2 of 3 volumes are gone",
    survivor: "old-full-b2c4d",
    members: [
      { name: "old-full-b2c4d", state: "Answering", lastLogTerm: 2, lastLogIndex: 1000 },
      { name: "old-full-f6g7h", state: "Destroyed", message: "its volume is gone" },
      { name: "old-full-j8k9l", state: "Unreachable", message: "node lab3 is silent" },
    ],
  };
  const problem = { status: "True", reason: "QuorumLost", message: "1 of 3 answers" };
  const conditions = past?.conditions?.map((it) =>
    it.type === "Degraded" ? { ...it, ...problem } : it,
  );
  const status = { ...past, conditions, incident };
  await api.replaceStatus(resources.etcdClusters, { ...created, status } as typeof created);
}

/** kubectl quoin against the real API server. */
export function registerPluginTests(): void {
  test("kubectl quoin status tells about members, conditions and the way out of an incident", {
    skip,
  }, async () => {
    await createCluster();
    const list = await quoin("status");
    assert.equal(list.code, 0);
    assert.match(list.text, /^NAME +READY +AVAILABLE/);
    assert.match(list.text, /^plugin +3\/3 +True +Stable +QuorumLost/m);
    assert.match((await quoin("status -A")).text, /^default\/plugin /m);

    const { code, text } = await quoin("status plugin");
    assert.equal(code, 0);
    assert.match(text, /EtcdCluster default\/plugin: 3 of 3 members ready/);
    assert.match(text, /Available +True QuorumHealthy, for \d+[hd]: 3 of 3 members are healthy/);
    assert.match(text, /old-full-b2c4d +8e9e05c52164694d +leader +yes +2 +1000 +64.0 KiB/);
    assert.match(
      text,
      /Degraded +True QuorumLost, .*: 1 of 3 answers\n +what to do +docs\/runbooks\/quorum-lost.md/,
    );
    assert.match(text, /INCIDENT 7f3a, for \w+: 2 of 3 volumes are gone/);
    assert.match(text, /old-full-f6g7h +Destroyed +- +- +its volume is gone/);
    // What it says to type is what the API server takes.
    const [, patch = ""] =
      /kubectl -n default patch etcdcluster plugin --type=merge -p '(.*)'/.exec(text) ?? [];
    await api.patch(resources.etcdClusters, "default", "plugin", JSON.parse(patch));
    assert.match((await quoin("status plugin")).text, /The consent to this incident is given/);

    const missing = await quoin("status nobody");
    assert.deepEqual([missing.code, missing.text], [1, ""]);
    assert.match(missing.errors, /there is no EtcdCluster nobody in namespace default/);
  });

  test("kubectl quoin backup makes what was asked for, and asks where it cannot know", {
    skip,
  }, async () => {
    const lost = await quoin("backup plugin");
    assert.equal(lost.code, 1);
    assert.match(lost.errors, /say where to: plugin has no schedule .* give --to=/);
    assert.match((await quoin("backup nobody --to=pvc://a")).errors, /"nobody" not found/);
    assert.match((await quoin("backup plugin --to=/tmp")).errors, /set --to to s3:\/\/BUCKET/);

    const flags = "--s3-endpoint=http://s3:7070 --s3-credentials=keys --s3-force-path-style";
    const to = await quoin(`backup plugin --to=s3://bucket/a/b --name=hand --verify=None ${flags}`);
    assert.deepEqual([to.code, to.errors], [0, ""]);
    const { spec } = await api.get<EtcdBackup>(resources.etcdBackups, "default", "hand");
    assert.deepEqual(spec.destination.s3, {
      bucket: "bucket",
      prefix: "a/b",
      endpoint: "http://s3:7070",
      credentialsSecretRef: { name: "keys" },
      forcePathStyle: true,
    });
    assert.equal(spec.verify, "None");

    await api.create(resources.etcdBackupSchedules, schedule("nightly"));
    const only = await quoin("backup plugin --name=like-nightly");
    assert.equal(only.errors, "");
    const made = await api.get<EtcdBackup>(resources.etcdBackups, "default", "like-nightly");
    assert.deepEqual(made.spec.destination.pvc, { claimName: "backups", subPath: "nightly" });
    assert.deepEqual([made.spec.compression, made.spec.verify], ["gzip", "Restore"]);
    await api.create(resources.etcdBackupSchedules, schedule("hourly"));
    assert.match((await quoin("backup plugin")).errors, /by --schedule \(hourly, nightly\)/);
  });

  test("kubectl quoin backup --wait follows the backup to its end", { skip }, async () => {
    const run = (name: string, end: object): Promise<Result> => {
      const step = once(async () => tell("etcdBackups", name, { phase: "Running", message: "v" }));
      const last = once(async () => tell("etcdBackups", name, end));
      return quoin(`backup plugin --schedule=nightly --name=${name} --wait`, (text) => {
        if (text.includes("is made")) step();
        if (text.includes("Running")) last();
      });
    };
    const verified = { kind: "Restore", time: time(9) };
    const good = { phase: "Succeeded", artifact, verified, completionTime: time(9) };
    const done = await run("waited", good);
    assert.deepEqual([done.code, done.errors], [0, ""]);
    const uri = "pvc://backups/nightly/x.db";
    assert.match(done.text, new RegExp(`Succeeded: ${uri} \\(3.2 MiB, revision 42, verified`));
    const bad = await run("failed", { phase: "Failed", reason: "NoSpace", message: "full" });
    assert.equal(bad.code, 1);
    assert.match(bad.text, /Failed: NoSpace full/);

    const { text } = await quoin("status plugin");
    assert.match(text, /^nightly +0 3 \* \* \*/m);
    assert.match(text, /^waited +Succeeded +\w+ +Restore +42 +3.2 MiB +pvc:/m);
    assert.match(text, /the newest verified is \w+ old/);
  });

  test("kubectl quoin restore makes a new cluster like the old one, or goes back in place", {
    skip,
  }, async () => {
    const exists = await quoin("restore plugin --backup=waited");
    assert.equal(exists.code, 1);
    assert.match(exists.errors, /EtcdCluster plugin exists: .* add --in-place/);
    assert.match(
      (await quoin("restore twin")).errors,
      /one of --backup, --schedule and --location/,
    );
    const alone = await quoin("restore twin --location=pvc://c/etcd.db");
    assert.match(alone.errors, /--like=CLUSTER, or --size=8Gi/);
    assert.match((await quoin("restore twin --backup=none")).errors, /"none" not found/);

    assert.equal((await quoin("restore twin --backup=waited --name=r1 --replicas=1")).errors, "");
    const fresh = await api.get<EtcdRestore>(resources.etcdRestores, "default", "r1");
    assert.equal(fresh.spec.mode, "NewCluster");
    assert.deepEqual(fresh.spec.source, { backupRef: { name: "waited" } });
    assert.deepEqual(fresh.spec.clusterSpec, { replicas: 1, storage: { size: "1Gi" } });
    assert.equal(
      (await quoin("restore other --location=pvc://c/a/b.db --size=1Gi --name=r2")).code,
      0,
    );
    const file = await api.get<EtcdRestore>(resources.etcdRestores, "default", "r2");
    assert.deepEqual(file.spec.source.location, { pvc: { claimName: "c" }, key: "a/b.db" });

    const started = { phase: "Restoring", startTime: time(0) };
    const step = once(async () =>
      tell("etcdRestores", "r3", { phase: "Restoring", phases: [started] }),
    );
    const last = once(async () =>
      tell("etcdRestores", "r3", {
        phase: "Completed",
        phases: [{ ...started, completionTime: time(8) }],
        message: "3 members",
      }),
    );
    const back = await quoin(
      "restore plugin --schedule=nightly --in-place --name=r3 --wait",
      (t) => {
        if (t.includes("is made")) step();
        if (t.includes("Restoring")) last();
      },
    );
    assert.deepEqual([back.code, back.errors], [0, ""]);
    assert.match(back.text, /Restoring took 8s\n.*Completed: 3 members/);
    assert.match((await quoin("status plugin")).text, /^r3 +InPlace +Completed/m);
    await cleanUp();
  });
}

/** Runs it at the first call only, until it is accepted. */
function once(work: () => Promise<void>): () => void {
  let isBegun = false;
  return () => {
    if (isBegun) return;
    isBegun = true;
    void until("the status to be written", async () => {
      await work();
      return true;
    });
  };
}

async function cleanUp(): Promise<void> {
  const { etcdClusters, etcdBackups, etcdBackupSchedules, etcdRestores } = resources;
  for (const resource of [etcdRestores, etcdBackups, etcdBackupSchedules, etcdClusters]) {
    for (const { metadata } of (await api.list(resource, { namespace: "default" })).items) {
      await api.delete(resource, "default", metadata.name);
    }
  }
}
