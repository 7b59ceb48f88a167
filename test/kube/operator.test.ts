import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  isNotFound,
  KubeError,
  type Resource,
  resources,
} from "../../src/operator/runtime/index.ts";
import { until } from "../until.ts";
import { operatorToken } from "./api-server.ts";
import { registerCertManagerTests } from "./cert-manager-tests.ts";
import { registerCheckTests } from "./check-tests.ts";
import {
  api,
  condition,
  edit,
  etcd,
  getCluster,
  make,
  owned,
  server,
  settled,
  setUp,
  skip,
  startOperator,
  tearDown,
} from "./environment.ts";
import { registerLifeTest } from "./life-tests.ts";
import { registerLossTests } from "./loss-tests.ts";
import { registerPluginTests } from "./plugin-tests.ts";
import { registerRuntimeTests } from "./runtime-tests.ts";
import { registerScopeTests } from "./scope-tests.ts";
import { registerSpecTests } from "./spec-tests.ts";
import { registerTlsTests } from "./tls-tests.ts";
import { registerUpgradeTests } from "./upgrade-tests.ts";

before(async () => {
  if (!skip) await setUp();
});
after(tearDown);

registerUpgradeTests();
registerCheckTests();
registerPluginTests();
registerSpecTests();
registerRuntimeTests();
registerLifeTest();
registerLossTests();
registerScopeTests();
registerTlsTests();
registerCertManagerTests();

test("an operator that dies in the middle is followed by one that finishes", {
  skip,
}, async () => {
  const formed = etcd.formed;
  await api.create(resources.etcdClusters, make("killed", { replicas: 5 }));
  for (let i = 0; i < 40; i++) {
    const steps = 1 + (i % 3);
    await using operator = startOperator(["--leader-elect=false"]);
    const done = await until("some steps", async () => {
      const c = await getCluster("killed");
      if (condition(c, "Progressing") === "False Stable" && c.status?.members?.length === 5)
        return "all";
      return operator.log.filter((l) => l.includes('"msg":"acting"')).length >= steps && "some";
    });
    if (done === "all") break;
  }
  await using _last = startOperator(["--leader-elect=false"]);
  await settled("killed", 5);
  assert.equal(etcd.formed, formed + 1);
  await edit("killed", { replicas: 2 });
  await settled("killed", 2);
  await edit("killed", { image: { repository: "quoin", tag: "wrong" } });
  await until("the bad image to stop the roll", async () => {
    return (
      condition(await getCluster("killed"), "Degraded") === "True MemberUnhealthy" ||
      condition(await getCluster("killed"), "Degraded") === "True QuorumLost"
    );
  });
  await edit("killed", { image: { repository: "quoin", tag: "dev" } });
  await settled("killed", 2);
  await api.delete(resources.etcdClusters, "default", "killed");
});

test("a Service of the same name that is not ours stops the cluster", { skip }, async () => {
  const metadata = { name: "taken-client", namespace: "default" };
  const spec = { ports: [{ port: 1 }] };
  await api.create(resources.services, { apiVersion: "v1", kind: "Service", metadata, spec });
  await using _operator = startOperator();
  await api.create(resources.etcdClusters, make("taken", {}));
  await until("NameConflict", async () => {
    return condition(await getCluster("taken"), "Degraded") === "True NameConflict";
  });
  assert.equal((await owned(resources.statefulSets, "taken")).length, 0);
  await api.delete(resources.etcdClusters, "default", "taken");
});

test("volumes go with the cluster where the policy says so, also when it says so later", {
  skip,
}, async () => {
  await using _operator = startOperator();
  await api.create(resources.etcdClusters, make("policy", { replicas: 2 }));
  await settled("policy", 2);
  const isOwned = async (): Promise<boolean[]> =>
    (await owned(resources.volumes, "policy")).map((v) => v.metadata.ownerReferences !== undefined);
  assert.deepEqual(await isOwned(), [false, false]);
  const storage = { retentionPolicy: { whenDeleted: "Delete" } };
  await edit("policy", { storage });
  await until("the volumes to be owned", async () => (await isOwned()).every(Boolean));
  await edit("policy", { storage: { retentionPolicy: { whenDeleted: "Retain" } } });
  await until("the volumes to be free", async () => !(await isOwned()).some(Boolean));
  await edit("policy", { storage });
  await until("the volumes to be owned again", async () => (await isOwned()).every(Boolean));
  await api.delete(resources.etcdClusters, "default", "policy");
  await until("the volumes to go", async () => {
    return (await owned(resources.volumes, "policy")).length === 0;
  });
});

test("paused: nothing is made", { skip }, async () => {
  await using _operator = startOperator();
  await api.create(resources.etcdClusters, make("paused", { paused: true }));
  await until("Paused", async () => {
    return condition(await getCluster("paused"), "Progressing") === "False Paused";
  });
  assert.equal((await owned(resources.volumes, "paused")).length, 0);
  await api.delete(resources.etcdClusters, "default", "paused");
});

test("the operator's rights are enough and no more than it needs", { skip }, async () => {
  const limited = server.api(operatorToken);
  const secrets: Resource = { group: "", apiVersion: "v1", kind: "Secret", plural: "secrets" };
  await assert.rejects(limited.list(secrets), (e) => e instanceof KubeError && e.status === 403);
  await assert.rejects(limited.delete(resources.services, "default", "kubernetes"), /forbidden/);
  await assert.rejects(edit("nothing", {}), isNotFound);
});
