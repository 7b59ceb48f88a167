import { assert } from "../../lib/assert.ts";
import { equalBytes, toLatin1 } from "../../lib/bytes.ts";
import type { Cancel, Row, WriteOp } from "../../ports/index.ts";
import { rowKey } from "./keys.ts";
import { decodeMeta, encodeMeta } from "./meta.ts";
import type { BackendMeta, BackendOptions } from "./types.ts";

const defaultDirtyBytes = 64 * 1024 * 1024;
const defaultBatchBytes = 4 * 1024 * 1024;
/** Handing an operation to the engine holds the loop for about 2 us. */
const batchOps = 2000;
const defaultLingerMs = 10;
/** With so much waiting there is nothing to linger for. */
const promptBytes = 256 * 1024;
/** What an operation costs in memory beside its bytes. */
const opOverheadBytes = 64;

/** Whole units of the state machine, written in one batch. */
interface Unit {
  readonly ops: WriteOp[];
  bytes: number;
  /** True of the state after all of `ops`. */
  meta: BackendMeta;
  lastSeq: number;
}

interface Waiter {
  readonly seq: number;
  readonly resolve: (meta: BackendMeta) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Carries sealed units to the engine in order, one batch in flight (two may land in either order
 * on the thread pool); what waits meanwhile is joined. Small units linger a little for company.
 */
export class WriteBehind {
  readonly #options: BackendOptions;
  readonly #dirtyBytesMax: number;
  readonly #batchBytes: number;
  /** Sequence number of the newest operation, and of the newest one that the engine has. */
  #seq = 0;
  writtenSeq = 0;
  /** Operations of the unit that is not sealed yet. */
  #open: WriteOp[] = [];
  #openBytes = 0;
  readonly #queue: Unit[] = [];
  #inFlight = false;
  #linger: Cancel | undefined;
  /** Meta of the newest sealed unit, and the meta rows the engine has. */
  #sealedMeta: BackendMeta;
  #writtenMeta: BackendMeta;
  readonly #metaRows: Map<string, Uint8Array>;
  #sealedSeq = 0;
  #waiters: Waiter[] = [];
  #relieved: (() => void)[] = [];
  #failure: Error | undefined;
  dirtyBytes = 0;

  constructor(options: BackendOptions, metaRows: readonly Row[]) {
    this.#options = options;
    this.#dirtyBytesMax = options.dirtyBytesMax ?? defaultDirtyBytes;
    this.#batchBytes = options.batchBytes ?? defaultBatchBytes;
    this.#metaRows = new Map(metaRows.map(([key, value]) => [toLatin1(key), value]));
    this.#sealedMeta = decodeMeta(metaRows);
    this.#writtenMeta = this.#sealedMeta;
  }

  nextSeq(): number {
    return ++this.#seq;
  }

  add(op: WriteOp): void {
    this.#open.push(op);
    const size = op.kind === "put" ? op.key.byteLength + op.value.byteLength : 32;
    this.#openBytes += size + opOverheadBytes;
  }

  /** Ends the open unit. With `metaChanged` it is one even without operations. */
  seal(meta: BackendMeta, metaChanged: boolean): void {
    if (this.#failure !== undefined) return;
    if (this.#open.length === 0 && !metaChanged) return;
    const seq = ++this.#seq;
    const last = this.#queue[this.#queue.length - 1];
    if (last !== undefined && last.bytes < this.#batchBytes && last.ops.length < batchOps) {
      for (const op of this.#open) last.ops.push(op);
      last.bytes += this.#openBytes;
      last.meta = meta;
      last.lastSeq = seq;
      this.#open.length = 0;
    } else {
      this.#queue.push({ ops: this.#open, bytes: this.#openBytes, meta, lastSeq: seq });
      this.#open = [];
    }
    this.dirtyBytes += this.#openBytes;
    this.#openBytes = 0;
    this.#sealedMeta = meta;
    this.#sealedSeq = seq;
    this.#schedule(this.#waiters.length > 0 || this.dirtyBytes >= promptBytes);
  }

  get backpressure(): boolean {
    return this.dirtyBytes > this.#dirtyBytesMax;
  }

  relieved(): Promise<void> {
    if (!this.backpressure) return Promise.resolve();
    return new Promise((resolve) => this.#relieved.push(resolve));
  }

  /** Settles when the engine has all that is sealed now; the meta of what it then has. */
  drained(): Promise<BackendMeta> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const seq = this.#sealedSeq;
    if (this.writtenSeq >= seq) return Promise.resolve(this.#writtenMeta);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ seq, resolve, reject });
      this.#schedule(true);
    });
  }

  #schedule(promptly: boolean): void {
    if (this.#inFlight || this.#queue.length === 0) return;
    if (promptly) {
      this.#linger?.();
      this.#linger = undefined;
      void this.#drain();
    } else if (this.#linger === undefined) {
      const ms = this.#options.lingerMs ?? defaultLingerMs;
      this.#linger = this.#options.clock.after(ms, () => {
        this.#linger = undefined;
        this.#schedule(true);
      });
    }
  }

  /** Writes unit after unit; never rejects. */
  async #drain(): Promise<void> {
    assert(!this.#inFlight, "one batch in flight");
    this.#inFlight = true;
    for (let unit = this.#queue.shift(); unit !== undefined; unit = this.#queue.shift()) {
      try {
        await this.#write(unit);
      } catch (error) {
        this.#fail(error as Error);
        return;
      }
      this.#written(unit);
    }
    this.#inFlight = false;
  }

  async #write(unit: Unit): Promise<void> {
    const { engine, faults, clock, measures } = this.#options;
    faults.hit("beforeStartDBTxn");
    faults.hit("afterStartDBTxn");
    faults.hit("commitBeforePreCommitHook");
    for (const [name, value] of encodeMeta(unit.meta)) {
      const before = this.#metaRows.get(name);
      if (before !== undefined && equalBytes(before, value)) continue;
      this.#metaRows.set(name, value);
      unit.ops.push({ kind: "put", key: rowKey("meta", Buffer.from(name)), value });
    }
    faults.hit("commitAfterPreCommitHook");
    faults.hit("beforeCommit");
    const begun = clock.nowMs();
    await engine.write(unit.ops);
    measures?.backendCommit.observe((clock.nowMs() - begun) / 1000);
    faults.hit("afterCommit");
  }

  #written(unit: Unit): void {
    this.writtenSeq = unit.lastSeq;
    this.#writtenMeta = unit.meta;
    this.dirtyBytes -= unit.bytes;
    const due = this.#waiters.filter((w) => w.seq <= unit.lastSeq);
    if (due.length > 0) this.#waiters = this.#waiters.filter((w) => w.seq > unit.lastSeq);
    for (const waiter of due) waiter.resolve(unit.meta);
    if (this.#relieved.length > 0 && this.dirtyBytes <= this.#dirtyBytesMax / 2) {
      for (const resolve of this.#relieved.splice(0)) resolve();
    }
  }

  /** The state in memory is ahead of what can be kept: the member has to stop. */
  #fail(error: Error): void {
    this.#failure = error;
    this.#options.logger.error("writing to the storage engine failed", { error: error.message });
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error);
    this.#options.onFatal(error);
  }
}
