import { assert } from "../lib/assert.ts";
import type { Manifest } from "./types.ts";

/**
 * What a schedule keeps. An artefact is kept while any rule wants it; an absent rule, or 0, wants
 * nothing by itself, and without any rule all are kept. Days, ISO weeks and months are UTC's.
 */
export interface RetentionRules {
  /** The newest so many. */
  readonly keepLast?: number | undefined;
  /** All that are not older than that. */
  readonly maxAgeMs?: number | undefined;
  /** One of each of the newest so many days that have any; so weeks and months. */
  readonly keepDaily?: number | undefined;
  readonly keepWeekly?: number | undefined;
  readonly keepMonthly?: number | undefined;
}

/** Which rule keeps an artefact. */
export type Reason =
  | "no rules"
  | "newest"
  | "newest verified"
  | "last"
  | "age"
  | "day"
  | "week"
  | "month";

export interface Retained {
  /** Newest first. */
  readonly kept: readonly { readonly manifest: Manifest; readonly why: readonly Reason[] }[];
  /** Oldest first, as they are to be deleted. */
  readonly dropped: readonly Manifest[];
}

const dayMs = 86_400_000;

/**
 * Sorts artefacts, all of one schedule, into those that a rule wants and the others. An artefact's time
 * is when its snapshot was begun. The newest is always kept, and so are the newest verified one and the
 * newest verified one that a quorum vouched for. What is dropped once is wanted by no later call with the
 * same rules, so it does not matter how often retention runs.
 */
export function retain(
  manifests: readonly Manifest[],
  rules: RetentionRules,
  nowMs: number,
): Retained {
  for (const rule of Object.values(rules)) {
    assert(rule === undefined || rule >= 0, "a rule of retention is no negative number");
  }
  const newestFirst = [...manifests].sort(
    (a, b) => timeOf(b) - timeOf(a) || (a.key < b.key ? 1 : -1),
  );
  const reasons = new Map<Manifest, Reason[]>(newestFirst.map((it) => [it, []]));
  const want = (reason: Reason, wanted: readonly (Manifest | undefined)[]) => {
    for (const it of wanted) if (it !== undefined) reasons.get(it)?.push(reason);
  };

  const hasRules = Object.values(rules).some((rule) => rule !== undefined && rule > 0);
  if (!hasRules) want("no rules", newestFirst);
  want("newest", [newestFirst[0]]);
  const verified = newestFirst.filter((it) => it.verified !== undefined);
  const whole = verified.find((it) => !it.possiblyStale);
  want("newest verified", verified[0] === whole ? [whole] : [verified[0], whole]);
  want("last", newestFirst.slice(0, rules.keepLast ?? 0));
  const { maxAgeMs = 0 } = rules;
  if (maxAgeMs > 0) {
    want(
      "age",
      newestFirst.filter((it) => nowMs - timeOf(it) <= maxAgeMs),
    );
  }
  want("day", newestOfEach(newestFirst, dayOf, rules.keepDaily));
  want("week", newestOfEach(newestFirst, weekOf, rules.keepWeekly));
  want("month", newestOfEach(newestFirst, monthOf, rules.keepMonthly));

  const kept = newestFirst.map((manifest) => ({ manifest, why: reasons.get(manifest) ?? [] }));
  return {
    kept: kept.filter(({ why }) => why.length > 0),
    dropped: kept
      .filter(({ why }) => why.length === 0)
      .map(({ manifest }) => manifest)
      .reverse(),
  };
}

const timeOf = (manifest: Manifest): number => Date.parse(manifest.startTime);
const dayOf = (ms: number): number => Math.floor(ms / dayMs);
/** ISO weeks begin on Mondays; day 0, 1 January 1970, was a Thursday. */
const weekOf = (ms: number): number => Math.floor((dayOf(ms) + 3) / 7);
function monthOf(ms: number): number {
  const date = new Date(ms);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/**
 * One of each of the newest `count` periods that have any: the newest verified one, or the newest where
 * none is verified.
 */
function newestOfEach(
  newestFirst: readonly Manifest[],
  periodOf: (ms: number) => number,
  count = 0,
): Manifest[] {
  const chosen = new Map<number, Manifest>();
  for (const manifest of newestFirst) {
    const period = periodOf(timeOf(manifest));
    const present = chosen.get(period);
    if (present === undefined) {
      if (chosen.size === count) break;
      chosen.set(period, manifest);
    } else if (present.verified === undefined && manifest.verified !== undefined) {
      chosen.set(period, manifest);
    }
  }
  return [...chosen.values()];
}
