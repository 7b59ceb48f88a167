// Specs that cannot work: refused at once with a message that says what to do, or, where only the
// nodes can know, told in status until they are corrected.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  CommandFailed,
  condition,
  kubectl,
  manifest,
  on,
  TestCluster,
  until,
  useNamespace,
} from "./rig/index.ts";

const namespace = useNamespace("refuse");
const good = { replicas: 3, storage: { size: "1Gi" } };

const refusals: readonly [what: string, name: string, spec: object, message: RegExp][] = [
  [
    "no members",
    "bad",
    { replicas: 0 },
    /set replicas to at least 1; to remove the cluster delete/,
  ],
  ["eight members", "bad", { replicas: 8 }, /set replicas to at most 7/],
  ["no storage", "bad", { storage: undefined }, /spec.storage: Required value/],
  ["a name that is too long", "a".repeat(41), {}, /shorten metadata.name to at most 40 characters/],
  [
    "flags that are the operator's",
    "bad",
    { extraArgs: ["--initial-cluster=a=http://b:2380"] },
    /remove flags the operator sets itself from extraArgs/,
  ],
  [
    "ETCD_ variables",
    "bad",
    { pod: { env: [{ name: "ETCD_NAME", value: "a" }] } },
    /use spec.etcdOptions or extraArgs instead of ETCD_\* variables/,
  ],
  [
    "an election timeout that is too short",
    "bad",
    { etcdOptions: { heartbeatInterval: 100, electionTimeout: 300 } },
    /set electionTimeout to at least 5 times heartbeatInterval/,
  ],
];

for (const [what, name, spec, message] of refusals) {
  test(`kubectl apply refuses ${what} and says what to do`, async () => {
    const text = manifest(namespace, name, { ...good, ...spec });
    await assert.rejects(kubectl(["apply", "-f", "-"], text), (error) => {
      assert.ok(error instanceof CommandFailed);
      assert.match(error.stderr, message);
      return true;
    });
  });
}

const cluster = new TestCluster(namespace, "typo");

test(
  "an image that is not there is told in status; corrected, it runs",
  on(cluster, async () => {
    await cluster.apply({ ...good, replicas: 1, image: { tag: "no-such-tag" } });
    // On a slow machine the Job may be stuck for want of its volume before.
    const stuck = await cluster.statusShows("the wrong tag", ({ conditions = [] }) =>
      conditions.some((it) => it.type === "Degraded" && it.message.includes("no-such-tag")),
    );
    assert.equal(condition(stuck, "Degraded"), "True SeedJobStuck");

    await cluster.apply({ ...good, replicas: 1 });
    await cluster.settled(1);
    assert.equal(await cluster.etcdctl("put", "a", "b"), "OK\n");
  }),
);

test(
  "changes that volumes cannot follow are refused",
  on(cluster, async () => {
    await until("the cluster", () => cluster.get());
    await assert.rejects(cluster.patch({ storage: { size: "512Mi" } }), /volumes cannot shrink/);
    const storage = { storageClassName: "other" };
    await assert.rejects(cluster.patch({ storage }), /keep storage.storageClassName as it was/);
  }),
);
