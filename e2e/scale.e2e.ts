// Growing and shrinking, also when the operator is killed half-way, and deletion where the user
// wants the data gone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { resources } from "../src/operator/runtime/index.ts";
import {
  api,
  killLeadingOperator,
  leaseHolder,
  on,
  secondsSince,
  TestCluster,
  until,
  useNamespace,
} from "./rig/index.ts";

const namespace = useNamespace("scale");
const cluster = new TestCluster(namespace, "sessions");

test(
  "a cluster grows from one member to three and shrinks to one",
  on(cluster, async (t) => {
    const retentionPolicy = { whenDeleted: "Delete" };
    await cluster.apply({ replicas: 1, storage: { size: "1Gi", retentionPolicy } });
    const { status } = await cluster.settled(1);
    await cluster.etcdctl("put", "one", "1");

    let started = performance.now();
    await cluster.scale(3);
    await cluster.settled(3);
    t.diagnostic(`1 to 3 members: ${secondsSince(started)}`);
    await cluster.etcdctl("put", "three", "3");
    for (const pod of await cluster.pods()) {
      assert.equal(await cluster.getFrom(pod.metadata.name, "one"), "1");
    }
    assert.equal((await cluster.volumes()).length, 3);

    started = performance.now();
    await cluster.scale(1);
    const shrunk = await cluster.settled(1);
    t.diagnostic(`3 to 1 members: ${secondsSince(started)}`);
    assert.equal(shrunk.status?.clusterID, status?.clusterID);
    assert.equal(await cluster.etcdctl("get", "--print-value-only", "three"), "3\n");
    assert.equal((await cluster.etcdctl("member", "list")).trim().split("\n").length, 1);
    await until("volumes of removed members to go", async () => {
      const { length } = await cluster.volumes();
      return length === 1 && (await cluster.owned(resources.statefulSets)).length === 1;
    });
  }),
);

test(
  "an operator killed in mid-scale is followed by one that finishes",
  on(cluster, async (t) => {
    const { status } = await cluster.get();
    await cluster.scale(3);
    const learner = await until("a learner", async () => {
      const { members } = (await cluster.get()).status ?? {};
      return members?.find((member) => member.learner);
    });
    const killed = await killLeadingOperator();
    const started = performance.now();
    const successor = await until("another operator to lead", async () => {
      const holder = await leaseHolder();
      return holder !== "" && holder !== killed && holder;
    });
    t.diagnostic(`operator killed to the next one leading: ${secondsSince(started)}`);
    const grown = await cluster.settled(3);
    t.diagnostic(`operator killed to all members healthy: ${secondsSince(started)}`);
    assert.notEqual(successor, killed);
    assert.equal(grown.status?.clusterID, status?.clusterID);
    assert.ok(grown.status?.members?.some((member) => member.name === learner.name));
    assert.equal((await cluster.volumes()).length, 3, "nothing was begun twice");
    assert.equal(await cluster.etcdctl("get", "--print-value-only", "one"), "1\n");
  }),
);

test(
  "deletion takes the data along where the policy is Delete",
  on(cluster, async () => {
    const isOurs = (it: object): boolean => JSON.stringify(it).includes(`"${namespace}"`);
    const persistent = {
      ...resources.volumes,
      kind: "PersistentVolume",
      plural: "persistentvolumes",
    };
    // Those of members that were removed may still be on their way out.
    await until("the disks of three members", async () => {
      return (await api.list(persistent)).items.filter(isOurs).length === 3;
    });
    await cluster.delete();
    await cluster.gone(
      resources.statefulSets,
      resources.pods,
      resources.services,
      resources.budgets,
      resources.volumes,
    );
    await until("the disks to be freed", async () => {
      return (await api.list(persistent)).items.filter(isOurs).length === 0;
    });
  }),
);
