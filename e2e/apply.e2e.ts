// From `kubectl apply` to a cluster that etcdctl writes to, and what becomes of its data when a pod
// or the whole cluster is deleted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { resources } from "../src/operator/runtime/index.ts";
import { condition, on, secondsSince, TestCluster, until, useNamespace } from "./rig/index.ts";

const cluster = new TestCluster(useNamespace("apply"), "orders");
const spec = { replicas: 3, storage: { size: "1Gi" } };

test(
  "apply makes a cluster of three members Available",
  on(cluster, async (t) => {
    const started = performance.now();
    await cluster.apply(spec);
    const { status } = await cluster.reaches("Available", "True");
    t.diagnostic(`apply to Available, 3 members, images present: ${secondsSince(started)}`);
    assert.equal(status?.members?.length, 3);
    assert.equal(status?.readyReplicas, 3);
    assert.equal(condition(await cluster.settled(3), "Degraded"), "False AsExpected");
  }),
);

test(
  "the real etcdctl puts and gets through the client Service",
  on(cluster, async () => {
    assert.equal(await cluster.etcdctl("put", "greeting", "hello"), "OK\n");
    assert.equal(await cluster.etcdctl("get", "greeting"), "greeting\nhello\n");
    const members = (await cluster.etcdctl("member", "list")).trim().split("\n");
    assert.equal(members.filter((line) => /, started, .*, false$/.test(line)).length, 3);
  }),
);

test(
  "a deleted pod comes back with its data",
  on(cluster, async (t) => {
    const [pod] = await cluster.pods();
    const { name, uid } = pod!.metadata;
    const before = await cluster.memberIds();
    const started = performance.now();
    await cluster.kubectl("delete", "pod", name, "--wait=false");
    const again = await until("the pod to be replaced", async () =>
      (await cluster.pods()).find((it) => it.metadata.name === name && it.metadata.uid !== uid),
    );
    await cluster.settled(3);
    t.diagnostic(`pod deleted to all members healthy: ${secondsSince(started)}`);
    // Its own copy: a serializable read asks nobody else.
    assert.equal(await cluster.getFrom(again.metadata.name, "greeting"), "hello");
    assert.deepEqual(await cluster.memberIds(), before, "it is the same member");
  }),
);

test(
  "a deleted cluster leaves its volumes, and made again adopts them",
  on(cluster, async () => {
    const volumes = (await cluster.volumes()).map((it) => it.metadata.uid).sort();
    assert.equal(volumes.length, 3);
    const before = await cluster.memberIds();
    await cluster.delete();
    await cluster.gone(
      resources.statefulSets,
      resources.pods,
      resources.services,
      resources.budgets,
    );
    assert.deepEqual((await cluster.volumes()).map((it) => it.metadata.uid).sort(), volumes);

    await cluster.apply(spec);
    const refused = await cluster.reaches("Degraded", "True");
    assert.equal(condition(refused, "Degraded"), "True VolumesFound");
    const found = refused.status?.conditions?.find((it) => it.type === "Degraded");
    assert.match(found?.message ?? "", /set spec.bootstrap.existingVolumes to Adopt .* or Discard/);
    assert.equal((await cluster.pods()).length, 0);

    await cluster.patch({ bootstrap: { existingVolumes: "Adopt" } });
    await cluster.settled(3);
    assert.equal(await cluster.etcdctl("get", "greeting"), "greeting\nhello\n");
    assert.deepEqual(await cluster.memberIds(), before, "they are the same members");
  }),
);
