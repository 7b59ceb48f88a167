/** Live reads of what a pass over a backup or a schedule decides by. */
import { type JobReport, parseJobReport } from "../../backup/index.ts";
import { stuckReason } from "../observe/digest.ts";
import { tellMounts } from "../observe/mounts.ts";
import { type KubeApi, orUndefined, type Resource, resources } from "../runtime/index.ts";
import {
  type BackupOptions,
  type CronJob,
  type EtcdBackup,
  type EtcdBackupSchedule,
  type EtcdCluster,
  isControlledBy,
  type Job,
  type KubeObject,
  type Pod,
} from "../types/index.ts";
import { lastingFailure } from "./jobs.ts";
import {
  annotationAdopted,
  annotationOptions,
  cronJobName,
  deleteJobName,
  labelJobName,
  labelSchedule,
} from "./names.ts";

export interface ObserveContext {
  readonly api: KubeApi;
  readonly defaultImage: string;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

/** A Job and what its pods said. */
export interface ObservedJob {
  readonly name: string;
  readonly uid: string;
  /** uid of its controller; empty when it has none. */
  readonly controller: string;
  readonly state: "running" | "complete" | "failed";
  /** Kubernetes' reason of a failure, such as DeadlineExceeded. */
  readonly failure?: string;
  readonly deleting: boolean;
  /** RFC 3339. */
  readonly startTime?: string;
  readonly endTime?: string;
  /** A success if any attempt reported one, else the last attempt's report. */
  readonly report?: JobReport;
  /** Why its newest pod does not run. */
  readonly stuck?: string;
  /** How its newest pod ended, where that is no report. */
  readonly lastWords?: string;
}

export interface ObservedBackup {
  readonly backup: EtcdBackup;
  readonly cluster?: EtcdCluster;
  readonly job?: ObservedJob;
  readonly deleteJob?: ObservedJob;
  readonly defaultImage: string;
  readonly nowMs: number;
}

/** Throws KubeError when the API server does not answer. */
export async function observeBackup(
  backup: EtcdBackup,
  c: ObserveContext,
): Promise<ObservedBackup> {
  const { namespace, name, uid = "", deletionTimestamp } = backup.metadata;
  const [cluster, job, deleteJob] = await Promise.all([
    find<EtcdCluster>(c, resources.etcdClusters, namespace, backup.spec.clusterRef.name),
    findJob(c, namespace, name),
    deletionTimestamp === undefined ? undefined : findJob(c, namespace, deleteJobName(uid)),
  ]);
  return {
    backup,
    ...(cluster ? { cluster } : {}),
    ...(job ? { job } : {}),
    ...(deleteJob ? { deleteJob } : {}),
    defaultImage: c.defaultImage,
    nowMs: c.nowMs,
  };
}

async function findJob(
  c: ObserveContext,
  namespace: string | undefined,
  name: string,
): Promise<ObservedJob | undefined> {
  const job = await find<Job>(c, resources.jobs, namespace, name);
  if (job === undefined) return undefined;
  const labelSelector = `${labelJobName}=${name}`;
  const pods = await c.api.list<Pod>(resources.pods, {
    namespace,
    labelSelector,
    signal: c.signal,
  });
  const own = pods.items.filter((pod) => isControlledBy(pod, job.metadata.uid ?? ""));
  return digestJob(job, await tellMounts(own, c.nowMs, c), c.nowMs);
}

/** Pure. */
export function digestJob(job: Job, pods: readonly Pod[], nowMs: number): ObservedJob {
  const { name, uid = "", ownerReferences = [], deletionTimestamp } = job.metadata;
  const conditions = (job.status?.conditions ?? []).filter((c) => c.status === "True");
  const failed = conditions.find((c) => c.type === "Failed");
  const complete = conditions.find((c) => c.type === "Complete");
  const ended = failed ?? complete;
  // Kubernetes is about to say so: the Job's failure policy knows this exit code.
  const isLasting = pods.some((pod) => terminated(pod)?.exitCode === lastingFailure);
  const startTime = job.status?.startTime;
  const [newest] = [...pods].sort((a, b) => madeMs(b) - madeMs(a));
  const report = reportOf(pods);
  const isRunning = ended === undefined && newest?.status?.phase === "Pending";
  const stuck = isRunning && newest ? stuckReason(newest, nowMs) : undefined;
  const lastWords = newest === undefined ? undefined : wordsOf(newest);
  return {
    name,
    uid,
    controller: ownerReferences.find((r) => r.controller)?.uid ?? "",
    state: complete ? "complete" : failed || isLasting ? "failed" : "running",
    ...(failed?.reason ? { failure: failed.reason } : {}),
    deleting: deletionTimestamp !== undefined,
    // The library's types say Date; in JSON they are texts.
    ...(startTime ? { startTime: String(startTime) } : {}),
    ...(ended?.lastTransitionTime ? { endTime: String(ended.lastTransitionTime) } : {}),
    ...(report ? { report } : {}),
    ...(stuck ? { stuck } : {}),
    ...(lastWords ? { lastWords } : {}),
  };
}

const madeMs = (pod: Pod): number => Date.parse(pod.metadata.creationTimestamp ?? "") || 0;

const terminated = (pod: Pod) => pod.status?.containerStatuses?.[0]?.state?.terminated;

function reportOf(pods: readonly Pod[]): JobReport | undefined {
  const reports = [...pods]
    .sort((a, b) => madeMs(b) - madeMs(a))
    .map((pod) => parseJobReport(terminated(pod)?.message ?? ""))
    .filter((report) => report !== undefined);
  return reports.find((report) => report.outcome === "Succeeded") ?? reports[0];
}

function wordsOf(pod: Pod): string | undefined {
  const end = terminated(pod);
  if (end === undefined || parseJobReport(end.message ?? "") !== undefined) return undefined;
  const said = end.message?.trim();
  const how = end.reason && end.reason !== "Error" ? end.reason : `exit code ${end.exitCode}`;
  return said ? `${how}: ${said.slice(-300)}` : how;
}

/** A Job of a schedule's CronJob. */
export interface ScheduledJob {
  readonly name: string;
  readonly uid: string;
  readonly adopted: boolean;
  readonly options?: BackupOptions;
}

export interface ObservedSchedule {
  readonly schedule: EtcdBackupSchedule;
  readonly cluster?: EtcdCluster;
  readonly cronJob?: CronJob;
  readonly jobs: readonly ScheduledJob[];
  /** Those the schedule owns. */
  readonly backups: readonly EtcdBackup[];
  /** Names of the namespace's other EtcdBackups. */
  readonly foreignBackups: ReadonlySet<string>;
  readonly defaultImage: string;
  readonly nowMs: number;
}

/** Throws KubeError when the API server does not answer. */
export async function observeSchedule(
  schedule: EtcdBackupSchedule,
  c: ObserveContext,
): Promise<ObservedSchedule> {
  const { namespace, name, uid = "" } = schedule.metadata;
  const labelSelector = `${labelSchedule}=${name}`;
  const within = { namespace, signal: c.signal };
  const [cluster, cronJob, jobs, backups] = await Promise.all([
    find<EtcdCluster>(c, resources.etcdClusters, namespace, schedule.spec.clusterRef.name),
    find<CronJob>(c, resources.cronJobs, namespace, cronJobName(name)),
    c.api.list<Job>(resources.jobs, { ...within, labelSelector }),
    c.api.list<EtcdBackup>(resources.etcdBackups, within),
  ]);
  const isOurs = (backup: EtcdBackup): boolean => isControlledBy(backup, uid);
  const cronUid = cronJob?.metadata.uid ?? "";
  return {
    schedule,
    ...(cluster ? { cluster } : {}),
    ...(cronJob ? { cronJob } : {}),
    jobs: jobs.items
      .filter((job) => isControlledBy(job, cronUid) && !job.metadata.deletionTimestamp)
      .map(digestScheduled),
    backups: backups.items.filter(isOurs),
    foreignBackups: new Set(backups.items.filter((b) => !isOurs(b)).map((b) => b.metadata.name)),
    defaultImage: c.defaultImage,
    nowMs: c.nowMs,
  };
}

function digestScheduled(job: Job): ScheduledJob {
  const annotations = job.metadata.annotations ?? {};
  const options = optionsFrom(annotations[annotationOptions]);
  return {
    name: job.metadata.name,
    uid: job.metadata.uid ?? "",
    adopted: annotations[annotationAdopted] !== undefined,
    ...(options ? { options } : {}),
  };
}

/** Undefined when somebody has taken or broken it: then the schedule's present options have to do. */
function optionsFrom(text: string | undefined): BackupOptions | undefined {
  try {
    const options = JSON.parse(text ?? "") as Partial<BackupOptions> | null;
    return options?.clusterRef && options.destination ? (options as BackupOptions) : undefined;
  } catch {
    return undefined;
  }
}

async function find<T extends KubeObject>(
  c: ObserveContext,
  resource: Resource,
  namespace: string | undefined,
  name: string,
): Promise<T | undefined> {
  return await orUndefined(c.api.get<T>(resource, namespace, name, c.signal));
}
