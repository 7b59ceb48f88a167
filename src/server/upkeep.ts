/**
 * Work that goes on behind requests, a slice a turn: physical compaction, and watchers that catch
 * up from the history.
 */
import type { Pin } from "../core/mvcc/index.ts";
import { revision } from "../core/types.ts";
import type { Cancel, Clock, Faults, Logger } from "../ports/index.ts";
import type { CompactionHashes } from "./compaction-hashes.ts";
import type { Measures } from "./measures.ts";
import type { StateMachine } from "./state-machine.ts";

/** Keys or events of one slice. */
const sliceBudget = 1000;
/** Compactions that may wait for their hash; the hashes of more are left out. */
const unhashedMax = 10;
/** How often held-up work is looked at again (etcd: 100 ms for watchers). */
const pollMs = 100;

export interface UpkeepOptions {
  readonly state: StateMachine;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly logger: Logger;
  readonly measures: Measures;
  /** Where the hashes of compactions go; undefined: none are taken. */
  readonly hashes?: CompactionHashes | undefined;
  /** No hash is taken of a larger history than this: it reads all of it. */
  readonly hashedRowsMax?: number;
  /** --compaction-batch-limit: keys of one slice of compaction; undefined: 1000. */
  readonly compactionBatch?: number | undefined;
  /** --compaction-sleep-interval: the pause behind a slice that removed something; undefined: none. */
  readonly compactionSleepMs?: number | undefined;
  readonly onFatal: (error: Error) => void;
}

export class Upkeep {
  readonly #o: UpkeepOptions;
  readonly #compaction: Slices;
  readonly #watchers: Slices;
  /** Compactions applied since the start whose hash is still to be taken, in order. */
  #unhashed: { readonly at: number; readonly previous: number }[] = [];
  /** Keeps the pass from going beyond the compaction that was hashed last. */
  #hold: Pin | undefined;
  /** When the compaction under way got its first slice. */
  #compactionBegunMs: number | undefined;
  #compactionWaiters: { readonly revision: number; readonly done: () => void }[] = [];

  constructor(options: UpkeepOptions) {
    this.#o = options;
    this.#compaction = new Slices(options, () => this.#compact(), options.compactionSleepMs ?? 0);
    this.#watchers = new Slices(options, () => this.#catchUp(), 0);
    options.state.onWatchWork = () => this.#watchers.kick();
  }

  /** A compaction was applied. */
  compacted(at: number, previous: number): void {
    const { hashes, state, hashedRowsMax = Number.POSITIVE_INFINITY } = this.#o;
    const rows = state.kv.keyCount + at - Math.max(previous, 0);
    const isWanted = hashes !== undefined && rows <= hashedRowsMax;
    if (isWanted && this.#unhashed.length < unhashedMax) {
      this.#unhashed.push({ at, previous });
    }
    this.compact();
  }

  /** A compaction may be unfinished. */
  compact(): void {
    this.#compaction.kick();
  }

  /** Watchers may be behind. */
  catchUp(): void {
    if (this.#o.state.kv.watches.unsyncedCount > 0) this.#watchers.kick();
  }

  /** A snapshot was installed: its unfinished work is ours, and what was waited for is past. */
  replaced(): void {
    this.#unhashed = [];
    this.#hold = undefined;
    this.#answerCompacted(this.#o.state.backend.meta.finishedCompactRevision);
    this.compact();
    this.catchUp();
  }

  /** Calls back once rows at or below a compaction's revision are gone. */
  whenCompacted(at: number, done: () => void): void {
    if (this.#o.state.backend.meta.finishedCompactRevision >= at) done();
    else this.#compactionWaiters.push({ revision: at, done });
  }

  stop(): void {
    this.#compaction.stop();
    this.#watchers.stop();
  }

  async #compact(): Promise<Progress> {
    const { state, faults, logger } = this.#o;
    if (state.backend.backpressure) await state.backend.relieved();
    if (state.restoring) return "later";
    const { backend } = state;
    if (!(await this.#hashNext())) return "later";
    const { measures, clock } = this.#o;
    const begun = clock.nowMs();
    if (this.#compactionBegunMs === undefined) {
      faults.hit("compactAfterCommitScheduledCompact");
      this.#compactionBegunMs = begun;
    }
    faults.hit("compactAfterAcquiredBatchTxLock");
    const step = state.kv.compactStep(this.#o.compactionBatch ?? sliceBudget);
    measures.indexPauseMs.observe(clock.nowMs() - begun);
    faults.hit("compactBeforeCommitBatch");
    try {
      await backend.remove(step.rows);
    } catch (error) {
      if (backend === state.backend && !state.restoring) throw error;
    }
    // A snapshot took the place of what was compacted.
    if (backend !== state.backend || state.restoring) return "later";
    if (step.finished !== undefined) {
      faults.hit("compactBeforeSetFinishedCompact");
      backend.setMeta({ finishedCompactRevision: revision(step.finished) });
    }
    if (step.rows.length > 0 || step.finished !== undefined) backend.commit();
    faults.hit("compactAfterCommitBatch");
    if (step.rows.length > 0) measures.compactionPauseMs.observe(clock.nowMs() - begun);
    measures.compactedKeys += step.rows.length;
    if (step.finished !== undefined) {
      faults.hit("compactAfterSetFinishedCompact");
      measures.compactionTotalMs.observe(clock.nowMs() - this.#compactionBegunMs);
      measures.lastCompaction = Math.floor(clock.wallMs() / 1000);
      this.#compactionBegunMs = undefined;
      this.#hold?.release();
      this.#hold = undefined;
      const finished = step.finished;
      logger.info("finished scheduled compaction", { "compact-revision": finished });
      this.#answerCompacted(finished);
    }
    if (!step.idle) return step.rows.length > 0 ? "rest" : "more";
    const meta = state.backend.meta;
    return meta.scheduledCompactRevision > meta.finishedCompactRevision ? "later" : "idle";
  }

  /** Hashes the history as the next compaction finds it. False when a snapshot took its place. */
  async #hashNext(): Promise<boolean> {
    const { state, hashes, logger } = this.#o;
    const next = this.#unhashed[0];
    if (hashes === undefined || next === undefined || this.#hold !== undefined) return true;
    this.#unhashed.shift();
    const { at, previous } = next;
    // A compaction at nothing has nothing to compare, and HashKV of 0 means the newest revision.
    const job = at <= 0 ? undefined : state.kv.hashCompaction(previous, at);
    if (job === undefined) {
      logger.warn("previous compaction was interrupted, skip storing compaction hash value", {
        "previous-compact-revision": previous,
        "compact-revision": at,
      });
      return true;
    }
    const { backend } = state;
    try {
      const end = { main: at + 1, sub: 0 };
      for await (const rows of backend.scanRev({ main: 0, sub: 0 }, end)) {
        for (const r of rows) job.row(r.revisionKey, r.value);
      }
    } catch (error) {
      job.abort();
      if (backend === state.backend && !state.restoring) throw error;
    }
    if (backend !== state.backend || state.restoring) return false;
    this.#hold = state.kv.holdCompaction(at);
    const found = { revision: at, compactRevision: previous, hash: job.digest() };
    hashes.add(found);
    logger.info("storing new hash", {
      hash: found.hash,
      revision: at,
      "compact-revision": previous,
    });
    return true;
  }

  #answerCompacted(finished: number): void {
    const due = this.#compactionWaiters.filter((w) => w.revision <= finished);
    if (due.length === 0) return;
    this.#compactionWaiters = this.#compactionWaiters.filter((w) => w.revision > finished);
    for (const w of due) w.done();
  }

  async #catchUp(): Promise<Progress> {
    const { state } = this.#o;
    if (state.restoring) return "later";
    const result = state.kv.watches.syncUnsynced(sliceBudget);
    if (result.kind === "missing") {
      await state.fetch(result.rows);
      return "again";
    }
    if (result.kind === "more") return "more";
    return state.kv.watches.unsyncedCount > 0 ? "later" : "idle";
  }
}

/** "again" runs at once (what was fetched must be used in the same turn); "rest" after a pause. */
type Progress = "again" | "more" | "rest" | "later" | "idle";

/** Runs one kind of work slice by slice, never twice at once. */
class Slices {
  readonly #o: UpkeepOptions;
  readonly #slice: () => Promise<Progress>;
  readonly #pauseMs: number;
  #running = false;
  /** Kicked while it ran: what it is about to say may be out of date. */
  #kicked = false;
  #stopped = false;
  #cancel: Cancel = () => undefined;

  constructor(options: UpkeepOptions, slice: () => Promise<Progress>, pauseMs: number) {
    this.#o = options;
    this.#pauseMs = pauseMs;
    this.#slice = slice;
  }

  kick(): void {
    if (this.#stopped) return;
    this.#kicked = this.#running;
    if (this.#running) return;
    this.#running = true;
    this.#cancel();
    this.#o.clock.soon(() => this.#turn());
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel();
  }

  #turn(): void {
    if (this.#stopped) return;
    this.#kicked = false;
    this.#slice().then(
      (progress) => this.#next(progress),
      (error: unknown) => this.#o.onFatal(error as Error),
    );
  }

  #next(progress: Progress): void {
    if (this.#stopped) return;
    if (progress === "again") this.#turn();
    else if (progress === "rest" && this.#pauseMs > 0) {
      this.#cancel = this.#o.clock.after(this.#pauseMs, () => this.#turn());
    } else if (progress === "more" || progress === "rest" || this.#kicked)
      this.#o.clock.soon(() => this.#turn());
    else {
      this.#running = false;
      if (progress === "later") this.#cancel = this.#o.clock.after(pollMs, () => this.kick());
    }
  }
}
