import assert from "node:assert/strict";
import { test } from "node:test";
import { digestPod } from "../../src/operator/observe/digest.ts";
import type { Pod } from "../../src/operator/types/index.ts";
import { harm } from "./losses.ts";
import { run } from "./story.ts";
import { World } from "./world.ts";

const nowMs = Date.parse("2026-01-01T12:00:00Z");
const at = (secondsAgo: number): string =>
  new Date(nowMs - secondsAgo * 1000).toISOString().replace(/\.\d+Z$/, "Z");

interface PodFacts {
  readonly ready?: "True" | "False";
  readonly containersReady?: "True" | "False";
  readonly sinceSeconds?: number;
  /** When it should have been gone. */
  readonly deletedSeconds?: number;
  readonly container?: object;
}

function pod({
  ready,
  containersReady,
  sinceSeconds = 0,
  deletedSeconds,
  container,
}: PodFacts): Pod {
  const condition = (type: string, status: string | undefined) =>
    status === undefined ? [] : [{ type, status, lastTransitionTime: at(sinceSeconds) }];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: "a-x-0",
      ...(deletedSeconds === undefined ? {} : { deletionTimestamp: at(deletedSeconds) }),
    },
    status: {
      conditions: [
        ...condition("Ready", ready),
        ...condition("ContainersReady", containersReady),
      ] as never,
      containerStatuses: container === undefined ? [] : ([container] as never),
    },
  };
}

test("a pod's node is silent when the node controller said so, or nobody ends the pod", () => {
  const since = (facts: PodFacts) => digestPod(pod(facts), nowMs).unreachable;
  assert.equal(since({ ready: "True", containersReady: "True" }), undefined);
  // Its own kubelet says that it is not ready: it changes both.
  const failing = { ready: "False", containersReady: "False", sinceSeconds: 900 } as const;
  assert.equal(since(failing), undefined);
  // The node controller changes Ready only.
  assert.deepEqual(since({ ready: "False", containersReady: "True", sinceSeconds: 70 }), {
    since: at(70),
    ms: 70_000,
  });
  // Told to end: 30 s of grace are in deletionTimestamp, and a little more is allowed.
  assert.equal(since({ ...failing, deletedSeconds: -20 }), undefined);
  assert.equal(since({ ...failing, deletedSeconds: 20 }), undefined);
  assert.deepEqual(since({ ...failing, deletedSeconds: 100 }), { since: at(100), ms: 100_000 });
  // The earlier of both counts.
  const evicted = { ready: "False", containersReady: "True", sinceSeconds: 400 } as const;
  assert.equal(since({ ...evicted, deletedSeconds: 60 })?.since, at(400));
});

test("a container's last end is told with the server's last error, and whether it runs again", () => {
  const message = [
    '{"level":"info","msg":"starting quoin"}',
    '{"level":"error","msg":"cannot start","error":"member 1 has already been bootstrapped"}',
    '{"level":"info","msg":"closed"}',
  ].join("\n");
  const ended = { terminated: { exitCode: 76, message } };
  const waiting = { waiting: { reason: "CrashLoopBackOff" } };
  const exit = (container: object) => digestPod(pod({ container }), nowMs).exit;
  const what = "member 1 has already been bootstrapped";
  assert.deepEqual(exit({ state: ended, lastState: {} }), {
    code: 76,
    message: what,
    running: false,
  });
  assert.deepEqual(exit({ state: waiting, lastState: ended })?.running, false);
  assert.deepEqual(exit({ state: { running: {} }, lastState: ended })?.running, true);
  assert.equal(exit({ state: { running: {} }, lastState: {} }), undefined);
  const cut = { terminated: { exitCode: 1, message: 'ror":"half a line"}\nkilled' } };
  assert.equal(exit({ state: cut, lastState: {} })?.message, "killed");
});

test("the operator stops to hand out new disks when eight of lost members are kept", () => {
  const world = new World("a", { replicas: 3, storage: { size: "1Gi" } });
  const reason = (): string | undefined =>
    world.cluster.status?.conditions?.find((c) => c.type === "Degraded")?.reason;
  const kept = (): string[] => [...world.volumes].filter(([, v]) => v.lost).map(([name]) => name);
  run(world);
  for (let i = 0; i < 8; i++) {
    harm(world, "leader", "emptied");
    run(world);
    assert.equal(reason(), "AsExpected");
  }
  assert.equal(kept().length, 8);
  harm(world, "leader", "emptied");
  run(world);
  assert.equal(reason(), "TooManyLostVolumes");
  assert.equal(world.peers.length, 3, "the lost one is still a member");
  // A person has looked at one and deleted it.
  world.volumes.delete(kept()[0] ?? "");
  run(world);
  assert.equal(reason(), "AsExpected");
  assert.equal(kept().length, 8);
});
