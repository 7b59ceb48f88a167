/** Pods and their templates: what is missing, what is broken, and the rolling change. */

import type { ObservedMember } from "../observe/types.ts";
import { buildStatefulSet, podName } from "../resources/index.ts";
import { deleteStep, type Facts, isBroken, isHealthy, stepPlan, waitPlan } from "./facts.ts";
import type { Plan, Step } from "./types.ts";

/** The StatefulSet of this member as the spec wants it; needs its join order. */
function applySet(f: Facts, m: ObservedMember): Step | undefined {
  const joinOrder = m.volume?.joinOrder;
  if (m.volume === undefined || joinOrder === undefined || m.volume.deleting) return undefined;
  const { token, name: claim } = m.volume;
  const order = { member: m.name, token, joinOrder, claim };
  const object = buildStatefulSet(f.cluster, order, f.context.defaultImage);
  return { kind: "apply", object, uid: m.statefulSet?.uid };
}

const setStale = (f: Facts, m: ObservedMember): boolean =>
  m.statefulSet !== undefined && !m.statefulSet.deleting && m.statefulSet.digest !== f.digest;

const podStale = (m: ObservedMember): boolean =>
  m.pod !== undefined && !m.pod.deleting && m.statefulSet?.digest !== m.pod.digest;

/** Next step to give one member its new template: first the StatefulSet, then the pod. */
export function rollPod(f: Facts, m: ObservedMember): Plan | undefined {
  if (setStale(f, m)) {
    const step = applySet(f, m);
    if (step !== undefined) return stepPlan(step, "Updating", `new template for ${m.name}`);
  }
  if (m.pod === undefined || !podStale(m)) return undefined;
  const message = `restarting ${m.name} with its new template`;
  return stepPlan(deleteStep("Pod", podName(m.name), m.pod.uid), "Updating", message);
}

/**
 * A member that has data and the right to start, but no StatefulSet: after a crash of the
 * operator, a deletion by hand or an adoption.
 */
export function missingSets(f: Facts): Plan | undefined {
  for (const m of f.members) {
    if (m.statefulSet !== undefined || m.volume?.joinOrder === undefined) continue;
    if (f.observed.live !== undefined && m.peer === undefined) continue; // removed: clean-up
    if (f.status.removing === m.name) continue;
    const step = applySet(f, m);
    if (step !== undefined) return stepPlan(step, "StartingMember", `starting ${m.name}`);
  }
  return undefined;
}

/** A broken member may always get a new template: waiting for it would wait for ever. */
export function retemplateBroken(f: Facts): Plan | undefined {
  for (const m of f.members) {
    if (m.statefulSet === undefined || !isBroken(f, m)) continue;
    const roll = rollPod(f, m);
    if (roll !== undefined) return roll;
  }
  return undefined;
}

const stuckText = (m: ObservedMember): string => (m.pod?.stuck ? ` (${m.pod.stuck})` : "");

/**
 * The rolling change: one member at a time, the leader last and only after it gave its office
 * away; nobody is taken down while another member is not healthy.
 */
export function update(f: Facts): Plan | undefined {
  const stale = f.voters.filter((m) => setStale(f, m) || podStale(m));
  if (stale.length === 0) return undefined;
  // Missing members first: they begin with the new template, and the more there are the better the
  // others bear a restart; after a replacement in a cluster of 3 two could not.
  if (f.voterCount < f.places) return undefined;
  const next =
    stale.find((m) => m !== f.leader && !setStale(f, m)) ??
    stale.find((m) => m !== f.leader) ??
    stale[0];
  if (next === undefined) return undefined;
  const others = f.voters.filter((m) => m !== next && !isHealthy(m));
  if (others.length > 0 || f.strangers.length > 0) {
    const names = [...others.map((m) => m.name), ...f.strangers.map((s) => s.id)].join(", ");
    return {
      ...waitPlan(
        "Updating",
        `waiting for ${names} to become healthy before ${next.name} restarts`,
      ),
      // A member that simply restarts is no problem; one that does not start is.
      ...(others.some((m) => m.pod?.stuck) ? { problem: unhealthyProblem(others) } : {}),
    };
  }
  if (setStale(f, next)) return rollPod(f, next);
  return (next === f.leader ? handOver(f, next) : undefined) ?? rollPod(f, next);
}

const unhealthyProblem = (members: readonly ObservedMember[]) => ({
  reason: "MemberUnhealthy",
  message: `not healthy: ${members.map((m) => `${m.name}${stuckText(m)}`).join(", ")}`,
});

/** Moves the leadership to a healthy voter, a restarted one first; undefined if there is none. */
export function handOver(f: Facts, from: ObservedMember): Plan | undefined {
  const heirs = f.voters.filter((m) => m !== from && isHealthy(m));
  const heir = heirs.find((m) => m.pod?.digest === f.digest) ?? heirs[0];
  if (heir?.peer === undefined) return undefined;
  return stepPlan(
    { kind: "moveLeader", from: from.name, to: heir.name, id: heir.peer.id },
    "MovingLeader",
    `moving the leadership from ${from.name} to ${heir.name}`,
  );
}
