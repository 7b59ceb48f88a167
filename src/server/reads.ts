/**
 * Clients' reads of the key space: ranges, of which the long ones are read in slices, txns without
 * writes, hashes and snapshots.
 */
import {
  type HashJob,
  hasRevisionFilters,
  isDefaultOrder,
  type KvStore,
  type Outcome,
  type Pin,
  type RangeRequest,
  type RangeResult,
  SortTarget,
  type TxnRequest,
  type TxnResult,
} from "../core/mvcc/index.ts";
import { type Revision, revision } from "../core/types.ts";
import type { Clock, Row } from "../ports/index.ts";
import type { EtcdError } from "../proto/index.ts";
import type { BackendView } from "../storage/backend/index.ts";
import { exportSnapshot, hashDatabase } from "../storage/snapshot/index.ts";
import type { CompactionHashes } from "./compaction-hashes.ts";
import type { Measures } from "./measures.ts";
import type { ReadIndexRounds } from "./read-index.ts";
import { keyAfter, ReadTurns, sliceKeys } from "./read-turns.ts";
import type { Reply } from "./requests.ts";
import { isOutOfKeyOrder, SortedRange } from "./sorted-range.ts";
import { etcdError, type StateMachine } from "./state-machine.ts";

/** A snapshot of the key space for Maintenance.Snapshot; release it. */
export interface SnapshotSource {
  readonly sizeBytes: number;
  /** The file, its SHA-256 behind it; to be read once. */
  chunks(): AsyncIterable<Uint8Array>;
  /** What the file holds; known when all chunks were read. */
  facts(): SnapshotFacts;
  release(): Promise<void>;
}

/** From the view that wrote a snapshot: what a restored member must show again. */
export interface SnapshotFacts {
  readonly revision: number;
  /** 0 when never compacted. */
  readonly compactRevision: number;
  /** HashKV at that revision, with that compact revision. */
  readonly hashKv: number;
}

export interface HashKvResult {
  readonly hash: number;
  readonly hashRevision: Revision;
  readonly compactRevision: number;
  readonly currentRevision: Revision;
}

export interface ReadsOptions {
  readonly state: StateMachine;
  readonly rounds: ReadIndexRounds;
  readonly clock: Clock;
  readonly measures: Measures;
  readonly crc32c: (bytes: Uint8Array, seed: number) => number;
  /** Of past compactions; undefined: none are kept. */
  readonly hashes: CompactionHashes | undefined;
  /** Of the snapshots that clients take. */
  readonly storageVersion: () => string;
}

export class Reads {
  readonly #o: ReadsOptions;
  readonly #state: StateMachine;
  readonly #clock: Clock;
  readonly #turns: ReadTurns;
  readonly #sorted: SortedRange;

  constructor(options: ReadsOptions) {
    this.#o = options;
    this.#state = options.state;
    this.#clock = options.clock;
    this.#turns = new ReadTurns(options);
    this.#sorted = new SortedRange(this.#state, this.#clock, this.#turns);
  }

  /** A long range is read in slices, others get their turns in between; the answer is of one revision. */
  range(request: RangeRequest, reply: Reply<RangeResult>): void {
    const { kv } = this.#state;
    if (isOutOfKeyOrder(request)) {
      this.#sorted.range(request, reply);
      return;
    }
    if (!maySlice(request)) {
      this.#turns.run("Range", request.serializable, reply, () => this.#turns.range(request));
      return;
    }
    const first = { ...request, limit: sliceKeys };
    let pin: Pin | undefined;
    const begin = (): Outcome<RangeResult> => {
      pin?.release();
      const outcome = this.#turns.range(first);
      const sliced = outcome.kind === "range" && outcome.more;
      const at = request.revision <= 0 ? kv.revision : request.revision;
      pin = sliced ? kv.pin(at as Revision) : undefined;
      return outcome;
    };
    this.#turns.run<RangeResult>(
      "Range",
      request.serializable,
      (error, result) => {
        if (result === undefined || pin === undefined) reply(error, result);
        else this.#readOn(request, result, pin, reply);
      },
      begin,
    );
  }

  #readOn(request: RangeRequest, first: RangeResult, pin: Pin, reply: Reply<RangeResult>): void {
    const { backend } = this.#state;
    const kvs = [...first.kvs];
    const end = (error: EtcdError | undefined, more = false): void => {
      pin.release();
      // A snapshot took the place of what was read so far.
      if (this.#state.backend !== backend) this.range({ ...request, serializable: true }, reply);
      else if (error !== undefined) reply(error);
      else reply(undefined, { ...first, kvs, more });
    };
    const next = (): void => {
      const left = request.limit > 0 ? request.limit - kvs.length : sliceKeys;
      const limit = Math.min(left, sliceKeys);
      const key = keyAfter(kvs.at(-1) as Uint8Array);
      const run = () => this.#state.kv.range({ ...request, key, limit }, { pin });
      this.#turns.piece(run, (error, slice) => {
        if (slice === undefined) {
          end(error);
          return;
        }
        for (const encoded of slice.kvs) kvs.push(encoded);
        const full = request.limit > 0 && kvs.length >= request.limit;
        if (!slice.more || full) end(undefined, slice.more);
        else this.#clock.soon(next);
      });
    };
    this.#clock.soon(next);
  }

  /** A txn without writes does not pass through the log. */
  readTxn(request: TxnRequest, serializable: boolean, reply: Reply<TxnResult>): void {
    this.#turns.run(
      "ReadonlyTxn",
      serializable,
      reply,
      () => this.#state.kv.txn(request) as ReturnType<KvStore["txn"]>,
    );
  }

  /** HashKV at a revision (0: current), over rows on disk and in memory. */
  async hashKv(at: number): Promise<HashKvResult> {
    await this.#whole();
    const { kv } = this.#state;
    if (at < 0) {
      // etcd hashes the rows up to there, which are none, and names the revision as it came.
      const { revision: currentRevision, compactRevision } = kv;
      const hash = this.#o.crc32c(Buffer.from("key"), 0);
      return { hash, hashRevision: at as Revision, compactRevision, currentRevision };
    }
    const known = at === 0 ? undefined : this.#o.hashes?.at(at);
    if (known !== undefined) {
      const { hash, compactRevision } = known;
      return { hash, hashRevision: at as Revision, compactRevision, currentRevision: kv.revision };
    }
    const begun = this.#clock.nowMs();
    const job = kv.hashKv(at);
    if (job.kind === "error") throw etcdError(job.code);
    try {
      const end = { main: job.revision + 1, sub: 0 };
      for await (const rows of this.#state.backend.scanRev({ main: 0, sub: 0 }, end)) {
        for (const r of rows) {
          job.row(r.revisionKey, r.value);
        }
      }
    } catch (error) {
      job.abort();
      throw error;
    }
    this.#o.measures.hashRevision.observe((this.#clock.nowMs() - begun) / 1000);
    return {
      hash: job.digest(),
      hashRevision: job.revision,
      compactRevision: job.compactRevision,
      currentRevision: job.currentRevision,
    };
  }

  /** Over everything a snapshot holds, of one moment. */
  async hash(): Promise<{ readonly hash: number; readonly revision: Revision }> {
    await this.#whole();
    const begun = this.#clock.nowMs();
    const view = await this.#state.backend.view();
    try {
      const hash = await hashDatabase(view, this.#o.crc32c);
      this.#o.measures.hash.observe((this.#clock.nowMs() - begun) / 1000);
      return { hash, revision: view.meta.revision };
    } finally {
      await view.release();
    }
  }

  /** The state as a bbolt file, pinned until released; its hash is taken on the way. */
  async snapshot(): Promise<SnapshotSource> {
    const begun = this.#clock.nowMs();
    const { view, job } = await this.#hashedView();
    const release = async (): Promise<void> => {
      this.#o.measures.backendSnapshot.observe((this.#clock.nowMs() - begun) / 1000);
      job.abort();
      await view.release();
    };
    try {
      const file = await exportSnapshot(view, { storageVersion: this.#o.storageVersion() });
      const onRevisions = (rows: readonly Row[]): void => {
        for (const [revisionKey, value] of rows) job.row(revisionKey, value);
      };
      return {
        sizeBytes: file.sizeBytes,
        chunks: () => file.chunks({ withSha256: true, onRevisions }),
        facts: () => ({
          revision: job.revision,
          compactRevision: Math.max(0, job.compactRevision),
          hashKv: job.digest(),
        }),
        release,
      };
    } catch (error) {
      await release();
      throw error;
    }
  }

  /**
   * A view, and a HashKV of just that view: compactions that begin later do not count in it, and
   * the pin from before it keeps what the hash decides by in the index.
   */
  async #hashedView(): Promise<{ view: BackendView; job: HashJob }> {
    for (;;) {
      await this.#whole();
      const { backend, kv } = this.#state;
      const pin = kv.pin(revision(Math.max(kv.compactRevision, 1)));
      try {
        const view = await backend.view();
        const { meta } = view;
        const compacted = Math.max(meta.scheduledCompactRevision, meta.finishedCompactRevision);
        const isSame = backend === this.#state.backend && !this.#state.restoring;
        const job = isSame ? kv.hashKv(meta.revision, compacted || -1) : undefined;
        if (job?.kind === "hash") return { view, job };
        await view.release();
        if (job !== undefined) throw etcdError(job.code);
        // A snapshot took the place of the state that the view shows.
      } finally {
        pin.release();
      }
    }
  }

  #whole(): Promise<void> {
    return new Promise((resolve) => this.#state.whenWhole(resolve));
  }
}

/** Whether a range may be long, and its order lets it be read piece by piece. */
const maySlice = (r: RangeRequest): boolean =>
  r.rangeEnd.byteLength > 0 &&
  !r.countOnly &&
  (r.limit <= 0 || r.limit > sliceKeys) &&
  isDefaultOrder(r) &&
  r.sortTarget === SortTarget.Key &&
  !hasRevisionFilters(r);
