import assert from "node:assert/strict";
import { test } from "node:test";
import { resources } from "../../src/operator/runtime/index.ts";
import type { Volume } from "../../src/operator/types/index.ts";
import { until } from "../until.ts";
import {
  api,
  condition,
  edit,
  getCluster,
  make,
  owned,
  settled,
  skip,
  startOperator,
} from "./environment.ts";

/** What becomes of members without a volume, with the rights the operator really has. */
export function registerLossTests(): void {
  test("a member whose volume is deleted is replaced, where a person allows it", {
    skip,
  }, async () => {
    await using _operator = startOperator();
    await api.create(
      resources.etcdClusters,
      make("lossy", { replicas: 3, repair: { automatic: false } }),
    );
    await settled("lossy", 3);
    const [volume] = await owned<Volume>(resources.volumes, "lossy");
    const member = volume?.metadata.labels?.["quoin.dev/member"] ?? "";
    await api.delete(resources.volumes, "default", volume?.metadata.name ?? "");
    const told = await until("MemberLost", async () => {
      const cluster = await getCluster("lossy");
      return condition(cluster, "Degraded") === "True MemberLost" && cluster;
    });
    assert.equal(condition(told, "Available"), "True QuorumHealthy");
    assert.ok(told.status?.members?.some((m) => m.name === member));

    await edit("lossy", { repair: { automatic: true, gracePeriod: "1m" } });
    await until("its place to be filled", async () => {
      const { status } = await getCluster("lossy");
      return status?.replacing === undefined && !status?.members?.some((m) => m.name === member);
    });
    const now = await settled("lossy", 3);
    assert.equal(condition(now, "Degraded"), "False AsExpected");
    assert.equal(now.status?.clusterID, told.status?.clusterID);
    await api.delete(resources.etcdClusters, "default", "lossy");
  });
}
