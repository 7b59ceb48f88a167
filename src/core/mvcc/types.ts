/**
 * The records that enter and leave the multi-version store.
 *
 * Requests carry the field names of etcdserverpb (lowerCamelCase, every field present), so the
 * records that src/proto decodes pass structurally. Enumerations are plain numbers: what a client
 * sent is validated by the check functions, not by the type.
 */
import type { LeaseId, Revision } from "../types.ts";

/** etcdserverpb.RangeRequest.SortOrder. */
export const SortOrder = { None: 0, Ascend: 1, Descend: 2 } as const;
/** etcdserverpb.RangeRequest.SortTarget. */
export const SortTarget = { Key: 0, Version: 1, Create: 2, Mod: 3, Value: 4 } as const;
/** etcdserverpb.Compare.CompareResult. */
export const CompareResult = { Equal: 0, Greater: 1, Less: 2, NotEqual: 3 } as const;
/** etcdserverpb.Compare.CompareTarget. */
export const CompareTarget = { Version: 0, Create: 1, Mod: 2, Value: 3, Lease: 4 } as const;
/** etcdserverpb.WatchCreateRequest.FilterType. */
export const WatchFilter = { NoPut: 0, NoDelete: 1 } as const;

/** etcdserverpb.PutRequest. */
export interface PutRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: LeaseId;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}

/** etcdserverpb.RangeRequest; `rangeEnd` empty means the single key, one zero byte means "to the end". */
export interface RangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly limit: number;
  readonly revision: number;
  readonly sortOrder: number;
  readonly sortTarget: number;
  readonly serializable: boolean;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly minModRevision: number;
  readonly maxModRevision: number;
  readonly minCreateRevision: number;
  readonly maxCreateRevision: number;
}

/** etcdserverpb.DeleteRangeRequest. */
export interface DeleteRangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly prevKv: boolean;
}

/** etcdserverpb.Compare; of the oneof members at most one is set, an absent one compares as zero. */
export interface Compare {
  readonly result: number;
  readonly target: number;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly version: number | undefined;
  readonly createRevision: number | undefined;
  readonly modRevision: number | undefined;
  readonly value: Uint8Array | undefined;
  readonly lease: LeaseId | undefined;
}

/** etcdserverpb.RequestOp: one of the four. */
export interface RequestOp {
  readonly requestRange: RangeRequest | undefined;
  readonly requestPut: PutRequest | undefined;
  readonly requestDeleteRange: DeleteRangeRequest | undefined;
  readonly requestTxn: TxnRequest | undefined;
}

/** etcdserverpb.TxnRequest. */
export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

/** etcdserverpb.CompactionRequest; `physical` only tells the server when to answer. */
export interface CompactionRequest {
  readonly revision: number;
  readonly physical: boolean;
}

/** Why an operation was refused; the names are those of etcd's rpctypes errors. */
export type MvccErrorCode =
  | "ErrEmptyKey"
  | "ErrKeyNotFound"
  | "ErrValueProvided"
  | "ErrLeaseProvided"
  | "ErrTooManyOps"
  | "ErrDuplicateKey"
  | "ErrInvalidSortOption"
  | "ErrCompacted"
  | "ErrFutureRev"
  | "ErrLeaseNotFound";

/** Refused without any effect. `revision` is the store's current one (for the log and the header). */
export interface MvccError {
  readonly kind: "error";
  readonly code: MvccErrorCode;
}

/** One row of the history. Rows that are asked for are never tombstones. */
export interface RowRef {
  readonly main: Revision;
  readonly sub: number;
}

/**
 * The operation needs values that are not in memory and had no effect. The caller brings these rows
 * into the ValueStore, keeps them there until it has called again, and calls again. The second run
 * may ask for more (a txn learns its branch from its compares).
 */
export interface Missing {
  readonly kind: "missing";
  readonly rows: readonly RowRef[];
}

/** The answer of an operation: its result, an error, or the rows it lacks. */
export type Outcome<T> = T | MvccError | Missing;

export interface RangeResult {
  readonly kind: "range";
  /** Encoded mvccpb.KeyValue, exactly as stored (value emptied when keysOnly). */
  readonly kvs: readonly Uint8Array[];
  /** All keys in the range at that revision, whatever limit and filters say. */
  readonly count: number;
  readonly more: boolean;
  /** For the header: the current revision, also for a read at an old one. */
  readonly revision: Revision;
}

export interface PutResult {
  readonly kind: "put";
  /** Encoded mvccpb.KeyValue of before; only when asked for and there was one. */
  readonly prevKv: Uint8Array | undefined;
  readonly revision: Revision;
}

export interface DeleteResult {
  readonly kind: "deleteRange";
  readonly deleted: number;
  readonly prevKvs: readonly Uint8Array[];
  readonly revision: Revision;
}

/** A key of a range as the index knows it, without its value. */
export interface RankedKey {
  /** Latin1. */
  readonly key: string;
  /** Names the row to `KvStore.rows`, as long as the pin is held. */
  readonly record: number;
  /** What the request's sort target ranks it by; 0 where that is the key or the value. */
  readonly rank: number;
}

/** A slice of a range, in key order. */
export interface RankedSlice {
  readonly kind: "ranked";
  readonly keys: readonly RankedKey[];
  /** Where the next slice begins (latin1); undefined: this was the last. */
  readonly next: string | undefined;
}

export interface TxnResult {
  readonly kind: "txn";
  readonly succeeded: boolean;
  readonly responses: readonly OpResult[];
  /** For the header. A nested txn has none in etcd (its header is present but empty): 0 there. */
  readonly revision: Revision;
}

export type OpResult = RangeResult | PutResult | DeleteResult | TxnResult;

export interface CompactResult {
  readonly kind: "compact";
  /** The store's current revision, for the header. */
  readonly revision: Revision;
  /** The compact revision before this one; -1 if there was none. */
  readonly previous: number;
}

/** A row that compaction removes; its key is `encodeRevisionKey(main, sub, tombstone)`. */
export interface CompactedRow extends RowRef {
  readonly tombstone: boolean;
}

/** One slice of physical compaction. */
export interface CompactStep {
  /** Rows that no reader can reach any more, to be deleted from disk and memory tier. */
  readonly rows: readonly CompactedRow[];
  /** Set once every row up to this revision has been handed out (etcd's finishedCompactRev). */
  readonly finished: Revision | undefined;
  /** True while there is no work, or a pinned reader holds the rest back. */
  readonly idle: boolean;
}

/**
 * Values by revision: encoded mvccpb.KeyValue under etcd's revision keys, as much as is in memory.
 * Both calls are synchronous. Rows given to `put` stay readable until they are durable (dirty
 * values are never evicted).
 */
export interface ValueStore {
  /** The encoded KeyValue of a row that exists, or undefined when it is not in memory. */
  get(main: Revision, sub: number): Uint8Array | undefined;
  /** A new row; called in revision order when a write has been merged. The bytes may be kept. */
  put(main: Revision, sub: number, tombstone: boolean, bytes: Uint8Array): void;
}

/** What the store asks of the leases; core/lease's Lessor has this shape. Keys are latin1 strings. */
export interface LeaseTable {
  has(id: LeaseId): boolean;
  /** The lease the key is attached to, or noLease. */
  leaseOf(key: string): LeaseId;
  /** Moves the key from whatever lease it has to `id`; noLease only detaches. */
  attach(id: LeaseId, key: string): void;
}

/** Keeps physical compaction below `revision` until released. Releasing twice does nothing. */
export interface Pin {
  readonly revision: Revision;
  release(): void;
}

export interface TxnOptions {
  /** Nobody waits for the answer: ranges and previous values need not be produced (STORE 9). */
  readonly skipRanges?: boolean;
}

export interface RangeOptions {
  /** A pin taken earlier: the read is at `pin.revision` and is not refused after a compaction. */
  readonly pin?: Pin;
}

/** A running HashKV: feed every row of the history in order up to `revision`, then take the digest. */
export interface HashJob {
  readonly kind: "hash";
  /** hash_revision of the answer. */
  readonly revision: Revision;
  /** compact_revision of the answer; -1 before any compaction. */
  readonly compactRevision: number;
  /** Current revision when the job began, for the header. */
  readonly currentRevision: Revision;
  /** One row; `revisionKey` is its 17 or 18 bytes. Rows above `revision` are ignored. */
  row(revisionKey: Uint8Array, encoded: Uint8Array): void;
  /** Ends the job (its pin is released) and returns the CRC-32C. */
  digest(): number;
  /** Ends the job without a result. */
  abort(): void;
}

/** CRC-32C of `bytes`, continuing from `seed` (0 to begin). */
export type Crc32c = (bytes: Uint8Array, seed: number) => number;

/** What the meta rows say at a restore; a compact revision is 0 or -1 where there is no such row. */
export interface RestoreMeta {
  readonly finishedCompactRevision: number;
  readonly scheduledCompactRevision: number;
  /** A floor for the current revision, when the metadata knows one; else 0. */
  readonly currentRevision: number;
}

export interface KvStoreOptions {
  readonly values: ValueStore;
  readonly leases: LeaseTable;
  readonly crc32c: Crc32c;
  /**
   * Called when watches.syncUnsynced may have something to do again: a watcher fell behind or
   * started in the past, or a stream with such watchers was read. It must only schedule.
   */
  readonly onWatchWork?: () => void;
}

/**
 * The multi-version store of one member. Every call is synchronous and finishes in one turn; after
 * a "missing" or "error" answer nothing has changed. Not re-entrant.
 */
export interface KvStore {
  /** Main revision of the last write; 1 for an empty store. */
  readonly revision: Revision;
  /** Revision of the last compaction, -1 before any; reads below it are refused. */
  readonly compactRevision: number;
  /** Keys alive at the head. */
  readonly keyCount: number;
  /** What was done since the start, for the metrics page. */
  readonly counts: {
    readonly puts: number;
    /** Of the rows that were put. */
    readonly putBytes: number;
    readonly deletes: number;
    readonly ranges: number;
    readonly txns: number;
  };
  readonly watches: WatchHub;

  /**
   * Reads a range. A long one can be read in slices without holding the loop: pin the revision,
   * ask with `limit` (default order, no revision filters), continue after the last key.
   * Errors: ErrCompacted, ErrFutureRev.
   */
  range(request: RangeRequest, options?: RangeOptions): Outcome<RangeResult>;
  /**
   * The keys of a range at the pin's revision that pass the request's filters, from `from` on (latin1;
   * undefined: from its key). Visits at most `budget` keys of the index. The request's revision, limit
   * and order do not count. Errors: ErrCompacted when the pin is not held any more.
   */
  rank(
    request: RangeRequest,
    pin: Pin,
    from: string | undefined,
    budget: number,
  ): RankedSlice | MvccError;
  /** The rows of keys that `rank` found, in the given order, as the request wants them (keys_only). Errors: as `rank`. */
  rows(request: RangeRequest, pin: Pin, keys: readonly RankedKey[]): Outcome<RangeResult>;
  /** Errors: ErrLeaseNotFound, ErrKeyNotFound (ignoreValue/ignoreLease without a key). */
  put(request: PutRequest, options?: TxnOptions): Outcome<PutResult>;
  deleteRange(request: DeleteRangeRequest, options?: TxnOptions): Outcome<DeleteResult>;
  /** Read-only or writing. Errors: those of its operations, found before anything is written. */
  txn(request: TxnRequest, options?: TxnOptions): Outcome<TxnResult>;
  /** Deletes these keys (latin1) in one revision, in the given order: a lease revoke. */
  deleteKeys(keys: readonly string[]): DeleteResult;

  /** Takes effect on reads at once. Errors: ErrCompacted (not above the last), ErrFutureRev. */
  compact(revision: number): CompactResult | MvccError;
  /** Works off scheduled compactions: visits at most `budget` keys and returns what to delete. */
  compactStep(budget: number): CompactStep;
  /** Pins a revision (default: current) against physical compaction. */
  pin(revision?: Revision): Pin;

  /**
   * Begins HashKV at `revision` (0 = current). Errors: ErrCompacted, ErrFutureRev. For rows of a pinned
   * view, `compactRevision` is the view's, and a pin taken before the view holds the index to it.
   */
  hashKv(revision: number, compactRevision?: number): HashJob | MvccError;
  /**
   * The hash etcd keeps of each compaction and compares between members: over the rows up to the
   * compact revision as compaction finds them. Call it with the revision of a compaction and its
   * CompactResult.previous before the next compactStep; undefined when the one before is not finished.
   */
  hashCompaction(previous: number, at?: number): HashJob | undefined;
  /** Keeps physical compaction from going beyond a scheduled compaction, though later ones are. */
  holdCompaction(at: number): Pin;

  /** Forgets everything, before a restore; watchers stay and become unsynced at finishRestore. */
  reset(): void;
  /** One row of the history, in revision order. Throws RangeError for a malformed row. */
  restoreRow(main: Revision, sub: number, tombstone: boolean, encoded: Uint8Array): void;
  /** Ends a restore: revision and compaction from the meta rows, leases attached. */
  finishRestore(meta: RestoreMeta): void;
}

/** etcdserverpb.WatchCreateRequest. */
export interface WatchCreateRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly startRevision: number;
  readonly progressNotify: boolean;
  readonly filters: readonly number[];
  readonly prevKv: boolean;
  readonly watchId: number;
  readonly fragment: boolean;
}

/** One etcdserverpb.WatchResponse; cluster id, member id and term are the API layer's. */
export interface WatchRecord {
  readonly watchId: number;
  /** header.revision; 0 in the cancellation for a compacted start, as in etcd. */
  readonly revision: number;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: number;
  readonly cancelReason: string;
  readonly fragment: boolean;
  /** Encoded mvccpb.Event, shared by all watchers: write tag 0x5a and the length before each. */
  readonly events: readonly Uint8Array[];
}

export interface WatchStreamOptions {
  /** Responses of watchers with `fragment` are split above this many bytes. */
  readonly maxRequestBytes: number;
  /** Bytes of events that may wait in the stream; beyond, its watchers catch up from the history. */
  readonly budgetBytes: number;
  /**
   * Called when the queue turns from empty to not empty, in the midst of a write: it must only
   * schedule, and call nothing of this room.
   */
  readonly onReadable: () => void;
}

/** All watchers of one gRPC stream. */
export interface WatchStream {
  /** Bytes of events waiting; 0 when nothing is queued. */
  readonly queuedBytes: number;
  readonly watcherCount: number;
  /**
   * Adds a watcher (or refuses it, for `refusal` among others): the created record is queued, also
   * for a refusal (id -1).
   */
  create(request: WatchCreateRequest, refusal?: string): void;
  /** Queues a refusal decided elsewhere, e.g. "...permission denied": created, canceled, id -1. */
  reject(cancelReason: string): void;
  /** Queues the canceled record; silence for an unknown id. */
  cancel(watchId: number): void;
  /** A WatchProgressRequest: one record with id -1 if all watchers are synced, else nothing. */
  requestProgress(): void;
  /** The periodic progress notification; the API layer calls it every interval (+ jitter). */
  progressTick(): void;
  /** Up to about `maxBytes` of what waits, in order, at least one record if there is any. */
  take(maxBytes: number): WatchRecord[];
  /** Ends all watchers; nothing is queued any more. */
  close(): void;
}

/** One round of catching up. */
export type SyncResult =
  /** Nothing to do until the next write, or until a stream has been read. */
  | { readonly kind: "idle" }
  /** Did its share; call again in another turn. */
  | { readonly kind: "more" }
  | Missing;

export interface WatchHub {
  readonly watcherCount: number;
  readonly streamCount: number;
  /** Watchers behind the head (etcd's slow watchers). */
  readonly unsyncedCount: number;
  openStream(options: WatchStreamOptions): WatchStream;
  /**
   * Brings watchers that are behind closer to the head: handles at most about `budget` keys or
   * events. On "missing", fetch the rows into the ValueStore and call again.
   */
  syncUnsynced(budget: number): SyncResult;
}
