import { SnapshotError, type SnapshotErrorCode } from "../storage/snapshot/index.ts";
import { interruption } from "./interruption.ts";
import { BackupError, type BackupErrorCode } from "./types.ts";

const codes: Readonly<Record<SnapshotErrorCode, BackupErrorCode>> = {
  corrupt: "InvalidSnapshot",
  foreign: "InvalidSnapshot",
  hash: "HashMismatch",
  exists: "AlreadyExists",
  cluster: "InvalidConfig",
  bump: "InvalidConfig",
  full: "NotEnoughSpace",
};

/** What restoreSnapshot rejected with, as a Job says it; anything unknown stays as it is. */
export function asBackupError(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return interruption(signal);
  if (!(error instanceof SnapshotError)) return error;
  return new BackupError(codes[error.code], error.message);
}
