import type { Entry, HardState } from "../../core/raft/types.ts";
import type { Index, MemberId, Term } from "../../core/types.ts";
import { assert } from "../../lib/assert.ts";
import type { Disk, File } from "../../ports/index.ts";
import { encodeMetadata, RecordWriter } from "./format.ts";
import { Pace } from "./pace.ts";
import { readLog } from "./read.ts";
import { listSegments, type SegmentName, segmentName, ZeroAhead } from "./segments.ts";
import {
  type ChooseSnapshot,
  type WalContents,
  WalError,
  type WalMetadata,
  type WalOptions,
  type WalSnapshot,
} from "./types.ts";

/** etcd's segment size (server/storage/wal/wal.go SegmentSizeBytes). */
const defaultSegmentBytes = 64_000_000;
const zeroStepBytes = 4 * 1024 * 1024;
/** Larger staging buffers are not kept. */
const keepBufferBytes = 8 * 1024 * 1024;
const slowSyncMs = 1000;

/** A run of staged bytes for one segment; all but the last of a batch end their segment. */
interface Run {
  /** Set when these bytes begin a new segment. */
  readonly begins: SegmentName | undefined;
  /** Place in the segment. */
  readonly at: number;
  /** Place in the staging buffer. */
  readonly from: number;
  to: number;
}

interface Batch {
  runs: Run[];
  bytes: Buffer;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

interface Tail {
  readonly file: File;
  readonly zeros: ZeroAhead;
}

const emptyHardState: HardState = { term: 0 as Term, vote: 0n as MemberId, commit: 0 as Index };

/**
 * The log of one member. One writer: calls are made from one loop and take effect in the order in
 * which they are made. A write or sync that failed is fatal: every waiting and later call rejects
 * with the same error and the owner ends the process.
 */
export class Wal {
  readonly #options: WalOptions;
  readonly #dir: string;
  readonly #metadata: Uint8Array;
  readonly #segmentBytes: number;
  /** Segments on disk, oldest first, the tail last. */
  readonly #segments: SegmentName[];
  #tail: Tail;
  /** The next segment's file, being prepared. */
  #next: Promise<Tail> | undefined;
  #nextNumber = 0;

  /** Staged records: encoded, with their place in the log decided, not yet being written. */
  readonly #writer: RecordWriter;
  #spare: Buffer | undefined;
  #runs: Run[] = [];
  /** Where the next record goes, in the segment named last. */
  #at: number;
  #planned: SegmentName;
  #lastIndex: number;
  #hardState: HardState;

  /** The batch that waiting saves will share; undefined when none waits. */
  #staged: Batch | undefined;
  #writing: Batch | undefined;
  #writingBytes = 0;
  readonly #pace = new Pace();
  #failure: Error | undefined;
  #closed = false;

  /** Internal: use `create` and `open`. */
  constructor(
    options: WalOptions,
    dir: string,
    metadata: Uint8Array,
    segments: SegmentName[],
    tail: Tail,
    state: { at: number; crc: number; lastIndex: number; hardState: HardState },
  ) {
    this.#options = options;
    this.#dir = dir;
    this.#metadata = metadata;
    this.#segmentBytes = options.segmentBytes ?? defaultSegmentBytes;
    this.#segments = segments;
    this.#tail = tail;
    this.#planned = segments[segments.length - 1] as SegmentName;
    this.#writer = new RecordWriter(state.crc);
    this.#at = state.at;
    this.#lastIndex = state.lastIndex;
    this.#hardState = state.hardState;
  }

  /** True when `dir` holds at least one segment. Missing folder: false. */
  static async exists(disk: Disk, dir: string): Promise<boolean> {
    return (await disk.exists(dir)) && (await listSegments(disk, dir)).length > 0;
  }

  /**
   * Makes a new log with a marker for index 0; it appears whole or not at all (built in
   * `dir + ".tmp"`, renamed, parent folder synced). Rejects when `dir` holds a log already.
   */
  static async create(options: WalOptions, dir: string, metadata: WalMetadata): Promise<Wal> {
    const { disk } = options;
    if (await Wal.exists(disk, dir)) {
      throw new WalError("exists", dir, -1, "the folder holds a WAL already", "Open that one");
    }
    const building = `${dir}.tmp`;
    await disk.removeAll(building);
    await disk.mkdir(building);
    const first = segmentName(0, 0);
    const encoded = encodeMetadata(metadata);
    const writer = new RecordWriter(0);
    writer.crcRecord();
    writer.metadata(encoded);
    writer.snapshot({ index: 0 as Index, term: 0 as Term, confState: undefined });
    const head = await disk.open(`${building}/${first.name}`, { create: true });
    await head.writeDurably([writer.bytes.subarray(0, writer.pos)], 0);
    await head.close();
    await disk.syncDir(building);
    await disk.removeAll(dir);
    await disk.rename(building, dir);
    await disk.syncDir(parentOf(dir));
    const file = await disk.open(`${dir}/${first.name}`);
    return new Wal(options, dir, encoded, [first], tailOf(options, file, writer.pos), {
      at: writer.pos,
      crc: writer.crc,
      lastIndex: 0,
      hardState: emptyHardState,
    });
  }

  /**
   * Reads the log in one pass, lets `choose` pick the snapshot, cuts a torn tail off and is then
   * ready to append. Rejects with WalError for damage (files unchanged).
   */
  static async open(
    options: WalOptions,
    dir: string,
    choose: ChooseSnapshot,
  ): Promise<{ wal: Wal; contents: WalContents }> {
    const { disk, logger } = options;
    const log = await readLog(disk, dir, choose);
    const last = log.segments[log.segments.length - 1] as SegmentName;
    const path = `${dir}/${last.name}`;
    if (log.end.torn !== undefined) {
      logger.warn("cutting off a torn write at the end of the WAL", {
        path,
        offset: log.end.offset,
        reason: log.end.torn,
      });
    }
    for (const name of await disk.list(dir)) {
      if (name.endsWith(".tmp")) await disk.remove(`${dir}/${name}`);
    }
    // A process that was killed between a rename and its sync leaves names that a power failure
    // takes back: with the last segment would go all that is appended to it from now on.
    await disk.syncDir(dir);
    await disk.syncDir(parentOf(dir));
    const file = await disk.open(path);
    await file.truncate(log.end.offset);
    await file.sync();
    const state = {
      at: log.end.offset,
      crc: log.end.crc,
      lastIndex: log.lastIndex,
      hardState: log.contents.hardState,
    };
    const tail = tailOf(options, file, log.end.offset);
    const metadata = encodeMetadata(log.contents.metadata);
    const wal = new Wal(options, dir, metadata, log.segments, tail, state);
    return { wal, contents: log.contents };
  }

  /**
   * Appends; resolves when all of it, and all that was saved before, is durable. Saves made while
   * a write is going on share the next one. A hardState that differs from the last in commit only,
   * without entries, is neither written nor synced for its own sake: it goes along with the next
   * save that is, and the promise only keeps the order. The records are encoded before this
   * returns: the caller may drop them. `alone`: nobody has anything to do while the disk works, so
   * on a fast disk the write is made before this returns.
   */
  save(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    alone: boolean = false,
  ): Promise<void> {
    const failure = this.#refusal();
    if (failure !== undefined) return Promise.reject(failure);
    if (hardState === undefined && entries.length === 0) return this.#behindLast();
    const mustSync = entries.length > 0 || this.#changesVote(hardState);
    const from = this.#writer.pos;
    for (const entry of entries) {
      this.#writer.entry(entry);
      this.#lastIndex = entry.index;
    }
    if (hardState !== undefined && !isEmpty(hardState)) {
      this.#hardState = { term: hardState.term, vote: hardState.vote, commit: hardState.commit };
      this.#writer.hardState(hardState);
    }
    this.#stage(from);
    if (this.#at >= this.#segmentBytes) this.#planCut();
    if (!mustSync) return this.#behindLast();
    return (alone ? this.#writeNow() : undefined) ?? this.#submit();
  }

  /**
   * Appends a marker, always synced, and what was saved before it. The `.snap` file and its folder are
   * durable before, and a commit that covers the marker of an own snapshot was saved: without it
   * the marker does not count at the next `open`.
   */
  saveSnapshot(snapshot: WalSnapshot): Promise<void> {
    const failure = this.#refusal();
    if (failure !== undefined) return Promise.reject(failure);
    const from = this.#writer.pos;
    this.#writer.snapshot(snapshot);
    if (snapshot.index > this.#lastIndex) this.#lastIndex = snapshot.index;
    this.#stage(from);
    return this.#submit();
  }

  /**
   * Deletes segments that hold only entries below `index`; the one that may hold the marker of a
   * snapshot at `index`, and all behind it, stay.
   */
  async releaseTo(index: Index): Promise<void> {
    while (this.#segments.length > 1 && (this.#segments[1] as SegmentName).firstIndex <= index) {
      const oldest = this.#segments.shift() as SegmentName;
      await this.#options.disk.remove(`${this.#dir}/${oldest.name}`);
    }
  }

  /** Files of the log that exist now, of 64 MiB each by default. */
  get segmentCount(): number {
    return this.#segments.length;
  }

  /** Bytes accepted by `save` and not yet durable. */
  get pendingBytes(): number {
    return this.#writer.pos + this.#writingBytes;
  }

  /** Waits for what was saved, then closes the files. */
  async close(): Promise<void> {
    if (this.#closed) return;
    if (this.#failure === undefined && this.#runs.length > 0) await this.#submit();
    this.#closed = true;
    await this.#writing?.done.catch(() => {});
    await this.#tail.zeros.settle();
    await this.#tail.file.close();
    const next = await this.#next?.catch(() => undefined);
    await next?.file.close();
  }

  #refusal(): Error | undefined {
    assert(!this.#closed, "the WAL is used after close");
    return this.#failure;
  }

  #changesVote(next: HardState | undefined): boolean {
    if (next === undefined) return false;
    return next.term !== this.#hardState.term || next.vote !== this.#hardState.vote;
  }

  /** Gives the records staged since `from` their place in the planned segment. */
  #stage(from: number): void {
    const to = this.#writer.pos;
    const run = this.#runs[this.#runs.length - 1];
    if (run === undefined) this.#runs.push({ begins: undefined, at: this.#at, from, to });
    else run.to = to;
    this.#at += to - from;
  }

  /** From here on records belong to a new segment, whose head is staged first. */
  #planCut(): void {
    this.#planned = segmentName(this.#planned.seq + 1, this.#lastIndex + 1);
    const from = this.#writer.pos;
    this.#writer.crcRecord();
    this.#writer.metadata(this.#metadata);
    if (!isEmpty(this.#hardState)) this.#writer.hardState(this.#hardState);
    const to = this.#writer.pos;
    this.#runs.push({ begins: this.#planned, at: 0, from, to });
    this.#at = to - from;
  }

  /** Settles when everything submitted so far is durable. */
  #behindLast(): Promise<void> {
    return (this.#staged ?? this.#writing)?.done ?? Promise.resolve();
  }

  /** Everything staged so far is to be written; shared by all who call before that begins. */
  #submit(): Promise<void> {
    if (this.#staged === undefined) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      promise.catch(() => {});
      this.#staged = { runs: [], bytes: this.#writer.bytes, done: promise, resolve, reject };
      if (this.#writing === undefined) void this.#drain();
      return promise;
    }
    return this.#staged.done;
  }

  /** Writes what is staged in this turn, where that is quick and simple; undefined where not. */
  #writeNow(): Promise<void> | undefined {
    const { zeros, file } = this.#tail;
    const run = this.#runs[0];
    if (this.#writing !== undefined || this.#staged !== undefined) return undefined;
    if (run === undefined || this.#runs.length > 1 || run.begins !== undefined) return undefined;
    const bytes = run.to - run.from;
    const end = run.at + bytes;
    if (file.writeDurablyNow === undefined || !this.#pace.quick(bytes)) return undefined;
    if (!zeros.covers(end)) return undefined;
    const { faults, nowMs } = this.#options;
    try {
      faults.hit("walBeforeSync");
      const begun = nowMs();
      file.writeDurablyNow(this.#writer.bytes.subarray(run.from, run.to), run.at);
      this.#synced(nowMs() - begun, bytes, end);
    } catch (error) {
      this.#failure = error as Error;
      return Promise.reject(error);
    }
    this.#runs = [];
    this.#writer.pos = 0;
    void zeros.reserve(end);
    return Promise.resolve();
  }

  /** Bytes up to `end` of the segment are durable. */
  #synced(tookMs: number, bytes: number, end: number): void {
    const { faults, observer, logger } = this.#options;
    faults.hit("walAfterSync");
    this.#pace.took(tookMs);
    observer?.synced(tookMs / 1000, bytes);
    if (tookMs > slowSyncMs) logger.warn("slow fdatasync", { tookMs, expectedMs: slowSyncMs });
    if (end > this.#segmentBytes / 2) this.#prepareNext();
  }

  /** Writes batch after batch until none is staged; never rejects. */
  async #drain(): Promise<void> {
    for (let batch = this.#take(); batch !== undefined; batch = this.#take()) {
      try {
        await this.#write(batch);
      } catch (error) {
        this.#fail(error as Error, batch);
        return;
      }
      if (batch.bytes.byteLength <= keepBufferBytes) this.#spare = batch.bytes;
      this.#writing = undefined;
      this.#writingBytes = 0;
      batch.resolve();
    }
  }

  /** Makes the staged records the batch being written and stages into another buffer. */
  #take(): Batch | undefined {
    const batch = this.#staged;
    if (batch === undefined) return undefined;
    this.#staged = undefined;
    this.#writing = batch;
    batch.runs = this.#runs;
    batch.bytes = this.#writer.bytes;
    this.#writingBytes = this.#writer.pos;
    this.#runs = [];
    this.#writer.bytes = this.#spare ?? Buffer.alloc(64 * 1024);
    this.#writer.pos = 0;
    this.#spare = undefined;
    return batch;
  }

  #fail(error: Error, batch: Batch): void {
    this.#failure = error;
    const waiting = this.#staged;
    this.#staged = undefined;
    this.#writing = undefined;
    batch.reject(error);
    waiting?.reject(error);
  }

  async #write(batch: Batch): Promise<void> {
    const { faults, nowMs } = this.#options;
    for (const run of batch.runs) {
      const bytes = batch.bytes.subarray(run.from, run.to);
      if (run.begins !== undefined) {
        await this.#cut(run.begins, bytes);
        continue;
      }
      faults.hit("walBeforeSync");
      const begun = nowMs();
      await this.#tail.zeros.reserve(run.at + bytes.byteLength);
      await this.#tail.file.writeDurably([bytes], run.at);
      this.#synced(nowMs() - begun, bytes.byteLength, run.at + bytes.byteLength);
    }
  }

  /**
   * Begins a segment: the one before is full and durable, and this one's head is durable before it
   * gets its name.
   */
  async #cut(name: SegmentName, head: Uint8Array): Promise<void> {
    const { disk, logger } = this.#options;
    this.#prepareNext();
    const next = await (this.#next as Promise<Tail>);
    this.#next = undefined;
    await next.file.writeDurably([head], 0);
    const path = `${this.#dir}/${name.name}`;
    await disk.rename(next.file.path, path);
    await disk.syncDir(this.#dir);
    await this.#tail.zeros.settle();
    await this.#tail.file.close();
    this.#tail = next;
    this.#segments.push(name);
    logger.info("created a new WAL segment", { path });
  }

  #prepareNext(): void {
    if (this.#next !== undefined) return;
    const path = `${this.#dir}/${this.#nextNumber++ % 2}.tmp`;
    this.#next = this.#prepare(path);
    this.#next.catch(() => {});
  }

  async #prepare(path: string): Promise<Tail> {
    const { disk } = this.#options;
    await disk.remove(path);
    const tail = tailOf(this.#options, await disk.open(path, { create: true }), 0);
    await tail.zeros.reserve(1);
    return tail;
  }
}

function tailOf(options: WalOptions, file: File, frontier: number): Tail {
  const limit = options.segmentBytes ?? defaultSegmentBytes;
  const zeros = new ZeroAhead(file, frontier, limit, Math.min(zeroStepBytes, limit));
  void zeros.reserve(frontier);
  return { file, zeros };
}

const isEmpty = (s: HardState): boolean => s.term === 0 && s.vote === 0n && s.commit === 0;

const parentOf = (dir: string): string => dir.slice(0, dir.lastIndexOf("/")) || "/";
