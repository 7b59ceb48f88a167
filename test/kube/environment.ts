import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import { createClock, createLogger, createRandom } from "../../src/io/index.ts";
import { Operator } from "../../src/operator/index.ts";
import { parseOptions } from "../../src/operator/options.ts";
import {
  type KubeApi,
  type Resource,
  resourceOf,
  resources,
} from "../../src/operator/runtime/index.ts";
import type { EtcdCluster, KubeObject } from "../../src/operator/types/index.ts";
import { until } from "../until.ts";
import {
  type ApiServer,
  admin,
  missingTools,
  operatorToken,
  type Release,
  startApiServer,
} from "./api-server.ts";
import { FakeEtcd, runKubelet } from "./kubelet.ts";

/** A file of tests runs on one release: the newest, unless it is called `oldest`. */
const release: Release = process.argv[1]?.includes("oldest") ? "oldest" : "newest";
export const skip = missingTools(release);
export let server: ApiServer;
export let api: KubeApi;
export const etcd = new FakeEtcd();
const nodes = new AbortController();
let kubelet: Promise<void>;

const extra: Record<string, Resource> = {
  CustomResourceDefinition: {
    group: "apiextensions.k8s.io",
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
  },
  Namespace: { group: "", apiVersion: "v1", kind: "Namespace", plural: "namespaces" },
  ServiceAccount: {
    group: "",
    apiVersion: "v1",
    kind: "ServiceAccount",
    plural: "serviceaccounts",
  },
  Deployment: { group: "apps", apiVersion: "apps/v1", kind: "Deployment", plural: "deployments" },
};
for (const [kind, plural] of [
  ["ClusterRole", "clusterroles"],
  ["ClusterRoleBinding", "clusterrolebindings"],
  ["Role", "roles"],
  ["RoleBinding", "rolebindings"],
] as const) {
  const group = "rbac.authorization.k8s.io";
  extra[kind] = { group, apiVersion: `${group}/v1`, kind, plural };
}

/**
 * Starts the API server, stores objects under the definition of an older version, applies
 * install.yaml over it as an upgrade does, and starts the stand-in for nodes.
 */
export async function setUp(): Promise<void> {
  server = await startApiServer(release);
  api = server.api(admin);
  await applyAll("test/kube/testdata/issue-3/crd.yaml");
  await until("the old definition to be served", async () => {
    await api.list(resources.etcdClusters);
    return true;
  });
  for (const object of oldObjects()) {
    const { metadata } = await api.create(resources.etcdClusters, object);
    if (object.status === undefined) continue;
    await api.replaceStatus(resources.etcdClusters, { ...object, metadata });
  }
  await applyAll("manifests/install.yaml");
  await until("the new definition to be served", async () => {
    const object = make("probe", { paused: true, repair: { automatic: true } });
    const { spec } = await api.create(resources.etcdClusters, object);
    await api.delete(resources.etcdClusters, "default", "probe");
    return spec.repair?.automatic === true;
  });
  kubelet = runKubelet(api, etcd, nodes.signal);
}

/** What an older version has stored. */
export const oldObjects = (): EtcdCluster[] =>
  documents("test/kube/testdata/issue-3/objects.yaml") as EtcdCluster[];

function documents(path: string): KubeObject[] {
  const text = readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
  return parseAllDocuments(text)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
}

/** Applies a manifest as kubectl would. */
async function applyAll(path: string): Promise<void> {
  for (const object of documents(path)) await applyObject(object);
}

export async function applyObject(object: KubeObject): Promise<void> {
  const resource = extra[object.kind] ?? resourceOf(object.kind);
  await until(`${object.kind} to be accepted`, () => api.apply(resource, object, { force: true }));
}

export async function tearDown(): Promise<void> {
  nodes.abort();
  await kubelet;
  await server?.[Symbol.asyncDispose]();
}

export const make = (name: string, spec: object, namespace = "default"): EtcdCluster =>
  ({
    apiVersion: "quoin.dev/v1alpha1",
    kind: "EtcdCluster",
    metadata: { name, namespace },
    spec: { replicas: 1, storage: { size: "1Gi" }, ...spec },
  }) as EtcdCluster;

export interface Running extends AsyncDisposable {
  readonly outcome: Promise<string>;
  readonly log: string[];
}

/** An operator with the rights of install.yaml, or with those of another token. */
export function startOperator(
  args: string[] = [],
  clock = createClock(),
  token = operatorToken,
): Running {
  const stop = new AbortController();
  const options = parseOptions(
    ["--metrics-bind-address=127.0.0.1:0", "--health-probe-bind-address=127.0.0.1:0", ...args],
    {},
  );
  assert.ok(options !== "help");
  const log: string[] = [];
  const write = (line: string) => log.push(line);
  const logger = createLogger({ level: "debug", write });
  const operator = new Operator(options, {
    api: server.api(token),
    etcd,
    clock,
    random: createRandom(),
    logger,
    endpointOf: (pod) =>
      pod.status?.phase === "Running"
        ? `http://${pod.metadata.labels?.["quoin.dev/member"]}`
        : undefined,
  });
  const outcome = operator.run(stop.signal);
  return {
    outcome,
    log,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await outcome;
      if (process.env["OPERATOR_LOG"]) process.stderr.write(log.join(""));
    },
  };
}

export const getCluster = (name: string): Promise<EtcdCluster> =>
  api.get(resources.etcdClusters, "default", name);

export const condition = (c: EtcdCluster, type: string): string | undefined => {
  const found = c.status?.conditions?.find((x) => x.type === type);
  return found && `${found.status} ${found.reason}`;
};

export async function settled(name: string, replicas: number): Promise<EtcdCluster> {
  return until(`${name} to have ${replicas} members`, async () => {
    const c = await getCluster(name);
    const current = c.status?.observedGeneration === c.metadata.generation;
    const stable = condition(c, "Progressing") === "False Stable";
    return current && stable && c.status?.members?.length === replicas && c;
  });
}

export const edit = (name: string, spec: object): Promise<EtcdCluster> =>
  api.patch(resources.etcdClusters, "default", name, { spec });

export const owned = async <T extends KubeObject>(
  resource: Resource,
  name: string,
): Promise<readonly T[]> =>
  (
    await api.list<T>(resource, {
      namespace: "default",
      labelSelector: `quoin.dev/cluster=${name}`,
    })
  ).items;
