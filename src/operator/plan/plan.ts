/**
 * Decides the one next step of a cluster. Pure: the same observation gives the same plan.
 *
 * The order of the stages is the order of urgency (DESIGN D9): a stage that has nothing to do
 * passes on, the first that has something ends the pass.
 */
import type { Observed } from "../observe/types.ts";
import { baseObjects, conflicts } from "./base.ts";
import { detachForeign, formed, latchClusterId, latchIdentity, seed } from "./bootstrap.ts";
import { bootstrapFilled, bootstrapSource, bootstrapValidated } from "./bootstrap-restore.ts";
import { certificateProblem, certificates } from "./certificates.ts";
import { cleanUp } from "./clean-up.ts";
import { type Facts, gatherFacts, isHealthy, stopPlan, waitPlan } from "./facts.ts";
import { abandonJoin, join, learner } from "./join.ts";
import { lostQuorum, quorumIncident, recovery, withQuorumProblem } from "./recovery.ts";
import { lossProblem, replace } from "./replace.ts";
import { scaleDown, scaleUp, tendVolumes } from "./scale.ts";
import { specProblems } from "./spec.ts";
import { missingSets, retemplateBroken, update } from "./template.ts";
import { finishTransition, isBeside, transition } from "./transition.ts";
import type { Plan, PlanContext, Problem } from "./types.ts";

export type Stage = (f: Facts) => Plan | undefined;

const stages: readonly Stage[] = [
  paused,
  specProblems,
  conflicts,
  latchIdentity,
  baseObjects,
  certificates,
  detachForeign,
  recovery,
  transition,
  (f) => (formed(f) ? undefined : (bootstrapSource(f) ?? bootstrapFilled(f) ?? seed(f))),
  bootstrapValidated,
  latchClusterId,
  identityMismatch,
  quorumIncident,
  missingSets,
  retemplateBroken,
  lostQuorum,
  cleanUp,
  replace,
  abandonJoin,
  learner,
  join,
  update,
  scaleDown,
  scaleUp,
  finishTransition,
  tendVolumes,
];

/** The next step for what was observed. */
export function plan(observed: Observed, context: PlanContext): Plan {
  const facts = gatherFacts(observed, context);
  const decided = decide(facts);
  if (observed.live === undefined) return withQuorumProblem(facts, decided);
  if (decided.reason === "Paused") return decided;
  // A lost member is told whatever else goes on; that it is "not healthy" says less.
  const problem = lossProblem(facts);
  const vague = ["MemberUnhealthy", "MemberStuck", undefined].includes(decided.problem?.reason);
  return problem !== undefined && vague ? { ...decided, problem } : decided;
}

function decide(facts: Facts): Plan {
  const { observed } = facts;
  if (observed.cluster.metadata.deletionTimestamp !== undefined) {
    return waitPlan("Deleting", "owner references clean up", 60_000);
  }
  let waiting: Plan | undefined;
  for (const stage of stages) {
    const result = stage(facts);
    if (result === undefined) continue;
    // While a restore fills its own volume, the life that still serves is tended as ever.
    if (stage === transition && result.step === undefined && isBeside(facts.status.transition)) {
      waiting = result;
      continue;
    }
    return waiting === undefined || result.step !== undefined ? result : both(waiting, result);
  }
  return waiting ?? steady(facts);
}

/** Two waits: the transition's is told, with whichever problem there is. */
function both(transition: Plan, present: Plan): Plan {
  const problem = transition.problem ?? present.problem;
  const requeueMs = Math.min(transition.requeueMs, present.requeueMs);
  return { ...transition, requeueMs, ...(problem ? { problem } : {}) };
}

function paused(f: Facts): Plan | undefined {
  if (f.cluster.spec.paused !== true) return undefined;
  const message = "spec.paused is true: nothing is changed until it is removed";
  return { reason: "Paused", message, busy: false, requeueMs: 15_000 };
}

function identityMismatch(f: Facts): Plan | undefined {
  const live = f.observed.live?.clusterId;
  if (live === undefined || live === f.status.clusterID) return undefined;
  return stopPlan(
    "ClusterIDMismatch",
    `stop and look: the members answer as cluster ${live}, but this resource belongs to cluster ${f.status.clusterID}`,
  );
}

function steady(f: Facts): Plan {
  const count = f.voters.length;
  const unhealthy = f.voters.filter((m) => !isHealthy(m));
  if (unhealthy.length > 0) {
    const list = unhealthy.map((m) => m.name).join(", ");
    const message = `${unhealthy.length} of ${count} members not healthy: ${list}`;
    const wait = waitPlan("WaitingForMembers", `waiting for ${list} to become healthy`, 3_000);
    // A pod that has just been made or deleted is about to be well.
    const isNews = unhealthy.some((m) => m.pod?.young !== true || m.pod.stuck !== undefined);
    return isNews ? { ...wait, problem: { reason: "MemberUnhealthy", message } } : wait;
  }
  const rest = { reason: "Stable", message: `all ${count} members run as specified`, busy: false };
  const problem = strangerProblem(f) ?? certificateProblem(f) ?? alarmProblem(f);
  return { ...rest, ...(problem ? { problem } : {}), requeueMs: 15_000 };
}

function strangerProblem(f: Facts): Problem | undefined {
  const [stranger] = f.strangers;
  if (stranger === undefined) return undefined;
  const message = `member ${stranger.id} (${stranger.peerUrl}) is not run by this operator`;
  return { reason: "UnknownMember", message };
}

function alarmProblem(f: Facts): Problem | undefined {
  const alarms = f.voters.flatMap((m) => m.probe?.errors.map((e) => `${m.name}: ${e}`) ?? []);
  return alarms.length === 0 ? undefined : { reason: "Alarm", message: alarms.join("; ") };
}
