import { compareBytes } from "../../src/lib/bytes.ts";
import type { Engine, EngineSnapshot, Row, ScanRange, WriteOp } from "../../src/ports/index.ts";

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

type Rows = ReadonlyMap<string, Uint8Array>;

/** An engine in memory: batches are atomic, and a crash loses any suffix of the unflushed ones. */
export class MemoryEngine implements Engine {
  #rows: Rows = new Map();
  /** The states that a crash may fall back to, the flushed one first. */
  #history: Rows[] = [this.#rows];
  #writing = false;
  failure: Error | undefined;
  /** Set to hold writes back until it is called. */
  gate: Promise<void> | undefined;
  batches = 0;

  async write(ops: readonly WriteOp[]): Promise<void> {
    if (this.#writing) throw new Error("two batches at a time");
    this.#writing = true;
    await (this.gate ?? Promise.resolve());
    this.#writing = false;
    if (this.failure !== undefined) throw this.failure;
    const rows = new Map(this.#rows);
    for (const op of ops) {
      if (op.kind === "put") rows.set(latin1(op.key), op.value.slice());
      else if (op.kind === "delete") rows.delete(latin1(op.key));
      else {
        for (const key of rows.keys()) {
          if (key >= latin1(op.from) && key < latin1(op.to)) rows.delete(key);
        }
      }
    }
    this.#rows = rows;
    this.#history.push(rows);
    this.batches++;
  }

  async flush(): Promise<void> {
    this.#history = [this.#rows];
  }

  /** Loses the newest `lost` unflushed batches. */
  crash(lost: number): void {
    this.#rows = this.#history[Math.max(0, this.#history.length - 1 - lost)] as Rows;
    this.#history = [this.#rows];
  }

  get unflushed(): number {
    return this.#history.length - 1;
  }

  snapshot(): EngineSnapshot {
    const rows = this.#rows;
    return {
      getMany: async (keys) => keys.map((key) => rows.get(latin1(key))),
      scan: (range) => scan(rows, range),
      release: async () => {},
    };
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return this.snapshot().getMany(keys);
  }

  scan(range: ScanRange): AsyncIterable<readonly Row[]> {
    return this.snapshot().scan(range);
  }

  async sizeBytes(): Promise<number> {
    return [...this.#rows.values()].reduce((n, value) => n + value.byteLength, 0);
  }

  async close(): Promise<void> {}
}

async function* scan(rows: Rows, range: ScanRange): AsyncGenerator<readonly Row[]> {
  const within = [...rows]
    .map(([key, value]): Row => [Buffer.from(key, "latin1"), value])
    .filter(([key]) => compareBytes(key, range.gte) >= 0 && compareBytes(key, range.lt) < 0)
    .sort((a, b) => compareBytes(a[0], b[0]) * (range.reverse ? -1 : 1));
  const chunk = range.chunkRows ?? 512;
  for (let i = 0; i < within.length; i += chunk) yield within.slice(i, i + chunk);
}
