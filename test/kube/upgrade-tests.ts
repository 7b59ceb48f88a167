import assert from "node:assert/strict";
import { test } from "node:test";
import { resources } from "../../src/operator/runtime/index.ts";
import { until } from "../until.ts";
import {
  api,
  condition,
  edit,
  getCluster,
  oldObjects,
  settled,
  skip,
  startOperator,
} from "./environment.ts";

/** Objects that were stored under an older definition (setUp has brought the new one over it). */
export function registerUpgradeTests(): void {
  test("objects of an older definition are read as they were stored", { skip }, async () => {
    for (const object of oldObjects()) {
      const { spec, status, metadata } = await getCluster(object.metadata.name);
      assert.deepEqual(spec, object.spec);
      assert.deepEqual(status, object.status);
      assert.deepEqual(metadata.labels, object.metadata.labels);
    }
  });

  test("objects of an older definition are valid: written back as they are, and changed", {
    skip,
  }, async () => {
    for (const { metadata } of oldObjects()) {
      const object = await getCluster(metadata.name);
      const again = await api.replace(resources.etcdClusters, object);
      assert.equal(again.metadata.generation, object.metadata.generation);
      const changed = await edit(metadata.name, { storage: { size: "30Gi" } });
      assert.equal(changed.spec.storage.size, "30Gi");
    }
  });

  test("the operator goes on with clusters of an older version", { skip }, async () => {
    await using _operator = startOperator();
    await settled("old-small", 1);
    // Paused, with a past: what was latched stays.
    const before = oldObjects().find(({ metadata }) => metadata.name === "old-full")?.status;
    const after = await until("old-full to be looked at", async () => {
      const cluster = await getCluster("old-full");
      return condition(cluster, "Progressing") === "False Paused" && cluster;
    });
    for (const field of ["clusterID", "clusterToken", "seed", "version", "image"] as const) {
      assert.equal(after.status?.[field], before?.[field], field);
    }
    for (const name of ["old-small", "old-full"]) {
      await api.delete(resources.etcdClusters, "default", name);
    }
  });
}
