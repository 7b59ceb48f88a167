// A cluster under load: its leader is deleted, killed, its options change, it is paused. At no time
// is an acknowledged write lost. This one speaks plain text, as a spec may ask for.

import assert from "node:assert/strict";
import { test } from "node:test";
import { resources } from "../src/operator/runtime/index.ts";
import type { Pod, StatefulSet } from "../src/operator/types/index.ts";
import {
  condition,
  killProcess,
  on,
  processOf,
  RestartRecord,
  secondsSince,
  TestCluster,
  until,
  useNamespace,
  Writers,
} from "./rig/index.ts";

const cluster = new TestCluster(useNamespace("change"), "ledger");

test(
  "a deleted leader costs no acknowledged write",
  on(cluster, async (t) => {
    const tls = { client: { mode: "Disabled" }, peer: { mode: "Disabled" } };
    await cluster.apply({ replicas: 3, storage: { size: "1Gi" }, tls });
    const { status } = await cluster.settled(3);
    for (const endpoint of status?.endpoints ?? ["none"]) assert.match(endpoint, /^http:/);
    await using writers = new Writers(await cluster.access(), "deleted/");
    await writers.progress(100);
    const leader = await cluster.leader();
    const deleted = performance.now();
    await cluster.kubectl("delete", "pod", leader.metadata.name, "--wait=false");
    await until("the pod to be replaced", async () =>
      (await cluster.pods()).some((pod) => isReplaced(pod, leader)),
    );
    await cluster.settled(3);
    t.diagnostic(`leader deleted to all members healthy: ${secondsSince(deleted)}`);
    await writers.progress(100);
    t.diagnostic(await writers.stop());
    await writers.assertNothingLost();
  }),
);

test(
  "a killed leader is followed by another; no acknowledged write is lost",
  on(cluster, async (t) => {
    await using writers = new Writers(await cluster.access(), "killed/");
    await writers.progress(100);
    const leader = await cluster.leader();
    const term = await cluster.term();
    const pid = processOf(leader, ["quoin", "server"]);
    const killed = performance.now();
    await killProcess(pid);
    const ms = await writers.nextAccepted(killed);
    t.diagnostic(`leader's kill -9 to the next accepted write: ${Math.round(ms)} ms`);
    await until("a new leader's term", async () => (await cluster.term()) > term);
    await until("its container to start again", async () => {
      const pod = (await cluster.pods()).find((it) => it.metadata.uid === leader.metadata.uid);
      const [container] = pod?.status?.containerStatuses ?? [];
      return (container?.restartCount ?? 0) > restarts(leader);
    });
    await cluster.settled(3);
    await writers.progress(100);
    t.diagnostic(await writers.stop());
    await writers.assertNothingLost();
  }),
);

test(
  "a changed option rolls one member at a time, the leader last",
  on(cluster, async (t) => {
    await using writers = new Writers(await cluster.access(), "rolled/");
    await writers.progress(100);
    const before = await cluster.pods();
    const term = await cluster.term();
    const leader = await cluster.leader();
    await using record = new RestartRecord(cluster);
    const started = performance.now();
    await cluster.patch({ etcdOptions: { snapshotCount: 5000 } });
    await cluster.settled(3);
    const elections = (await cluster.term()) - term;
    t.diagnostic(`3 members rolled: ${secondsSince(started)}; ${elections} election(s)`);
    await writers.progress(100);
    t.diagnostic(await writers.stop());
    await writers.assertNothingLost();

    const restarted = await record.stop();
    assert.deepEqual(
      [...restarted].sort(),
      before.map((pod) => pod.metadata.name),
    );
    // With more elections than the one that the operator asks for, another member led in the end.
    const order = `in this order: ${restarted.join(", ")}`;
    if (elections === 1) assert.equal(restarted.at(-1), leader.metadata.name, order);
    assert.equal(record.downMax, 1, "never two at a time");
    for (const pod of await cluster.pods()) {
      assert.ok(pod.spec?.containers[0]?.args?.includes("--snapshot-count=5000"));
    }
  }),
);

test(
  "nothing happens while it is paused; resumed, it goes on",
  on(cluster, async () => {
    const before = await objects();
    await cluster.patch({ paused: true, replicas: 1, etcdOptions: { snapshotCount: 6000 } });
    await cluster.isPaused();
    await until("a quorum", async () => {
      return condition(await cluster.get(), "Available") === "True QuorumHealthy";
    });
    // The operator still looks: it tells of a pod that goes and comes back, by itself and unchanged.
    const [pod] = await cluster.pods();
    await cluster.kubectl("delete", "pod", pod!.metadata.name, "--wait=false");
    await cluster.statusShows("2 ready members", ({ readyReplicas }) => readyReplicas === 2);
    await cluster.statusShows("3 ready members", ({ readyReplicas }) => readyReplicas === 3);
    assert.deepEqual(await objects(), before);
    assert.ok((await cluster.pods()).every((it) => !JSON.stringify(it).includes("=6000")));

    await cluster.patch({ paused: false });
    await cluster.settled(1);
    const [last] = await cluster.pods();
    assert.ok(last?.spec?.containers[0]?.args?.includes("--snapshot-count=6000"));
  }),
);

/** What the operator makes, by version of the specification. */
async function objects(): Promise<string[]> {
  const sets = await cluster.owned<StatefulSet>(resources.statefulSets);
  const volumes = await cluster.volumes();
  return [...sets, ...volumes]
    .map(({ metadata }) => `${metadata.name} ${metadata.uid} ${metadata.generation}`)
    .sort();
}

const isReplaced = (pod: Pod, old: Pod): boolean =>
  pod.metadata.name === old.metadata.name && pod.metadata.uid !== old.metadata.uid;

const restarts = (pod: Pod): number => pod.status?.containerStatuses?.[0]?.restartCount ?? 0;
