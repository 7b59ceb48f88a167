/** One backup: the next step and the status of an EtcdBackup. Pure. */
import type { JobReport, Manifest } from "../../backup/index.ts";
import { storageKey } from "../resources/index.ts";
import type { BackupArtifact, BackupPhase, EtcdBackupStatus } from "../types/index.ts";
import { buildSaveJob, notReady } from "./jobs.ts";
import { annotationJobUid, finalizer } from "./names.ts";
import type { ObservedBackup, ObservedJob } from "./observe.ts";
import { condition, type News, type Plan, timeText } from "./plan.ts";
import { planDeletion } from "./plan-deletion.ts";

export type BackupPlan = Plan<EtcdBackupStatus>;

/** What is known about the run, before it is put into words of conditions. */
interface Outcome {
  readonly phase: BackupPhase;
  readonly reason: string;
  readonly message: string;
  readonly set?: Partial<EtcdBackupStatus>;
  readonly news?: News;
  readonly step?: BackupPlan["step"];
  readonly requeueMs?: number;
}

const ended: ReadonlySet<BackupPhase | undefined> = new Set(["Succeeded", "Failed", "Unknown"]);

/** Whether nothing will change the phase any more. */
export const isEnded = (status: EtcdBackupStatus | undefined): boolean => ended.has(status?.phase);

export function planBackup(o: ObservedBackup): BackupPlan {
  const { metadata, spec, status = {} } = o.backup;
  const held = metadata.finalizers?.includes(finalizer) ?? false;
  if (metadata.deletionTimestamp !== undefined) return planDeletion(o, held);
  const wantsHold = spec.deletionPolicy === "Delete";
  if (held !== wantsHold) return { status, step: { kind: "hold", held: wantsHold } };
  if (isEnded(status)) {
    return { status: { ...status, observedGeneration: metadata.generation ?? 0 } };
  }
  return conclude(o, outcomeOf(o));
}

function outcomeOf(o: ObservedBackup): Outcome {
  const { job } = o;
  if (job === undefined) return withoutJob(o);
  const { uid, annotations } = o.backup.metadata;
  const isOurs = job.controller === uid || job.uid === annotations?.[annotationJobUid];
  if (!isOurs) return nameTaken(job);
  if (job.report?.outcome === "Succeeded") return succeeded(o, job, job.report);
  return job.state === "running" ? running(job) : failed(o, job, job.report);
}

function withoutJob(o: ObservedBackup): Outcome {
  const { backup, cluster } = o;
  const { name, annotations } = backup.metadata;
  const wasThere = backup.status?.startTime !== undefined || annotations?.[annotationJobUid];
  if (wasThere) {
    return unknown(`Job ${name} is gone and nobody has read its report`, "ResultUnknown");
  }
  const wait = { phase: "Pending", requeueMs: 3_000 } as const;
  if (cluster === undefined) {
    const message = `there is no EtcdCluster ${backup.spec.clusterRef.name} in this namespace; the backup begins when there is`;
    return { ...wait, reason: "ClusterNotFound", message };
  }
  const why = notReady(cluster);
  if (why !== undefined) return { ...wait, reason: "ClusterNotReady", message: why };
  const { reason, message } = backup.status ?? {};
  const starting = { reason: "Starting", message: `making Job ${name}` };
  return {
    phase: "Pending",
    // A refusal stays on record until a try succeeds.
    ...(reason === jobRefused && message ? { reason, message } : starting),
    step: { kind: "create", object: buildSaveJob(backup, cluster, o.defaultImage) },
    requeueMs: 1_000,
  };
}

const jobRefused = "JobRefused";

const nameTaken = (job: ObservedJob): Outcome => ({
  phase: "Pending",
  reason: "NameConflict",
  message: `delete Job ${job.name}, or this EtcdBackup and make it under another name: the Job is not this backup's`,
  requeueMs: 10_000,
});

function running(job: ObservedJob): Outcome {
  const set = times(job);
  const begun = { phase: "Running", set, requeueMs: 10_000 } as const;
  const { stuck, report } = job;
  if (stuck !== undefined) {
    const message = `the Job's pod does not start: ${stuck}`;
    const news = { type: "Warning", reason: "BackupStuck", message } as const;
    return { ...begun, reason: "BackupStuck", message, news };
  }
  if (report === undefined) return { ...begun, reason: "Running", message: "the Job runs" };
  const message = `an attempt failed and is made again; ${report.reason ?? "Failed"}: ${report.message}`;
  const news = { type: "Warning", reason: "BackupAttemptFailed", message } as const;
  return { ...begun, reason: "AttemptFailed", message, news };
}

const times = ({ startTime, endTime }: ObservedJob): Partial<EtcdBackupStatus> => ({
  ...(startTime ? { startTime } : {}),
  ...(endTime ? { completionTime: endTime } : {}),
});

function succeeded(o: ObservedBackup, job: ObservedJob, report: JobReport): Outcome {
  const { manifest } = report;
  const stored = manifest && artifactOf(o, manifest, report.uri);
  if (manifest === undefined || stored === undefined) {
    return unknown(`Job ${job.name} reported a success of something else`, "ResultUnknown", job);
  }
  const { verified, possiblyStale } = manifest;
  const pruned = report.pruned?.problem;
  const notes = [
    `${stored.sizeBytes} bytes at revision ${stored.revision} are in ${stored.uri}`,
    ...(possiblyStale
      ? ["the cluster had no quorum, so acknowledged writes may be missing: keep older backups"]
      : []),
    ...(pruned ? [`retention did not finish, nothing is lost by that: ${pruned}`] : []),
  ];
  const message = notes.join("; ");
  return {
    phase: "Succeeded",
    reason: "Succeeded",
    message,
    set: {
      startTime: manifest.startTime,
      completionTime: manifest.completionTime,
      artifact: stored,
      lineage: manifest.lineage,
      ...(verified ? { verified } : {}),
      ...(possiblyStale ? { possiblyStale } : {}),
    },
    news: {
      type: possiblyStale || pruned ? "Warning" : "Normal",
      reason: "BackupSucceeded",
      message,
    },
  };
}

/** Undefined when the manifest is not this backup's. */
function artifactOf(
  { backup }: ObservedBackup,
  m: Manifest,
  uri: string | undefined,
): BackupArtifact | undefined {
  const { namespace, name } = backup.metadata;
  if (m.backup !== `${namespace}/${name}` || uri === undefined) return undefined;
  if (storageKey(backup.spec.destination, uri) === undefined) return undefined;
  return {
    uri,
    sizeBytes: m.sizeBytes,
    checksum: `sha256:${m.sha256}`,
    revision: m.revision,
    compactRevision: m.compactRevision,
    hashKV: m.hashKV,
    clusterID: m.cluster.clusterID,
  };
}

function failed(o: ObservedBackup, job: ObservedJob, report: JobReport | undefined): Outcome {
  if (job.failure === "DeadlineExceeded") return tooLate(o, job, report);
  if (report === undefined) {
    const how = [job.failure, job.lastWords].filter((part) => part !== undefined).join(": ");
    return unknown(
      `Job ${job.name} ended without a report${how ? ` (${how})` : ""}`,
      "ResultUnknown",
      job,
    );
  }
  const stored = report.manifest && artifactOf(o, report.manifest, report.uri);
  const set = stored ? { artifact: stored, lineage: report.manifest?.lineage ?? "" } : {};
  return failure(report.reason ?? "Failed", report.message, job, set);
}

function tooLate(o: ObservedBackup, job: ObservedJob, report: JobReport | undefined): Outcome {
  const seconds = o.backup.spec.activeDeadlineSeconds ?? 3600;
  const said = report !== undefined && report.reason !== "Interrupted";
  const last = said ? `; the attempt before said ${report.reason}: ${report.message}` : "";
  const message = `the Job was ended after spec.activeDeadlineSeconds (${seconds} s); earlier backups are untouched; raise it, or see why the storage or the cluster is slow${last}`;
  return failure("DeadlineExceeded", message, job);
}

const failure = (
  reason: string,
  message: string,
  job: ObservedJob,
  set: Partial<EtcdBackupStatus> = {},
): Outcome => ({
  phase: "Failed",
  reason,
  message,
  set: { ...times(job), ...set },
  news: { type: "Warning", reason, message },
});

/** Never a success: nobody may rely on what nobody has confirmed. */
function unknown(what: string, reason: string, job?: ObservedJob): Outcome {
  const message = `${what}. Earlier backups are untouched; what this one may have stored counts for nothing. Make another backup`;
  const news = { type: "Warning", reason, message } as const;
  return { phase: "Unknown", reason, message, set: job ? times(job) : {}, news };
}

function conclude(o: ObservedBackup, outcome: Outcome): BackupPlan {
  const { metadata, status: old = {} } = o.backup;
  const { phase, reason, message, set, news, step, requeueMs } = outcome;
  const { reason: _reason, message: _message, ...kept } = old;
  const done = ended.has(phase);
  const verified = set?.verified ?? old.verified;
  const make = (type: "Complete" | "Verified", isTrue: boolean, why: string, text: string) => {
    const no = phase === "Unknown" ? "Unknown" : "False";
    const status = isTrue ? "True" : no;
    const texts = { type, status, reason: why, message: text } as const;
    return condition(old.conditions, texts, metadata.generation, o.nowMs);
  };
  const status: EtcdBackupStatus = {
    ...kept,
    ...set,
    ...(done && set?.completionTime === undefined ? { completionTime: timeText(o.nowMs) } : {}),
    observedGeneration: metadata.generation ?? 0,
    phase,
    ...(phase === "Succeeded" ? {} : { reason }),
    message,
    job: metadata.name,
    conditions: [
      make("Complete", phase === "Succeeded", reason, message),
      verified === undefined
        ? make("Verified", false, ...notVerified(o, phase, reason))
        : make("Verified", true, verified.kind, `by ${verified.kind} at ${verified.time}`),
    ],
  };
  return {
    status,
    ...(step ? { step } : {}),
    ...(step?.kind === "create"
      ? { refused: (why: string) => conclude(o, refusal(metadata.name, why)).status }
      : {}),
    ...(news && (old.phase !== phase || old.message !== message) ? { news } : {}),
    ...(requeueMs === undefined ? {} : { requeueMs }),
  };
}

const refusal = (name: string, why: string): Outcome => ({
  phase: "Pending",
  reason: jobRefused,
  message: `the API server refuses Job ${name}, it is tried again: ${why}`,
});

function notVerified(o: ObservedBackup, phase: BackupPhase, reason: string): [string, string] {
  if (phase === "Succeeded") {
    const message = "spec.verify is None: nobody has read the stored object again";
    return o.backup.spec.verify === "None" ? ["NotAsked", message] : ["NotVerified", message];
  }
  return phase === "Pending" || phase === "Running"
    ? ["NotYet", "the backup has not ended"]
    : [reason, "see condition Complete"];
}
