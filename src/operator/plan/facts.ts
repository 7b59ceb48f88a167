/** What follows from an observation; every stage of the plan reasons with these words. */

import type { Observed, ObservedMember, ObservedVolume, Peer } from "../observe/types.ts";
import { quorum, templateDigest } from "../resources/index.ts";
import type { EtcdCluster, EtcdClusterStatus } from "../types/index.ts";
import { keptVolumesMax, volumeLoss } from "./loss.ts";
import type { Plan, PlanContext, Step, VolumeChange } from "./types.ts";

export interface Facts {
  readonly observed: Observed;
  readonly context: PlanContext;
  readonly cluster: EtcdCluster;
  readonly status: EtcdClusterStatus;
  readonly members: readonly ObservedMember[];
  readonly voters: readonly ObservedMember[];
  readonly learners: readonly ObservedMember[];
  /** Entries of the member list without any object of ours. */
  readonly strangers: readonly Peer[];
  /** The members list's own count of voters, strangers included. */
  readonly voterCount: number;
  readonly healthyVoters: number;
  readonly leader: ObservedMember | undefined;
  /** Voters there should be: spec.replicas, and one more while a doomed one still serves. */
  readonly places: number;
  /** The digest every StatefulSet should have. */
  readonly digest: string;
}

export function gatherFacts(observed: Observed, context: PlanContext): Facts {
  const { cluster, members } = observed;
  const peers = observed.live?.peers ?? [];
  const voters = members.filter((m) => m.peer !== undefined && !m.peer.learner);
  return {
    observed,
    context,
    cluster,
    status: cluster.status ?? {},
    members,
    voters,
    learners: members.filter((m) => m.peer?.learner === true),
    strangers: peers.filter((p) => !members.some((m) => m.peer?.id === p.id)),
    voterCount: peers.filter((p) => !p.learner).length,
    healthyVoters: voters.filter(isHealthy).length,
    leader: members.find((m) => m.peer !== undefined && leaderId(members) === m.peer.id),
    places: cluster.spec.replicas + Number(needsSpare(observed, voters)),
    digest: templateDigest(cluster, context.defaultImage),
  };
}

/**
 * A voter whose volume is going serves until its pod ends: a copy of its data is made first, so that
 * the cluster never has fewer than it should, and an only member's data is saved.
 */
function needsSpare({ cluster, keptVolumes = 0 }: Observed, voters: readonly ObservedMember[]) {
  const mayReplace = cluster.spec.repair?.automatic !== false && keptVolumes < keptVolumesMax;
  return mayReplace && voters.some((m) => isHealthy(m) && volumeLoss(m) !== undefined);
}

/** The leader most voters that answer agree on in the highest term. */
function leaderId(members: readonly ObservedMember[]): string | undefined {
  let best: { term: number; id: string } | undefined;
  for (const { probe } of members) {
    if (probe?.leader === undefined) continue;
    if (best === undefined || probe.raftTerm > best.term) {
      best = { term: probe.raftTerm, id: probe.leader };
    }
  }
  return best?.id;
}

/** Ready, answering and following a leader. Alarms do not count: a roll may be their cure. */
export function isHealthy(m: ObservedMember): boolean {
  return m.pod?.ready === true && !m.pod.deleting && m.probe?.leader !== undefined;
}

/**
 * Broken beyond waiting: its container does not run, or it is silent while the others have a
 * quorum without it. A member that merely has no leader is not broken: taking it down during an
 * election would take the quorum.
 */
export function isBroken(f: Facts, m: ObservedMember): boolean {
  if (isHealthy(m) || m.pod === undefined || m.pod.deleting) return false;
  if (m.pod.stuck !== undefined) return true;
  return m.probe === undefined && !m.pod.ready && f.healthyVoters >= quorum(f.voterCount || 1);
}

export const stepPlan = (step: Step, reason: string, message: string): Plan => ({
  step,
  reason,
  message,
  busy: true,
  requeueMs: 1_000,
});

export const waitPlan = (reason: string, message: string, requeueMs = 2_000): Plan => ({
  reason,
  message,
  busy: true,
  requeueMs,
});

export const stopPlan = (reason: string, message: string, requeueMs = 10_000): Plan => ({
  reason,
  message,
  busy: false,
  problem: { reason, message },
  requeueMs,
});

export function deleteStep(
  target: Extract<Step, { kind: "delete" }>["target"],
  name: string,
  uid: string,
): Step {
  return { kind: "delete", target, name, uid };
}

export const volumeStep = (volume: string, uid: string, change: VolumeChange): Step => ({
  kind: "patchVolume",
  volume,
  uid,
  change,
});

/** Deletes a member's volume, if nobody has changed it since it was observed. */
export const deleteVolumeStep = (volume: ObservedVolume): Step => ({
  kind: "delete",
  target: "PersistentVolumeClaim",
  name: volume.name,
  uid: volume.uid,
  resourceVersion: volume.resourceVersion,
});

export const detachStep = (volume: string, uid: string, lost?: string): Step =>
  volumeStep(volume, uid, { kind: "detach", ...(lost === undefined ? {} : { lost }) });
