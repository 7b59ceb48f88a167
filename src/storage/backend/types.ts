import type { ConfState } from "../../core/raft/types.ts";
import type { Index, Revision, Term } from "../../core/types.ts";
import type { Distribution } from "../../lib/distribution.ts";
import type { Clock, Engine, Faults, Logger, Row } from "../../ports/index.ts";

/**
 * Kinds of rows, named after etcd's buckets, whose keys and values they hold byte for byte, so
 * that export and import are copies. `index` is Quoin's own checkpoint of the key index. `rev` is
 * etcd's bucket `key`; `rev` and `meta` have typed access below.
 *
 * | kind | key | value |
 * |---|---|---|
 * | alarm | rpcpb.AlarmMember | empty |
 * | auth | authEnabled, authRevision | 1 byte, 8 bytes big endian |
 * | authRoles, authUsers | name | authpb.Role, authpb.User |
 * | cluster | clusterVersion, downgrade | text |
 * | lease | 8 bytes big endian id | leasepb.Lease |
 * | members | id in hexadecimal | JSON {id, peerURLs, isLearner, name, clientURLs} |
 * | members_removed | id in hexadecimal | "removed" |
 */
export type RowKind =
  | "alarm"
  | "auth"
  | "authRoles"
  | "authUsers"
  | "cluster"
  | "index"
  | "lease"
  | "members"
  | "members_removed"
  | "meta"
  | "rev";

/** A revision in full; etcd's `main_sub`. */
export interface RowId {
  readonly main: number;
  readonly sub: number;
}

/** One row of history: the KeyValue as Go marshals it (a tombstone's has the key only). */
export interface RevRow extends RowId {
  readonly tombstone: boolean;
  /** etcd's key of the row: 17 bytes, 18 for a tombstone. */
  readonly revisionKey: Uint8Array;
  readonly value: Uint8Array;
}

/** A row that compaction removes for good. */
export interface CompactedRow extends RowId {
  readonly tombstone: boolean;
}

/** What is true of the state as of the applied index; written in the batch it describes. */
export interface BackendMeta {
  readonly appliedIndex: Index;
  readonly appliedTerm: Term;
  readonly confState: ConfState | undefined;
  /** Current revision; 1 in an empty store. */
  readonly revision: Revision;
  /** 0 when never compacted. */
  readonly scheduledCompactRevision: Revision;
  readonly finishedCompactRevision: Revision;
  /** Bytes of keys and values in `rev`: what the quota counts. Kept by the Backend itself. */
  readonly logicalBytes: number;
}

export interface BackendOptions {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly logger: Logger;
  /** Budget of the memory tier in bytes (clean and dirty rows); default 256 MiB. */
  readonly tierBytesMax?: number;
  /** Dirty bytes above which `backpressure` is on; default 64 MiB. */
  readonly dirtyBytesMax?: number;
  /** Bytes of one write-behind batch; default 4 MiB. One is in flight at a time. */
  readonly batchBytes?: number;
  /** How long a small unit may wait for others before it is written; default 10 ms. */
  readonly lingerMs?: number;
  /** Called once when a write failed: the member must stop. */
  readonly onFatal: (error: Error) => void;
  /** For the metrics page: seconds of writes to the engine, and views that are open. */
  readonly measures?: { readonly backendCommit: Distribution; openViews: number } | undefined;
}

/** A pinned, consistent view: rows and meta of one applied index. Release it. */
export interface BackendView {
  readonly meta: BackendMeta;
  scan(kind: RowKind): AsyncIterable<readonly Row[]>;
  /** Revisions in [from, to), ascending. */
  scanRev(from: RowId, to?: RowId): AsyncIterable<readonly RevRow[]>;
  release(): Promise<void>;
}

/** The rows cannot be used by this program; says why. */
export class BackendError extends Error {
  override readonly name = "BackendError";
}
