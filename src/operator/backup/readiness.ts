/** Whether a schedule keeps what it promises, and its status. Pure. */
import { type EtcdBackup, type EtcdBackupScheduleStatus, isControlledBy } from "../types/index.ts";
import type { ObservedSchedule } from "./observe.ts";
import { condition, timeText } from "./plan.ts";

export interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** What the schedule's backups amount to now. */
export interface Standing {
  /** The newest that counts: verified, or simply successful where nothing is to be verified. */
  readonly newest?: EtcdBackup;
  /** The newest of these that a quorum vouched for. */
  readonly newestWhole?: EtcdBackup;
  readonly newestSuccess?: EtcdBackup;
  /** Failures since the last success, the newest first, as far as their objects are kept. */
  readonly failures: readonly EtcdBackup[];
  /** Until the promise is broken; infinite without one, or when it is broken. */
  readonly brokenInMs: number;
  readonly isBroken: boolean;
}

export function standing({ schedule, backups, nowMs }: ObservedSchedule): Standing {
  const { verify, rpoSeconds } = schedule.spec;
  const alive = backups.filter((b) => b.metadata.deletionTimestamp === undefined);
  const succeeded = alive.filter((b) => b.status?.phase === "Succeeded").sort(byStart);
  const [newestSuccess] = succeeded;
  const counting = succeeded.filter((b) => verify === "None" || b.status?.verified !== undefined);
  const [newest] = counting;
  const newestWhole = counting.find((b) => b.status?.possiblyStale !== true);
  const failures = alive
    .filter((b) => b.status?.phase === "Failed" || b.status?.phase === "Unknown")
    // Times are of whole seconds: in doubt the failure was later.
    .filter((b) => newestSuccess === undefined || endOf(b) >= endOf(newestSuccess))
    .sort(byStart);
  // What a minority gave may lack acknowledged writes: it keeps no promise.
  const promisedFrom = newestWhole === undefined ? 0 : startOf(newestWhole);
  const leftMs =
    rpoSeconds === undefined || newest === undefined
      ? Number.POSITIVE_INFINITY
      : promisedFrom + rpoSeconds * 1000 - nowMs;
  const isBroken = leftMs <= 0;
  return {
    ...(newest ? { newest } : {}),
    ...(newestWhole ? { newestWhole } : {}),
    ...(newestSuccess ? { newestSuccess } : {}),
    failures,
    brokenInMs: isBroken ? Number.POSITIVE_INFINITY : Math.max(leftMs, 500),
    isBroken,
  };
}

const startOf = (b: EtcdBackup): number =>
  Date.parse(b.status?.startTime ?? b.metadata.creationTimestamp ?? "") || 0;

const endOf = (b: EtcdBackup): number =>
  Math.floor(Date.parse(b.status?.completionTime ?? "") / 1000);

/** The newest first. */
export const byStart = (a: EtcdBackup, b: EtcdBackup): number =>
  startOf(b) - startOf(a) || (a.metadata.name < b.metadata.name ? 1 : -1);

/** Pure; `problem` is what keeps the schedule itself from working. */
export function buildScheduleStatus(
  o: ObservedSchedule,
  problem: Problem | undefined,
): EtcdBackupScheduleStatus {
  const { metadata, status: old = {} } = o.schedule;
  const s = standing(o);
  const isOurs = o.cronJob && isControlledBy(o.cronJob, metadata.uid ?? "");
  const cronJob = isOurs ? o.cronJob?.metadata.name : old.cronJob;
  // The library says Date; in JSON it is a text.
  const scheduled = isOurs ? o.cronJob?.status?.lastScheduleTime : undefined;
  const lastScheduleTime = scheduled === undefined ? old.lastScheduleTime : String(scheduled);
  const success = s.newestSuccess?.status;
  const verifiedTime = s.newest === undefined ? undefined : timeText(startOf(s.newest));
  const { isTrue, reason, message } = readiness(o, s, problem ?? unscheduled(cronJob));
  const text = {
    type: "BackupReady",
    status: isTrue ? "True" : "False",
    reason,
    message,
  } as const;
  return {
    observedGeneration: metadata.generation ?? 0,
    ...(cronJob ? { cronJob } : {}),
    ...(lastScheduleTime ? { lastScheduleTime } : {}),
    ...(success?.completionTime ? { lastSuccessfulTime: success.completionTime } : {}),
    ...(verifiedTime ? { lastVerifiedTime: verifiedTime } : {}),
    ...(s.newest ? { lastVerifiedBackup: s.newest.metadata.name } : {}),
    ...(success?.artifact ? { lastArtifact: success.artifact } : {}),
    consecutiveFailures: s.failures.length,
    conditions: [condition(old.conditions, text, metadata.generation, o.nowMs)],
  };
}

/** An immediate backup may have ended before the CronJob is there: nothing is promised by then. */
const unscheduled = (cronJob: string | undefined): Problem | undefined =>
  cronJob === undefined
    ? { reason: "NotScheduled", message: "the CronJob is not made yet" }
    : undefined;

interface Readiness extends Problem {
  readonly isTrue: boolean;
}

/** In the order of what a person has to know first. */
function readiness(o: ObservedSchedule, s: Standing, problem: Problem | undefined): Readiness {
  const { rpoSeconds, suspend } = o.schedule.spec;
  const no = (reason: string, message: string) => ({ isTrue: false, reason, message });
  const failing = failureText(s);
  const pausing = suspend === true ? ". spec.suspend is true: no backup is begun" : "";
  const notes = `${failing}${pausing}`;
  if (s.newest === undefined) {
    if (problem !== undefined) return no(problem.reason, `${problem.message}. There is no backup`);
    const what = o.schedule.spec.verify === "None" ? "successful" : "verified";
    return no("NeverBackedUp", `there is no ${what} backup yet${notes}`);
  }
  const has = holdsText(s.newest, s.newestWhole);
  if (s.isBroken) {
    // No age in the text: it would change at every look, and wake everybody.
    const which = s.newest === s.newestWhole ? "" : " made with a quorum";
    const promise = `the newest verified backup${which} is older than rpoSeconds (${rpoSeconds}) allows`;
    const cause = problem ? `. ${problem.message}` : "";
    return no("RPOExceeded", `${promise}: ${has}. It can be restored${cause}${notes}`);
  }
  if (problem !== undefined) return no(problem.reason, `${problem.message}. ${has}`);
  if (rpoSeconds === undefined && s.failures.length > 0)
    return no("LastBackupFailed", `${has}${notes}`);
  if (rpoSeconds === undefined && suspend === true) return no("Suspended", `${has}${notes}`);
  return { isTrue: true, reason: "UpToDate", message: `${has}${notes}` };
}

function holdsText(newest: EtcdBackup, whole: EtcdBackup | undefined): string {
  const all = (b: EtcdBackup) =>
    `${b.metadata.name} holds all that was acknowledged before ${timeText(startOf(b))}`;
  if (newest === whole) return all(newest);
  const stale = `${newest.metadata.name} was made at ${timeText(startOf(newest))} without a quorum and may lack acknowledged writes`;
  return whole === undefined ? stale : `${stale}; ${all(whole)}`;
}

function failureText({ failures }: Standing): string {
  const [last] = failures;
  if (last === undefined) return "";
  const { reason = "Failed", message = "" } = last.status ?? {};
  const times = failures.length === 1 ? "" : ` (${failures.length} in a row)`;
  return `. The last backup, ${last.metadata.name}, failed${times}: ${reason}: ${message}`;
}
