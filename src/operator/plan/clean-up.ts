/** Objects of members the cluster no longer knows, and leftovers of the bootstrap. */

import type { ObservedMember } from "../observe/types.ts";
import { podName, seedJobName } from "../resources/index.ts";
import {
  deleteStep,
  deleteVolumeStep,
  detachStep,
  type Facts,
  stepPlan,
  stopPlan,
  waitPlan,
} from "./facts.ts";
import { isOnDeadNode } from "./loss.ts";
import type { Plan } from "./types.ts";

/** Runs only with a live member list: who is not in it was removed. */
export function cleanUp(f: Facts): Plan | undefined {
  for (const m of f.members) {
    if (m.job !== undefined && !m.job.deleting) {
      const step = deleteStep("Job", seedJobName(m.name), m.job.uid);
      return stepPlan(step, "CleaningUp", `seed Job of ${m.name} has done its work`);
    }
  }
  for (const m of f.members) {
    if (m.peer !== undefined || m.name === f.status.joining) continue;
    const result = cleanMember(f, m);
    if (result !== undefined) return result;
  }
  const { removing } = f.status;
  const there = f.members.find((m) => m.name === removing);
  if (removing === undefined || (there !== undefined && !isLeftOnDeadNode(there))) return undefined;
  const step = { kind: "latch", set: { removing: undefined } } as const;
  return stepPlan(step, "CleaningUp", `${removing} is gone`);
}

/** Nothing but what a dead node holds; it goes when the node returns, or is deleted. */
const isLeftOnDeadNode = (m: ObservedMember): boolean =>
  isOnDeadNode(m) &&
  m.peer === undefined &&
  m.statefulSet === undefined &&
  (m.volume === undefined || m.volume.deleting);

/** StatefulSet, then its pod, then the volume: the disk must be free before its name is. */
function cleanMember(f: Facts, m: ObservedMember): Plan | undefined {
  const renamed = f.strangers.find((s) => s.name === m.name);
  if (renamed !== undefined) {
    return stopPlan(
      "PeerURLChanged",
      `set the peer URL of member ${renamed.id} (${m.name}) back: it is ${renamed.peerUrl}, which no object of this cluster serves`,
    );
  }
  if (m.statefulSet !== undefined) {
    if (m.statefulSet.deleting) return waitPlan("CleaningUp", `StatefulSet ${m.name} is going`);
    const step = deleteStep("StatefulSet", m.name, m.statefulSet.uid);
    return stepPlan(step, "CleaningUp", `${m.name} left the cluster: deleting its StatefulSet`);
  }
  if (m.pod !== undefined && !isOnDeadNode(m)) {
    return waitPlan("CleaningUp", `waiting for pod ${podName(m.name)} to end`);
  }
  if (m.volume === undefined) return undefined;
  const { name } = m.volume;
  if (m.volume.deleting) {
    if (isOnDeadNode(m)) return undefined;
    return waitPlan("CleaningUp", `volume ${name} is being deleted`, 5_000);
  }
  const { replacing } = f.status;
  if (m.name === replacing?.member) {
    const step = detachStep(name, m.volume.uid, replacing.cause);
    return stepPlan(
      step,
      "ReplacingMember",
      `keeping volume ${name} of lost member ${m.name} aside`,
    );
  }
  if (m.name === f.status.removing && retention(f) === "Delete") {
    const step = deleteVolumeStep(m.volume);
    return stepPlan(step, "CleaningUp", `deleting volume ${name}`);
  }
  const step = detachStep(name, m.volume.uid);
  return stepPlan(step, "CleaningUp", `keeping volume ${name} out of the cluster`);
}

const retention = (f: Facts): string =>
  f.cluster.spec.storage.retentionPolicy?.whenScaled ?? "Delete";
