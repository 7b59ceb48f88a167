/** From what a person names (a backup, a schedule, a place) to the object that is restored. */
import { storageKey, storageUri } from "../resources/index.ts";
import { type KubeApi, orUndefined, resources } from "../runtime/index.ts";
import type {
  EtcdBackup,
  EtcdBackupSchedule,
  ResolvedSource,
  RestoreSource,
} from "../types/index.ts";

export type Resolution =
  | { readonly kind: "found"; readonly source: ResolvedSource }
  /** Not there yet, or not any more: `message` says what to do; looking again may help. */
  | { readonly kind: "missing"; readonly reason: string; readonly message: string }
  /** Never will be. */
  | { readonly kind: "unfit"; readonly reason: string; readonly message: string };

/** Rejects with KubeError when the API server does not answer. */
export async function resolveSource(
  api: KubeApi,
  namespace: string,
  source: RestoreSource,
  signal: AbortSignal,
): Promise<Resolution> {
  if (source.location !== undefined) {
    const { location } = source;
    return { kind: "found", source: { location, uri: storageUri(location, location.key) } };
  }
  let name = source.backupRef?.name ?? "";
  if (source.scheduleRef !== undefined) {
    const schedule = source.scheduleRef.name;
    const found = await find<EtcdBackupSchedule>(
      api,
      "etcdBackupSchedules",
      namespace,
      schedule,
      signal,
    );
    const newest = newestVerified(schedule, found);
    if (newest.kind !== "backup") return newest;
    name = newest.name;
  }
  return backupSource(name, await find<EtcdBackup>(api, "etcdBackups", namespace, name, signal));
}

async function find<T>(
  api: KubeApi,
  of: "etcdBackups" | "etcdBackupSchedules",
  namespace: string,
  name: string,
  signal: AbortSignal,
): Promise<T | undefined> {
  return (await orUndefined(api.get(resources[of], namespace, name, signal))) as T | undefined;
}

function newestVerified(
  name: string,
  schedule: EtcdBackupSchedule | undefined,
): Resolution | { readonly kind: "backup"; readonly name: string } {
  if (schedule === undefined) {
    const message = `there is no EtcdBackupSchedule ${name} in this namespace; name another, or give source.location (bucket or volume, and key)`;
    return { kind: "missing", reason: "ScheduleNotFound", message };
  }
  const { lastVerifiedBackup } = schedule.status ?? {};
  if (lastVerifiedBackup !== undefined) return { kind: "backup", name: lastVerifiedBackup };
  const message = `schedule ${name} has no verified backup yet; wait for one, or name an older one by source.location`;
  return { kind: "missing", reason: "NoVerifiedBackup", message };
}

/** Pure. The artefact of a backup that succeeded, with the storage of the backup's own spec. */
export function backupSource(name: string, backup: EtcdBackup | undefined): Resolution {
  if (backup === undefined) {
    const message = `there is no EtcdBackup ${name} in this namespace; its artefact may be: give source.location (bucket or volume, and key)`;
    return { kind: "missing", reason: "BackupNotFound", message };
  }
  const { phase = "Pending", artifact, message: why } = backup.status ?? {};
  if (phase === "Failed" || phase === "Unknown") {
    const message = `EtcdBackup ${name} is ${phase}${why ? ` (${why})` : ""}; choose one that succeeded`;
    return { kind: "unfit", reason: "BackupFailed", message };
  }
  if (phase !== "Succeeded" || artifact === undefined) {
    const message = `EtcdBackup ${name} is ${phase}; it is restored when it has succeeded`;
    return { kind: "missing", reason: "BackupNotReady", message };
  }
  const { destination } = backup.spec;
  const { uri, checksum, revision } = artifact;
  const key = storageKey(destination, uri);
  if (key === undefined) {
    const message = `EtcdBackup ${name} says its artefact is ${uri}, which is not in its destination; give source.location instead`;
    return { kind: "unfit", reason: "ArtifactElsewhere", message };
  }
  return { kind: "found", source: { location: { ...destination, key, checksum }, uri, revision } };
}
