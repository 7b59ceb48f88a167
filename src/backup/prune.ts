import { artifactOfManifest, manifestKey, parseArtifactKey } from "./keys.ts";
import { type Claim, readManifest, writeClaim, writeManifest } from "./manifest.ts";
import { type RetentionRules, retain } from "./retention.ts";
import { BackupError, type Destination, type Manifest, type StoredObject } from "./types.ts";

/**
 * Deleting, in an order that may stop anywhere:
 *
 *   1. the manifest is replaced by a claim "deleting"      from here on nothing is promised
 *   2. the artefact is deleted
 *   3. the claim is deleted
 *
 * Manifest first, artefact second would leave an orphan when it stops between the two: nobody's, hence
 * kept for ever. Artefact first would leave a promise of something that is gone. A claim is neither,
 * and the next run goes on from it.
 */
async function remove(destination: Destination, manifest: Manifest, nowMs: number): Promise<void> {
  const { key, lineage } = manifest;
  await writeClaim(destination, { key, state: "deleting", lineage }, nowMs);
  try {
    await destination.delete(key);
  } catch (error) {
    // Refused for good (no right to delete, an object lock): then the artefact is as good as before.
    const isRefused = error instanceof BackupError && !error.transient;
    if (isRefused) await writeManifest(destination, manifest);
    throw error;
  }
  await destination.delete(manifestKey(key));
}

async function finishRemoval(destination: Destination, key: string): Promise<void> {
  await destination.delete(key);
  await destination.delete(manifestKey(key));
}

/** Which artefacts a schedule's retention is about. */
export interface PruneScope {
  /** `<namespace>/<cluster>/`: nothing else is looked at. */
  readonly prefix: string;
  readonly lineage: string;
  /** `<namespace>/<name>`. */
  readonly schedule: string;
  /** A key that is kept whatever the rules say: that of this run, should clocks disagree. */
  readonly present?: string;
}

export interface PruneReport {
  /** Artefacts. */
  readonly deleted: number;
  /** Artefacts of this scope that are left. */
  readonly kept: number;
  /** Of other scopes, unreadable, damaged or of nobody: left alone. */
  readonly untouched: number;
  /** The first thing that did not work, or is odd; for people. */
  readonly problem?: string;
}

/** Manifests that are read at a time. */
const readsAtATime = 8;
/** In one run; a schedule whose rules were tightened goes on next time. */
const deletionsMax = 1000;
/** A storing run that has not come to its end after that never will. */
const claimMs = 7 * 86_400_000;

/**
 * Deletes what the rules no longer want, as far as it is provably of this scope: its manifest is readable
 * and names this lineage and schedule, and its object has the size that the manifest says. Then cleans up
 * after runs of this lineage that died while storing or deleting. Never rejects: a backup is no worse for
 * what could not be deleted.
 */
export async function prune(
  destination: Destination,
  scope: PruneScope,
  rules: RetentionRules,
  nowMs: number,
): Promise<PruneReport> {
  const counts = { deleted: 0, kept: 0, untouched: 0 };
  let problem: string | undefined;
  const note = (text: string) => {
    problem ??= text;
  };
  try {
    const found = await survey(destination, scope, nowMs);
    counts.untouched = found.untouched;
    if (found.problem !== undefined) note(found.problem);
    const { kept, dropped } = retain(found.ours, rules, nowMs);
    const doomed = dropped.filter(({ key }) => key !== scope.present);
    counts.kept = kept.length + dropped.length;
    for (const key of found.unfinished) await finishRemoval(destination, key);
    for (const manifest of doomed.slice(0, deletionsMax)) {
      await remove(destination, manifest, nowMs);
      counts.deleted++;
      counts.kept--;
    }
  } catch (error) {
    if (!(error instanceof BackupError)) throw error;
    note(error.message);
  }
  return { ...counts, ...(problem !== undefined && { problem }) };
}

interface Survey {
  readonly ours: readonly Manifest[];
  /** Keys that a dead run of this lineage claimed. */
  readonly unfinished: readonly string[];
  readonly untouched: number;
  readonly problem?: string;
}

interface Pair {
  readonly key: string;
  readonly object: StoredObject | undefined;
  readonly hasManifest: boolean;
}

async function survey(destination: Destination, scope: PruneScope, nowMs: number): Promise<Survey> {
  const pairs = await listPairs(destination, scope.prefix);
  const ours: Manifest[] = [];
  const unfinished: string[] = [];
  let untouched = 0;
  let problem: string | undefined;
  for (let at = 0; at < pairs.length; at += readsAtATime) {
    const some = pairs.slice(at, at + readsAtATime);
    const judged = await Promise.all(some.map((pair) => judge(destination, pair, scope, nowMs)));
    for (const verdict of judged) {
      if (verdict.kind === "ours") ours.push(verdict.manifest);
      else if (verdict.kind === "unfinished") unfinished.push(verdict.key);
      else untouched++;
      if (verdict.kind === "untouched") problem ??= verdict.problem;
    }
  }
  return { ours, unfinished, untouched, ...(problem !== undefined && { problem }) };
}

/** Artefacts with what belongs to them; anything else below the prefix is not even looked at. */
async function listPairs(destination: Destination, prefix: string): Promise<Pair[]> {
  const objects = new Map<string, StoredObject>();
  const manifests = new Set<string>();
  for await (const object of destination.list(prefix)) {
    const artifact = artifactOfManifest(object.key);
    if (artifact !== undefined) {
      if (parseArtifactKey(artifact) !== undefined) manifests.add(artifact);
    } else if (parseArtifactKey(object.key) !== undefined) {
      objects.set(object.key, object);
    }
  }
  const keys = [...new Set([...objects.keys(), ...manifests])].sort();
  return keys.map((key) => ({ key, object: objects.get(key), hasManifest: manifests.has(key) }));
}

type Verdict =
  | { readonly kind: "ours"; readonly manifest: Manifest }
  | { readonly kind: "unfinished"; readonly key: string }
  | { readonly kind: "untouched"; readonly problem?: string };

async function judge(
  destination: Destination,
  { key, object, hasManifest }: Pair,
  scope: PruneScope,
  nowMs: number,
): Promise<Verdict> {
  if (!hasManifest) return { kind: "untouched" };
  const found = await readManifest(destination, key);
  switch (found.kind) {
    case "absent":
      return { kind: "untouched" };
    case "unreadable":
      return { kind: "untouched", problem: `${found.why}; both are kept.` };
    case "claim":
      return isDead(found.claim, scope, nowMs)
        ? { kind: "unfinished", key }
        : { kind: "untouched" };
    case "manifest":
      break;
  }
  const { manifest, hasMore } = found;
  const isOurs = manifest.lineage === scope.lineage && manifest.schedule === scope.schedule;
  if (!isOurs || hasMore) return { kind: "untouched" };
  if (object?.sizeBytes === manifest.sizeBytes) return { kind: "ours", manifest };
  const fault =
    object === undefined
      ? "is gone, though its manifest is there"
      : `has ${object.sizeBytes} bytes and not ${manifest.sizeBytes}`;
  return { kind: "untouched", problem: `${key} ${fault}: it cannot be restored and is kept.` };
}

function isDead(claim: Claim, { lineage }: PruneScope, nowMs: number): boolean {
  if (claim.lineage !== lineage) return false;
  return claim.state === "deleting" || nowMs - Date.parse(claim.since) > claimMs;
}

/**
 * Deletes one artefact of this lineage; false when it is gone already. Throws BackupError InvalidConfig
 * where it is not provably of this lineage, and then deletes nothing.
 */
export async function deleteArtifact(
  destination: Destination,
  key: string,
  lineage: string,
  nowMs: number,
): Promise<boolean> {
  const found = await readManifest(destination, key);
  if (found.kind === "manifest" && found.manifest.lineage === lineage && !found.hasMore) {
    await remove(destination, found.manifest, nowMs);
    return true;
  }
  if (found.kind === "claim" && found.claim.lineage === lineage) {
    await finishRemoval(destination, key);
    return true;
  }
  if (found.kind === "absent" && !(await isThere(destination, key))) return false;
  throw new BackupError("InvalidConfig", `${key} was not deleted: ${whyNot(found, key, lineage)}`);
}

function whyNot(
  found: Awaited<ReturnType<typeof readManifest>>,
  key: string,
  lineage: string,
): string {
  const advice = "Delete it by the storage's own means if you are sure.";
  switch (found.kind) {
    case "absent":
      return `it has no manifest, so nobody knows whose it is. ${advice}`;
    case "unreadable":
      return `${found.why}. ${advice}`;
    case "claim":
      return `it is of lineage ${found.claim.lineage}, not ${lineage}. ${advice}`;
    case "manifest":
      return found.hasMore
        ? `${manifestKey(key)} was written by a newer Quoin (${found.manifest.quoinVersion}). ${advice}`
        : `it is of lineage ${found.manifest.lineage}, not ${lineage}. ${advice}`;
  }
}

async function isThere(destination: Destination, key: string): Promise<boolean> {
  for await (const object of destination.list(key)) return object.key === key;
  return false;
}
