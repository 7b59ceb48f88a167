import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parse } from "yaml";
import { createClock } from "../../src/io/index.ts";
import { isNotFound, resources } from "../../src/operator/runtime/index.ts";
import type { EtcdCluster } from "../../src/operator/types/index.ts";
import { until } from "../until.ts";
import { scopedToken } from "./api-server.ts";
import { api, applyObject, condition, make, server, skip, startOperator } from "./environment.ts";

const group = "rbac.authorization.k8s.io";
const account = { kind: "ServiceAccount", name: "quoin-operator", namespace: "scoped" };

/** What the chart gives for a list of namespaces (test/charts compares): the same rules, as Roles. */
async function grant(namespace: string, name: string, rules: object): Promise<void> {
  const metadata = { name, namespace };
  const roleRef = { apiGroup: group, kind: "Role", name };
  const [role, binding] = [{ rules }, { roleRef, subjects: [account] }];
  await applyObject({ apiVersion: `${group}/v1`, kind: "Role", metadata, ...role });
  await applyObject({ apiVersion: `${group}/v1`, kind: "RoleBinding", metadata, ...binding });
}

async function grantScope(namespaces: readonly string[]): Promise<void> {
  for (const name of ["scoped", "outside", ...namespaces]) {
    await applyObject({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  const file = new URL("../../charts/quoin/rules.yaml", import.meta.url);
  const rules = parse(readFileSync(file, "utf8"));
  for (const namespace of namespaces) await grant(namespace, "quoin-operator", rules);
  const lease = { apiGroups: ["coordination.k8s.io"], resources: ["leases"] };
  await grant("scoped", "quoin-operator-leader", [
    { ...lease, verbs: ["create"] },
    { ...lease, resourceNames: ["quoin-operator"], verbs: ["get", "update"] },
  ]);
  // Whoever decides what is allowed hears of Roles a moment after they are stored.
  const own = server.api(scopedToken);
  for (const namespace of namespaces) {
    await until(`the Role in ${namespace}`, () => own.list(resources.etcdClusters, { namespace }));
  }
  const readLease = () => own.get(resources.leases, "scoped", "quoin-operator");
  await until("the Role for the Lease", () => readLease().then(() => true, isNotFound));
}

const read = (namespace: string): Promise<EtcdCluster> =>
  api.get(resources.etcdClusters, namespace, "scope");

/** An operator that may look at some namespaces only. */
export function registerScopeTests(): void {
  test("with Roles in two namespaces the operator serves these and no other", {
    skip,
  }, async () => {
    const inside = ["inside-a", "inside-b"];
    await grantScope(inside);
    for (const namespace of ["outside", ...inside]) {
      await api.create(resources.etcdClusters, make("scope", { replicas: 2 }, namespace));
    }
    const flags = [`--watch-namespaces=${inside.join(",")}`, "--leader-election-namespace=scoped"];
    await using operator = startOperator(flags, createClock(), scopedToken);
    for (const namespace of inside) {
      await until(`the cluster in ${namespace}`, async () => {
        const cluster = await read(namespace);
        const isStable = condition(cluster, "Progressing") === "False Stable";
        return isStable && cluster.status?.members?.length === 2;
      });
    }
    assert.equal((await read("outside")).status, undefined);
    assert.deepEqual(
      operator.log.filter((line) => /forbidden|403/.test(line)),
      [],
    );
    for (const namespace of ["outside", ...inside]) {
      await api.delete(resources.etcdClusters, namespace, "scope");
    }
  });
}
