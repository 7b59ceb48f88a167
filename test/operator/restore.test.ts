import assert from "node:assert/strict";
import { test } from "node:test";
import { nextRequest } from "../../src/operator/observe/requests.ts";
import { backupSource } from "../../src/operator/observe/source.ts";
import { decide, type Seen } from "../../src/operator/restore/decide.ts";
import {
  apiVersion,
  type Condition,
  controllerRef,
  type EtcdBackup,
  type EtcdCluster,
  type EtcdRestore,
  type EtcdRestoreStatus,
  type Transition,
} from "../../src/operator/types/index.ts";

const location = { s3: { bucket: "b", prefix: "p" }, key: "shop/db/1.db", checksum: "sha256:1" };
const source = { location, uri: "s3://b/p/shop/db/1.db", revision: 5 };
const now = "2026-01-01T00:00:00Z";

function restoreOf(
  status?: EtcdRestoreStatus,
  spec: Partial<EtcdRestore["spec"]> = {},
): EtcdRestore {
  return {
    apiVersion,
    kind: "EtcdRestore",
    metadata: { name: "r1", namespace: "shop", uid: "u-r1", creationTimestamp: now },
    spec: { mode: "InPlace", clusterRef: { name: "db" }, source: { location }, ...spec },
    ...(status ? { status } : {}),
  };
}

function clusterOf(status: EtcdCluster["status"] = {}, more: Partial<EtcdCluster["spec"]> = {}) {
  const metadata = { name: "db", namespace: "shop", uid: "u-db" };
  const spec = { replicas: 3, storage: { size: "1Gi" }, ...more };
  return { apiVersion, kind: "EtcdCluster", metadata, spec, status } as EtcdCluster;
}

const available = (value: "True" | "False", since = "2025-12-31T23:00:00Z") =>
  [
    { type: "Available", status: value, lastTransitionTime: since },
  ] as unknown as readonly Condition[];

const transition = (more: Partial<Transition> = {}): Transition => ({
  kind: "Restore",
  request: "shop/r1/u-r1",
  phase: "Restoring",
  token: "t2",
  seed: "db-x",
  phases: [{ phase: "Restoring", startTime: now }],
  message: "restoring",
  ...more,
});

/** Passes until nothing changes any more, or something is to be made. */
function play(seen: Omit<Seen, "now">) {
  let { restore } = seen;
  for (let i = 0; i < 5; i++) {
    const decision = decide({ ...seen, restore, now });
    const same = JSON.stringify(decision.status) === JSON.stringify(restore.status);
    restore = { ...restore, status: decision.status };
    if (decision.make !== undefined || same || decision.requeueMs === undefined) {
      return { ...decision, phase: decision.status.phase, message: decision.status.message ?? "" };
    }
  }
  throw new Error("it never rests");
}

const found = { kind: "found", source } as const;

test("decide() waits for the cluster and the backup, and says that nothing was changed", () => {
  const alone = play({ restore: restoreOf(), resolution: found });
  assert.equal(alone.phase, "PreFlight");
  assert.match(
    alone.message,
    /no EtcdCluster db .* make it, or use mode NewCluster.*Nothing was changed/,
  );
  const missing = { kind: "missing", reason: "BackupNotFound", message: "no such" } as const;
  const waiting = play({ restore: restoreOf(), cluster: clusterOf(), resolution: missing });
  assert.match(waiting.message, /BackupNotFound: no such. Nothing was changed/);
  const unfit = { kind: "unfit", reason: "BackupFailed", message: "is Failed" } as const;
  assert.equal(
    play({ restore: restoreOf(), cluster: clusterOf(), resolution: unfit }).phase,
    "Failed",
  );
});

test("decide() backs up what still answers before it asks the cluster, and skips it where nobody does", () => {
  const answering = clusterOf({ conditions: available("True") });
  const first = play({ restore: restoreOf(), cluster: answering, resolution: found });
  assert.equal(first.phase, "SafetyBackup");
  const made = first.make as EtcdBackup;
  assert.equal(made.metadata.name, "r1-safety");
  assert.deepEqual(made.spec.destination, { s3: { bucket: "b", prefix: "p" } });
  assert.equal(made.metadata.ownerReferences?.[0]?.uid, "u-r1");

  const restore = restoreOf(first.status);
  const own = { ...made.metadata, ownerReferences: [controllerRef(restore)] };
  const safety = (phase: "Running" | "Succeeded" | "Failed"): EtcdBackup =>
    ({ ...made, metadata: own, status: { phase, message: "no room" } }) as EtcdBackup;
  const at = (phase: Parameters<typeof safety>[0], cluster = answering) =>
    play({ restore, cluster, safety: safety(phase) });
  assert.equal(at("Running").phase, "SafetyBackup");
  assert.equal(at("Succeeded").phase, "Restoring");
  assert.equal(at("Failed").phase, "Failed");
  assert.match(at("Failed").message, /no room Nothing was changed/);
  assert.equal(at("Running", clusterOf({ conditions: available("False") })).phase, "Restoring");
  const skip = restoreOf(undefined, { safetyBackup: { skip: true } });
  assert.equal(play({ restore: skip, cluster: answering, resolution: found }).phase, "Restoring");
  const alien = { ...made, status: { phase: "Succeeded" } } as EtcdBackup;
  const foreign = { ...alien, metadata: { ...made.metadata, ownerReferences: [] } };
  assert.match(
    play({ restore, cluster: answering, safety: foreign }).message,
    /not of this request/,
  );
});

test("decide() skips the safety backup for no moment of silence", () => {
  const since = (time: string) => clusterOf({ conditions: available("False", time) });
  const silent = since("2025-12-31T23:59:50Z");
  const first = play({ restore: restoreOf(), cluster: silent, resolution: found });
  assert.equal(first.phase, "PreFlight");
  assert.equal(first.make, undefined);
  assert.match(first.message, /does not answer with a quorum at this moment/);
  const restore = restoreOf(first.status);
  assert.ok(play({ restore, cluster: clusterOf({ conditions: available("True") }) }).make);
  assert.equal(play({ restore, cluster: since("2025-12-31T23:59:39Z") }).phase, "Restoring");
});

test("decide() tells what the cluster records, with the times of all phases", () => {
  const before = restoreOf({ source, targetUID: "u-db", phase: "Restoring", phases: [] });
  const cluster = clusterOf({ transition: transition() });
  const status = decide({ restore: before, cluster, now }).status;
  assert.equal(status.newClusterToken, "t2");
  const done = transition({
    phase: "Completed",
    phases: [{ phase: "Completed", startTime: now, completionTime: now }],
    message: "all serve",
  });
  const end = decide({ restore: before, cluster: clusterOf({ transition: done }), now });
  assert.equal(end.status.phase, "Completed");
  assert.equal(end.requeueMs, undefined);
  assert.equal(end.status.conditions?.[0]?.status, "True");
  const paused = decide({ restore: before, cluster: clusterOf({}, { paused: true }), now });
  assert.match(paused.status.message ?? "", /spec.paused of the cluster is true/);
});

test("decide() refuses a second request, and a cluster made again under the same name", () => {
  const other = clusterOf({ transition: transition({ request: "shop/r0/u" }) });
  const late = play({ restore: restoreOf(), cluster: other, resolution: found });
  assert.equal(late.phase, "Rejected");
  assert.match(late.message, /wait for restore shop\/r0\/u of this cluster/);
  const again = restoreOf({ source, targetUID: "u-older", phase: "Restoring" });
  assert.match(play({ restore: again, cluster: clusterOf() }).message, /deleted and made again/);
  const taken = restoreOf({ source, targetUID: "u-db", phase: "Growing", newClusterToken: "t2" });
  const followed = clusterOf({ clusterToken: "t2", transition: transition({ request: "x" }) });
  assert.equal(play({ restore: taken, cluster: followed }).phase, "Completed");
});

test("decide() makes a new cluster once, with the latched source, and never touches another's", () => {
  const spec = { replicas: 1, storage: { size: "1Gi" } };
  const asked = restoreOf(undefined, { mode: "NewCluster", clusterSpec: spec });
  const begun = play({ restore: asked, resolution: found });
  const made = begun.make as EtcdCluster;
  assert.deepEqual(made.spec.bootstrap?.restore?.source, { location });
  assert.equal(made.metadata.ownerReferences, undefined);
  assert.equal(play({ restore: asked, cluster: clusterOf(), resolution: found }).phase, "Rejected");
  const restore = { ...asked, status: begun.status };
  const own: EtcdCluster = { ...made, metadata: { ...made.metadata, uid: "u-new" } };
  const seen = decide({ restore, cluster: own, now });
  assert.equal(seen.status.targetUID, "u-new");
  const gone = decide({ restore: { ...asked, status: seen.status }, now });
  assert.equal(gone.status.phase, "Failed");
  assert.equal(gone.make, undefined);
});

test("nextRequest() takes the oldest that is ready, and none while the last one has not been told its end", () => {
  const ready: EtcdRestoreStatus = { phase: "Restoring", targetUID: "u-db", source };
  const older = restoreOf(ready);
  const newer: EtcdRestore = {
    ...older,
    metadata: {
      ...older.metadata,
      name: "r0",
      uid: "u-r0",
      creationTimestamp: "2026-01-02T00:00:00Z",
    },
  };
  const cluster = clusterOf();
  assert.equal(nextRequest(cluster, [newer, older])?.request, "shop/r1/u-r1");
  assert.equal(nextRequest(cluster, [older])?.revision, 5);
  const wrong = restoreOf({ ...ready, targetUID: "u-other" });
  assert.equal(nextRequest(cluster, [wrong]), undefined);
  assert.equal(nextRequest(cluster, [restoreOf({ ...ready, phase: "SafetyBackup" })]), undefined);
  const recorded = clusterOf({ transition: transition({ phase: "Completed" }) });
  assert.equal(nextRequest(recorded, [older, newer]), undefined);
  const told = restoreOf({ ...ready, phase: "Completed" });
  assert.equal(nextRequest(recorded, [told, newer])?.request, "shop/r0/u-r0");
});

test("backupSource() gives the artefact's place in its own storage, and nothing of a backup that failed", () => {
  const artifact = {
    ...{ uri: source.uri, sizeBytes: 1, checksum: "sha256:1", revision: 5 },
    ...{ compactRevision: 1, hashKV: 1, clusterID: "a" },
  };
  const backup = (status: EtcdBackup["status"]): EtcdBackup =>
    ({
      apiVersion,
      kind: "EtcdBackup",
      metadata: { name: "b1" },
      spec: { clusterRef: { name: "db" }, destination: { s3: { bucket: "b", prefix: "p" } } },
      status,
    }) as EtcdBackup;
  assert.deepEqual(backupSource("b1", backup({ phase: "Succeeded", artifact })), found);
  assert.equal(backupSource("b1", backup({ phase: "Running" })).kind, "missing");
  assert.equal(backupSource("b1", backup({ phase: "Unknown", artifact })).kind, "unfit");
  const elsewhere = { ...artifact, uri: "s3://other/1.db" };
  assert.equal(
    backupSource("b1", backup({ phase: "Succeeded", artifact: elsewhere })).kind,
    "unfit",
  );
  assert.equal(backupSource("b1", undefined).kind, "missing");
});
