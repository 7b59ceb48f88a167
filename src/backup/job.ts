/** What every command works with, and how its steps are timed and told. */
import type { Logger } from "../ports/index.ts";
import type { Destination, JobReport } from "./types.ts";

export interface Job {
  readonly destination: Destination;
  readonly logger: Logger;
  /** Aborts when the Job is told to end. */
  readonly signal: AbortSignal;
  readonly steps: Steps;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  /** This program's, for manifests. */
  readonly version: string;
  /** What save has stored whole, for the report, even if a later step fails. */
  stored?: Pick<JobReport, "manifest" | "uri">;
}

const progressEveryMs = 10_000;

/** Seconds by step, a line in the log for the end of each. */
export class Steps {
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  readonly #startMs: number;
  readonly #seconds = new Map<string, number>();

  constructor(logger: Logger, nowMs: () => number) {
    this.#logger = logger;
    this.#nowMs = nowMs;
    this.#startMs = nowMs();
  }

  /** Runs a step; one that runs again adds to its time. */
  async run<T>(step: string, work: () => Promise<T>): Promise<T> {
    const begunMs = this.#nowMs();
    try {
      const result = await work();
      this.#logger.info("step done", { step, seconds: this.#add(step, begunMs) });
      return result;
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      this.#logger.warn("step failed", { step, seconds: this.#add(step, begunMs), problem });
      throw error;
    }
  }

  #add(step: string, begunMs: number): number {
    const total = (this.#seconds.get(step) ?? 0) + (this.#nowMs() - begunMs) / 1000;
    this.#seconds.set(step, total);
    return rounded(total);
  }

  /** Counts bytes of a step; a line in the log now and then. */
  progress(step: string, totalBytes: number): (bytes: number) => void {
    const begunMs = this.#nowMs();
    let nextMs = begunMs + progressEveryMs;
    let done = 0;
    return (bytes) => {
      done += bytes;
      const nowMs = this.#nowMs();
      if (nowMs < nextMs) return;
      nextMs = nowMs + progressEveryMs;
      this.#logger.info("step goes on", {
        step,
        bytes: done,
        ...(totalBytes > 0
          ? { of: totalBytes, percent: Math.floor((100 * done) / totalBytes) }
          : {}),
        seconds: rounded((nowMs - begunMs) / 1000),
        "elapsed-seconds": rounded((nowMs - this.#startMs) / 1000),
      });
    };
  }

  /** As progress, told how much of all is done: by phase, as restoreSnapshot tells it. */
  share(step: string): (phase: string, done: number, total: number) => void {
    let nextMs = this.#nowMs() + progressEveryMs;
    return (phase, done, total) => {
      const nowMs = this.#nowMs();
      if (nowMs < nextMs) return;
      nextMs = nowMs + progressEveryMs;
      this.#logger.info("step goes on", {
        step,
        phase,
        percent: Math.floor((100 * done) / Math.max(1, total)),
        "elapsed-seconds": rounded((nowMs - this.#startMs) / 1000),
      });
    };
  }

  /** By step, and `total`. */
  seconds(): JobReport["seconds"] {
    const all = [...this.#seconds].map(([step, s]) => [step, rounded(s)] as const);
    return Object.fromEntries([...all, ["total", rounded((this.#nowMs() - this.#startMs) / 1000)]]);
  }
}

const rounded = (seconds: number): number => Math.round(seconds * 1000) / 1000;

/** How people call a stored object. */
export const uriOf = (destination: Destination, key: string): string =>
  `${destination.uri.replace(/\/+$/, "")}/${key}`;

/** 1.5 GiB and the like. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
