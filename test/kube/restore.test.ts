// Restores above a real API server: what is made, what is kept, and who may stop it. The members and the
// Jobs' endings are stand-ins.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { JobReport } from "../../src/backup/index.ts";
import { isNotFound, resources } from "../../src/operator/runtime/index.ts";
import type {
  EtcdBackup,
  EtcdCluster,
  EtcdRestore,
  Job,
  Pod,
  RestorePhase,
  Service,
  StatefulSet,
  Volume,
} from "../../src/operator/types/index.ts";
import { until } from "../until.ts";
import {
  api,
  condition,
  edit,
  etcd,
  getCluster,
  make,
  owned,
  settled,
  setUp,
  skip,
  startOperator,
  tearDown,
} from "./environment.ts";
import { type Ending, endings } from "./kubelet.ts";
import { makeRestore, registerRestoreSpecTests } from "./restore-spec-tests.ts";

/** How restore Jobs end; undefined: they go on. */
let restoreEnding: (pod: Pod) => Ending | undefined = () => ({ exitCode: 0, message: "" });
endings.set("seed-job", (pod) =>
  pod.spec?.containers[0]?.args?.[0] === "backup"
    ? restoreEnding(pod)
    : { exitCode: 0, message: "" },
);
const failing = (reason: string) => (): Ending => {
  const report: JobReport = { outcome: "Failed", reason, message: "No good.", seconds: {} };
  return { exitCode: 1, message: JSON.stringify(report) };
};
const succeeding = () => ({ exitCode: 0, message: "" });

before(async () => {
  if (!skip) await setUp();
});
after(tearDown);

registerRestoreSpecTests();

const getRestore = (name: string): Promise<EtcdRestore> =>
  api.get(resources.etcdRestores, "default", name);

const reaches = (name: string, ...phases: RestorePhase[]): Promise<EtcdRestore> =>
  until(`${name} to be ${phases.join(" or ")}`, async () => {
    const restore = await getRestore(name);
    const { phase } = restore.status ?? {};
    return phase !== undefined && phases.includes(phase) && restore;
  });

async function makeCluster(name: string, replicas: number): Promise<EtcdCluster> {
  await api.create(resources.etcdClusters, make(name, { replicas }));
  return settled(name, replicas);
}

/** Without a safety backup: its Jobs are another test's. */
const restoreOf = (cluster: string, name: string): EtcdRestore =>
  makeRestore(name, { clusterRef: { name: cluster }, safetyBackup: { skip: true } });

const clientToken = async (cluster: string): Promise<string | undefined> => {
  const service = await api.get<Service>(resources.services, "default", `${cluster}-client`);
  return service.spec?.selector?.["quoin.dev/cluster-token"];
};

const detachedFrom = async (cluster: string): Promise<string[]> => {
  const labelSelector = `quoin.dev/detached-from=${cluster}`;
  const options = { namespace: "default", labelSelector };
  return (await api.list<Volume>(resources.volumes, options)).items.map((v) => v.metadata.name);
};

const remove = (name: string) => api.delete(resources.etcdClusters, "default", name);

test("a cluster is restored in place: another life, the old volumes kept, the request no longer needed", {
  skip,
}, async () => {
  await using _operator = startOperator();
  const before = await makeCluster("db", 3);
  const volumes = (await owned<Volume>(resources.volumes, "db")).map((v) => v.metadata.name);
  const [kept] = await owned<StatefulSet>(resources.statefulSets, "db");
  restoreEnding = () => undefined;
  await api.create(resources.etcdRestores, restoreOf("db", "r1"));
  const begun = await until("r1 to be taken", async () => {
    const restore = await getRestore("r1");
    return restore.status?.newClusterToken !== undefined && restore;
  });
  assert.notEqual(begun.status?.newClusterToken, before.status?.clusterToken);
  const job = await until("the seed Job", async () => (await owned<Job>(resources.jobs, "db"))[0]);
  const args = job.spec?.template.spec?.containers[0]?.args ?? [];
  for (const arg of ["--directory=/backup", "--key=shop/db/1.db", "--revision-bump=1000000000"]) {
    assert.ok(args.includes(arg), arg);
  }
  assert.equal(condition(await getCluster("db"), "Available"), "True QuorumHealthy");

  await api.create(resources.etcdRestores, restoreOf("db", "r2"));
  const second = await reaches("r2", "Rejected");
  assert.match(second.status?.message ?? "", /wait for restore default\/r1\/.*only one at a time/);
  await api.delete(resources.etcdRestores, "default", "r1");
  restoreEnding = succeeding;
  const over = await until("the transition to be over", async () => {
    const cluster = await getCluster("db");
    return cluster.status?.transition?.phase === "Completed" && cluster;
  });
  assert.equal(over.status?.clusterToken, begun.status?.newClusterToken);
  assert.notEqual(over.status?.clusterID, before.status?.clusterID);
  assert.equal(await clientToken("db"), over.status?.clusterToken);
  assert.deepEqual((await detachedFrom("db")).sort(), volumes.sort());
  const stable = await settled("db", 3);
  const old = before.status?.members?.map((m) => m.name) ?? [];
  assert.ok(stable.status?.members?.every((m) => !old.includes(m.name)));
  assert.equal((await owned(resources.statefulSets, "db")).length, 3);
  assert.ok(kept);
  await oldMemberStaysOut(kept);
  await remove("db");
});

/** A person starts an old member with what he kept of it. */
async function oldMemberStaysOut({ apiVersion, kind, metadata, spec }: StatefulSet): Promise<void> {
  const { name, labels = {}, annotations = {} } = metadata;
  const token = labels["quoin.dev/cluster-token"] ?? "";
  const members = (await getCluster("db")).status?.members?.map((m) => m.name);
  await edit("db", { paused: true });
  const set = {
    apiVersion,
    kind,
    metadata: { name, namespace: "default", labels, annotations },
    spec,
  };
  await api.create(resources.statefulSets, set as StatefulSet);
  await until("the old member to run", () => etcd.running.get(name)?.token === token);
  await edit("db", { paused: false });
  await until("the stranger to be told", async () => {
    return condition(await getCluster("db"), "Degraded") === "True NameConflict";
  });
  await api.delete(resources.statefulSets, "default", name);
  const { status } = await settled("db", 3);
  assert.deepEqual(
    status?.members?.map((m) => m.name),
    members,
  );
}

test("a restore that fails leaves the cluster as it was, and nothing behind", {
  skip,
}, async () => {
  await using _operator = startOperator();
  const before = await makeCluster("safe", 1);
  restoreEnding = failing("HashMismatch");
  await api.create(resources.etcdRestores, restoreOf("safe", "r3"));
  const failed = await reaches("r3", "Failed");
  assert.match(failed.status?.message ?? "", /No good. The cluster was not changed/);
  await until("the leftovers to go", async () => {
    const left = [resources.volumes, resources.statefulSets, resources.jobs];
    const counts = await Promise.all(left.map(async (r) => (await owned(r, "safe")).length));
    return counts.join() === "1,1,0";
  });
  const after = await settled("safe", 1);
  assert.equal(after.status?.clusterID, before.status?.clusterID);
  assert.deepEqual(await detachedFrom("safe"), []);
  await remove("safe");
});

test("operators that die in every phase are followed by one that finishes", {
  skip,
}, async () => {
  restoreEnding = succeeding;
  {
    await using _operator = startOperator(["--leader-elect=false"]);
    await makeCluster("killed", 3);
  }
  await api.create(resources.etcdRestores, restoreOf("killed", "r4"));
  const seen = new Set<string>();
  for (let i = 0; i < 60; i++) {
    await using operator = startOperator(["--leader-elect=false"]);
    const done = await until("a step", async () => {
      const { status } = await getCluster("killed");
      seen.add(status?.transition?.phase ?? "");
      const over = (await getRestore("r4")).status?.phase === "Completed";
      const steps = operator.log.filter((l) => l.includes('"msg":"acting"')).length;
      return over ? "over" : steps >= 2 + (i % 3) && "step";
    });
    if (done === "over") break;
  }
  await using _last = startOperator(["--leader-elect=false"]);
  const restore = await reaches("r4", "Completed");
  assert.deepEqual(
    restore.status?.phases?.map((p) => p.phase),
    ["PreFlight", "Restoring", "Validating", "Switching", "Growing", "Completed"],
  );
  assert.ok(restore.status?.phases?.every((p) => p.completionTime !== undefined));
  for (const phase of ["Restoring", "Validating", "Growing"]) assert.ok(seen.has(phase), phase);
  assert.equal((await detachedFrom("killed")).length, 3);
  await settled("killed", 3);
  await remove("killed");
});

test("every volume gone at once: restored all the same, once it is no longer paused", {
  skip,
}, async () => {
  await using _operator = startOperator();
  await makeCluster("gone", 3);
  for (const v of await owned<Volume>(resources.volumes, "gone")) {
    await api.patch(resources.volumes, "default", v.metadata.name, {
      metadata: { finalizers: null },
    });
    await api.delete(resources.volumes, "default", v.metadata.name);
  }
  const paused = await edit("gone", { paused: true });
  restoreEnding = succeeding;
  await api.create(resources.etcdRestores, restoreOf("gone", "r5"));
  await until("r5 to say why it waits", async () => {
    return (await getRestore("r5")).status?.message?.includes("spec.paused of the cluster is true");
  });
  await edit("gone", { paused: false });
  await reaches("r5", "Completed");
  const after = await settled("gone", 3);
  assert.notEqual(after.status?.clusterID, paused.status?.clusterID);
  await remove("gone");
});

test("a new cluster is made from a backup, and outlives the request", {
  skip,
}, async () => {
  await using _operator = startOperator();
  restoreEnding = failing("AccessDenied");
  const clusterSpec = { replicas: 1, storage: { size: "1Gi" } };
  const source = { backupRef: { name: "nightly" } };
  const asked = makeRestore("r6", {
    mode: "NewCluster",
    clusterRef: { name: "copy" },
    clusterSpec,
    source,
  });
  await api.create(resources.etcdRestores, asked);
  await until("r6 to miss its backup", async () => {
    return (await getRestore("r6")).status?.message?.startsWith(
      "BackupNotFound: there is no EtcdBackup nightly",
    );
  });
  await storeBackup("nightly");
  await until("the wrong credentials to be told", async () => {
    return (await getRestore("r6")).status?.message?.includes("AccessDenied: No good.");
  });
  assert.equal(condition(await getCluster("copy"), "Degraded"), "True RestoreFailed");
  restoreEnding = succeeding;
  const [job] = await owned<Job>(resources.jobs, "copy");
  const propagation = "Foreground";
  await api.delete(resources.jobs, "default", job?.metadata.name ?? "", { propagation });
  const done = await reaches("r6", "Completed");
  assert.equal(done.status?.source?.revision, 7);
  await api.delete(resources.etcdRestores, "default", "r6");
  await until("r6 to go", async () => {
    try {
      await getRestore("r6");
      return false;
    } catch (error) {
      return isNotFound(error);
    }
  });
  const copy = await settled("copy", 1);
  assert.equal(copy.metadata.ownerReferences, undefined);
  await remove("copy");
});

/** A backup of a cluster that is no more. */
async function storeBackup(name: string): Promise<void> {
  const spec = { clusterRef: { name: "lost" }, destination: { pvc: { claimName: "backups" } } };
  const backup = {
    apiVersion: "quoin.dev/v1alpha1",
    kind: "EtcdBackup",
    metadata: { name, namespace: "default" },
    spec,
  } as EtcdBackup;
  const artifact = {
    ...{ uri: "pvc://backups/x/1.db", sizeBytes: 1, checksum: `sha256:${"a".repeat(64)}` },
    ...{ revision: 7, compactRevision: 1, hashKV: 1, clusterID: "a" },
  };
  const { metadata } = await api.create(resources.etcdBackups, backup);
  await until("the backup's status", async () => {
    const now = await api.get<EtcdBackup>(resources.etcdBackups, "default", name);
    const status = { ...now.status, phase: "Succeeded", artifact } as EtcdBackup["status"];
    return api.replaceStatus(resources.etcdBackups, {
      ...now,
      metadata: { ...metadata, ...now.metadata },
      status,
    } as EtcdBackup);
  });
}
