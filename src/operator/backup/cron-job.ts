/** The CronJob of a schedule. Pure. */
import { createHash } from "node:crypto";
import { inNamespace } from "../resources/index.ts";
import {
  type BackupOptions,
  type CronJob,
  controllerRef,
  type EtcdBackup,
  type EtcdBackupSchedule,
  type EtcdCluster,
} from "../types/index.ts";
import { saveJobSpec } from "./jobs.ts";
import {
  annotationDigest,
  annotationJobUid,
  annotationOptions,
  backupLabels,
  componentSave,
  cronJobName,
  immediateName,
} from "./names.ts";

const startingDeadlineSeconds = 3600;
export const historyLimit = 3;

/** Its Jobs carry the options they were made with: the schedule's spec may change before they are seen. */
export function buildCronJob(
  schedule: EtcdBackupSchedule,
  cluster: EtcdCluster,
  defaultImage: string,
): CronJob {
  const { spec, metadata } = schedule;
  const labels = backupLabels(spec.clusterRef.name, componentSave, metadata.name);
  const options = optionsOf(schedule);
  const { retention } = spec;
  const order = { name: metadata.name, ...(retention ? { retention } : {}) };
  const cronSpec: CronJob["spec"] = {
    schedule: spec.schedule,
    ...(spec.timeZone ? { timeZone: spec.timeZone } : {}),
    suspend: spec.suspend ?? false,
    concurrencyPolicy: "Forbid",
    startingDeadlineSeconds: spec.startingDeadlineSeconds ?? startingDeadlineSeconds,
    // Never so few that a Job is gone before its report was read.
    successfulJobsHistoryLimit: Math.max(
      historyLimit,
      spec.successfulBackupsHistoryLimit ?? historyLimit,
    ),
    failedJobsHistoryLimit: Math.max(historyLimit, spec.failedBackupsHistoryLimit ?? historyLimit),
    jobTemplate: {
      metadata: { labels, annotations: { [annotationOptions]: JSON.stringify(options) } },
      spec: saveJobSpec({ cluster, options, schedule: order, defaultImage }),
    },
  };
  return {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: {
      name: cronJobName(metadata.name),
      ...inNamespace(schedule),
      labels,
      annotations: { [annotationDigest]: digest(cronSpec) },
      ownerReferences: [controllerRef(schedule)],
    },
    spec: cronSpec,
  };
}

/**
 * Of what is wanted, not of what is there: the API server writes quantities its own way. (The order
 * of the fields is that of the builder and of a spec that nobody has changed.)
 */
const digest = (spec: unknown): string =>
  createHash("sha256").update(JSON.stringify(spec)).digest("hex").slice(0, 16);

/** Whether the CronJob that is there does what the schedule says. */
export function isCurrent(live: CronJob, wanted: CronJob): boolean {
  const of = (c: CronJob) => c.metadata.annotations?.[annotationDigest];
  const same = live.spec?.schedule === wanted.spec?.schedule;
  const paused = (live.spec?.suspend ?? false) === wanted.spec?.suspend;
  return of(live) === of(wanted) && same && paused && live.spec?.timeZone === wanted.spec?.timeZone;
}

/** What a schedule's backups have in common with one that is ordered by hand. */
export function optionsOf({ spec }: EtcdBackupSchedule): BackupOptions {
  const { clusterRef, destination, compression, verify, activeDeadlineSeconds, job } = spec;
  return {
    clusterRef,
    destination,
    ...(compression ? { compression } : {}),
    ...(verify ? { verify } : {}),
    ...(activeDeadlineSeconds ? { activeDeadlineSeconds } : {}),
    ...(job ? { job } : {}),
  };
}

/** The EtcdBackup that tells of a Job the CronJob, or kubectl from it, has made. */
export function buildAdopted(
  schedule: EtcdBackupSchedule,
  job: { readonly name: string; readonly uid: string; readonly options?: BackupOptions },
): EtcdBackup {
  const spec = job.options ?? optionsOf(schedule);
  return buildBackup(schedule, job.name, spec, { [annotationJobUid]: job.uid });
}

/** The one backup of `immediate`; it makes its Job itself. */
export const buildImmediate = (schedule: EtcdBackupSchedule): EtcdBackup =>
  buildBackup(schedule, immediateName(schedule.metadata.name), optionsOf(schedule), {});

const buildBackup = (
  schedule: EtcdBackupSchedule,
  name: string,
  spec: BackupOptions,
  annotations: Record<string, string>,
): EtcdBackup => ({
  apiVersion: schedule.apiVersion,
  kind: "EtcdBackup",
  metadata: {
    name,
    ...inNamespace(schedule),
    labels: backupLabels(spec.clusterRef.name, "backup", schedule.metadata.name),
    annotations,
    ownerReferences: [controllerRef(schedule)],
  },
  spec,
});
