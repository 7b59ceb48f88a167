/**
 * The records Raft exchanges with the world. Field names and numbers follow etcd's raftpb
 * (etcd-io/raft v3 raftpb/raft.proto), so that the codecs in src/proto encode them as they are.
 */
import type { Index, MemberId, Term } from "../types.ts";

/** raftpb.EntryType. Normal entries carry an InternalRaftRequest, the others a conf change. */
export const EntryType = { Normal: 0, ConfChange: 1, ConfChangeV2: 2 } as const;
export type EntryType = (typeof EntryType)[keyof typeof EntryType];

export interface Entry {
  term: Term;
  index: Index;
  type: EntryType;
  data: Uint8Array;
}

/** raftpb.ConfState: the voters and learners in force. */
export interface ConfState {
  voters: MemberId[];
  learners: MemberId[];
  votersOutgoing: MemberId[];
  learnersNext: MemberId[];
  autoLeave: boolean;
}

export interface SnapshotMetadata {
  confState: ConfState;
  index: Index;
  term: Term;
}

/** raftpb.Snapshot; `data` is opaque to Raft (the state travels beside it). */
export interface Snapshot {
  data: Uint8Array;
  metadata: SnapshotMetadata;
}

/** raftpb.HardState: what must be durable before it is relied on. */
export interface HardState {
  term: Term;
  vote: MemberId;
  commit: Index;
}

/** raftpb.MessageType; the numbers are the wire's. */
export const MessageType = {
  MsgHup: 0,
  MsgBeat: 1,
  MsgProp: 2,
  MsgApp: 3,
  MsgAppResp: 4,
  MsgVote: 5,
  MsgVoteResp: 6,
  MsgSnap: 7,
  MsgHeartbeat: 8,
  MsgHeartbeatResp: 9,
  MsgUnreachable: 10,
  MsgSnapStatus: 11,
  MsgCheckQuorum: 12,
  MsgTransferLeader: 13,
  MsgTimeoutNow: 14,
  MsgReadIndex: 15,
  MsgReadIndexResp: 16,
  MsgPreVote: 17,
  MsgPreVoteResp: 18,
  MsgStorageAppend: 19,
  MsgStorageAppendResp: 20,
  MsgStorageApply: 21,
  MsgStorageApplyResp: 22,
  MsgForgetLeader: 23,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

/** Names one entry for good: two logs that have it are equal up to it (paper 5.3). */
export interface LogPosition {
  index: Index;
  term: Term;
}

/** raftpb.Message; every field is always present (a fixed shape), zero where unused. */
export interface Message {
  type: MessageType;
  to: MemberId;
  from: MemberId;
  term: Term;
  logTerm: Term;
  index: Index;
  entries: Entry[];
  commit: Index;
  snapshot: Snapshot | undefined;
  reject: boolean;
  rejectHint: Index;
  context: Uint8Array;
  vote: MemberId;
  /**
   * The newest entry the sender knows to be committed: in vote requests and in refusals. Not of
   * etcd, which neither sends nor reads it.
   */
  committed: LogPosition | undefined;
}

/** raftpb.ConfChangeType. */
export const ConfChangeType = {
  AddNode: 0,
  RemoveNode: 1,
  UpdateNode: 2,
  AddLearnerNode: 3,
} as const;
export type ConfChangeType = (typeof ConfChangeType)[keyof typeof ConfChangeType];

/** raftpb.ConfChange: one simple change; `context` carries etcd's membership record. */
export interface ConfChange {
  id: bigint;
  type: ConfChangeType;
  nodeId: MemberId;
  context: Uint8Array;
}

export interface ConfChangeSingle {
  type: ConfChangeType;
  nodeId: MemberId;
}

/** raftpb.ConfChangeTransition. */
export const ConfChangeTransition = { Auto: 0, JointImplicit: 1, JointExplicit: 2 } as const;
export type ConfChangeTransition = (typeof ConfChangeTransition)[keyof typeof ConfChangeTransition];

/** raftpb.ConfChangeV2; an empty list of changes leaves a joint configuration. */
export interface ConfChangeV2 {
  transition: ConfChangeTransition;
  changes: ConfChangeSingle[];
  context: Uint8Array;
}
