import type { Index, MemberId, Term } from "../types.ts";
import type { Entry, HardState, Message, Snapshot } from "./types.ts";

/** What this member believes itself to be. */
export type RaftState = "follower" | "preCandidate" | "candidate" | "leader";

/** Volatile state, for observers; `leader` is noMember when unknown. */
export interface SoftState {
  readonly leader: MemberId;
  readonly state: RaftState;
}

/** A read may be served once the state machine has applied `index`. */
export interface ReadState {
  readonly index: Index;
  /** The bytes given to `readIndex`. */
  readonly context: Uint8Array;
}

/**
 * Work for the server. Several Readys may be in flight; they are made durable in the order in
 * which they were taken. For each one the server
 *
 * 1. sends `messages` at once (the server of a follower or candidate first applies the conf
 *    changes among `committed` of this and earlier Readys: STORE.md 1);
 * 2. starts to write hardState, entries and snapshot to the WAL, synced if `mustSync`;
 * 3. when that is durable (and all earlier Readys are), sends `afterAppend` and calls
 *    `node.appended(ready)`. With nothing to write and nothing in flight that is at once.
 *    A Ready with `mustSync` false needs no fsync of its own, only its place in the order;
 * 4. applies `committed` in order (they are durable already), calling `applyConfChange` for conf
 *    changes, and reports `node.applied(lastIndex)`; independent of steps 2 and 3.
 *
 * The arrays belong to the server; entries and bytes are shared with the log: never write them.
 */
export interface Ready {
  /** Set when leader or state changed since the last Ready. */
  readonly softState: SoftState | undefined;
  /** Set when term, vote or commit changed since the last Ready. */
  readonly hardState: HardState | undefined;
  /**
   * To append to the WAL. The first index may be at or below one handed out before: the new
   * entries then replace that one and everything behind it (as in etcd's WAL, the later record wins).
   */
  readonly entries: readonly Entry[];
  /**
   * A received snapshot to install: durable and swapped in before `appended`, which also counts
   * as `applied(snapshot.metadata.index)`. Earlier Readys' `committed` are below it and may be
   * applied before or skipped. No `committed` follow until it is appended. `entries` of the same
   * Ready follow the snapshot.
   */
  readonly snapshot: Snapshot | undefined;
  /**
   * May leave at once. MsgSnap carries metadata only (our applied index, its term and the
   * configuration): the server fills in the metadata of the state it really sends, whose index
   * must be at least the given one, and reports `reportSnapshot`.
   */
  readonly messages: readonly Message[];
  /**
   * Votes, vote requests and append responses: leave only when this Ready is durable. Never
   * addressed to ourselves (`appended` does the local part).
   */
  readonly afterAppend: readonly Message[];
  /** Committed by a quorum and durable here, in order, without a hole; to be applied. */
  readonly committed: readonly Entry[];
  readonly readStates: readonly ReadState[];
  /** Entries, a snapshot, or a changed term or vote: the write must be synced. */
  readonly mustSync: boolean;
}

/** Why a proposal was not taken. Nothing of it is in the log; the caller may try again. */
export type DropReason =
  /** No leader is known; or a candidate. */
  | "noLeader"
  /** A leader transfer is going on. */
  | "leaderTransfer"
  /** The leader is no longer a member. */
  | "notMember"
  /** maxUncommittedBytes would be exceeded. */
  | "uncommittedLimit"
  /** A follower with forwardProposals false. */
  | "notLeader"
  /** An earlier conf change is not applied yet. */
  | "confChangePending"
  /** In a joint configuration, which must be left first. */
  | "mustLeaveJoint"
  /** Asked to leave a joint configuration while not in one. */
  | "notJoint"
  /** It does not decode, would leave no voter, or is too large a step for a simple change. */
  | "confChangeInvalid";

/** The fate of a proposal. `appended` says nothing about commitment. */
export type ProposeResult =
  | { readonly kind: "appended"; readonly term: Term; readonly first: Index; readonly last: Index }
  | { readonly kind: "forwarded"; readonly to: MemberId }
  | { readonly kind: "dropped"; readonly reason: DropReason };

/** The fate of a ReadIndex request; a pending or forwarded one may still get lost: ask again. */
export type ReadIndexResult = "pending" | "forwarded" | "noLeader" | "tooMany";

/**
 * What became of a message: `local` types may not come from peers, `unknownPeer` is a response
 * from somebody we do not track, `dropped` a forwarded proposal that could not be taken.
 */
export type StepResult = "ok" | "local" | "unknownPeer" | "dropped";
