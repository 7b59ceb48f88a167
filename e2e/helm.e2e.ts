// A real Helm: the operator in a namespace of its own, which is all it serves, and a cluster by the
// chart etcd-cluster. Both are upgraded under load, uninstalled and installed again.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { resources } from "../src/operator/runtime/index.ts";
import type { KubeObject, Pod } from "../src/operator/types/index.ts";
import {
  api,
  createNamespace,
  deleteNamespace,
  execute,
  image,
  kubectl,
  on,
  secondsSince,
  TestCluster,
  until,
  Writers,
} from "./rig/index.ts";

const namespace = "e2e-helm";
/** Release of the operator; also begins the names of what has no namespace. */
const release = "helm-e2e";
const cluster = new TestCluster(namespace, "orders");

const helm = (...args: string[]): Promise<string> =>
  execute(["helm", ...args, "--namespace", namespace]);

const tagAt = image.lastIndexOf(":");
const operatorValues = [
  `--set=image.repository=${image.slice(0, tagAt)}`,
  `--set-string=image.tag=${image.slice(tagAt + 1)}`,
  `--set=watchNamespaces={${namespace}}`,
];
const installOperator = (...flags: string[]): Promise<string> =>
  helm("install", release, "charts/quoin", ...operatorValues, "--wait", "--timeout=300s", ...flags);

const clusterValues = ["--set=spec.replicas=3", "--set=spec.storage.size=1Gi"];
const helmCluster = (verb: "install" | "upgrade", ...flags: string[]): Promise<string> =>
  helm(verb, cluster.name, "charts/etcd-cluster", ...clusterValues, ...flags);

before(async () => {
  // The one that other files install serves all namespaces, and two must not serve one.
  const other = ["-n", "quoin-system", "--ignore-not-found"];
  await kubectl(["delete", "deployment", "quoin-operator", "--cascade=foreground", ...other]);
  await createNamespace(namespace);
});

after(async () => {
  await Promise.allSettled([cluster.name, release].map((name) => helm("uninstall", name)));
  await deleteNamespace(namespace);
});

test(
  "helm installs an operator that serves one namespace, and helm test says that it does",
  on(cluster, async (t) => {
    // Another release or kubectl may have brought the definitions already.
    const started = performance.now();
    await installOperator("--take-ownership");
    t.diagnostic(`helm install: ${secondsSince(started)}`);
    const told = await helm("test", release, "--logs", "--timeout=300s");
    assert.match(told, /etcdclusters in e2e-helm can be read/);
    assert.match(told, /leads \(Lease e2e-helm\/helm-e2e-quoin-operator\)/);
    assert.doesNotMatch(told, /FAILED/);
    await helmCluster("install");
    await cluster.settled(3);
    t.diagnostic(`helm install to a cluster of three: ${secondsSince(started)}`);
  }),
);

test(
  "helm upgrades operator and cluster under load; no acknowledged write is lost",
  on(cluster, async (t) => {
    await using writers = new Writers(await cluster.access(), "upgraded/");
    await writers.progress(100);
    const before = await uids();
    const chart = ["charts/quoin", ...operatorValues, "--set=workers=2", "--set=logLevel=debug"];
    await helm("upgrade", release, ...chart, "--wait", "--timeout=300s");
    await until("the new operator to lead", () => helm("test", release, "--timeout=300s"));
    assert.deepEqual(await uids(), before, "an upgrade of the operator restarts no member");

    const started = performance.now();
    await helmCluster("upgrade", "--set=spec.etcdOptions.snapshotCount=5000");
    await cluster.settled(3);
    t.diagnostic(`helm upgrade to 3 members rolled: ${secondsSince(started)}`);
    const pods = await cluster.pods();
    assert.ok(pods.every((pod) => argsOf(pod).includes("--snapshot-count=5000")));
    await writers.progress(100);
    t.diagnostic(await writers.stop());
    await writers.assertNothingLost();
  }),
);

test(
  "helm uninstalls the operator and the clusters serve on; installed again it takes them over",
  on(cluster, async () => {
    await using writers = new Writers(await cluster.access(), "alone/");
    await writers.progress(100);
    const [pods, volumes] = [await uids(), await volumeUids()];
    // Not --wait: Helm 4 takes what it has not looked at yet for gone, gives up after a moment on a busy machine, and
    // calls the Deployment that is on its way out an error.
    await helm("uninstall", release, "--cascade=foreground");
    const operator = `deployment/${release}-quoin-operator`;
    await cluster.kubectl("wait", "--for=delete", operator, "--timeout=300s");
    const definition = await kubectl(["get", "crd", "etcdclusters.quoin.dev", "-o", "name"]);
    assert.match(definition, /etcdclusters\.quoin\.dev/);
    assert.equal((await cluster.get()).spec.replicas, 3);
    await writers.progress(100);
    assert.deepEqual([await uids(), await volumeUids()], [pods, volumes]);

    // The release's own definitions are found again: no --take-ownership.
    await installOperator();
    await helmCluster("upgrade", "--set=spec.paused=true");
    await cluster.isPaused();
    await writers.progress(100);
    await writers.stop();
    await writers.assertNothingLost();
    assert.deepEqual([await uids(), await volumeUids()], [pods, volumes]);
  }),
);

test(
  "helm uninstalls a cluster and leaves its volumes",
  on(cluster, async () => {
    const volumes = await volumeUids();
    await helm("uninstall", cluster.name);
    await cluster.gone(resources.statefulSets, resources.pods, resources.services);
    assert.deepEqual(await volumeUids(), volumes);
  }),
);

const byUid = (objects: readonly KubeObject[]): string[] =>
  objects.map(({ metadata }) => metadata.uid ?? "").sort();
const uids = async (): Promise<string[]> => byUid(await cluster.pods());

/** Of the volumes of members; those of Jobs come and go. */
const volumeUids = async (): Promise<string[]> => {
  const { items } = await api.list(resources.volumes, { namespace });
  return byUid(items);
};

const argsOf = (pod: Pod): readonly string[] => pod.spec?.containers[0]?.args ?? [];
