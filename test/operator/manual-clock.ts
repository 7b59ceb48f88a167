import type { Cancel, Clock } from "../../src/ports/index.ts";

/** Time that moves only by `advance`. */
export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly f: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return Date.UTC(2026, 0, 1) + this.#nowMs;
  }

  after(ms: number, f: () => void): Cancel {
    const timer = { atMs: this.#nowMs + ms, f };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  soon(f: () => void): void {
    this.after(0, f);
  }

  /** Runs what is due, in order. */
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = [...this.#timers].filter((t) => t.atMs <= this.#nowMs);
    for (const timer of due.sort((a, b) => a.atMs - b.atMs)) {
      if (this.#timers.delete(timer)) timer.f();
    }
  }
}
