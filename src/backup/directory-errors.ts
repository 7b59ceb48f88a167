import { statfsSync } from "node:fs";
import { codeOf } from "./system-errors.ts";
import { BackupError } from "./types.ts";

const fullCodes = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);
const deniedCodes = new Set(["EACCES", "EPERM", "EROFS"]);
/** Network file systems and disks that may come back. */
const unreachableCodes = new Set([
  "EIO",
  "ESTALE",
  "ETIMEDOUT",
  "EHOSTDOWN",
  "ENOTCONN",
  "ENODEV",
  "ENXIO",
]);

/**
 * What a failed call on a folder means to whoever runs the backup. `doing` completes "could not ...". A
 * BackupError stays as it is.
 */
export function directoryError(
  error: unknown,
  doing: string,
  at: { readonly uri: string; readonly directory: string },
): BackupError {
  if (error instanceof BackupError) return error;
  const code = codeOf(error) ?? "";
  const what = `The backup volume ${at.uri} could not ${doing}: ${messageOf(error)}.`;
  if (fullCodes.has(code)) {
    return new BackupError(
      "DestinationFull",
      `${what} It has ${freeSpace(at.directory)} left. The unfinished file was removed and earlier ` +
        `backups are untouched. Make the volume larger, or keep fewer backups by the schedule's ` +
        `retention; the next run then succeeds.`,
    );
  }
  if (deniedCodes.has(code)) {
    return new BackupError(
      "AccessDenied",
      `${what} Earlier backups are untouched. Let the Job's user write to ${at.directory} (fsGroup ` +
        `of the pod, owner of the folder), and see that the volume is not mounted read-only.`,
    );
  }
  if (unreachableCodes.has(code)) {
    const advice = "Earlier backups are untouched. See to the volume's storage; a retry may do.";
    return new BackupError("DestinationUnreachable", `${what} ${advice}`, true);
  }
  return new BackupError("DestinationFailed", `${what} Earlier backups are untouched.`);
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.slice(0, 300);
}

function freeSpace(directory: string): string {
  try {
    const { bavail, bsize } = statfsSync(directory);
    return `${Math.floor((bavail * bsize) / 2 ** 20)} MiB`;
  } catch {
    return "an unknown number of bytes";
  }
}
