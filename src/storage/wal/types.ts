import type { ConfState, Entry, HardState } from "../../core/raft/types.ts";
import type { ClusterId, Index, MemberId, Term } from "../../core/types.ts";
import type { Disk, Faults, Logger } from "../../ports/index.ts";

/** Who this log belongs to; stands at the head of every segment. */
export interface WalMetadata {
  readonly nodeId: MemberId;
  readonly clusterId: ClusterId;
}

/** A marker in the log: a snapshot of the state at this index exists. */
export interface WalSnapshot {
  readonly index: Index;
  readonly term: Term;
  readonly confState: ConfState | undefined;
}

/** Receives durations for etcd_disk_wal_fsync_duration_seconds and the bytes written. */
export interface WalObserver {
  synced(seconds: number, bytes: number): void;
}

export interface WalOptions {
  readonly disk: Disk;
  readonly faults: Faults;
  readonly logger: Logger;
  /** Monotonic milliseconds, for the observer and the warning about slow disks. */
  readonly nowMs: () => number;
  readonly observer?: WalObserver;
  /** Where a segment is cut; etcd's 64,000,000. Smaller in tests. */
  readonly segmentBytes?: number;
}

/** What a log held when it was opened. */
export interface WalContents {
  readonly metadata: WalMetadata;
  /** The last one saved; all zero when there was none. */
  readonly hardState: HardState;
  /** Entries above the chosen snapshot, without holes; later ones replaced earlier ones. */
  readonly entries: Entry[];
  /** The snapshot that was chosen; index 0 for a log read from its beginning. */
  readonly snapshot: WalSnapshot;
}

/**
 * Chooses the snapshot to start from among the log's markers, oldest first; all are at or below
 * the last saved commit, or of a received snapshot. The first is index 0 unless old segments were released.
 */
export type ChooseSnapshot = (valid: readonly WalSnapshot[]) => Promise<WalSnapshot> | WalSnapshot;

export type WalDamage =
  /** `create` where there is a log already. */
  | "exists"
  /** A bad record before the tail, or one that no torn write explains. */
  | "corrupt"
  /** A segment is missing in the sequence, or the folder holds none. */
  | "missing"
  /** Segments of different members or clusters in one folder. */
  | "metadata"
  /** Entries between the chosen snapshot and the first one in the log are missing. */
  | "hole"
  /** The chosen snapshot has no marker in the log, or one of another term. */
  | "snapshot";

/** The log cannot be used; says which file, where, and what to do. Never repaired silently. */
export class WalError extends Error {
  override readonly name = "WalError";
  readonly kind: WalDamage;
  readonly path: string;
  /** Byte offset of the bad record in the file; -1 when the file as a whole is meant. */
  readonly offset: number;

  constructor(kind: WalDamage, path: string, offset: number, what: string, advice: string) {
    super(`${path}${offset < 0 ? "" : ` at offset ${offset}`}: ${what}. ${advice}`);
    this.kind = kind;
    this.path = path;
    this.offset = offset;
  }
}
