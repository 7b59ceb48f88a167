import type { Index, MemberId, Term } from "../types.ts";
import type { ProgressState } from "./progress.ts";
import type { RaftState } from "./ready.ts";
import type { ConfState } from "./types.ts";

/** What a leader knows about one member of the configuration (itself included). */
export interface ProgressStatus {
  readonly id: MemberId;
  readonly state: ProgressState;
  /** Highest index known to equal ours; for the leader itself: durable here. */
  readonly match: Index;
  /** The next index to send. */
  readonly next: Index;
  readonly learner: boolean;
  /** Heard from since the last quorum check. */
  readonly recentActive: boolean;
  /** Sending waits for an answer. */
  readonly paused: boolean;
  readonly inflight: number;
  /** In state snapshot: the index of the snapshot on its way; else 0. */
  readonly pendingSnapshot: Index;
}

/** A copy of the machine's state, for endpoint status, metrics and decisions of the server. */
export interface Status {
  readonly id: MemberId;
  readonly term: Term;
  readonly vote: MemberId;
  readonly commit: Index;
  readonly applied: Index;
  readonly leader: MemberId;
  readonly state: RaftState;
  /** The target of a leader transfer under way, else noMember. */
  readonly leadTransferee: MemberId;
  readonly isLearner: boolean;
  readonly confState: ConfState;
  /** The first entry still in memory, the last entry, and the last durable one. */
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly stableIndex: Index;
  /** Bytes of the log in memory. */
  readonly logBytes: number;
  /** Sorted by id; empty unless leader. */
  readonly progress: readonly ProgressStatus[];
}
