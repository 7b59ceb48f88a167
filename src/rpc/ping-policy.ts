/**
 * How often a client may ping (grpc-go internal/transport/http2_server.go, handlePing): pings
 * beyond the minimal interval are strikes, and data or headers sent in between wipe them out, so
 * that a client may measure its bandwidth as it likes.
 */
const maxStrikes = 2;
/** Without a call open a client has no reason to ping more often than this. */
const idleIntervalMs = 2 * 3600_000;

export class PingPolicy {
  readonly #minIntervalMs: number;
  #lastMs = Number.NEGATIVE_INFINITY;
  #strikes = 0;
  #forgiven = false;

  constructor(minIntervalMs: number) {
    this.#minIntervalMs = minIntervalMs;
  }

  /** Data or headers were sent. */
  forgive(): void {
    this.#forgiven = true;
  }

  /** False when the connection must end with ENHANCE_YOUR_CALM, "too_many_pings". */
  accept(nowMs: number, hasCalls: boolean): boolean {
    const gapMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
    if (this.#forgiven) {
      this.#forgiven = false;
      this.#strikes = 0;
      return true;
    }
    if (gapMs < (hasCalls ? this.#minIntervalMs : idleIntervalMs)) this.#strikes++;
    return this.#strikes <= maxStrikes;
  }
}
