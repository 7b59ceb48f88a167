/**
 * Snapshots in etcd's formats: the bbolt file of `snapshot save` (export, import, status,
 * restore), raft's `.snap` files, and the choice of the engine folder below `member/snap`.
 */

export { chooseEngineDir, findEngineDir, prepareEngineDir, swapEngineDir } from "./engine-dir.ts";
export { exportSnapshot, type SnapshotExport } from "./export.ts";
export { type FileFacts, snapshotFacts, snapshotHash } from "./facts.ts";
export { hashDatabase } from "./hash.ts";
export { importSnapshot } from "./import.ts";
export { restoreSnapshot } from "./restore.ts";
export { Snapshotter } from "./snap-files.ts";
export { snapshotStatus } from "./status.ts";
export {
  type ImportResult,
  type RestoreOptions,
  type RestoreResult,
  SnapshotError,
  type SnapshotErrorCode,
  type SnapshotPhase,
  type SnapshotProgress,
  type SnapshotStatus,
  type StatusOptions,
} from "./types.ts";
