import { fromLatin1, toLatin1 } from "../../../src/lib/bytes.ts";
import type { Engine, EngineSnapshot, Row, ScanRange, WriteOp } from "../../../src/ports/index.ts";
import type { SimRandom } from "../random.ts";
import type { Actor, World } from "../world.ts";

type Rows = Map<string, Uint8Array>;

/** What the engine has on disk; outlives the process. A crash drops a suffix of the batches. */
export class EngineFiles {
  #flushed: Rows = new Map();
  /** Batches since the last flush, oldest first. */
  #batches: (readonly WriteOp[])[] = [];

  add(ops: readonly WriteOp[]): void {
    this.#batches.push(ops);
  }

  get count(): number {
    return this.#batches.length;
  }

  flush(count: number): void {
    for (const ops of this.#batches.splice(0, count)) applyOps(this.#flushed, ops);
  }

  crash(random: SimRandom): void {
    this.#batches.length = random.below(this.#batches.length + 1);
  }

  load(): Rows {
    const rows = new Map(this.#flushed);
    for (const ops of this.#batches) applyOps(rows, ops);
    return rows;
  }
}

/** Mean times of the engine, microseconds. */
export interface EngineTimes {
  writeUs: number;
  flushUs: number;
  readUs: number;
}

export const calmEngine: EngineTimes = { writeUs: 50, flushUs: 500, readUs: 20 };

/** An engine in memory, in virtual time; batches become durable in order, by flush or by luck. */
export class SimEngine implements Engine {
  readonly #world: World;
  readonly #actor: Actor;
  readonly #files: EngineFiles;
  readonly #times: EngineTimes;
  readonly #random: SimRandom;
  readonly #rows: Rows;
  #sorted: string[] | undefined;
  #writing = false;

  constructor(world: World, actor: Actor, files: EngineFiles, times: EngineTimes = calmEngine) {
    this.#world = world;
    this.#actor = actor;
    this.#files = files;
    this.#times = times;
    this.#random = world.random.fork(`engine/${actor.name}/${actor.generation}`);
    this.#rows = files.load();
  }

  async write(ops: readonly WriteOp[]): Promise<void> {
    if (this.#writing) throw new Error("the engine takes one batch at a time");
    this.#writing = true;
    const copy = ops.map(copyOp);
    await this.#wait("engine write", this.#times.writeUs);
    this.#writing = false;
    this.#files.add(copy);
    applyOps(this.#rows, copy);
    this.#sorted = undefined;
  }

  async flush(): Promise<void> {
    const count = this.#files.count;
    await this.#wait("engine flush", this.#times.flushUs);
    this.#files.flush(Math.min(count, this.#files.count));
  }

  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.#getMany(this.#rows, keys);
  }

  scan(range: ScanRange): AsyncIterable<readonly Row[]> {
    this.#sorted ??= [...this.#rows.keys()].sort();
    // A scan sees the rows of its beginning.
    return this.#scan(new Map(this.#rows), this.#sorted, range);
  }

  snapshot(): EngineSnapshot {
    const rows = new Map(this.#rows);
    let sorted: string[] | undefined;
    return {
      getMany: (keys) => this.#getMany(rows, keys),
      scan: (range) => {
        sorted ??= [...rows.keys()].sort();
        return this.#scan(rows, sorted, range);
      },
      release: () => Promise.resolve(),
    };
  }

  sizeBytes(): Promise<number> {
    let bytes = 0;
    for (const [key, value] of this.#rows) bytes += key.length + value.length;
    return Promise.resolve(bytes);
  }

  async close(): Promise<void> {
    await this.#wait("engine close", this.#times.flushUs);
    this.#files.flush(this.#files.count);
  }

  async #getMany(rows: Rows, keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const values = keys.map((k) => rows.get(toLatin1(k)));
    await this.#wait("engine read", this.#times.readUs);
    return values;
  }

  async *#scan(rows: Rows, sorted: readonly string[], range: ScanRange) {
    const from = toLatin1(range.gte);
    const to = toLatin1(range.lt);
    const keys = sorted.filter((k) => k >= from && k < to);
    if (range.reverse) keys.reverse();
    const chunk = range.chunkRows ?? 512;
    for (let i = 0; i < keys.length; i += chunk) {
      await this.#wait("engine scan", this.#times.readUs);
      const part: Row[] = keys
        .slice(i, i + chunk)
        .map((k) => [fromLatin1(k), rows.get(k) as Uint8Array]);
      yield part;
    }
  }

  #wait(label: string, meanUs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#world.after(1 + this.#random.geometric(meanUs), this.#actor, label, resolve);
    });
  }
}

function applyOps(rows: Rows, ops: readonly WriteOp[]): void {
  for (const op of ops) {
    if (op.kind === "put") rows.set(toLatin1(op.key), op.value);
    else if (op.kind === "delete") rows.delete(toLatin1(op.key));
    else {
      const from = toLatin1(op.from);
      const to = toLatin1(op.to);
      for (const key of rows.keys()) if (key >= from && key < to) rows.delete(key);
    }
  }
}

function copyOp(op: WriteOp): WriteOp {
  if (op.kind === "put") return { kind: "put", key: op.key.slice(), value: op.value.slice() };
  if (op.kind === "delete") return { kind: "delete", key: op.key.slice() };
  return { kind: "deleteRange", from: op.from.slice(), to: op.to.slice() };
}
