/** The command lines: etcdctl on the client, etcdutl on what its caller provides. */
export type { NewMember } from "./commands/new-member.ts";
export type {
  FileStatus,
  LoadWork,
  OnProgress,
  Restore,
  SnapshotFileWork,
} from "./commands/snapshot-file.ts";
export { runEtcdutl, type UtilWork } from "./etcdutl.ts";
export { runEtcdctl } from "./main.ts";
