import assert from "node:assert/strict";
import { test } from "node:test";
import { stuckReason } from "../../src/operator/observe/digest.ts";
import { tellMounts } from "../../src/operator/observe/mounts.ts";
import { KubeError, type KubeList } from "../../src/operator/runtime/index.ts";
import type { KubeObject, Pod } from "../../src/operator/types/index.ts";

const nowMs = Date.parse("2026-01-01T12:00:00Z");
const ago = (seconds: number): string => new Date(nowMs - seconds * 1000).toISOString();

/** A pod that was put on a node so many seconds ago, and whose container waits for this. */
function pod(seconds: number, reason = "ContainerCreating"): Pod {
  const container = { name: "quoin", image: "x", imageID: "x", ready: false, restartCount: 0 };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "save-1", namespace: "shop", uid: "u1" },
    status: {
      phase: "Pending",
      // As it is in JSON.
      conditions: [
        { type: "PodScheduled", status: "True", lastTransitionTime: ago(seconds) as never },
      ],
      containerStatuses: [{ ...container, state: { waiting: { reason } } }],
    },
  };
}

const event = (type: string, reason: string, note: string, seconds: number) => ({
  ...{ type, reason, note, deprecatedLastTimestamp: ago(seconds), eventTime: null },
});
const missing = 'MountVolume.SetUp failed for volume "ca" : secret "s3-ca" not found';

/** What the pod counts as stuck with after these events; also how often events were asked for. */
async function told(given: Pod, events: object[] | Error): Promise<[string | undefined, number]> {
  let asked = 0;
  const list = async <T extends KubeObject>(): Promise<KubeList<T>> => {
    asked += 1;
    if (events instanceof Error) throw events;
    return { resourceVersion: "1", items: events as T[] };
  };
  const [same] = await tellMounts([given], nowMs, { api: { list } });
  assert.ok(same);
  return [stuckReason(same, nowMs), asked];
}

test("tellMounts() tells what a pod that waits for its volumes was last warned of", async () => {
  const events = [
    event("Warning", "FailedMount", missing, 5),
    event("Normal", "Scheduled", "assigned", 60),
  ];
  assert.deepEqual(await told(pod(60), events), [`FailedMount: ${missing}`, 1]);
});

test("tellMounts() tells nothing of a warning that something came after", async () => {
  const events = [
    event("Warning", "FailedMount", "not yet", 50),
    event("Normal", "Pulling", "Pulling image", 20),
  ];
  assert.deepEqual(await told(pod(60), events), [undefined, 1]);
  assert.deepEqual(await told(pod(60), []), [undefined, 1]);
});

test("tellMounts() asks only about pods that have waited for long, and for nothing better known", async () => {
  const events = [event("Warning", "FailedMount", missing, 5)];
  assert.deepEqual(await told(pod(10), events), [undefined, 0]);
  assert.deepEqual(await told(pod(60, "ImagePullBackOff"), events), ["ImagePullBackOff", 0]);
});

test("tellMounts() lets a pod wait when Events may not be read", async () => {
  const refused = new KubeError(403, "Forbidden", "events is forbidden");
  assert.deepEqual(await told(pod(60), refused), [undefined, 1]);
});
