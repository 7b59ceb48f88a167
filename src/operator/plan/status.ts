/** Status as it follows from what was seen and decided. Pure; time comes in. */

import type { Observed, ObservedMember } from "../observe/types.ts";
import { clientUrl, podName, podSelector, selectorText } from "../resources/index.ts";
import type {
  Condition,
  ConditionType,
  EtcdClusterStatus,
  Incident,
  MemberStatus,
} from "../types/index.ts";
import { isBlind } from "./certificates.ts";
import { type Facts, gatherFacts, isHealthy } from "./facts.ts";
import { describe, isBeforeSwitch } from "./incident.ts";
import { publishedHint } from "./publish.ts";
import type { Plan, PlanContext, Problem } from "./types.ts";

/** A failed act is told like a problem of the plan. */
export interface StatusInput {
  readonly plan: Plan;
  readonly failure?: Problem | undefined;
  /** RFC 3339. */
  readonly now: string;
  /** Whether indexes and sizes may be written now; they change all the time and wake watchers. */
  readonly freshFigures: boolean;
}

/** The whole status; latched fields are carried over as they are. */
export function buildStatus(
  observed: Observed,
  context: PlanContext,
  input: StatusInput,
): EtcdClusterStatus {
  const f = gatherFacts(observed, context);
  const old = f.status;
  const live = observed.live !== undefined;
  const counted = f.members.filter((m) => m.peer !== undefined).length;
  // A seed that answers is nobody's cluster before its id is latched: it may not be what was restored.
  const known = live && old.clusterID !== undefined;
  const full =
    known && f.voterCount >= f.cluster.spec.replicas && f.healthyVoters >= f.cluster.spec.replicas;
  const bootstrapped = old.bootstrapped === true || full;
  const leader = live ? f.leader?.name : isBlind(f) ? old.leader : undefined;
  // The token of the first life names the data's history; later lives have other tokens.
  const lineage = old.lineage ?? old.clusterToken;
  const { leader: _leader, ...kept } = old;
  const incident = openIncident(f);
  return {
    ...kept,
    observedGeneration: f.cluster.metadata.generation ?? 0,
    replicas: live ? counted : (old.replicas ?? 0),
    readyReplicas: f.members.filter((m) => m.pod?.ready === true && !m.pod.deleting).length,
    selector: selectorText(podSelector(f.cluster)),
    ...(leader === undefined ? {} : { leader }),
    endpoints: endpoints(f),
    members: memberStatuses(f, input.freshFigures),
    ...(bootstrapped ? { bootstrapped } : {}),
    ...(lineage === undefined ? {} : { lineage }),
    ...(incident === undefined ? {} : { incident }),
    conditions: conditions(f, bootstrapped, input),
  };
}

/** As it is now; while a recovery stops the members, what was consented to stays as it was told. */
function openIncident(f: Facts): Incident | undefined {
  const { incident, transition } = f.status;
  const settled = transition?.kind === "Recovery" && isBeforeSwitch(f, transition);
  if (incident === undefined || settled || f.observed.live !== undefined) return incident;
  return describe(f, incident);
}

function endpoints(f: Facts): string[] {
  if (f.observed.live === undefined) return [...(f.status.endpoints ?? [])];
  return f.voters.map((m) => clientUrl(f.cluster, m.name));
}

/**
 * Members in the list, and those whose objects are there. Without a list: as they were last known,
 * also those of which nothing is left.
 */
function memberStatuses(f: Facts, freshFigures: boolean): MemberStatus[] {
  const old = new Map((f.status.members ?? []).map((m) => [m.name, m]));
  const here = f.members.filter((m) => m.peer !== undefined || m.statefulSet !== undefined);
  const { transition } = f.status;
  // A life that has taken over has none of the old members.
  const isNew = transition?.phase === "Growing" && transition.token === f.status.clusterToken;
  const gone = [...old.values()].filter(
    (o) => o.id !== undefined && !here.some((m) => m.name === o.name),
  );
  const kept = f.observed.live === undefined && !isNew ? gone : [];
  return [...here, ...kept.map((o) => ({ name: o.name }))]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((m) => memberStatus(f, m, old.get(m.name), freshFigures));
}

function memberStatus(
  f: Facts,
  m: ObservedMember,
  old: MemberStatus | undefined,
  freshFigures: boolean,
): MemberStatus {
  const id = m.peer?.id ?? old?.id;
  const version = m.probe?.version ?? old?.version;
  const fresh = m.probe !== undefined && (freshFigures || old?.raftIndex === undefined);
  const figures = fresh ? m.probe : old;
  return {
    name: m.name,
    ...(id === undefined ? {} : { id }),
    ...(m.pod === undefined ? {} : { pod: podName(m.name) }),
    leader: isBlind(f) ? old?.leader === true : f.observed.live !== undefined && m === f.leader,
    learner: m.peer?.learner ?? old?.learner ?? false,
    healthy: isBlind(f) ? old?.healthy === true : isHealthy(m),
    ...(version === undefined ? {} : { version }),
    ...(figures?.raftTerm === undefined ? {} : { raftTerm: figures.raftTerm }),
    ...(figures?.raftIndex === undefined ? {} : { raftIndex: figures.raftIndex }),
    ...(figures?.dbSizeBytes === undefined ? {} : { dbSizeBytes: figures.dbSizeBytes }),
    ...logFigures(fresh ? m.probe?.log : old),
  };
}

function logFigures(
  from: Pick<MemberStatus, "lastLogTerm" | "lastLogIndex" | "revision"> | undefined,
): Pick<MemberStatus, "lastLogTerm" | "lastLogIndex" | "revision"> {
  if (from?.lastLogTerm === undefined || from.lastLogIndex === undefined) return {};
  const { lastLogTerm, lastLogIndex, revision } = from;
  return { lastLogTerm, lastLogIndex, ...(revision === undefined ? {} : { revision }) };
}

function conditions(f: Facts, bootstrapped: boolean, input: StatusInput): Condition[] {
  const { plan, failure } = input;
  const problem = failure ?? plan.problem;
  const make = (
    type: ConditionType,
    value: boolean,
    reason: string,
    message: string,
  ): Condition => {
    const status = value ? "True" : "False";
    const old = f.status.conditions?.find((c) => c.type === type);
    const since = old?.status === status ? old.lastTransitionTime : input.now;
    const observedGeneration = f.cluster.metadata.generation ?? 0;
    return { type, status, reason, message, observedGeneration, lastTransitionTime: since };
  };
  const available = availability(f, bootstrapped);
  return [
    make("Available", available.value, available.reason, available.message),
    make("Progressing", plan.busy, plan.reason, plan.message),
    problem === undefined
      ? make("Degraded", false, "AsExpected", degradedHint(f))
      : make("Degraded", true, problem.reason, problem.message),
  ];
}

/** One or two members: a drain has to wait, and a human should know why. */
function degradedHint(f: Facts): string {
  const few = "with fewer than 3 members no node that runs one can be drained";
  const hints = [f.cluster.spec.replicas >= 3 ? undefined : few, publishedHint(f)];
  return ["nothing is wrong", ...hints.filter((hint) => hint !== undefined)].join("; ");
}

function availability(
  f: Facts,
  bootstrapped: boolean,
): { value: boolean; reason: string; message: string } {
  const { replicas } = f.cluster.spec;
  const ready = `${f.healthyVoters} of ${replicas} members healthy`;
  if (!bootstrapped) return { value: false, reason: "Bootstrapping", message: ready };
  const before = f.status.conditions?.find((c) => c.type === "Available");
  if (isBlind(f) && before !== undefined) {
    const message = "as last seen: the operator has no certificate to ask the members with";
    return { value: before.status === "True", reason: before.reason, message };
  }
  if (f.observed.live === undefined) {
    return { value: false, reason: "QuorumLost", message: "no linearizable answer from a member" };
  }
  return { value: true, reason: "QuorumHealthy", message: ready };
}
