/** Undoes a scheduled call; calling it twice, or after the call ran, does nothing. */
export type Cancel = () => void;

/** Time. Production: src/io; simulation: a virtual clock. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start; may carry a fraction. */
  nowMs(): number;
  /** Wall clock, milliseconds since the Unix epoch; may jump. Only for ids, logs and file names. */
  wallMs(): number;
  /** Runs `f` once after at least `ms` milliseconds. */
  after(ms: number, f: () => void): Cancel;
  /** Runs `f` at the end of the present turn of the loop, after I/O callbacks (setImmediate). */
  soon(f: () => void): void;
}
