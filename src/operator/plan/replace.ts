/**
 * Replaces lost members while a quorum holds (OPERATOR 3, 14): one at a time, under a new name.
 *
 *   latch `replacing` and `removing` -> (leader: hand over) -> memberRemove
 *   clean-up: StatefulSet, pod (not waited for on a dead node), volume out of the name and kept
 *   growth by a new learner, as ever -> `replacing` is cleared
 *
 * Removing first is what etcd advises: a lost voter only raises the quorum. The seed is a member
 * like all others.
 */
import type { ObservedMember } from "../observe/types.ts";
import { quorum } from "../resources/index.ts";
import type { Replacing } from "../types/index.ts";
import { type Facts, isHealthy, stepPlan } from "./facts.ts";
import { graceMs, keptVolumesMax, type Loss, lossOf } from "./loss.ts";
import { handOver } from "./template.ts";
import type { Plan, Problem, Step } from "./types.ts";

/** Runs with a live member list; does nothing for a loss that `lossProblem` says it waits with. */
export function replace(f: Facts): Plan | undefined {
  const { replacing, removing } = f.status;
  const losses = lostVoters(f);
  const loss = losses.find((l) => l.member.name === replacing?.member) ?? losses[0];
  if (loss === undefined || obstacle(f, loss) !== undefined) return finish(f, losses);
  const { member: m } = loss;
  if (m.peer === undefined) return undefined;
  const problem: Problem = { reason: "MemberLost", message: lossText(f, loss) };
  if (replacing?.member !== m.name || removing !== m.name) {
    const since = replacing?.member === m.name ? replacing.since : f.context.now;
    // It may have got its vote a moment ago: it must not be added again.
    const joined = f.status.joining === m.name ? { joining: undefined } : {};
    const set = { replacing: record(loss, since), removing: m.name, ...joined };
    return { ...step({ kind: "latch", set }, problem.message), problem };
  }
  const move = m === f.leader ? handOver(f, m) : undefined;
  if (move !== undefined) return { ...move, problem };
  const remove = { kind: "memberRemove", member: m.name, id: m.peer.id } as const;
  return { ...step(remove, `removing lost member ${m.name}`), problem };
}

const step = (what: Step, message: string): Plan => stepPlan(what, "ReplacingMember", message);

const record = ({ member, cause, what }: Loss, since: string): Replacing => ({
  member: member.name,
  cause,
  message: what,
  since,
});

/** The end of a replacement: the place is filled again, or the member came back after all. */
function finish(f: Facts, losses: readonly Loss[]): Plan | undefined {
  const { replacing, removing } = f.status;
  if (replacing === undefined) return undefined;
  const { member } = replacing;
  const still = f.voters.find((m) => m.name === member);
  if (still !== undefined) {
    if (losses.some((l) => l.member === still) || !isHealthy(still)) return undefined;
    const set = { replacing: undefined, ...(removing === member ? { removing: undefined } : {}) };
    return step({ kind: "latch", set }, `${member} came back: it stays`);
  }
  if (removing === member || f.voterCount < f.places) return undefined;
  const message = `${member} is replaced: ${f.voterCount} members vote`;
  return step({ kind: "latch", set: { replacing: undefined } }, message);
}

/** Those that do not serve any more come first. */
function lostVoters(f: Facts): Loss[] {
  const losses = f.voters.map((m) => lossOf(f, m)).filter((l) => l !== undefined);
  return losses.sort((a, b) => Number(isHealthy(a.member)) - Number(isHealthy(b.member)));
}

/** Why a loss is not made good now; undefined when it is. */
function obstacle(f: Facts, { member: m }: Loss): Problem | undefined {
  const name = m.name;
  if (f.cluster.spec.repair?.automatic === false) {
    const care = isHealthy(m) ? "it still serves, so do not end its pod; " : "";
    const byHand =
      f.voterCount > 1 ? `, or remove it by hand (etcdctl member remove ${m.peer?.id})` : "";
    const message = `${care}set spec.repair.automatic to true${byHand}: then a new member takes its place`;
    return { reason: "MemberLost", message };
  }
  if ((f.observed.keptVolumes ?? 0) >= keptVolumesMax && f.status.removing !== name) {
    const message = `not replaced: ${f.observed.keptVolumes} volumes of lost members are kept already, so look for what destroys them; then delete those you do not need (kubectl get pvc -l quoin.dev/detached-from=${f.cluster.metadata.name},quoin.dev/lost)`;
    return { reason: "TooManyLostVolumes", message };
  }
  if (isHealthy(m) && f.voterCount < f.places) {
    const message =
      "it still serves: a new member gets its data before it leaves; do not end its pod";
    return { reason: "MemberLost", message };
  }
  return quorumObstacle(f, m);
}

function quorumObstacle(f: Facts, m: ObservedMember): Problem | undefined {
  const rest = f.voters.filter((v) => v !== m);
  const healthy = rest.filter(isHealthy).length;
  const needed = quorum(f.voterCount - 1);
  // One that still serves can wait until all others do.
  if (healthy >= (isHealthy(m) ? f.voterCount - 1 : needed)) return undefined;
  const silent = rest.filter((v) => !isHealthy(v)).map((v) => v.name);
  const who = [...silent, ...f.strangers.map((s) => `member ${s.id}`)].join(", ");
  const message = isHealthy(m)
    ? `it still serves and stays until all others do: bring ${who} back first, and do not end its pod`
    : `not replaced yet: without it ${healthy} healthy of ${f.voterCount - 1} members would be left, and ${needed} must agree on every write; bring ${who} back first`;
  return { reason: "QuorumAtRisk", message };
}

/** What a person should know of lost members and silent nodes; for condition Degraded. */
export function lossProblem(f: Facts): Problem | undefined {
  const losses = lostVoters(f);
  const [first] = losses;
  if (first !== undefined) {
    const why = obstacle(f, first);
    if (why === undefined) return { reason: "MemberLost", message: lossText(f, first) };
    const others = losses.slice(1).map((l) => l.member.name);
    const also = others.length === 0 ? "" : ` (lost too: ${others.join(", ")})`;
    const message = `member ${first.member.name} is lost: ${first.what}${also}; ${why.message}`;
    return { reason: why.reason, message };
  }
  return silentNode(f) ?? replacingProblem(f) ?? unplaced(f);
}

/** Happened, safe, next. */
function lossText(f: Facts, { member, what }: Loss): string {
  const rest = f.voters.filter((v) => v !== member && isHealthy(v)).length;
  return `member ${member.name} is lost: ${what}; the ${rest} healthy members have every acknowledged write; it is removed, its volume is kept if there is one, and a new member takes its place`;
}

function silentNode(f: Facts): Problem | undefined {
  const m = f.voters.find((v) => v.pod?.unreachable !== undefined && v.probe === undefined);
  const silence = m?.pod?.unreachable;
  if (m === undefined || silence === undefined) return undefined;
  const dueMs = Date.parse(silence.since) + graceMs(f);
  const due = new Date(dueMs).toISOString().replace(/\.\d+Z$/, "Z");
  const next =
    f.cluster.spec.repair?.automatic === false
      ? "it is waited for, since spec.repair.automatic is false"
      : `if it stays away until ${due} (spec.repair.gracePeriod) the member is replaced`;
  const message = `the node of ${m.name} has not answered since ${silence.since}: ${next}; ${f.healthyVoters} of ${f.voterCount} members serve`;
  return { reason: "NodeUnreachable", message };
}

/**
 * A pod that no node can take: most often the node of its local volume was drained, and it comes
 * back with it. Nothing here tells a drained node from one that was deleted, so a person does.
 */
function unplaced(f: Facts): Problem | undefined {
  const m = f.voters.find((v) => v.pod?.stuck?.startsWith("Unschedulable"));
  if (m?.volume === undefined) return undefined;
  const message = `${m.name} waits for a node (${m.pod?.stuck}); it comes back with its data as soon as one can take it, so uncordon its node; if that is gone for good, delete its volume (kubectl -n ${f.cluster.metadata.namespace} delete pvc ${m.volume.name}): then it is replaced; ${f.healthyVoters} of ${f.voterCount} members serve`;
  return { reason: "MemberPending", message };
}

/** Between the removal and the new member's vote. */
function replacingProblem(f: Facts): Problem | undefined {
  const { replacing } = f.status;
  if (replacing === undefined || f.voters.some((m) => m.name === replacing.member))
    return undefined;
  if (f.voterCount >= f.places) return undefined;
  const message = `member ${replacing.member} was lost: ${replacing.message}; the ${f.healthyVoters} healthy members have every acknowledged write; it was removed, and a new member is joining`;
  return { reason: "MemberLost", message };
}
