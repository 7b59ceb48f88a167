/** The door of the Raft room: the algorithm as a pure state machine, with etcd's message types. */
export { asConfChangeV2 } from "./conf-change.ts";
export {
  type BootState,
  type Config,
  emptyBoot,
  type RaftLogSink,
  type RandomSource,
} from "./config.ts";
export { entryBytes, LostEntries } from "./log.ts";
export type { ProgressState } from "./progress.ts";
export { RawNode } from "./raw-node.ts";
export type {
  DropReason,
  ProposeResult,
  RaftState,
  ReadIndexResult,
  ReadState,
  Ready,
  SoftState,
  StepResult,
} from "./ready.ts";
export type { ProgressStatus, Status } from "./status.ts";
export {
  type ConfChange,
  type ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  type ConfChangeV2,
  type ConfState,
  type Entry,
  EntryType,
  type HardState,
  type Message,
  MessageType,
  type Snapshot,
  type SnapshotMetadata,
} from "./types.ts";
