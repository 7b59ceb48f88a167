// The work of the story in kubernetes.e2e.ts: what is made, who kills, who lists.

import { setTimeout as pause } from "node:timers/promises";
import { type Resource, resources } from "../../src/operator/runtime/index.ts";
import type { KubeObject } from "../../src/operator/types/index.ts";
import { until } from "../../test/until.ts";
import type { MakeObject } from "./churn.ts";
import type { Snapshot } from "./history.ts";
import { pagedList } from "./pages.ts";
import type { StoreCluster } from "./store-cluster.ts";

const killEveryMs = 20_000;
const deadMs = 3000;
export const namespace = "story";
export const manyObjects = Number(process.env["STORY_OBJECTS"] ?? 2100);
export const pageSize = 500;

export const configMaps: Resource = {
  group: "",
  apiVersion: "v1",
  kind: "ConfigMap",
  plural: "configmaps",
};
export const widgets: Resource = {
  group: "story.quoin.dev",
  apiVersion: "story.quoin.dev/v1",
  kind: "Widget",
  plural: "widgets",
};
export const configMapsPath = `/api/v1/namespaces/${namespace}/configmaps`;

const make =
  ({ apiVersion, kind }: Resource, field: string): MakeObject =>
  (name, padding) =>
    ({ apiVersion, kind, metadata: { name, namespace }, [field]: { padding } }) as KubeObject;
export const makeConfigMap = make(configMaps, "data");
export const makeWidget = make(widgets, "spec");

export async function createNamespace(cluster: StoreCluster): Promise<void> {
  const namespaces = { group: "", apiVersion: "v1", kind: "Namespace", plural: "namespaces" };
  const object = { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } };
  await cluster.api.create(namespaces, object);
}

export async function defineWidgets(cluster: StoreCluster): Promise<void> {
  const apiVersion = "apiextensions.k8s.io/v1";
  const definitions: Resource = {
    group: "apiextensions.k8s.io",
    apiVersion,
    kind: "CustomResourceDefinition",
    plural: "customresourcedefinitions",
  };
  const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const schema = { openAPIV3Schema: { type: "object", properties: { spec: open } } };
  const version = { name: "v1", served: true, storage: true, schema, subresources: { status: {} } };
  await cluster.api.create(definitions, {
    apiVersion,
    kind: definitions.kind,
    metadata: { name: `${widgets.plural}.${widgets.group}` },
    spec: {
      group: widgets.group,
      names: { plural: widgets.plural, kind: widgets.kind, singular: "widget" },
      scope: "Namespaced",
      versions: [version],
    },
  } as KubeObject);
  await until("the API of widgets", async () => {
    await cluster.api.list(widgets, { namespace });
    return true;
  });
}

/** Objects that stay, so that lists have several pages; as fast as 16 clients can. */
export async function createMany(cluster: StoreCluster): Promise<string> {
  const startedMs = performance.now();
  const cpuBefore = await cluster.cpuSeconds();
  const names = Array.from({ length: manyObjects }, (_, i) => `many-${i}`);
  const next = names.values();
  const creator = async (): Promise<void> => {
    for (const name of next) await cluster.api.create(configMaps, makeConfigMap(name, ""));
  };
  await Promise.all(Array.from({ length: 16 }, creator));
  const seconds = (performance.now() - startedMs) / 1000;
  const cpuSeconds = (await cluster.cpuSeconds()) - cpuBefore;
  return `${manyObjects} ConfigMaps created at ${Math.round(manyObjects / seconds)}/s; the members' processor time: ${cpuSeconds.toFixed(1)} s`;
}

/** Kills a member every 20 s, leader and follower in turn, and starts it again; how many. */
export async function killMembers(cluster: StoreCluster, untilMs: number): Promise<number> {
  let kills = 0;
  while (performance.now() < untilMs) {
    const nextMs = performance.now() + killEveryMs;
    const leader = await cluster.leader();
    const victim = kills % 2 === 0 ? leader : (leader % 3) + 1;
    await cluster.kill(victim);
    await pause(deadMs);
    await cluster.start(victim);
    kills++;
    await pause(Math.max(0, Math.min(nextMs, untilMs) - performance.now()));
  }
  return kills;
}

/** Lists all ConfigMaps by pages again and again. */
export async function listPages(
  cluster: StoreCluster,
  untilMs: number,
): Promise<{ lists: Snapshot[]; broken: number }> {
  const lists: Snapshot[] = [];
  let broken = 0;
  while (performance.now() < untilMs) {
    const list = await pagedList(cluster.config, configMapsPath, pageSize);
    if (list === undefined) broken++;
    else lists.push(list);
    await pause(500);
  }
  return { lists, broken };
}

export interface Renewal {
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

export async function renewals(cluster: StoreCluster): Promise<Map<string, Renewal>> {
  const { items } = await cluster.api.list<KubeObject<Renewal>>(resources.leases);
  return new Map(
    items.map(({ metadata: it, spec }) => [`${it.namespace}/${it.name}`, spec ?? {}] as const),
  );
}

/** An Event that etcd's lease is to take away. */
export async function createEvent(cluster: StoreCluster): Promise<void> {
  const coreEvents = { group: "", apiVersion: "v1", kind: "Event", plural: "events" };
  const involvedObject = { kind: "Namespace", name: namespace, namespace };
  await cluster.api.create(coreEvents, {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "short-lived", namespace },
    involvedObject,
    reason: "Story",
    message: "gone soon",
  } as KubeObject);
}
