/** Names, labels and annotations of what backups are made of. */
import { fieldManager, labelComponent, labelManagedBy } from "../resources/index.ts";
import type { KubeObject, Labels } from "../types/index.ts";

/** The schedule an object was made for. */
export const labelSchedule = "quoin.dev/backup-schedule";
/** The cluster that is backed up. Not labelCluster: these objects are no part of the cluster. */
export const labelBackupOf = "quoin.dev/backup-of";
/** On the Job that deletes an artefact: the EtcdBackup that asked. */
export const labelBackup = "quoin.dev/backup";
/** Of the Job's controller, on its pods. */
export const labelJobName = "batch.kubernetes.io/job-name";

/** On an EtcdBackup that was made for a Job of a schedule: that Job's uid. */
export const annotationJobUid = "quoin.dev/job-uid";
/** On a schedule's Jobs: the BackupOptions they were made with, as JSON. */
export const annotationOptions = "quoin.dev/backup-options";
/** On a schedule's Job: its EtcdBackup was made once, and is not made again when it is deleted. */
export const annotationAdopted = "quoin.dev/adopted";
/** On a CronJob: digest of what it was built from. */
export const annotationDigest = "quoin.dev/digest";

export const componentSave = "backup-job";
export const componentDelete = "backup-delete-job";

/** Holds an EtcdBackup with deletionPolicy Delete until its artefact is gone. */
export const finalizer = "quoin.dev/delete-artifact";

export const cronJobName = (schedule: string): string => `${schedule}-backup`;
export const immediateName = (schedule: string): string => `${schedule}-immediate`;
/** Named after the uid: the EtcdBackup's own name may be as long as a Job's can be. */
export const deleteJobName = (backupUid: string): string => `backup-delete-${backupUid}`;

/** `schedule` is absent where the backup was ordered by hand. */
export const backupLabels = (
  cluster: string,
  component: string,
  schedule?: string,
): Record<string, string> => ({
  "app.kubernetes.io/name": "quoin",
  "app.kubernetes.io/instance": cluster,
  [labelManagedBy]: fieldManager,
  [labelComponent]: component,
  [labelBackupOf]: cluster,
  ...(schedule === undefined ? {} : { [labelSchedule]: schedule }),
});

export const labelOf = (object: KubeObject, label: string): string | undefined =>
  (object.metadata.labels as Labels | undefined)?.[label];
