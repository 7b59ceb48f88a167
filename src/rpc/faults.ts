/** What a client's faults and nuisances cost it. Each method returns whether the connection goes on. */
import { Budget } from "./budget.ts";
import { ErrorCode } from "./wire.ts";

/**
 * Frames that cost us work and move no call forward: so many at once, so many a second. Resets
 * count whoever sent them, since a client can also provoke ours.
 */
const nuisanceBurst = 5000;
const nuisancePerSecond = 500;

/** What faults do to their connection. */
export interface FaultHost {
  /** `Clock.nowMs` when the present chunk arrived. */
  readonly nowMs: number;
  /** Ends the connection for the client's fault. */
  fatal(code: ErrorCode, message: string): void;
  /** Ends one stream by RST_STREAM. */
  resetStream(id: number, code: ErrorCode): void;
}

export class Faults {
  readonly #host: FaultHost;
  readonly #nuisances = new Budget(nuisanceBurst, nuisancePerSecond);

  constructor(host: FaultHost) {
    this.#host = host;
  }

  /** Ends the connection with GOAWAY. */
  fatal(code: ErrorCode, message: string): false {
    this.#host.fatal(code, message);
    return false;
  }

  protocol(message: string): false {
    return this.fatal(ErrorCode.protocolError, message);
  }

  size(frame: string): false {
    return this.fatal(ErrorCode.frameSizeError, `${frame} of a wrong size`);
  }

  /** Ends a stream with RST_STREAM. */
  reset(id: number, code: ErrorCode): boolean {
    this.#host.resetStream(id, code);
    return this.nuisance();
  }

  /** Counts `weight` frames of no use. */
  nuisance(weight = 1): boolean {
    if (this.#nuisances.take(this.#host.nowMs, weight)) return true;
    return this.fatal(ErrorCode.enhanceYourCalm, "too many frames that do nothing");
  }
}
