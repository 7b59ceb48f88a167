/** status.transition as a record: its beginning, its phases with their times, and what it expects. */
import type { JobReport } from "../../backup/index.ts";
import type { ObservedLife } from "../observe/types.ts";
import type { SeedSource } from "../resources/index.ts";
import { enterPhase, isFinal, type RestorePhase, type Transition } from "../types/index.ts";
import { type Facts, stepPlan } from "./facts.ts";
import type { LatchSet, Plan } from "./types.ts";

/** Whether a transition is under way; the record of one that is over stands in nobody's way. */
export const isUnderWay = (t: Transition): boolean => !isFinal(t.phase);

/**
 * The latch of a new transition. Token and seed are this pass's fresh names, unless it is to be the
 * first life of a cluster that has them already.
 */
export function beginTransition(
  f: Facts,
  what: Pick<Transition, "kind" | "request" | "restore" | "survivor" | "expected">,
  identity: Pick<Transition, "token" | "seed"> = {
    token: f.context.fresh.token,
    seed: f.context.fresh.member,
  },
): Plan {
  const t: Transition = { ...what, phase: "Restoring", ...identity, phases: [] };
  const message = `${what.kind.toLowerCase()} asked for by ${what.request} begins with ${t.seed}`;
  return latchPhase(f, t, "Restoring", message);
}

/** The latch of the next phase, with the times of both; `set` is written in the same moment. */
export function latchPhase(
  f: Facts,
  t: Transition,
  phase: RestorePhase,
  message: string,
  more: Partial<Transition> = {},
  set: LatchSet = {},
): Plan {
  const { now } = f.context;
  const phases = enterPhase(t.phases, phase, now);
  const transition = { ...t, ...more, phase, message, phases };
  return stepPlan({ kind: "latch", set: { ...set, transition } }, reasonOf(t), message);
}

/** For condition Progressing. */
export const reasonOf = (t: Transition): string =>
  t.kind === "Restore" ? "Restoring" : "Recovering";

/** Time since the present phase began. */
export const msInPhase = (f: Facts, t: Transition): number =>
  Date.parse(f.context.now) - Date.parse(t.phases.at(-1)?.startTime ?? f.context.now);

/** What the new seed's volume begins with. */
export const sourceOf = (t: Transition): SeedSource =>
  t.kind === "Recovery" || t.restore === undefined
    ? { kind: "recovery", survivor: t.survivor ?? "" }
    : { kind: "restore", restore: t.restore };

/** What the Job says it made is what the seed has to show, and no less than what the backup recorded. */
export function expectationOf(t: Transition, report: JobReport | undefined): Partial<Transition> {
  if (report?.restored === undefined) return {};
  const { revision, clusterID } = report.restored;
  return { expected: { revision: Math.max(revision, t.expected?.revision ?? 0), clusterID } };
}

/** Why the seed of this life is not what was asked for; undefined when it is. */
export function seedProblem(t: Transition, { live, members }: ObservedLife): string | undefined {
  if (live === undefined) return "it does not answer";
  const seed = members.find((m) => m.name === t.seed);
  const [first, second] = live.peers;
  if (second !== undefined || first?.id !== seed?.peer?.id) return "it is not a cluster of one";
  const { revision: least, clusterID } = t.expected ?? {};
  if (clusterID !== undefined && live.clusterId !== clusterID) {
    return `it answers as cluster ${live.clusterId}, but cluster ${clusterID} was restored`;
  }
  // Leases that end push it on.
  const revision = seed?.probe?.revision;
  if (least !== undefined && revision !== undefined && revision < least) {
    return `it is at revision ${revision}, but ${least} was restored`;
  }
  return undefined;
}
