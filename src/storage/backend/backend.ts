import type { Index } from "../../core/types.ts";
import { assert } from "../../lib/assert.ts";
import type { EngineSnapshot, Row, ScanRange } from "../../ports/index.ts";
import { kindRange, revKeyBytes, revRange, revRow, revRowKey, rowKey } from "./keys.ts";
import { decodeMeta } from "./meta.ts";
import { MemoryTier } from "./tier.ts";
import {
  BackendError,
  type BackendMeta,
  type BackendOptions,
  type BackendView,
  type CompactedRow,
  type RevRow,
  type RowId,
  type RowKind,
} from "./types.ts";
import { WriteBehind } from "./write-behind.ts";

type PlainKind = Exclude<RowKind, "rev" | "meta">;

const defaultTierBytes = 256 * 1024 * 1024;
/** Rows of one read from the engine. */
const fetchRows = 1024;

/**
 * The state machine's rows: a memory tier in front of an engine that is written behind.
 *
 * Rows put become visible to `get` at once; `commit` ends a unit (one applied entry or batch of
 * entries), and only whole units, in order, reach the engine, each with the meta that describes
 * it. Values returned stay valid for ever and may be kept.
 */
export class Backend {
  readonly #options: BackendOptions;
  readonly #tier: MemoryTier;
  readonly #writes: WriteBehind;
  #meta: BackendMeta;
  #metaChanged = false;
  /** Ahead of `#meta.logicalBytes` until the next commit. */
  #logicalBytes: number;

  private constructor(options: BackendOptions, rows: readonly Row[]) {
    this.#options = options;
    this.#tier = new MemoryTier(options.tierBytesMax ?? defaultTierBytes);
    this.#meta = decodeMeta(rows);
    this.#logicalBytes = this.#meta.logicalBytes;
    this.#writes = new WriteBehind(options, rows);
  }

  /** Reads meta; rejects with BackendError when a newer Quoin wrote the rows. */
  static async open(options: BackendOptions): Promise<Backend> {
    const rows: Row[] = [];
    for await (const chunk of options.engine.scan(kindRange("meta"))) {
      for (const [key, value] of chunk) rows.push([key.subarray(1), value]);
    }
    return new Backend(options, rows);
  }

  /** As of the last `setMeta`. */
  get meta(): BackendMeta {
    return this.#meta;
  }

  /** From memory only; undefined is a miss: `prefetch` it. */
  get(main: number, sub: number): Uint8Array | undefined {
    return this.#tier.get(main, sub);
  }

  /** Copies `bytes`. A revision is put once. */
  put(main: number, sub: number, tombstone: boolean, bytes: Uint8Array): void {
    const seq = this.#writes.nextSeq();
    const row = this.#tier.put(main, sub, tombstone, bytes, seq);
    this.#writes.add({ kind: "put", key: row.key, value: row.value });
    this.#logicalBytes += row.key.byteLength - 1 + row.value.byteLength;
  }

  /**
   * Removes rows for good (physical compaction); part of the unit that the next `commit` after
   * the promise ends. Rows that are not there are passed over.
   */
  async remove(rows: readonly CompactedRow[]): Promise<void> {
    for (let from = 0; from < rows.length; from += fetchRows) {
      const some = rows.slice(from, from + fetchRows);
      const sizes = await this.#sizes(some);
      for (let i = 0; i < some.length; i++) {
        const { main, sub, tombstone } = some[i] as CompactedRow;
        const size = sizes[i];
        if (size === undefined) continue;
        this.#tier.remove(main, sub);
        this.#writes.nextSeq();
        this.#writes.add({ kind: "delete", key: revRowKey(main, sub, tombstone) });
        this.#logicalBytes -= size + revKeyBytes - 1 + (tombstone ? 1 : 0);
      }
    }
  }

  /** The value is kept, not copied. */
  putRow(kind: PlainKind, key: Uint8Array, value: Uint8Array): void {
    this.#writes.nextSeq();
    this.#writes.add({ kind: "put", key: rowKey(kind, key), value });
  }

  deleteRow(kind: PlainKind, key: Uint8Array): void {
    this.#writes.nextSeq();
    this.#writes.add({ kind: "delete", key: rowKey(kind, key) });
  }

  /** Part of the unit that the next `commit` ends. */
  setMeta(change: Partial<Omit<BackendMeta, "logicalBytes">>): void {
    this.#meta = { ...this.#meta, ...change };
    this.#metaChanged = true;
  }

  /** Ends a unit; it is written behind. Never waits. */
  commit(): void {
    const logicalBytes = this.#logicalBytes;
    if (logicalBytes !== this.#meta.logicalBytes) this.#meta = { ...this.#meta, logicalBytes };
    const { faults } = this.#options;
    faults.hit("beforeWritebackBuf");
    this.#writes.seal(this.#meta, this.#metaChanged);
    faults.hit("afterWritebackBuf");
    this.#metaChanged = false;
    this.#tier.evict(this.#writes.writtenSeq);
  }

  /**
   * Brings rows into memory. They stay there at least until the caller has used them in the turn
   * in which this resolves, and through a few more prefetches. Rejects when a row does not exist.
   */
  async prefetch(rows: readonly RowId[]): Promise<void> {
    this.#tier.evict(this.#writes.writtenSeq);
    this.#tier.beginPrefetch();
    const missing = rows.filter(({ main, sub }) => !this.#tier.has(main, sub));
    for (let from = 0; from < missing.length; from += fetchRows) {
      const some = missing.slice(from, from + fetchRows);
      const keys = some.map(({ main, sub }) => revRowKey(main, sub, false));
      const values = await this.#options.engine.getMany(keys);
      for (let i = 0; i < some.length; i++) {
        const { main, sub } = some[i] as RowId;
        const value = values[i];
        if (value !== undefined) this.#tier.putFetched(main, sub, false, value);
        else if (!this.#tier.has(main, sub)) {
          throw new BackendError(`The rows have no revision ${main}_${sub}, which the index names`);
        }
      }
    }
  }

  /** True while dirty bytes are above their bound: hold back apply, then proposals. */
  get backpressure(): boolean {
    return this.#writes.backpressure;
  }

  /** Resolves once `backpressure` is off. */
  relieved(): Promise<void> {
    return this.#writes.relieved();
  }

  /** Makes every committed unit durable; the applied index that is durable then. */
  async fence(): Promise<Index> {
    const meta = await this.#writes.drained();
    await this.#options.engine.flush();
    return meta.appliedIndex;
  }

  /** All rows of a kind in key order, as of the last `commit`. Not for `rev`. */
  async *scan(kind: Exclude<RowKind, "rev">): AsyncGenerator<readonly Row[]> {
    const view = await this.view();
    try {
      yield* view.scan(kind);
    } finally {
      await view.release();
    }
  }

  /** Revisions in [from, to), ascending; everything committed before this call is among them. */
  async *scanRev(from: RowId, to?: RowId): AsyncGenerator<readonly RevRow[]> {
    const view = await this.view();
    try {
      yield* view.scanRev(from, to);
    } finally {
      await view.release();
    }
  }

  /** Pins everything committed before this call (later units may be in it), meta with it. */
  async view(): Promise<BackendView> {
    await this.#writes.drained();
    const snapshot = this.#options.engine.snapshot();
    try {
      const rows: Row[] = [];
      for await (const chunk of scanKind(snapshot, "meta")) rows.push(...chunk);
      return new PinnedView(snapshot, decodeMeta(rows), this.#options.measures);
    } catch (error) {
      await snapshot.release();
      throw error;
    }
  }

  /** Gauge: bytes not yet handed to the engine. */
  get dirtyBytes(): number {
    return this.#writes.dirtyBytes;
  }

  /** Gauge: bytes of the memory tier, dirty rows included. */
  get tierBytes(): number {
    return this.#tier.bytes;
  }

  /** Bytes the engine takes on disk. */
  sizeBytes(): Promise<number> {
    return this.#options.engine.sizeBytes();
  }

  /** Writes and flushes what is committed, then closes the engine. */
  async close(): Promise<void> {
    try {
      await this.#writes.drained();
      await this.#options.engine.flush();
    } finally {
      await this.#options.engine.close();
    }
  }

  /** Bytes of the rows' values; undefined for rows that do not exist. */
  async #sizes(rows: readonly CompactedRow[]): Promise<(number | undefined)[]> {
    const sizes = rows.map(({ main, sub }) => this.#tier.get(main, sub)?.byteLength);
    const missing = rows.flatMap((_, i) => (sizes[i] === undefined ? [i] : []));
    const keys = missing.map((i) => {
      const row = rows[i] as CompactedRow;
      return revRowKey(row.main, row.sub, row.tombstone);
    });
    const values = await this.#options.engine.getMany(keys);
    missing.forEach((i, n) => {
      sizes[i] = values[n]?.byteLength;
    });
    return sizes;
  }
}

class PinnedView implements BackendView {
  readonly meta: BackendMeta;
  readonly #snapshot: EngineSnapshot;
  readonly #measures: BackendOptions["measures"];
  #released = false;

  constructor(snapshot: EngineSnapshot, meta: BackendMeta, measures: BackendOptions["measures"]) {
    this.#snapshot = snapshot;
    this.#measures = measures;
    this.meta = meta;
    if (measures !== undefined) measures.openViews++;
  }

  scan(kind: RowKind): AsyncIterable<readonly Row[]> {
    assert(!this.#released, "a view is read after its release");
    return scanKind(this.#snapshot, kind);
  }

  async *scanRev(from: RowId, to?: RowId): AsyncGenerator<readonly RevRow[]> {
    assert(!this.#released, "a view is read after its release");
    for await (const chunk of this.#snapshot.scan(revRange(from, to))) {
      yield chunk.map(([key, value]) => revRow(key, value));
    }
  }

  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    if (this.#measures !== undefined) this.#measures.openViews--;
    await this.#snapshot.release();
  }
}

/** Rows of a kind, their keys without the kind's byte. */
async function* scanKind(
  reads: { scan(range: ScanRange): AsyncIterable<readonly Row[]> },
  kind: RowKind,
): AsyncGenerator<readonly Row[]> {
  for await (const chunk of reads.scan(kindRange(kind))) {
    yield chunk.map(([key, value]): Row => [key.subarray(1), value]);
  }
}
