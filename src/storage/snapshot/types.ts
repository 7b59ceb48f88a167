import type { ConfState } from "../../core/raft/types.ts";
import type { ClusterId, Index, MemberId, Term } from "../../core/types.ts";
import type { Disk, Engine, Faults, Logger } from "../../ports/index.ts";

/** What `etcdutl snapshot status` tells. */
export interface SnapshotStatus {
  /** CRC-32C over bucket names, keys and values in order. */
  readonly hash: number;
  readonly revision: number;
  /** Keys that exist at the newest revision. */
  readonly totalKey: number;
  /** Bytes of the file without the trailing sha256. */
  readonly totalSize: number;
  /** Storage version, like "3.7.0"; empty when the file names none (etcd before 3.6). */
  readonly version: string;
}

/**
 * Told about work that takes a while: `phase` is "checking" (sha256) or "reading" (the rows), both
 * numbers are bytes of the file. Called often; it must be cheap and must not throw.
 */
export type SnapshotProgress = (phase: SnapshotPhase, done: number, total: number) => void;
export type SnapshotPhase = "checking" | "reading";

export interface StatusOptions {
  readonly progress?: SnapshotProgress;
}

export interface RestoreOptions {
  readonly disk: Disk;
  readonly logger: Logger;
  readonly faults: Faults;
  /** Opens the engine to import into: openRocksEngine in production. */
  readonly openEngine: (dir: string) => Promise<Engine>;
  /** The file to restore from. */
  readonly path: string;
  /** Missing or empty; the result is `<dataDir>/member`. */
  readonly dataDir: string;
  /** Default `<dataDir>/member/wal`; if given it must not exist. */
  readonly walDir?: string;
  /** Name of this member; one of initialCluster. */
  readonly name: string;
  /** `name=url,name=url,...` as --initial-cluster has it. */
  readonly initialCluster: string;
  readonly initialClusterToken: string;
  /** --initial-advertise-peer-urls; must equal this member's part of initialCluster. */
  readonly peerUrls: readonly string[];
  /** Take a file without (or with a wrong) trailing sha256. */
  readonly skipHashCheck?: boolean;
  /** Added to the newest revision; only together with markCompacted, as in etcdutl. */
  readonly revisionBump?: number;
  readonly markCompacted?: boolean;
  readonly progress?: SnapshotProgress;
  /** Aborting ends the restore with the signal's reason; nothing is left behind. */
  readonly signal?: AbortSignal;
}

export interface RestoreResult {
  readonly memberId: MemberId;
  readonly clusterId: ClusterId;
  readonly appliedIndex: Index;
  /** Newest revision of the restored state. */
  readonly revision: number;
}

/** A new engine folder made of a snapshot. */
export interface ImportResult {
  readonly appliedIndex: Index;
  readonly appliedTerm: Term;
  readonly confState: ConfState | undefined;
  readonly revision: number;
}

export type SnapshotErrorCode =
  /** Not a bbolt file, or damaged. */
  | "corrupt"
  /** The trailing sha256 is wrong or missing. */
  | "hash"
  /** The target exists already. */
  | "exists"
  /** initialCluster, name or peerUrls do not fit together. */
  | "cluster"
  /** revisionBump without markCompacted or the other way round. */
  | "bump"
  /** The data folder is a real etcd's, or of a newer Quoin. */
  | "foreign"
  /** No space for the restored member. */
  | "full";

/** A snapshot or data folder cannot be used; the message says which and what to do. */
export class SnapshotError extends Error {
  override readonly name = "SnapshotError";
  readonly code: SnapshotErrorCode;

  constructor(code: SnapshotErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
