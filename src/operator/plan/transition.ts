/**
 * Another life of the cluster, made beside the present one and put in its place once it is proven
 * (OPERATOR 4, 20, 21). status.transition is its latch: whatever asked for it may vanish.
 *
 *   Restoring   the new seed's volume is filled (a restore) or taken over (a recovery)
 *   Validating  the new seed runs alone and is looked at; a restore's old life still serves
 *   Switching   no way back: the old StatefulSets go, their volumes stay; then one status write
 *               moves clusterToken, clusterID and seed
 *   Growing     the ordinary stages add the other members
 *   Completed   or Failed: kept as a record until the next one begins
 *
 * The first restore of a new cluster has the same phases, without a switch: see bootstrap-restore.ts.
 */
import type { ObservedLife, ObservedMember } from "../observe/types.ts";
import { podName, revisionBump, seedJobName, sourceDigest } from "../resources/index.ts";
import type { Transition } from "../types/index.ts";
import { type Life, raiseSeed } from "./bootstrap.ts";
import {
  deleteStep,
  deleteVolumeStep,
  type Facts,
  stepPlan,
  volumeStep,
  waitPlan,
} from "./facts.ts";
import {
  beginTransition,
  expectationOf,
  isUnderWay,
  latchPhase,
  msInPhase,
  reasonOf,
  seedProblem,
  sourceOf,
} from "./phases.ts";
import type { Plan } from "./types.ts";

/** A pod or Job that is stuck this long will not come right: the present life is left alone. */
const stuckMsMax = 30 * 60_000;
/** Runs of a Job whose failure may pass by itself. */
const triesMax = 5;

/** All of a transition up to the switch; what follows is in finishTransition(). */
export function transition(f: Facts): Plan | undefined {
  const t = f.status.transition;
  const next: ObservedLife = f.observed.next ?? { members: [] };
  if (t === undefined || !isUnderWay(t)) {
    const leftovers =
      t?.kind === "Restore" && t.phase === "Failed" ? removeLeftovers(next) : undefined;
    return leftovers ?? takeRequest(f);
  }
  if (t.token === f.status.clusterToken) return undefined;
  return t.phase === "Switching" ? switchOver(f, t) : beside(f, t, next);
}

/** From here on the EtcdRestore may be deleted: the restore goes on. */
function takeRequest(f: Facts): Plan | undefined {
  const { request: asked } = f.observed;
  if (asked === undefined) return undefined;
  const { request, restore, revision } = asked;
  const expected = revision === undefined ? {} : { revision: revision + revisionBump(restore) };
  return beginTransition(f, { kind: "Restore", request, restore, expected });
}

/** Whether the present life is tended as ever while the plan waits for the other one. */
export const isBeside = (t: Transition | undefined): boolean =>
  t?.kind === "Restore" && (t.phase === "Restoring" || t.phase === "Validating");

function beside(f: Facts, t: Transition, next: ObservedLife): Plan {
  const seed = next.members.find((m) => m.name === t.seed);
  if (t.phase === "Restoring" && seed?.volume?.joinOrder !== undefined) {
    const message = `${t.seed} has its data: it is started alone and looked at`;
    return latchPhase(f, t, "Validating", message, expectationOf(t, seed.job?.report));
  }
  if (t.kind === "Recovery") {
    // The survivor's volume is the cluster: once it was taken over there is no way back, and
    // nothing to be lost by patience. raiseSeed() tells what is wrong.
    if (seed?.volume === undefined) return takeOver(f, t);
  } else {
    const hopeless = hopelessness(f, t, seed);
    if (hopeless !== undefined) return fail(f, t, hopeless);
  }
  const { token, seed: name } = t;
  const life: Life = { ...next, token, seed: name, source: sourceOf(t), reason: reasonOf(t) };
  return raiseSeed(f, life) ?? validate(f, t, next);
}

/** Why it makes no sense to wait for this seed any longer. */
function hopelessness(
  f: Facts,
  t: Transition,
  seed: ObservedMember | undefined,
): string | undefined {
  const job = seed?.volume?.joinOrder === undefined ? seed?.job : undefined;
  const failure = job?.report?.outcome === "Failed" ? job.report : undefined;
  const failed = job?.state === "failed" || (job?.restarts ?? 0) >= triesMax;
  if (failure !== undefined && (failed || !isPassing(failure.reason))) return failure.message;
  if (job?.state === "failed") return `Job ${seedJobName(t.seed)} failed without a word`;
  const { statefulSet, volume, pod } = seed ?? {};
  if (statefulSet !== undefined && (volume === undefined || volume.deleting)) {
    return `the volume of ${t.seed} vanished`;
  }
  const stuck = pod?.stuck ?? job?.stuck;
  const isSilent = t.phase === "Validating" && f.observed.next?.live === undefined;
  const waited = msInPhase(f, t) > stuckMsMax && (stuck !== undefined || isSilent);
  if (waited || (stuck !== undefined && (pod?.restarts ?? 0) >= triesMax)) {
    return `${t.seed}: ${stuck ?? "it does not answer"}`;
  }
  return undefined;
}

/** Whether the same may succeed a little later. */
const isPassing = (reason: string | undefined): boolean =>
  reason === "DestinationUnreachable" || reason === "DestinationFailed" || reason === "Interrupted";

/**
 * A recovery's seed volume is the survivor's own: once nothing runs on it, it is given to the new
 * life as it is, under its old claim's name. Its Job (`quoin util force-new`) does the rest.
 */
function takeOver(f: Facts, t: Transition): Plan {
  const survivor = f.members.find((m) => m.name === t.survivor);
  const { statefulSet, pod, volume } = survivor ?? {};
  if (survivor === undefined || volume === undefined || volume.deleting) {
    const message = `the volume of ${t.survivor} is gone: the cluster was not changed`;
    return latchPhase(f, t, "Failed", message, {}, { incident: undefined });
  }
  if (statefulSet !== undefined && !statefulSet.deleting) {
    const step = deleteStep("StatefulSet", survivor.name, statefulSet.uid);
    return stepPlan(step, reasonOf(t), `stopping survivor ${survivor.name}: its volume stays`);
  }
  if (statefulSet !== undefined || pod !== undefined) {
    return waitPlan(reasonOf(t), `waiting for pod ${podName(survivor.name)} to end`, 500);
  }
  const source = sourceDigest(sourceOf(t)) ?? "";
  const change = { kind: "assign", member: t.seed, token: t.token, source } as const;
  const message = `the volume of ${survivor.name} becomes that of ${t.seed}`;
  return stepPlan(volumeStep(volume.name, volume.uid, change), reasonOf(t), message);
}

/** The new seed answers: is it what was asked for? */
function validate(f: Facts, t: Transition, next: ObservedLife): Plan {
  const problem =
    seedProblem(t, next) ??
    (next.live?.clusterId === f.status.clusterID ? "it has the old cluster's id" : undefined);
  if (next.live === undefined || problem !== undefined) {
    const message = `${t.seed}: ${problem}`;
    if (t.kind === "Restore") return fail(f, t, message);
    return { ...waitPlan(reasonOf(t), message), problem: { reason: "RecoveryStuck", message } };
  }
  const { clusterId } = next.live;
  const message = `${t.seed} is proven, as cluster ${clusterId}: the old members stop, their volumes are kept`;
  return latchPhase(f, t, "Switching", message, { clusterID: clusterId });
}

/** The present life stays what it is; what was made of the other one is taken away again. */
function fail(f: Facts, t: Transition, why: string): Plan {
  const safe = "The cluster was not changed; make a new request when the cause is gone.";
  return latchPhase(f, t, "Failed", `${why.replace(/\.?$/, ".")} ${safe}`);
}

/** Of a restore that failed: its volume holds but a copy. A survivor's is never deleted. */
function removeLeftovers(next: ObservedLife): Plan | undefined {
  const clean = (step: Parameters<typeof stepPlan>[0], what: string) =>
    stepPlan(step, "CleaningUp", `the restore failed: deleting its ${what}`);
  for (const { name, statefulSet, job, volume } of next.members) {
    if (statefulSet && !statefulSet.deleting) {
      return clean(deleteStep("StatefulSet", name, statefulSet.uid), `StatefulSet ${name}`);
    }
    if (job && !job.deleting) {
      return clean(deleteStep("Job", seedJobName(name), job.uid), `Job ${seedJobName(name)}`);
    }
    if (volume && !volume.deleting) return clean(deleteVolumeStep(volume), `volume ${volume.name}`);
  }
  return undefined;
}

/** Old StatefulSets, then their pods, then the one write after which the other life is the cluster. */
function switchOver(f: Facts, t: Transition): Plan {
  for (const m of f.members) {
    if (m.statefulSet === undefined || m.statefulSet.deleting) continue;
    const step = deleteStep("StatefulSet", m.name, m.statefulSet.uid);
    return stepPlan(step, reasonOf(t), `stopping old member ${m.name}: its volume is kept`);
  }
  const left = f.members.find(isLeaving);
  if (left !== undefined) {
    return waitPlan(reasonOf(t), `waiting for pod ${podName(left.name)} to end`, 500);
  }
  const message = `${t.seed} is the cluster now: the other members are added`;
  return latchPhase(
    f,
    t,
    "Growing",
    message,
    {},
    {
      clusterToken: t.token,
      clusterID: t.clusterID,
      seed: t.seed,
      joining: undefined,
      removing: undefined,
      replacing: undefined,
      incident: undefined,
    },
  );
}

/** A pod on a dead node never goes: after a while it is no longer waited for, its token is void. */
const isLeaving = (m: ObservedMember): boolean =>
  m.statefulSet !== undefined || (m.pod !== undefined && (!m.pod.deleting || m.pod.young));

/** Hashing a large keyspace may take longer than a pass: then the members stay uncompared. */
const compareMsMax = 30 * 60_000;

/** The new life has all its members, and they hold the same: the transition is over. */
export function finishTransition(f: Facts): Plan | undefined {
  const t = f.status.transition;
  if (t === undefined || !isUnderWay(t) || t.token !== f.status.clusterToken) return undefined;
  if (f.healthyVoters < f.cluster.spec.replicas || f.learners.length > 0) return undefined;
  const { hashes } = f.observed;
  if (hashes === undefined) {
    if (msInPhase(f, t) < compareMsMax) {
      return waitPlan(reasonOf(t), "comparing what the members hold", 5_000);
    }
    const message = `${f.voterCount} members serve; they did not answer HashKV in time: compare them with etcdctl endpoint hashkv --cluster`;
    return latchPhase(f, t, "Completed", message);
  }
  if (new Set(hashes.byMember.values()).size === 1) {
    const message = `${f.voterCount} members serve; HashKV at revision ${hashes.revision} is one`;
    return latchPhase(f, t, "Completed", message);
  }
  const list = [...hashes.byMember].map(([name, hash]) => `${name} ${hash}`).join(", ");
  const message = `look before you write: HashKV at revision ${hashes.revision} differs between members (${list}); the old volumes are kept, labelled quoin.dev/detached-from`;
  return {
    ...waitPlan(reasonOf(t), message, 10_000),
    problem: { reason: "HashMismatch", message },
  };
}
