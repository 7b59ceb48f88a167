/** The Jobs of backups: what runs, where, with which rights. Pure. */
import {
  clientFiles,
  clientUrl,
  inNamespace,
  type StorageAccess,
  serverImage,
  storageAccess,
} from "../resources/index.ts";
import {
  type BackupOptions,
  type BackupRetention,
  controllerRef,
  type EtcdBackup,
  type EtcdCluster,
  type Job,
  type V1JobSpec,
} from "../types/index.ts";
import {
  backupLabels,
  componentDelete,
  componentSave,
  deleteJobName,
  labelBackup,
  labelJobName,
} from "./names.ts";

const scratch = "/scratch";
const uid = 65532;
const deadlineSeconds = 3600;
/** A pod without requests is the first that a full node ends. */
const defaultResources = { requests: { cpu: "50m", memory: "128Mi" } };

/** Exit code of `quoin backup` where another attempt would fail like this one. */
export const lastingFailure = 3;

/** Attempts after the first; each has a pod, so that each one's report can be read. */
const retries = 2;

export interface SaveOrder {
  readonly cluster: EtcdCluster;
  readonly options: BackupOptions;
  readonly schedule?: { readonly name: string; readonly retention?: BackupRetention };
  readonly defaultImage: string;
}

/** Why no backup can be begun of this cluster yet; undefined when one can. */
export function notReady(cluster: EtcdCluster): string | undefined {
  const { lineage, members = [] } = cluster.status ?? {};
  if (lineage !== undefined && members.length > 0) return undefined;
  return `EtcdCluster ${cluster.metadata.name} has no member yet; the backup begins when it has`;
}

/** What a Job does that saves a backup; the same for one Job and for a CronJob's. */
export function saveJobSpec(order: SaveOrder): V1JobSpec {
  const { cluster, options, schedule } = order;
  const { namespace, name } = cluster.metadata;
  const files = clientFiles(cluster);
  const storage = storageAccess(options.destination);
  const access = {
    ...storage,
    volumes: [...storage.volumes, ...files.volumes],
    volumeMounts: [...storage.volumeMounts, ...files.volumeMounts],
  };
  const endpoints = (cluster.status?.members ?? []).map((m) => clientUrl(cluster, m.name)).sort();
  const args = [
    "backup",
    "save",
    `--endpoints=${endpoints.join(",")}`,
    ...files.args,
    `--cluster=${namespace}/${name}`,
    ...(cluster.status?.clusterID ? [`--cluster-id=${cluster.status.clusterID}`] : []),
    `--lineage=${cluster.status?.lineage ?? ""}`,
    `--backup=${namespace}/$(BACKUP_NAME)`,
    ...(schedule ? [`--schedule=${namespace}/${schedule.name}`] : []),
    ...access.args,
    `--compression=${options.compression ?? "zstd"}`,
    `--verify=${options.verify ?? "Checksum"}`,
    `--scratch-dir=${scratch}`,
    ...retentionArgs(schedule?.retention),
  ];
  return jobSpec(order, args, access, componentSave, schedule?.name);
}

function retentionArgs(retention: BackupRetention = {}): string[] {
  const { keepLast, maxAge, keepDaily, keepWeekly, keepMonthly } = retention;
  return Object.entries({
    "keep-last": keepLast,
    "max-age": maxAge,
    "keep-daily": keepDaily,
    "keep-weekly": keepWeekly,
    "keep-monthly": keepMonthly,
  }).flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag}=${value}`]));
}

/**
 * The Job of an EtcdBackup that no CronJob has made; it has its name. Where a schedule ordered it, its
 * artefact falls under the schedule's retention.
 */
export function buildSaveJob(backup: EtcdBackup, cluster: EtcdCluster, defaultImage: string): Job {
  const { name, ownerReferences = [] } = backup.metadata;
  const schedule = ownerReferences.find((r) => r.controller && r.kind === "EtcdBackupSchedule");
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name,
      ...inNamespace(backup),
      labels: backupLabels(cluster.metadata.name, componentSave),
      ownerReferences: [controllerRef(backup)],
    },
    spec: saveJobSpec({
      cluster,
      options: backup.spec,
      ...(schedule ? { schedule: { name: schedule.name } } : {}),
      defaultImage,
    }),
  };
}

/** The Job that deletes an artefact; the cluster may be gone. */
export function buildDeleteJob(
  backup: EtcdBackup,
  key: string,
  cluster: EtcdCluster | undefined,
  defaultImage: string,
): Job {
  const { name, uid: backupUid = "" } = backup.metadata;
  const access = storageAccess(backup.spec.destination);
  const args = [
    "backup",
    "delete",
    ...access.args,
    `--key=${key}`,
    `--lineage=${backup.status?.lineage ?? ""}`,
  ];
  const order = { options: backup.spec, defaultImage, ...(cluster ? { cluster } : {}) };
  const labels = backupLabels(backup.spec.clusterRef.name, componentDelete);
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: deleteJobName(backupUid),
      ...inNamespace(backup),
      labels: { ...labels, [labelBackup]: name },
      ownerReferences: [controllerRef(backup)],
    },
    spec: jobSpec(order, args, access, componentDelete),
  };
}

type JobOrder = Pick<SaveOrder, "options" | "defaultImage"> & { readonly cluster?: EtcdCluster };

function jobSpec(
  { options, cluster, defaultImage }: JobOrder,
  args: readonly string[],
  access: StorageAccess,
  component: string,
  schedule?: string,
): V1JobSpec {
  const { job = {} } = options;
  const image = cluster === undefined ? defaultImage : latchedImage(cluster, defaultImage);
  const pull = cluster?.spec.image?.pullPolicy;
  const pullSecrets = [
    ...(job.imagePullSecrets ?? []),
    ...(cluster?.spec.image?.pullSecrets ?? []).map((name) => ({ name })),
  ];
  return {
    backoffLimit: retries,
    podFailurePolicy: {
      rules: [
        // A drained or dead node is nobody's failure.
        { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
        {
          action: "FailJob",
          onExitCodes: { containerName: "quoin", operator: "In", values: [lastingFailure] },
        },
      ],
    },
    activeDeadlineSeconds: options.activeDeadlineSeconds ?? deadlineSeconds,
    template: {
      metadata: { labels: backupLabels(options.clusterRef.name, component, schedule) },
      spec: {
        // A new pod for each attempt: a container that starts again would overwrite the report.
        restartPolicy: "Never",
        automountServiceAccountToken: false,
        enableServiceLinks: false,
        ...(job.serviceAccountName ? { serviceAccountName: job.serviceAccountName } : {}),
        securityContext: {
          runAsNonRoot: true,
          runAsUser: uid,
          runAsGroup: uid,
          fsGroup: uid,
          fsGroupChangePolicy: "OnRootMismatch",
          seccompProfile: { type: "RuntimeDefault" },
        },
        ...(pullSecrets.length > 0 ? { imagePullSecrets: pullSecrets } : {}),
        ...(job.tolerations ? { tolerations: [...job.tolerations] } : {}),
        ...(job.nodeSelector ? { nodeSelector: { ...job.nodeSelector } } : {}),
        containers: [
          {
            name: "quoin",
            image,
            ...(pull ? { imagePullPolicy: pull } : {}),
            args: [...args],
            env: [
              {
                name: "BACKUP_NAME",
                valueFrom: { fieldRef: { fieldPath: `metadata.labels['${labelJobName}']` } },
              },
              ...access.env,
            ],
            ...(access.envFrom.length > 0 ? { envFrom: [...access.envFrom] } : {}),
            resources: job.resources ?? defaultResources,
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ["ALL"] },
            },
            volumeMounts: [{ name: "scratch", mountPath: scratch }, ...access.volumeMounts],
          },
        ],
        volumes: [
          { name: "scratch", emptyDir: scratchLimit(job.scratchSize, cluster) },
          ...access.volumes,
        ],
      },
    },
  };
}

/** What the members run; not a tag that was set and never ran. */
const latchedImage = (cluster: EtcdCluster, defaultImage: string): string =>
  cluster.status?.image ?? serverImage(cluster, defaultImage);

/** A snapshot and a restored member beside it take at most twice what the members' volumes hold. */
function scratchLimit(size: string | undefined, cluster: EtcdCluster | undefined) {
  if (size !== undefined) return { sizeLimit: size };
  const [, number, unit] = /^([0-9.]+)(.*)$/.exec(cluster?.spec.storage.size ?? "") ?? [];
  return number === undefined ? {} : { sizeLimit: `${2 * Number(number)}${unit}` };
}
