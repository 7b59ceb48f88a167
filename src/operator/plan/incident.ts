/**
 * A quorum that was lost, told in status while it lasts: who holds what, what may still be alive,
 * what recovery would cost and the words of consent (OPERATOR 21, 22). Nothing here acts.
 */
import type { ObservedMember } from "../observe/types.ts";
import { quorum } from "../resources/index.ts";
import type { Incident, MemberStatus, Transition } from "../types/index.ts";
import { type Facts, isHealthy, stepPlan } from "./facts.ts";
import { isUnderWay, msInPhase } from "./phases.ts";
import type { Plan } from "./types.ts";

export type IncidentMember = Incident["members"][number];

/** Elections and restarts are over by then. */
const patienceMs = 20_000;

/** Ends of a member's process that mean that its disk holds nothing of it any more (server/errors.ts). */
const destroyedCodes: ReadonlyMap<number, string> = new Map([
  [70, "its volume is empty"],
  [73, "half of its data is gone"],
  [75, "its engine and log do not belong together"],
  [76, "its volume was emptied"],
  [77, "its data is damaged"],
  [78, "its volume holds foreign data"],
]);

/** Opens an incident when no member has answered for a while, and closes it when a quorum does. */
export function incident(f: Facts): Plan | undefined {
  const { incident: open, transition } = f.status;
  if (transition?.kind === "Recovery" && isBeforeSwitch(f, transition)) return undefined;
  if (f.observed.live !== undefined) {
    if (open === undefined) return undefined;
    const message = `a quorum answers again: incident ${open.id} is over, nothing was changed`;
    return stepPlan({ kind: "latch", set: { incident: undefined } }, "QuorumReturned", message);
  }
  if (open !== undefined || !isLost(f)) return undefined;
  const id = f.context.fresh.token.slice(0, 6);
  const opened = describe(f, { id, since: lostSince(f), message: "", members: [] });
  return stepPlan({ kind: "latch", set: { incident: opened } }, "QuorumLost", opened.message);
}

/** The transition has not become the present life yet. */
export const isBeforeSwitch = (f: Facts, t: Transition): boolean =>
  isUnderWay(t) && t.token !== f.status.clusterToken;

const availability = (f: Facts) => f.status.conditions?.find((c) => c.type === "Available");

const lostSince = (f: Facts): string => availability(f)?.lastTransitionTime ?? f.context.now;

function isLost(f: Facts): boolean {
  const condition = availability(f);
  if (f.status.bootstrapped !== true || condition?.status !== "False") return false;
  // A life that has just taken over has had no time to answer.
  const { transition } = f.status;
  if (transition && isUnderWay(transition) && msInPhase(f, transition) < patienceMs) return false;
  return Date.parse(f.context.now) - Date.parse(condition.lastTransitionTime) >= patienceMs;
}

/** The incident as it is now; figures of members that cannot be asked are kept. */
export function describe(f: Facts, before: Incident): Incident {
  const members = names(f, before).map((name) => describeMember(f, name, before));
  const survivor = bestOf(members)?.name;
  const { survivor: _old, ...kept } = before;
  const next = { ...kept, members, ...(survivor === undefined ? {} : { survivor }) };
  return { ...next, message: messageOf(f, next) };
}

/** Every member the cluster had, also those of which nothing is left. */
function names(f: Facts, before: Incident): string[] {
  const known = (f.status.members ?? []).filter((m) => m.id !== undefined).map((m) => m.name);
  const here = f.members.filter((m) => m.volume?.joinOrder !== undefined).map((m) => m.name);
  return [...new Set([...before.members.map((m) => m.name), ...known, ...here])].sort();
}

function describeMember(f: Facts, name: string, before: Incident): IncidentMember {
  const m = f.members.find((x) => x.name === name) ?? { name };
  const last = before.members.find((x) => x.name === name);
  const told = f.status.members?.find((x) => x.name === name);
  const { state, message } = stateOf(m);
  return { name, state, ...figures(m, last, told), ...(message ? { message } : {}) };
}

function figures(
  m: ObservedMember,
  last: IncidentMember | undefined,
  told: MemberStatus | undefined,
): Pick<IncidentMember, "lastLogTerm" | "lastLogIndex" | "revision"> {
  const from = m.probe?.log ?? (last?.lastLogIndex === undefined ? told : last);
  if (from?.lastLogTerm === undefined || from.lastLogIndex === undefined) return {};
  const { lastLogTerm, lastLogIndex, revision } = from;
  return { lastLogTerm, lastLogIndex, ...(revision === undefined ? {} : { revision }) };
}

function stateOf(m: ObservedMember): Pick<IncidentMember, "state" | "message"> {
  const { volume, pod, probe } = m;
  if (volume === undefined) return { state: "Destroyed", message: "its volume claim is gone" };
  if (volume.lost) return { state: "Destroyed", message: `the disk behind ${volume.name} is gone` };
  const code = pod?.exit?.code ?? 0;
  const destroyed = destroyedCodes.get(code);
  if (destroyed !== undefined && pod?.exit?.running === false) {
    return { state: "Destroyed", message: `${destroyed} (exit code ${code})` };
  }
  if (isHealthy(m)) return { state: "Healthy" };
  if (probe !== undefined) return { state: "Answering" };
  if (volume.deleting) return { state: "Stopped", message: `${volume.name} is being deleted` };
  if (pod === undefined) return { state: "Stopped", message: "no pod runs on its volume" };
  if (pod.unreachable !== undefined) {
    return { state: "Unreachable", message: `its node is silent since ${pod.unreachable.since}` };
  }
  if (pod.stuck !== undefined) {
    const state = /unschedulable/i.test(pod.stuck) ? "Unreachable" : "Stopped";
    return { state, message: pod.stuck.slice(0, 300) };
  }
  return { state: "Unreachable", message: "its pod is there and does not answer" };
}

const known = (m: IncidentMember): boolean => m.lastLogIndex !== undefined;

/** Raft's order of logs: by last term, then by last index; what is unknown comes last. */
export function compareLogs(a: Partial<IncidentMember>, b: Partial<IncidentMember>): number {
  const term = (b.lastLogTerm ?? -1) - (a.lastLogTerm ?? -1);
  return term !== 0 ? term : (b.lastLogIndex ?? -1) - (a.lastLogIndex ?? -1);
}

/** Nearest first. */
const states: readonly IncidentMember["state"][] = [
  "Healthy",
  "Answering",
  "Stopped",
  "Unreachable",
  "Destroyed",
];

const isAway = (m: IncidentMember): number => Number(m.state === "Unreachable");

/**
 * The member recovery would keep, as far as one can tell before its disk was read. One out of reach
 * comes last, whatever it holds: who consents is told what would be lost with it.
 */
const bestOf = (members: readonly IncidentMember[]): IncidentMember | undefined =>
  members
    .filter((m) => m.state !== "Destroyed")
    .sort(
      (a, b) =>
        isAway(a) - isAway(b) ||
        compareLogs(a, b) ||
        states.indexOf(a.state) - states.indexOf(b.state),
    )[0];

/** The consent, as a command to copy. */
export function consentCommand(f: Facts, id: string): string {
  const { name, namespace } = f.cluster.metadata;
  const patch = JSON.stringify({ spec: { quorumRecovery: { incident: id } } });
  return `kubectl -n ${namespace} patch etcdcluster ${name} --type=merge -p '${patch}'`;
}

export const position = (m: Partial<IncidentMember>): string =>
  m.lastLogIndex === undefined
    ? "log unknown"
    : `log up to term ${m.lastLogTerm} index ${m.lastLogIndex}${m.revision === undefined ? "" : `, revision ${m.revision}`}`;

const listed = (members: readonly IncidentMember[]): string =>
  members
    .map((m) => `${m.name} (${[m.message, position(m)].filter(Boolean).join("; ")})`)
    .join(", ");

function messageOf(f: Facts, incident: Incident): string {
  const { id, since, members } = incident;
  const of = (...states: IncidentMember["state"][]) =>
    members.filter((m) => states.includes(m.state));
  const destroyed = of("Destroyed");
  const answering = of("Healthy", "Answering");
  const may = of("Stopped", "Unreachable");
  const parts = [
    `Incident ${id}: no quorum of ${members.length} members since ${since}, so nothing is written`,
    destroyed.length > 0 ? `Destroyed: ${listed(destroyed)}` : "Nothing is known to be destroyed",
    ...(answering.length > 0 ? [`Answering: ${listed(answering)}`] : []),
    ...(may.length > 0 ? [`May be alive: ${listed(may)}`] : []),
    ...outlook(f, incident, members.length - destroyed.length, may.length > 0),
  ];
  // The last part is a command to copy: nothing follows it.
  return parts.join(". ");
}

/** What can be done: wait, consent, or restore. */
function outlook(f: Facts, incident: Incident, left: number, mayReturn: boolean): string[] {
  const { id, members } = incident;
  const survivor = members.find((m) => m.name === incident.survivor);
  if (survivor === undefined) {
    return ["No volume is left to recover from: restore a backup with an EtcdRestore"];
  }
  const back =
    left >= quorum(members.length)
      ? ["Bringing back the members that may be alive returns the quorum without any loss"]
      : [];
  const ahead = members.filter((m) => known(m) && compareLogs(m, survivor) < 0);
  const more = ahead.map((m) => `${m.name} had its ${position(m)}`);
  const loss =
    more.length > 0
      ? `what they held beyond it is lost: ${more.join(", ")}`
      : "writes that only the others held are lost; none is known of";
  return [
    ...back,
    `Recovery would keep ${survivor.name} with its whole log (${position(survivor)}); ${loss}`,
    `To consent${mayReturn ? ", once the members that may be alive are given up" : ""}: ${consentCommand(f, id)}`,
  ];
}
