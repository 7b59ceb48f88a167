/**
 * An ordered key-value engine (RocksDB in production). A batch is atomic; batches become durable
 * in order, and `flush` makes all that was written before it durable. After a crash a suffix of
 * the unflushed batches may be missing, never a hole.
 */
export type WriteOp =
  | { readonly kind: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly kind: "delete"; readonly key: Uint8Array }
  /** Removes keys in [from, to). */
  | { readonly kind: "deleteRange"; readonly from: Uint8Array; readonly to: Uint8Array };

export type Row = readonly [key: Uint8Array, value: Uint8Array];

/** Keys in [gte, lt), ascending unless `reverse`. `chunkRows` bounds one chunk (default 512). */
export interface ScanRange {
  readonly gte: Uint8Array;
  readonly lt: Uint8Array;
  readonly reverse?: boolean;
  readonly chunkRows?: number;
}

interface EngineReads {
  /** Values in the order of the keys; undefined where there is none. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  scan(range: ScanRange): AsyncIterable<readonly Row[]>;
}

export interface Engine extends EngineReads {
  /** One batch at a time: the caller waits for the promise before the next call. */
  write(ops: readonly WriteOp[]): Promise<void>;
  flush(): Promise<void>;
  /** A pinned view of all batches whose `write` has resolved. */
  snapshot(): EngineSnapshot;
  /** Bytes on disk, roughly. */
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}

export interface EngineSnapshot extends EngineReads {
  release(): Promise<void>;
}
