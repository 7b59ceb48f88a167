// A real Kubernetes whose API server keeps everything in three members of ours, over mTLS: work for its
// controllers, while a member is killed with -9 every 20 s and the API server compacts every 15 s. In CI
// a minute of it; docs/kubernetes.md has the figures of five, and of real etcd.
//
// By hand, also with real etcd in the members' place:
//
//   STORY_STORE=etcd STORY_SECONDS=300 STORY_LOGS=keep RUN=mine node_modules/.bin/node --test e2e/kubernetes.e2e.ts

import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { until } from "../test/until.ts";
import { Churn } from "./kubernetes/churn.ts";
import { History, type Snapshot } from "./kubernetes/history.ts";
import { unexplained } from "./kubernetes/known-lines.ts";
import { lineClasses } from "./kubernetes/log-lines.ts";
import { get, getPage, type Page, pagedList } from "./kubernetes/pages.ts";
import { StoreCluster, type StoreName } from "./kubernetes/store-cluster.ts";
import {
  configMaps,
  configMapsPath,
  createEvent,
  createMany,
  createNamespace,
  defineWidgets,
  killMembers,
  listPages,
  makeConfigMap,
  makeWidget,
  manyObjects,
  namespace,
  pageSize,
  type Renewal,
  renewals,
  widgets,
} from "./kubernetes/story.ts";
import { Workloads } from "./kubernetes/workloads.ts";
import { root } from "./rig/commands.ts";

const store = (process.env["STORY_STORE"] ?? "quoin") as StoreName;
const storySeconds = Number(process.env["STORY_SECONDS"] ?? 60);

let cluster: StoreCluster;
let failures = 0;

/** A test whose failure keeps the cluster's logs. */
const claim = (name: string, body: (t: TestContext) => void | Promise<void>): void =>
  void test(name, async (t) => {
    failures++;
    await body(t);
    failures--;
  });

/** What was seen while the members died; the claims are about it. */
interface Seen {
  readonly maps: History;
  readonly customs: History;
  readonly mapRevisions: readonly number[];
  readonly customRevisions: readonly number[];
  readonly lists: readonly Snapshot[];
  readonly firstPage: Page;
  readonly leases: ReadonlyMap<string, Renewal>;
}
let seen: Seen;

before(async () => {
  const run = `${(process.env["RUN"] ?? "mine").slice(0, 7)}k`;
  cluster = await StoreCluster.raise(store, run, [
    "--etcd-compaction-interval=15s",
    "--event-ttl=15s",
    "--lease-reuse-duration-seconds=5",
  ]);
  await createNamespace(cluster);
  await defineWidgets(cluster);
});

after(async () => {
  await cluster?.down(failures > 0 || process.env["STORY_LOGS"] === "keep");
});

claim("Deployments and Jobs come and go while the members are killed", async (t) => {
  await using maps = await History.from(cluster.api, configMaps, namespace);
  await using customs = await History.from(cluster.api, widgets, namespace);
  t.diagnostic(await createMany(cluster));
  const leases = await renewals(cluster);
  const { page: firstPage } = await getPage(cluster.config, configMapsPath, pageSize);
  await createEvent(cluster);

  const untilMs = performance.now() + storySeconds * 1000;
  await using mapChurn = new Churn(cluster.api, configMaps, makeConfigMap, 8, 50);
  await using customChurn = new Churn(cluster.api, widgets, makeWidget, 4, 100);
  await using workloads = new Workloads(cluster.api, namespace);
  const [kills, { lists, broken }] = await Promise.all([
    killMembers(cluster, untilMs),
    listPages(cluster, untilMs),
  ]);
  for (const part of [mapChurn, customChurn, workloads]) t.diagnostic(await part.finish());
  const last = await until("a last list", () =>
    pagedList(cluster.config, configMapsPath, pageSize),
  );
  assert.ok(last.versions.size >= manyObjects);
  const { acknowledged: mapRevisions } = mapChurn;
  const { acknowledged: customRevisions } = customChurn;
  await maps.reaches(Math.max(...mapRevisions));
  await customs.reaches(Math.max(...customRevisions));
  t.diagnostic(`${kills} kills; ${lists.length} paged lists, ${broken} broken off`);
  t.diagnostic(`${maps.summary}; ${customs.summary}`);
  lists.push(last);
  seen = { maps, customs, mapRevisions, customRevisions, lists, firstPage, leases };
});

claim("watches tell every write once and in order", () => {
  seen.maps.assertWhole(seen.mapRevisions);
  seen.customs.assertWhole(seen.customRevisions);
});

claim("lists of several pages are what the watches tell up to their revision", () => {
  assert.ok(seen.lists.length > 1);
  seen.maps.assertLists(seen.lists);
});

claim("a continue token older than the compaction expires, and can go on from now", async () => {
  const { continue: token, resourceVersion } = seen.firstPage.metadata;
  const page = (token?: string) => getPage(cluster.config, configMapsPath, pageSize, token);
  const seconds = 120;
  const expired = await until(
    "the token to expire",
    async () => {
      const answer = await page(token);
      return answer.status !== 200 && answer;
    },
    seconds,
  );
  assert.deepEqual([expired.status, expired.page.reason], [410, "Expired"]);
  const now = await page(expired.page.metadata.continue);
  assert.deepEqual([now.status, now.page.items?.length], [200, pageSize]);
  // The member that is asked may have applied less than the one that told.
  await until("the first member to be compacted", async () => {
    return (await cluster.compactRevision()) > Number(resourceVersion);
  });
});

claim("what is written with a lease goes with it", async () => {
  await until("the Event to expire", async () => {
    const path = `/api/v1/namespaces/${namespace}/events/short-lived`;
    return (await get(cluster.config, path)).status === 404;
  });
});

claim("controllers, scheduler and kubelet kept their leases", async (t) => {
  const now = await renewals(cluster);
  for (const [name, before] of seen.leases) {
    const lease = now.get(name);
    assert.ok((lease?.renewTime ?? "") > (before.renewTime ?? ""), `${name} is not renewed`);
    assert.equal(lease?.leaseTransitions ?? 0, before.leaseTransitions ?? 0, name);
  }
  t.diagnostic([...seen.leases.keys()].join(", "));
});

claim("consistent lists come from the cache, by progress that the members report", async (t) => {
  const { body } = await get(cluster.config, "/metrics");
  const count = (label: string): number =>
    body
      .split("\n")
      .filter((line) => line.startsWith("apiserver_watch_cache_consistent_read_total{"))
      .filter((line) => line.includes(label))
      .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
  const [good, bad] = [count('success="true"'), count('success="false"')];
  t.diagnostic(`${good} consistent lists from the cache, ${bad} in vain`);
  assert.ok(good > 0);
});

claim("all members hold the same", async (t) => {
  const [hash] = await until("equal hashes", async () => {
    const hashes = await cluster.hashes();
    return new Set(hashes).size === 1 && hashes;
  });
  t.diagnostic(`hash and compacted revision: ${hash}`);
});

claim("the API server logs no storage error that it does not log with etcd", () => {
  const classes = lineClasses(cluster.log("kube-apiserver"));
  mkdirSync(join(root, ".out"), { recursive: true });
  const file = join(root, ".out", `apiserver-${store}.json`);
  writeFileSync(file, JSON.stringify(classes, null, 1));
  assert.deepEqual(unexplained(classes), []);
});
