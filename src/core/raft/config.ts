import type { Index, MemberId, Term } from "../types.ts";
import type { ConfChangeV2, ConfState, Entry, EntryType, HardState } from "./types.ts";

/** Where randomness comes from; `src/ports` Random fits. `below(n)` is an integer in [0, n). */
export interface RandomSource {
  below(n: number): number;
}

/** What the member found on its disk. A fresh member passes the zero values of `emptyBoot`. */
export interface BootState {
  /**
   * The last HardState in the WAL. Its commit may lag (commit-only records are not synced): the
   * machine starts from max(hardState.commit, applied) (STORE.md 3).
   */
  readonly hardState: HardState;
  /** The configuration in force at `applied`. */
  readonly confState: ConfState;
  /** The log begins right above this point; zeros when nothing was ever cut. */
  readonly base: { readonly index: Index; readonly term: Term };
  /** Entries base.index + 1 ... without a hole; kept, not copied, never written. */
  readonly entries: readonly Entry[];
  /** What the state machine has applied: base.index <= applied <= last index. */
  readonly applied: Index;
}

/** Limits and times; ticks are the unit of time, bytes count entry payloads plus a small overhead. */
export interface Config {
  readonly id: MemberId;
  readonly random: RandomSource;
  readonly boot: BootState;
  /**
   * Ticks without a leader before a campaign; randomized in [electionTicks, 2 * electionTicks).
   * Must exceed heartbeatTicks (etcd: 10).
   */
  readonly electionTicks: number;
  /** Ticks between heartbeats (etcd: 1). */
  readonly heartbeatTicks: number;
  /** Ask before a real election (thesis 9.6). Default true. */
  readonly preVote?: boolean;
  /**
   * A leader that does not hear from a quorum for an election timeout steps down, and members
   * with a live leader ignore vote requests (thesis 6.2, 4.2.3). Default true.
   */
  readonly checkQuorum?: boolean;
  /**
   * Leave office an election timeout after our own removal or demotion is applied; until then
   * heartbeats tell the others that it is committed. Default true.
   */
  readonly stepDownOnRemoval?: boolean;
  /** Followers pass proposals on to the leader. Default true. */
  readonly forwardProposals?: boolean;
  /** Largest MsgApp, in bytes; one entry always fits. Default 512 KiB (etcd). */
  readonly maxMessageBytes?: number;
  /** MsgApps on their way to one follower. Default 512 (etcd). */
  readonly maxInflightMessages?: number;
  /** Bytes on their way to one follower; at least maxMessageBytes. Default 64 MiB. */
  readonly maxInflightBytes?: number;
  /** Bytes handed out as `Ready.committed` and not yet reported `applied`. Default 64 MiB. */
  readonly maxApplyingBytes?: number;
  /** Payload bytes of a leader's unapplied tail; beyond, proposals are dropped. Default 256 MiB. */
  readonly maxUncommittedBytes?: number;
  /**
   * Budget of the log in memory (STORE.md 14). Applied and durable entries beyond it are let go,
   * oldest first; a follower below the first kept entry gets a snapshot. Default 64 MiB.
   */
  readonly logBytes?: number;
  /** The budget while a snapshot is on its way to a follower. Default 4 * logBytes. */
  readonly logBytesDuringSnapshot?: number;
  /** ReadIndex requests waiting on a leader; more are dropped. Default 4096. */
  readonly maxPendingReads?: number;
  /**
   * Decodes the data of a ConfChange or ConfChangeV2 entry (a ConfChange as the ConfChangeV2 of
   * its one change); undefined when malformed. Empty ConfChangeV2 data leaves a joint config.
   */
  readonly decodeConfChange: (type: EntryType, data: Uint8Array) => ConfChangeV2 | undefined;
  /** Told of rare transitions (elections, votes, configurations, snapshots), for the server's log. */
  readonly log?: RaftLogSink;
}

/** A constant message and fields; ids are hexadecimal strings as etcd prints them. */
export type RaftLogSink = (msg: string, fields: Readonly<Record<string, unknown>>) => void;

/** The state of a member whose disk is empty and which knows no configuration yet. */
export const emptyBoot: BootState = {
  hardState: { term: 0 as Term, vote: 0n as MemberId, commit: 0 as Index },
  confState: { voters: [], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
  base: { index: 0 as Index, term: 0 as Term },
  entries: [],
  applied: 0 as Index,
};
