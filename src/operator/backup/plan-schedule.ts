/** A schedule: its CronJob, an EtcdBackup for each Job, and whether its promise holds. Pure. */
import { type EtcdBackup, type EtcdBackupScheduleStatus, isControlledBy } from "../types/index.ts";
import { buildAdopted, buildCronJob, buildImmediate, historyLimit, isCurrent } from "./cron-job.ts";
import { notReady } from "./jobs.ts";
import { immediateName } from "./names.ts";
import type { ObservedSchedule } from "./observe.ts";
import type { News, Plan, Step } from "./plan.ts";
import { isEnded } from "./plan-backup.ts";
import { buildScheduleStatus, byStart, type Problem, standing } from "./readiness.ts";

export type SchedulePlan = Plan<EtcdBackupScheduleStatus>;

/** Members come and go, and the CronJob names them: it is looked after that often. */
const steadyMs = 20_000;

interface Stopped {
  readonly problem: Problem;
  readonly requeueMs: number;
}

interface Next {
  readonly step: Step;
  readonly news?: News;
}

export function planSchedule(o: ObservedSchedule): SchedulePlan {
  const old = o.schedule.status ?? {};
  if (o.schedule.metadata.deletionTimestamp !== undefined) return { status: old };
  const stopped = conflict(o) ?? unreadyCluster(o);
  const next = adopt(o) ?? history(o) ?? (stopped ? undefined : (immediate(o) ?? cronJob(o)));
  const isApply = next?.step.kind === "apply";
  // A refusal stays on record until a try succeeds.
  const status =
    isApply && old.conditions?.[0]?.reason === cronJobRefused
      ? { ...buildScheduleStatus(o, undefined), conditions: old.conditions }
      : buildScheduleStatus(o, stopped?.problem);
  const news = next?.news ?? changed(status, old);
  return {
    status,
    ...(next ? { step: next.step } : {}),
    ...(isApply ? { refused: (why: string) => buildScheduleStatus(o, refusal(why)) } : {}),
    ...(news ? { news } : {}),
    requeueMs: Math.min(stopped?.requeueMs ?? steadyMs, standing(o).brokenInMs),
  };
}

const cronJobRefused = "CronJobRefused";

const refusal = (why: string): Problem => ({
  reason: cronJobRefused,
  message: `correct the spec: the API server refuses the CronJob made from it, so nothing is backed up as it says: ${why}`,
});

function changed(now: EtcdBackupScheduleStatus, old: EtcdBackupScheduleStatus): News | undefined {
  const ready = now.conditions?.[0];
  if (ready === undefined || ready.reason === old.conditions?.[0]?.reason) return undefined;
  const type = ready.status === "True" ? "Normal" : "Warning";
  return { type, reason: ready.reason, message: ready.message };
}

/** A Job made by the CronJob, or by hand from it, gets its EtcdBackup once. */
function adopt(o: ObservedSchedule): Next | undefined {
  const job = o.jobs.find((it) => !it.adopted);
  if (job === undefined) return undefined;
  const done = { kind: "adopted", job: job.name, uid: job.uid } as const;
  if (o.foreignBackups.has(job.name)) {
    const message = `Job ${job.name} gets no EtcdBackup: there is one of its name that is not this schedule's; its artefact is stored all the same`;
    return { step: done, news: { type: "Warning", reason: "NameConflict", message } };
  }
  const isMade = o.backups.some((b) => b.metadata.name === job.name);
  return { step: isMade ? done : { kind: "create", object: buildAdopted(o.schedule, job) } };
}

/** Oldest first; the newest verified ones stay, since a restore finds the artefact by them. */
function history(o: ObservedSchedule): Next | undefined {
  const { successfulBackupsHistoryLimit: good, failedBackupsHistoryLimit: bad } = o.schedule.spec;
  const { newest, newestWhole } = standing(o);
  const kept = [newest, newestWhole].map((b) => b?.metadata.name);
  const ended = o.backups
    .filter((b) => isEnded(b.status) && b.metadata.deletionTimestamp === undefined)
    .sort(byStart);
  const isGood = (b: EtcdBackup): boolean => b.status?.phase === "Succeeded";
  const [first] = [
    ...ended.filter(isGood).slice(good ?? historyLimit),
    ...ended.filter((b) => !isGood(b)).slice(bad ?? historyLimit),
  ]
    .filter((b) => !kept.includes(b.metadata.name))
    .sort((a, b) => byStart(b, a));
  if (first === undefined) return undefined;
  const { name, uid = "" } = first.metadata;
  return { step: { kind: "delete", target: "EtcdBackup", name, uid } };
}

function conflict(o: ObservedSchedule): Stopped | undefined {
  const { cronJob, schedule } = o;
  if (cronJob === undefined || isControlledBy(cronJob, schedule.metadata.uid ?? "")) {
    return undefined;
  }
  const message = `delete CronJob ${cronJob.metadata.name}, or make this schedule under another name: the CronJob is not this schedule's, so nothing is backed up`;
  return { problem: { reason: "NameConflict", message }, requeueMs: 10_000 };
}

/** A CronJob that is there goes on: a lost resource is no reason to stop backups of what answers. */
function unreadyCluster(o: ObservedSchedule): Stopped | undefined {
  const { cluster, schedule } = o;
  if (cluster === undefined) {
    const goesOn = o.cronJob ? "; the CronJob goes on with the members it knows" : "";
    const message = `there is no EtcdCluster ${schedule.spec.clusterRef.name} in this namespace${goesOn}`;
    return { problem: { reason: "ClusterNotFound", message }, requeueMs: 5_000 };
  }
  const message = notReady(cluster);
  if (message === undefined) return undefined;
  return { problem: { reason: "ClusterNotReady", message }, requeueMs: 3_000 };
}

/** Before the CronJob, whose name in status says that this was done. */
function immediate(o: ObservedSchedule): Next | undefined {
  const { spec, status, metadata } = o.schedule;
  if (spec.immediate !== true || status?.cronJob !== undefined) return undefined;
  const name = immediateName(metadata.name);
  if (o.foreignBackups.has(name) || o.backups.some((b) => b.metadata.name === name)) {
    return undefined;
  }
  return { step: { kind: "create", object: buildImmediate(o.schedule) } };
}

function cronJob(o: ObservedSchedule): Next | undefined {
  const { cluster, cronJob: live, schedule } = o;
  if (cluster === undefined) return undefined;
  const object = buildCronJob(schedule, cluster, o.defaultImage);
  if (live !== undefined && isCurrent(live, object)) return undefined;
  if (live?.metadata.deletionTimestamp !== undefined) return undefined;
  return { step: { kind: "apply", object, uid: live?.metadata.uid } };
}
