// Members lose their disks, their data and their nodes, under a steady load of writes: each is replaced
// without a person, and no acknowledged write is lost.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { resources } from "../src/operator/runtime/index.ts";
import type { Pod, Volume } from "../src/operator/types/index.ts";
import {
  api,
  condition,
  execute,
  freeze,
  killProcess,
  kubectl,
  MemberDisk,
  on,
  powerOff,
  powerOn,
  processOf,
  root,
  secondsSince,
  TestCluster,
  until,
  useNamespace,
  Writers,
} from "./rig/index.ts";

const namespace = useNamespace("lost");
const cluster = new TestCluster(namespace, "vault");
const scratch = mkdtempSync(join(tmpdir(), "quoin-e2e-lost-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

const memberOf = (pod: Pod): string => pod.metadata.labels?.["quoin.dev/member"] ?? "";
const claimOf = (member: string): string => `data-${member}`;

/** Does the harm and waits until other members have the places. */
async function areReplaced(
  t: TestContext,
  what: string,
  pods: readonly Pod[],
  harm: () => Promise<unknown>,
): Promise<void> {
  const lost = pods.map(memberOf);
  const replicas = (await cluster.get()).spec.replicas;
  const started = performance.now();
  await harm();
  const isGone = (members: readonly { readonly name: string }[] = []): boolean =>
    !members.some((it) => lost.includes(it.name));
  await cluster.statusShows(
    `${lost.join(" and ")} to be replaced`,
    ({ members, replacing }) => replacing === undefined && isGone(members),
  );
  const { status } = await cluster.settled(replicas);
  t.diagnostic(`${what}: replaced in ${secondsSince(started)}`);
  assert.ok(isGone(status?.members), "no name is used again");
}

/** The disk changes under a server that does nothing; then it dies, and starts on what is left. */
async function restartOn(pod: Pod, line: string): Promise<void> {
  const disk = await MemberDisk.of(pod);
  const pid = processOf(pod, ["quoin", "server"]);
  freeze(pid);
  await disk.sh(line);
  await killProcess(pid);
}

/** The node with the fewest members, at least one, and those members' pods. */
function emptiestNode(pods: readonly Pod[], not = ""): { node: string; members: Pod[] } {
  const byNode = Map.groupBy(pods, (it) => it.spec?.nodeName ?? "");
  const [found] = [...byNode]
    .filter(([node]) => node !== not)
    .sort(([, a], [, b]) => a.length - b.length);
  assert.ok(found !== undefined, "no pod is on a node");
  return { node: found[0], members: found[1] };
}

/** A volume that was taken out of the cluster and says why. */
async function isKept(member: string, cause: string): Promise<void> {
  const volume = await api.get<Volume>(resources.volumes, namespace, claimOf(member));
  const { labels, deletionTimestamp } = volume.metadata;
  assert.equal(deletionTimestamp, undefined);
  assert.equal(labels?.["quoin.dev/detached-from"], cluster.name);
  assert.equal(labels?.["quoin.dev/lost"], cause);
}

/** Load around `body`, and the proof that nothing acknowledged was lost. */
async function underLoad(t: TestContext, prefix: string, body: () => Promise<void>): Promise<void> {
  await using writers = new Writers(await cluster.access(), prefix);
  await writers.progress(50);
  await body();
  await writers.progress(50);
  t.diagnostic(await writers.stop());
  await writers.assertNothingLost();
}

async function isScaled(t: TestContext, replicas: number, minAvailable: string): Promise<void> {
  const started = performance.now();
  await cluster.scale(replicas);
  await cluster.settled(replicas);
  t.diagnostic(`to ${replicas} members: ${secondsSince(started)}`);
  const path = "jsonpath={.spec.minAvailable}";
  assert.equal(await cluster.kubectl("get", "pdb", cluster.name, "-o", path), minAvailable);
}

test(
  "an emptied seed serves no empty keyspace: it is replaced, and its volume kept",
  on(cluster, async (t) => {
    await cluster.apply({
      replicas: 3,
      storage: { size: "1Gi" },
      repair: { gracePeriod: "10s" },
    });
    const { status } = await cluster.settled(3);
    await underLoad(t, "emptied/", async () => {
      const pods = await cluster.pods();
      const seed = pods.find((it) => memberOf(it) === status?.seed)!;
      let wasReady = false;
      await areReplaced(t, "data directory of the seed emptied", [seed], async () => {
        await restartOn(seed, "rm -rf data/*");
        await until("the seed to end", async () => {
          const found = (await cluster.pods()).find((it) => memberOf(it) === status?.seed);
          const [container] = found?.status?.containerStatuses ?? [];
          wasReady ||= container?.ready === true && container.restartCount > 0;
          return found === undefined || (container?.restartCount ?? 0) > 0;
        });
      });
      assert.equal(wasReady, false, "it never served again");
      await isKept(memberOf(seed), "DataEmptied");
      assert.equal((await cluster.get()).status?.clusterID, status?.clusterID);
      const events = await cluster.kubectl("get", "events", "-o", "jsonpath={.items[*].message}");
      assert.match(events, /is lost: its data directory is empty/);
    });
  }),
);

test(
  "each member's volume is deleted in turn, and each is replaced",
  on(cluster, async (t) => {
    await underLoad(t, "deleted/", async () => {
      for (const pod of await cluster.pods()) {
        const claim = claimOf(memberOf(pod));
        await areReplaced(t, `volume ${claim} deleted`, [pod], () =>
          cluster.kubectl("delete", "pvc", claim, "--wait=false"),
        );
        const volumes = (await cluster.volumes()).map((it) => it.metadata.name);
        assert.ok(!volumes.includes(claim));
      }
    });
  }),
);

test(
  "a drained node's member waits for it; a second drain that would cost the quorum waits, too",
  on(cluster, async (t) => {
    await underLoad(t, "drained/", async () => {
      const pods = await cluster.pods();
      const { node } = emptiestNode(pods);
      const other = pods.map((it) => it.spec?.nodeName).find((it) => it !== node)!;
      const drain = (name: string, seconds: number): Promise<string> => {
        const selector = "quoin.dev/component=member";
        return kubectl(["drain", name, `--pod-selector=${selector}`, `--timeout=${seconds}s`]);
      };
      const started = performance.now();
      try {
        await drain(node, 300);
        t.diagnostic(`${node} drained in ${secondsSince(started)}`);
        const told = await cluster.statusShows("its member to wait", ({ conditions = [] }) =>
          conditions.some((it) => it.reason === "MemberPending"),
        );
        assert.equal(condition(told, "Available"), "True QuorumHealthy");
        await assert.rejects(drain(other, 10), /disruption budget/);
      } finally {
        await kubectl(["uncordon", node]);
        await kubectl(["uncordon", other]);
      }
      await cluster.settled(3);
      const after = (await cluster.pods()).map((it) => it.metadata.name);
      assert.deepEqual(
        after,
        pods.map((it) => it.metadata.name),
      );
    });
  }),
);

test(
  "it grows to five under load, and the budget before it",
  on(cluster, async (t) => {
    await underLoad(t, "grown/", () => isScaled(t, 5, "3"));
  }),
);

test(
  "two of five are lost at once: another cluster's data on one disk, the leader's log damaged",
  on(cluster, async (t) => {
    const foreign = join(scratch, "foreign");
    const url = "http://other:2380";
    await execute([
      ...[process.execPath, join(root, "src/bin/quoin.ts"), "util", "init"],
      ...[`--data-dir=${foreign}`, "--name=other", "--initial-cluster-token=other"],
      ...[`--initial-cluster=other=${url}`, `--initial-advertise-peer-urls=${url}`],
    ] as [string, ...string[]]);
    await underLoad(t, "two/", async () => {
      const leader = await cluster.leader();
      const pods = await cluster.pods();
      const follower = pods.find((it) => it.metadata.name !== leader.metadata.name)!;
      const put = `rm -rf data/member; cp -r ${foreign}/member data/; chown -R 65532:65532 data`;
      // 64 bytes in the middle of what was written first.
      const damage =
        "log=$(ls data/member/wal/*.wal | head -1); head -c 64 /dev/urandom | dd of=$log bs=1 seek=2000 conv=notrunc";
      await areReplaced(t, "two disks at once", [follower, leader], () =>
        Promise.all([restartOn(follower, put), restartOn(leader, damage)]),
      );
      await isKept(memberOf(follower), "DataForeign");
      await isKept(memberOf(leader), "DataDamaged");
    });
  }),
);

test(
  "a dead node's members are replaced; when the node returns, what it held is cleaned up",
  on(cluster, async (t) => {
    await underLoad(t, "dead/", async () => {
      const pods = await cluster.pods();
      // node1 carries the control plane.
      const { node, members } = emptiestNode(pods, "node1");
      assert.ok(members.length <= 2, "3 of 5 are elsewhere");
      try {
        const what = `${node} with ${members.length} of 5 members powered off`;
        await areReplaced(t, what, members, () => powerOff(node));
        const left = (await cluster.pods()).map((it) => it.metadata.name);
        for (const pod of members) {
          await isKept(memberOf(pod), "NodeDead");
          assert.ok(left.includes(pod.metadata.name), "no pod was force-deleted");
        }
      } finally {
        await powerOn(node);
      }
      const started = performance.now();
      const uids = members.map((it) => it.metadata.uid);
      await until(
        "the old pods to end",
        async () => (await cluster.pods()).every((it) => !uids.includes(it.metadata.uid)),
        180,
      );
      t.diagnostic(`${node} powered on: its old pods gone after ${secondsSince(started)}`);
      await cluster.settled(5);
      assert.equal((await cluster.memberIds()).length, 5);
    });
  }),
);

test(
  "it shrinks to three under load, and the budget after it",
  on(cluster, async (t) => {
    await underLoad(t, "shrunk/", () => isScaled(t, 3, "2"));
  }),
);
