/**
 * A queue of keys: a key is in it at most once, is never worked on twice at the same time, and a
 * failing one comes back ever more slowly. (The contract of client-go's rate-limited queue.)
 */
import type { Cancel, Clock } from "../../ports/index.ts";

export interface WorkQueueOptions {
  readonly clock: Clock;
  /** Delay after the first failure; doubles up to `backoffMsMax`. */
  readonly backoffMs?: number;
  readonly backoffMsMax?: number;
}

export class WorkQueue {
  readonly #clock: Clock;
  readonly #backoffMs: number;
  readonly #backoffMsMax: number;
  /** Waiting keys in order; disjoint from `#working`. */
  readonly #waiting = new Set<string>();
  readonly #working = new Set<string>();
  /** Added while they were worked on. */
  readonly #again = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #later = new Map<string, { readonly atMs: number; readonly cancel: Cancel }>();
  readonly #takers: ((key: string | undefined) => void)[] = [];
  #closed = false;

  constructor(options: WorkQueueOptions) {
    this.#clock = options.clock;
    this.#backoffMs = options.backoffMs ?? 500;
    this.#backoffMsMax = options.backoffMsMax ?? 60_000;
  }

  /** Keys that wait now. */
  get depth(): number {
    return this.#waiting.size;
  }

  add(key: string): void {
    if (this.#closed || this.#waiting.has(key)) return;
    if (this.#working.has(key)) {
      this.#again.add(key);
      return;
    }
    const taker = this.#takers.shift();
    if (taker === undefined) {
      this.#waiting.add(key);
      return;
    }
    this.#working.add(key);
    taker(key);
  }

  /** Adds the key in `ms` milliseconds; of several such calls the earliest wins. */
  addAfter(key: string, ms: number): void {
    if (this.#closed) return;
    const atMs = this.#clock.nowMs() + ms;
    const old = this.#later.get(key);
    if (old !== undefined && old.atMs <= atMs) return;
    old?.cancel();
    const cancel = this.#clock.after(ms, () => {
      this.#later.delete(key);
      this.add(key);
    });
    this.#later.set(key, { atMs, cancel });
  }

  /** Adds the key after a pause that grows with each failure in a row. */
  retry(key: string): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    this.addAfter(key, Math.min(this.#backoffMs * 2 ** Math.min(failures, 20), this.#backoffMsMax));
  }

  /** The key is well again: its next failure starts from the shortest pause. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key, undefined once the queue is closed. Call `done` when it was worked on. */
  take(): Promise<string | undefined> {
    const [key] = this.#waiting;
    if (this.#closed) return Promise.resolve(undefined);
    if (key === undefined) return new Promise((resolve) => this.#takers.push(resolve));
    this.#waiting.delete(key);
    this.#working.add(key);
    return Promise.resolve(key);
  }

  done(key: string): void {
    this.#working.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  /** Drops what waits and ends every `take`. */
  close(): void {
    this.#closed = true;
    for (const { cancel } of this.#later.values()) cancel();
    this.#later.clear();
    this.#waiting.clear();
    for (const taker of this.#takers.splice(0)) taker(undefined);
  }
}
