/** A new member: volume, learner, join order, StatefulSet, promotion. One at a time. */

import type { ObservedMember } from "../observe/types.ts";
import { buildVolume, peerUrl, quorum } from "../resources/index.ts";
import { deleteVolumeStep, type Facts, stepPlan, stopPlan, volumeStep, waitPlan } from "./facts.ts";
import { type Loss, lossOf } from "./loss.ts";
import type { LatchSet, Plan } from "./types.ts";

const joining = (f: Facts): ObservedMember | undefined =>
  f.members.find((m) => m.name === f.status.joining);

/** No longer wanted before it was a voter: a learner is removed, an unknown one taken back. */
export function abandonJoin(f: Facts): Plan | undefined {
  if (f.voterCount < f.places) return undefined;
  const learner = f.learners[0];
  if (learner?.peer !== undefined) {
    if (f.status.removing !== learner.name) {
      const set = { removing: learner.name, joining: undefined };
      const message = `${learner.name} is no longer wanted`;
      return stepPlan({ kind: "latch", set }, "ScalingDown", message);
    }
    const step = { kind: "memberRemove", member: learner.name, id: learner.peer.id } as const;
    return stepPlan(step, "ScalingDown", `removing learner ${learner.name}`);
  }
  if (f.status.joining === undefined) return undefined;
  const m = joining(f);
  if (m?.peer === undefined && m?.volume !== undefined) {
    if (m.volume.deleting) return waitPlan("ScalingDown", `volume of ${m.name} is going`);
    const step = deleteVolumeStep(m.volume);
    return stepPlan(step, "ScalingDown", `${m.name} was never added: deleting its empty volume`);
  }
  const step = { kind: "latch", set: { joining: undefined } } as const;
  return stepPlan(step, "ScalingUp", `${f.status.joining} is done`);
}

/** Brings the learner there is to a vote; a learner that is not ours blocks. */
export function learner(f: Facts): Plan | undefined {
  const stranger = f.strangers.find((s) => s.learner && s.peerUrl !== joiningUrl(f));
  if (stranger !== undefined) {
    return stopPlan(
      "UnknownLearner",
      `remove member ${stranger.id} (${stranger.peerUrl}) or promote it: this operator did not add it, and there can be only one learner`,
    );
  }
  const m = f.learners[0];
  if (m?.peer === undefined) return undefined;
  const loss = lossOf(f, m);
  if (loss !== undefined || m.volume === undefined || isHopeless(f, m)) {
    return replaceLearner(f, m, m.peer.id, loss);
  }
  if (f.status.removing === m.name) {
    const step = { kind: "latch", set: { removing: undefined, joining: m.name } } as const;
    return stepPlan(step, "ScalingUp", `${m.name} is wanted again`);
  }
  if (m.volume.joinOrder === undefined) {
    const joinOrder = orderFor(f, m);
    const step = volumeStep(m.volume.name, m.volume.uid, { kind: "joinOrder", joinOrder });
    return stepPlan(step, "ScalingUp", `learner ${m.name} may join`);
  }
  if (m.probe === undefined) {
    const wait = waitPlan("ScalingUp", `waiting for learner ${m.name} to answer`, 1_000);
    if (m.pod?.stuck === undefined) return wait;
    return { ...wait, problem: { reason: "MemberStuck", message: `${m.name}: ${m.pod.stuck}` } };
  }
  const step = { kind: "memberPromote", member: m.name, id: m.peer.id } as const;
  return stepPlan(step, "ScalingUp", `promoting ${m.name} as soon as it is in sync`);
}

/** It has no vote and never can have one: it is taken back, the next one gets a new name. */
function replaceLearner(f: Facts, m: ObservedMember, id: string, loss: Loss | undefined): Plan {
  const message = `learner ${m.name}: ${loss?.what ?? "it does not start"}; it never had a vote, so nothing is lost: removing it, another one follows`;
  if (f.status.removing === m.name) {
    const step = { kind: "memberRemove", member: m.name, id } as const;
    return stepPlan(step, "ReplacingLearner", message);
  }
  const set = { removing: m.name, joining: undefined, ...keptOf(f, loss) };
  return stepPlan({ kind: "latch", set }, "ReplacingLearner", message);
}

/** A learner's own data is a copy and goes with it; foreign data is somebody's and is kept. */
function keptOf(f: Facts, loss: Loss | undefined): LatchSet {
  if (loss?.cause !== "DataForeign") return {};
  const { member, cause, what } = loss;
  return { replacing: { member: member.name, cause, message: what, since: f.context.now } };
}

/** Its process ended again and again with the template it should have. */
const isHopeless = (f: Facts, m: ObservedMember): boolean =>
  m.pod?.stuck !== undefined && m.pod.restarts >= 5 && m.statefulSet?.digest === f.digest;

const joiningUrl = (f: Facts): string =>
  f.status.joining === undefined ? "" : peerUrl(f.cluster, f.status.joining);

/**
 * initial-cluster for a joiner: everyone in the live list, and itself; one missing and the member
 * refuses to start. A member that has not published its name yet goes by that of its objects, a
 * stranger by its id: the joiner compares URLs.
 */
function orderFor(f: Facts, m: ObservedMember): string {
  const ours = new Map(f.members.map((member) => [member.peer?.id, member.name]));
  const others = (f.observed.live?.peers ?? [])
    .filter((p) => p.id !== m.peer?.id)
    .map((p) => `${p.name || ours.get(p.id) || p.id}=${p.peerUrl}`);
  return [...others, `${m.name}=${peerUrl(f.cluster, m.name)}`].sort().join(",");
}

/** The member that status says is joining: its volume first, then its place in the list. */
export function join(f: Facts): Plan | undefined {
  const { joining: name } = f.status;
  if (name === undefined) return undefined;
  const m = joining(f);
  if (m?.peer !== undefined) {
    const step = { kind: "latch", set: { joining: undefined } } as const;
    return stepPlan(step, "ScalingUp", `${name} is a voter`);
  }
  if (m?.volume === undefined) {
    const token = f.status.clusterToken ?? "";
    const object = buildVolume(f.cluster, { member: name, role: "member", token });
    return stepPlan({ kind: "create", object }, "ScalingUp", `making the volume of ${name}`);
  }
  if (m.volume.deleting) {
    // A dead node may hold it for ever.
    const step = { kind: "latch", set: { joining: undefined } } as const;
    return stepPlan(step, "ScalingUp", `the volume of ${name} is being deleted: another one joins`);
  }
  const blocked = growthBlocked(f);
  if (blocked !== undefined) return blocked;
  const step = { kind: "memberAdd", member: name, peerUrl: peerUrl(f.cluster, name) } as const;
  return stepPlan(step, "ScalingUp", `adding ${name} as a learner`);
}

/** One more voter raises the quorum: it must hold with the healthy ones and the new one. */
export function growthBlocked(f: Facts): Plan | undefined {
  if (f.healthyVoters + 1 >= quorum(f.voterCount + 1) && f.healthyVoters > 0) return undefined;
  const message = `waiting: ${f.healthyVoters} of ${f.voterCount} members are healthy, too few to add one`;
  return waitPlan("ScalingUp", message);
}
