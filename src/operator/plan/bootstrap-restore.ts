/**
 * spec.bootstrap.restore: the first life of a cluster comes from a backup. The same phases and latch
 * as a restore in place, with the cluster's own token and seed, and nothing to switch from.
 */
import { bootstrapRequest, revisionBump, storageUri } from "../resources/index.ts";
import type { Transition } from "../types/index.ts";
import { type Facts, stepPlan, stopPlan, waitPlan } from "./facts.ts";
import { beginTransition, expectationOf, isUnderWay, latchPhase, seedProblem } from "./phases.ts";
import type { Plan } from "./types.ts";

/** The latch of the first life's restore, while it is under way. */
export function bootstrapTransition(f: Facts): Transition | undefined {
  const t = f.status.transition;
  if (t === undefined || !isUnderWay(t) || t.token !== f.status.clusterToken) return undefined;
  return f.status.clusterID === undefined ? t : undefined;
}

/** Latches what the seed is filled with, before it is; until then a changed spec is followed. */
export function bootstrapSource(f: Facts): Plan | undefined {
  const t = bootstrapTransition(f);
  const other = f.status.transition;
  if (other !== undefined && isUnderWay(other) && other.token !== f.status.clusterToken) {
    return waitPlan("Restoring", `${other.request} is under way`);
  }
  const seed = f.members.find((m) => m.name === f.status.seed);
  if (seed?.volume?.joinOrder !== undefined) return undefined;
  const restore = f.cluster.spec.bootstrap?.restore;
  if (restore === undefined) {
    if (t === undefined) return undefined;
    const step = { kind: "latch", set: { transition: undefined } } as const;
    return stepPlan(step, "Bootstrapping", "no restore is asked for any more: it begins empty");
  }
  const request = bootstrapRequest(restore);
  if (t?.request === request) return undefined;
  const found = f.observed.bootstrapSource;
  if (found === undefined) return waitPlan("Restoring", "looking for the backup");
  if (found.kind !== "found") {
    const safe = "Nothing was restored; spec.bootstrap.restore may be changed.";
    return stopPlan("RestoreSourceMissing", `${found.reason}: ${found.message}. ${safe}`);
  }
  const { location, revision } = found.source;
  const expected = revision === undefined ? {} : { revision: revision + revisionBump(restore) };
  const resolved = { ...restore, source: { location } };
  const identity = { token: f.status.clusterToken ?? "", seed: f.status.seed ?? "" };
  return beginTransition(f, { kind: "Restore", request, restore: resolved, expected }, identity);
}

/** The seed has its data: from here on the spec is not looked at any more. */
export function bootstrapFilled(f: Facts): Plan | undefined {
  const t = bootstrapTransition(f);
  const seed = f.members.find((m) => m.name === t?.seed);
  if (t?.phase !== "Restoring" || seed?.volume?.joinOrder === undefined) return undefined;
  const location = t.restore?.source.location;
  const uri = location === undefined ? "its backup" : storageUri(location, location.key);
  const message = `${t.seed} holds ${uri}: it is started and looked at`;
  return latchPhase(f, t, "Validating", message, expectationOf(t, seed.job?.report));
}

/** The restored seed answers: it is the cluster, if it is what was restored. */
export function bootstrapValidated(f: Facts): Plan | undefined {
  const t = bootstrapTransition(f);
  const { live } = f.observed;
  if (t === undefined || live === undefined) return undefined;
  const problem = seedProblem(t, f.observed);
  if (problem !== undefined) {
    const what = `${t.seed} is not what was restored: ${problem}. The backup is untouched`;
    return stopPlan("RestoreInvalid", `delete this EtcdCluster and make it again: ${what}.`);
  }
  const message = `cluster ${live.clusterId} lives from the backup: the other members are added`;
  const { clusterId: clusterID } = live;
  return latchPhase(f, t, "Growing", message, { clusterID }, { clusterID });
}
