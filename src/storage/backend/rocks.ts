import RocksDB from "rocksdb-native";
import type { Engine, EngineSnapshot, Row, ScanRange, WriteOp } from "../../ports/index.ts";

export interface RocksOptions {
  /** Bytes of one memtable; two exist at most. Default 32 MiB. */
  readonly memtableBytes?: number;
  /** Rows an iterator fetches per hop to the thread pool; default 512. */
  readonly scanRows?: number;
  /** Takes no LOCK and writes nothing: sees what was written when it was opened. */
  readonly readOnly?: boolean;
}

const defaultMemtableBytes = 32 * 1024 * 1024;
const defaultScanRows = 512;
const firstScanRows = 64;
const scanBytes = 1024 * 1024;
const zero = Buffer.alloc(1);

/**
 * Opens (or makes) a RocksDB in `dir` (its parent exists) and takes its LOCK. Its own log is on
 * and not synced: `flush` is what makes rows durable. One column family, so one flush covers all.
 * The binding's block cache is RocksDB's default (32 MiB), its prebuilt has no compression.
 */
export async function openRocksEngine(dir: string, options: RocksOptions = {}): Promise<Engine> {
  const db = new RocksDB(dir, {
    maxBackgroundJobs: 2,
    maxOpenFiles: 512,
    writeBufferSize: options.memtableBytes ?? defaultMemtableBytes,
    maxWriteBufferNumber: 2,
    skipStatsUpdateOnOpen: true,
    ...(options.readOnly === true ? { readOnly: true } : {}),
  });
  await db.ready();
  return new RocksEngine(db, options.scanRows ?? defaultScanRows);
}

class RocksReads {
  readonly db: RocksDB;
  readonly scanRows: number;

  constructor(db: RocksDB, scanRows: number) {
    this.db = db;
    this.scanRows = scanRows;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    if (keys.length === 0) return [];
    const batch = this.db.read({ capacity: keys.length });
    const values = keys.map((key) => batch.get(key));
    batch.tryFlush();
    try {
      return (await Promise.all(values)).map((value) => value ?? undefined);
    } finally {
      batch.destroy();
    }
  }

  /**
   * Fetches as many rows at once as make about a megabyte, judged by the rows before. Only a
   * snapshot's scan is of one point in time.
   */
  async *scan(range: ScanRange): AsyncGenerator<readonly Row[]> {
    const rowsMax = range.chunkRows ?? this.scanRows;
    const reverse = range.reverse ?? false;
    let { gte, lt } = range;
    let capacity = Math.min(rowsMax, firstScanRows);
    for (;;) {
      let next = capacity;
      let chunk: Row[] = [];
      let bytes = 0;
      for await (const { key, value } of this.db.iterator({ gte, lt, reverse }, { capacity })) {
        chunk.push([key, value]);
        bytes += key.byteLength + value.byteLength;
        if (chunk.length < capacity) continue;
        yield chunk;
        next = Math.max(1, Math.min(rowsMax, Math.floor((scanBytes * capacity) / bytes)));
        if (next > 2 * capacity || next < capacity / 2) break;
        next = capacity;
        chunk = [];
        bytes = 0;
      }
      if (next === capacity) {
        if (chunk.length > 0) yield chunk;
        return;
      }
      capacity = next;
      const last = (chunk[chunk.length - 1] as Row)[0];
      if (reverse) lt = last;
      else gte = Buffer.concat([last, zero]);
    }
  }
}

class RocksEngine extends RocksReads implements Engine {
  #writing = false;

  async write(ops: readonly WriteOp[]): Promise<void> {
    if (ops.length === 0) return;
    if (this.#writing) throw new Error("RocksEngine.write: one batch at a time");
    this.#writing = true;
    const batch = this.db.write({ capacity: ops.length });
    try {
      for (const op of ops) {
        if (op.kind === "put") batch.tryPut(op.key, op.value);
        else if (op.kind === "delete") batch.tryDelete(op.key);
        else batch.tryDeleteRange(op.from, op.to);
      }
      await batch.flush();
    } finally {
      batch.destroy();
      this.#writing = false;
    }
  }

  flush(): Promise<void> {
    return this.db.flush();
  }

  snapshot(): EngineSnapshot {
    return new RocksSnapshot(this.db.snapshot(), this.scanRows);
  }

  async sizeBytes(): Promise<number> {
    const files = await this.db.getProperty("rocksdb.total-sst-files-size");
    const memory = await this.db.getProperty("rocksdb.cur-size-all-mem-tables");
    return Number(files) + Number(memory);
  }

  async close(): Promise<void> {
    await this.db.close({ force: true });
  }
}

class RocksSnapshot extends RocksReads implements EngineSnapshot {
  async release(): Promise<void> {
    await this.db.close();
  }
}
