/** What there is of one cluster. */
import type {
  EtcdBackup,
  EtcdBackupSchedule,
  EtcdCluster,
  EtcdRestore,
} from "../operator/types/index.ts";

/** Objects of one cluster. */
export interface ClusterView {
  readonly cluster: EtcdCluster;
  readonly schedules: readonly EtcdBackupSchedule[];
  /** Newest first. */
  readonly backups: readonly EtcdBackup[];
  readonly restores: readonly EtcdRestore[];
}

/** When the newest verified backup was completed. */
export function lastVerified(
  backups: readonly EtcdBackup[],
  schedules: readonly EtcdBackupSchedule[],
): string | undefined {
  return [
    ...backups.map(({ status: it }) => (it?.verified ? it.completionTime : undefined)),
    ...schedules.map(({ status: it }) => it?.lastVerifiedTime),
  ]
    .filter((time) => time !== undefined)
    .sort()
    .at(-1);
}
