import assert from "node:assert/strict";
import { test } from "node:test";
import { resources } from "../../src/operator/runtime/index.ts";
import type { Pod, StatefulSet } from "../../src/operator/types/index.ts";
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
  skip,
  startOperator,
} from "./environment.ts";

/** A cluster from its creation to its end, and back from its volumes. */
export function registerLifeTest(): void {
  test("an EtcdCluster becomes three members, shrinks, rolls and goes", {
    skip,
  }, async () => {
    await using operator = startOperator();
    const formed = etcd.formed;
    await api.create(resources.etcdClusters, make("life", { replicas: 3 }));
    const up = await settled("life", 3);
    assert.equal(condition(up, "Available"), "True QuorumHealthy");
    assert.equal(condition(up, "Degraded"), "False AsExpected");
    assert.equal(up.status?.endpoints?.length, 3);
    assert.equal(up.status?.readyReplicas, 3);
    assert.equal((await owned(resources.statefulSets, "life")).length, 3);
    assert.equal((await owned(resources.jobs, "life")).length, 0);
    assert.ok(
      !operator.log.some((l) => l.includes("pass failed")),
      operator.log.filter((l) => l.includes("pass failed"))[0],
    );

    // A rolling change: each member restarts once, the leader last, after it handed over.
    const leader = up.status?.leader ?? "";
    etcd.starts.length = 0;
    await edit("life", { etcdOptions: { snapshotCount: 5000 } });
    await until("all members to restart", () => etcd.starts.length >= 3);
    await settled("life", 3);
    assert.equal(etcd.starts.length, 3);
    assert.equal(etcd.starts.at(-1), leader);
    assert.equal(etcd.moves.length, 1);
    const [set] = await owned<StatefulSet>(resources.statefulSets, "life");
    assert.ok(set?.spec?.template.spec?.containers[0]?.args?.includes("--snapshot-count=5000"));
    // Taking an option away takes the flag away: the fields are ours by server-side apply.
    await edit("life", { etcdOptions: null, pod: { nodeSelector: { a: "b" } } });
    await until("the flag to go", async () => {
      const sets = await owned<StatefulSet>(resources.statefulSets, "life");
      return sets.every((s) => !JSON.stringify(s.spec).includes("snapshot-count"));
    });
    await settled("life", 3);

    // A deleted pod comes back with its data, without the operator's doing.
    const [pod] = await owned<Pod>(resources.pods, "life");
    await api.delete(resources.pods, "default", pod?.metadata.name ?? "");
    await until("the pod to come back", async () => {
      const pods = await owned<Pod>(resources.pods, "life");
      return pods.length === 3 && pods.every((p) => p.metadata.uid !== pod?.metadata.uid);
    });
    await settled("life", 3);

    await edit("life", { replicas: 1 });
    const one = await settled("life", 1);
    assert.equal(one.status?.members?.[0]?.leader, true);
    assert.equal((await owned(resources.volumes, "life")).length, 1);
    assert.equal((await owned(resources.statefulSets, "life")).length, 1);

    await api.delete(resources.etcdClusters, "default", "life");
    await until("the children to go", async () => {
      const left = await Promise.all(
        [resources.statefulSets, resources.pods, resources.services, resources.budgets].map((r) =>
          owned(r, "life"),
        ),
      );
      return left.flat().length === 0;
    });
    assert.equal((await owned(resources.volumes, "life")).length, 1, "volumes are retained");
    assert.equal(etcd.formed, formed + 1);

    // Made again, it finds its volumes and asks; adopting them brings the same cluster back.
    await api.create(resources.etcdClusters, make("life", {}));
    await until("VolumesFound", async () => {
      return condition(await getCluster("life"), "Degraded") === "True VolumesFound";
    });
    await edit("life", { bootstrap: { existingVolumes: "Adopt" } });
    const again = await settled("life", 1);
    assert.equal(again.status?.clusterID, up.status?.clusterID);
    assert.equal(etcd.formed, formed + 1);
    await api.delete(resources.etcdClusters, "default", "life");
  });
}
