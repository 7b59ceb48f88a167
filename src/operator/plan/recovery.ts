/**
 * Recovery from a lost quorum, on a person's consent alone (OPERATOR 21, 22). The old members are
 * stopped, the disks that are left are read and ranked, and the best, or the one that was named,
 * becomes the seed of a new life (transition.ts does the rest). Every decision is latched; Jobs and
 * members that were stopped are found as they are by whoever goes on.
 */
import type { InspectedDisk, ObservedInspection, ObservedMember } from "../observe/types.ts";
import { buildInspectJob, inspectJobName, labelDetached, podName } from "../resources/index.ts";
import type { Incident, Transition } from "../types/index.ts";
import { deleteStep, type Facts, isHealthy, stepPlan, waitPlan } from "./facts.ts";
import {
  compareLogs,
  type IncidentMember,
  incident as incidentStage,
  isBeforeSwitch,
  position,
} from "./incident.ts";
import { latchPhase } from "./phases.ts";
import type { Plan } from "./types.ts";

const reason = "Recovering";

/** Before the life that begins: consent, the disks, and who survives. */
export function recovery(f: Facts): Plan | undefined {
  const t = f.status.transition;
  if (t?.kind !== "Recovery" || !isBeforeSwitch(f, t)) return dropInspections(f);
  return anotherSurvivor(f, t) ?? (t.phase === "PreFlight" ? preFlight(f, t) : dropInspections(f));
}

/** The incident, and the consent that ends it. */
export function quorumIncident(f: Facts): Plan | undefined {
  const plan = incidentStage(f);
  if (plan !== undefined) return plan;
  const consent = consentOf(f);
  return consent.kind === "given" ? begin(f, consent.incident, consent.survivor) : undefined;
}

/** Nobody answered a linearizable question: everything else has to wait. */
export function lostQuorum(f: Facts): Plan | undefined {
  if (f.observed.live !== undefined) return undefined;
  const message = quorumMessage(f);
  const wait = waitPlan("WaitingForQuorum", message);
  return { ...wait, problem: { reason: "QuorumLost", message } };
}

/** An incident is told until a quorum answers, whatever step is being done. */
export function withQuorumProblem(f: Facts, plan: Plan): Plan {
  const { incident, transition } = f.status;
  if (incident === undefined || plan.problem !== undefined) return plan;
  const isRecovery = transition?.kind === "Recovery" && isBeforeSwitch(f, transition);
  const message = isRecovery
    ? `Incident ${incident.id} is being recovered from: ${transition.message}${alternatives(f, transition)}`
    : quorumMessage(f);
  return { ...plan, problem: { reason: "QuorumLost", message } };
}

/** What to do if the survivor does not come up. */
function alternatives(f: Facts, t: Transition): string {
  const left = f.members.filter((m) => m.volume?.joinOrder !== undefined).map((m) => m.name);
  if (t.phase === "PreFlight" || t.phase === "Switching") return "";
  if (left.length === 0) {
    return ". No other disk is left: should it or its node fail for good, restore a backup into a new EtcdCluster, then delete this one";
  }
  return `. Should its disk or node fail, name another one in spec.quorumRecovery.survivor: ${left.join(", ")}`;
}

/** Why the quorum is lost, and what is asked for. */
function quorumMessage(f: Facts): string {
  const total = f.status.members?.filter((m) => !m.learner).length ?? f.members.length;
  const silent = f.members.filter((m) => !isHealthy(m)).map((m) => nameWithTrouble(m));
  const plain = `no quorum of ${total} members answers; not healthy: ${silent.join(", ") || "none"}`;
  const consent = consentOf(f);
  const told = f.status.incident?.message ?? plain;
  return consent.kind === "refused" ? `${consent.message}. ${told}` : told;
}

const nameWithTrouble = (m: ObservedMember): string =>
  m.pod?.stuck ? `${m.name} (${m.pod.stuck})` : m.name;

type Consent =
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly message: string }
  | { readonly kind: "given"; readonly incident: Incident; readonly survivor?: string };

/** A consent counts when it quotes the present incident and was never used. */
function consentOf(f: Facts): Consent {
  const { quorumRecovery: asked } = f.cluster.spec;
  const { incident, recoveredIncidents = [], transition } = f.status;
  if (asked === undefined || incident === undefined) return { kind: "none" };
  const refused = (message: string): Consent => ({ kind: "refused", message });
  const used = recoveredIncidents.includes(asked.incident);
  if (asked.incident !== incident.id || used) {
    const why = used ? "was used already and works once" : "is not the present one";
    return refused(
      `spec.quorumRecovery quotes incident ${asked.incident}, which ${why}; the present one is ${incident.id}, and nothing is done`,
    );
  }
  if (transition !== undefined && isBeforeSwitch(f, transition)) {
    return refused(
      `spec.quorumRecovery waits for the end of ${transition.kind.toLowerCase()} ${transition.request} (${transition.phase}), which deleting the request does not stop; if it fails, this consent counts`,
    );
  }
  const left = incident.members.filter((m) => m.state !== "Destroyed");
  if (left.length === 0) return refused("spec.quorumRecovery cannot help: no volume is left");
  const { survivor } = asked;
  if (survivor === undefined) return { kind: "given", incident };
  if (left.some((m) => m.name === survivor)) return { kind: "given", incident, survivor };
  return refused(
    `spec.quorumRecovery.survivor ${survivor} has no volume left; choose one of ${left.map((m) => m.name).join(", ")}, or none`,
  );
}

/** The consent is used from here on, whatever becomes of it. */
function begin(f: Facts, incident: Incident, survivor: string | undefined): Plan {
  const { token, member: seed } = f.context.fresh;
  const what: Transition = {
    kind: "Recovery",
    request: incident.id,
    phase: "PreFlight",
    token,
    seed,
    ...(survivor === undefined ? {} : { survivor }),
    phases: [],
  };
  const message = `consent to incident ${incident.id}: the old members stop, so that their disks can be read`;
  const recoveredIncidents = [...(f.status.recoveredIncidents ?? []), incident.id];
  return latchPhase(f, what, "PreFlight", message, {}, { recoveredIncidents });
}

/**
 * The way out when the survivor fails as well: the same consent, naming another one that is left.
 * What was made of the first is kept out of the cluster; a third life begins.
 */
function anotherSurvivor(f: Facts, t: Transition): Plan | undefined {
  const { incident, survivor } = f.cluster.spec.quorumRecovery ?? {};
  if (t.phase === "Switching" || survivor === undefined || incident !== t.request) return undefined;
  const there = f.members.some((m) => m.name === survivor && m.volume?.joinOrder !== undefined);
  if (survivor === t.survivor || !there) return undefined;
  const { token, member: seed } = f.context.fresh;
  const untouched = t.phase === "PreFlight";
  const next = untouched ? { ...t, survivor } : { ...t, survivor, token, seed };
  const message = `${survivor} was asked for instead of ${t.survivor ?? "the longest log"}: the disks are read again`;
  return latchPhase(f, next, "PreFlight", message);
}

/** Stops the old members, looks at their disks, chooses. Nothing on a disk changes before that. */
function preFlight(f: Facts, t: Transition): Plan {
  if (f.observed.live !== undefined) {
    return giveUp(f, t, "a quorum answers again: nothing was changed, stopped members start again");
  }
  return stopMembers(f) ?? inspectDisks(f) ?? choose(f, t);
}

function giveUp(f: Facts, t: Transition, message: string): Plan {
  return latchPhase(f, t, "Failed", message, {}, { incident: undefined });
}

function stopMembers(f: Facts): Plan | undefined {
  for (const m of f.members) {
    if (m.statefulSet === undefined || m.statefulSet.deleting) continue;
    const step = deleteStep("StatefulSet", m.name, m.statefulSet.uid);
    return stepPlan(step, reason, `stopping ${m.name}: its volume stays`);
  }
  const left = f.members.find(
    (m) => m.statefulSet !== undefined || (m.pod !== undefined && !isBeyondReach(m)),
  );
  if (left === undefined) return undefined;
  return waitPlan(reason, `waiting for ${podName(left.name)} to end`, 500);
}

/** Its pod cannot be seen to end: whether it still runs, nobody knows. */
const isBeyondReach = (m: ObservedMember): boolean => m.pod?.unreachable !== undefined;

/** Members whose disk can be read: it is there, and nothing runs on it. */
const readable = (f: Facts): ObservedMember[] =>
  f.members.filter(
    (m) => m.volume?.joinOrder !== undefined && !m.volume.lost && !m.volume.deleting && !m.pod,
  );

function inspectDisks(f: Facts): Plan | undefined {
  const disks = readable(f);
  for (const m of disks) {
    const { inspect, name } = m;
    if (inspect === undefined) {
      const object = buildInspectJob(f.cluster, name, m.volume?.name ?? "", f.context.defaultImage);
      return stepPlan({ kind: "create", object }, reason, `reading the disk of ${name}`);
    }
    if (inspect.state === "complete" && inspect.found === undefined && !inspect.deleting) {
      const step = deleteStep("Job", inspectJobName(name), inspect.uid);
      return stepPlan(step, reason, `the report on ${name} was lost: reading its disk again`);
    }
  }
  const open = disks.filter((m) => m.inspect?.state === "running" || m.inspect?.deleting);
  if (open.length === 0) return undefined;
  const list = open.map((m) => `${m.name}${m.inspect?.stuck ? ` (${m.inspect.stuck})` : ""}`);
  return waitPlan(reason, `reading the disks of ${list.join(", ")}`, 500);
}

interface Disk extends InspectedDisk {
  readonly name: string;
}

/** The end of the choice: the survivor, or why there is none. */
function choose(f: Facts, t: Transition): Plan {
  const disks = usableDisks(f).sort(
    (a, b) => compareLogs(a, b) || Number(a.learner) - Number(b.learner),
  );
  const members = (f.status.incident?.members ?? []).map((m) => afterInspection(f, m));
  const told = f.status.incident && { ...f.status.incident, members };
  const best = disks[0];
  if (best === undefined) {
    return giveUp(f, t, `no disk can be recovered from: ${outcomes(members)}; restore a backup`);
  }
  const chosen = t.survivor === undefined ? best : disks.find((d) => d.name === t.survivor);
  if (chosen === undefined) {
    return giveUp(
      f,
      t,
      `the disk of ${t.survivor}, which was asked for, cannot be used: ${outcomes(members)}; ${best.name} could be kept`,
    );
  }
  const broken = t.survivor === undefined ? brokenPromise(f, best) : undefined;
  if (broken !== undefined) return giveUp(f, t, broken);
  const message = `keeping ${chosen.name} (${position(chosen)}) ${comparison(chosen, disks)}; ${outcomes(members.filter((m) => m.name !== chosen.name))}${volumesText(f, chosen)}`;
  return latchPhase(
    f,
    t,
    "Restoring",
    message,
    { survivor: chosen.name },
    told === undefined ? {} : { incident: { ...told, survivor: chosen.name } },
  );
}

/**
 * The consent was given to a message that named who would be kept. When that disk cannot be read now, and
 * none that can holds as much, nobody has agreed to what would be lost.
 */
function brokenPromise(f: Facts, best: Disk): string | undefined {
  const { survivor, members = [] } = f.status.incident ?? {};
  const told = members.find((m) => m.name === survivor);
  if (told === undefined || compareLogs(told, best) >= 0) return undefined;
  if (afterInspection(f, told).state !== "Unreachable") return undefined;
  return `${told.name} was to be kept (its ${position(told)}), but its volume could not be attached and read in time, and ${best.name} holds less (its ${position(best)}): nothing was changed. Bring that volume back, or give consent to the next incident with spec.quorumRecovery.survivor: ${best.name}`;
}

function comparison(chosen: Disk, disks: readonly Disk[]): string {
  const ahead = disks.filter((d) => compareLogs(d, chosen) < 0);
  if (ahead.length === 0) return "because no disk that can be read has a longer log";
  const list = ahead.map((d) => `${d.name} holds more, its ${position(d)}, which is given up`);
  return `as was asked for; WARNING: ${list.join(", ")}`;
}

const outcomes = (members: readonly IncidentMember[]): string =>
  members
    .map((m) => `${m.name} ${m.state}${m.message ? ` (${m.message})` : ""}, ${position(m)}`)
    .join("; ") || "there is no other member";

function volumesText(f: Facts, chosen: Disk): string {
  const volumes = f.members
    .filter((m) => m.volume !== undefined && m.name !== chosen.name)
    .map((m) => m.volume?.name);
  if (volumes.length === 0) return "";
  return `. Volumes ${volumes.join(", ")} are kept as they are, out of the cluster (label ${labelDetached}=${f.cluster.metadata.name}): their members can never rejoin`;
}

const diskOf = (inspect: ObservedInspection | undefined): InspectedDisk | undefined =>
  inspect?.found !== undefined && "lastLogIndex" in inspect.found ? inspect.found : undefined;

function usableDisks(f: Facts): Disk[] {
  return readable(f).flatMap((m) => {
    const disk = diskOf(m.inspect);
    if (disk === undefined || unusable(f, disk) !== undefined) return [];
    return [{ ...disk, name: m.name }];
  });
}

function unusable(f: Facts, disk: InspectedDisk): string | undefined {
  if (disk.clusterID !== f.status.clusterID) return `it holds data of cluster ${disk.clusterID}`;
  if (disk.lastLogIndex === 0) return "its log is empty";
  return disk.removed ? "it was removed from the cluster before" : undefined;
}

/** What the disk says stands above what its member said last. */
function afterInspection(f: Facts, before: IncidentMember): IncidentMember {
  const m = f.members.find((x) => x.name === before.name);
  if (m?.volume === undefined) return { ...before, state: "Destroyed" };
  const found = m.inspect?.found;
  if (found !== undefined && "error" in found) {
    const gone = ["empty", "foreign", "damaged"].includes(found.error.code);
    const state = gone ? "Destroyed" : "Unreachable";
    return { ...before, state, message: found.error.message.slice(0, 300) };
  }
  const disk = diskOf(m.inspect);
  if (disk === undefined) {
    const message = "its volume could not be attached and read in time; it may be alive";
    return { ...before, state: "Unreachable", message };
  }
  const { lastLogTerm, lastLogIndex, revision } = disk;
  const { message: _message, ...kept } = before;
  const bad = unusable(f, disk);
  return {
    ...kept,
    state: bad === undefined ? "Stopped" : "Destroyed",
    lastLogTerm,
    lastLogIndex,
    revision,
    ...(bad === undefined ? {} : { message: bad }),
  };
}

/** What was read is in status: the volumes must be free, and another recovery reads again. */
function dropInspections(f: Facts): Plan | undefined {
  for (const { name, inspect } of f.members) {
    if (inspect === undefined || inspect.deleting) continue;
    const step = deleteStep("Job", inspectJobName(name), inspect.uid);
    return stepPlan(step, reason, `the disk of ${name} has been read`);
  }
  const { transition } = f.status;
  if (transition === undefined || !isBeforeSwitch(f, transition)) return undefined;
  const held = f.members.find((m) => m.name === transition.survivor)?.inspect;
  if (held === undefined) return undefined;
  const name = inspectJobName(transition.survivor ?? "");
  return waitPlan(reason, `waiting for Job ${name} to end`, 500);
}
