/** What unary calls and streams within the process share. */
import { AssertionError } from "../../lib/assert.ts";
import type { Clock } from "../../ports/index.ts";
import {
  type CancelReason,
  type MessageBytes,
  type Metadata,
  type Peer,
  Status,
  type StatusCode,
} from "../../rpc/index.ts";

/** On whose behalf a call is made: what authentication and deadlines go by. */
export interface Origin {
  readonly peer: Peer;
  readonly metadata: Metadata;
  readonly authority: string;
  /** `Clock.nowMs` at which it is given up; Infinity for never. */
  readonly deadlineMs: number;
}

export interface LocalFailure {
  readonly code: StatusCode;
  readonly message: string;
}

/** A call that ends once: by an answer, a failure, its deadline or its caller. */
export abstract class LocalCall {
  readonly path: string;
  readonly peer: Peer;
  readonly metadata: Metadata;
  readonly authority: string;
  readonly deadlineMs: number;
  onCancel: ((reason: CancelReason) => void) | undefined;
  protected readonly clock: Clock;
  #ended = false;
  #stopTimer: (() => void) | undefined;

  constructor(path: string, origin: Origin, clock: Clock) {
    this.path = path;
    this.peer = origin.peer;
    this.metadata = origin.metadata;
    this.authority = origin.authority;
    this.deadlineMs = origin.deadlineMs;
    this.clock = clock;
    if (origin.deadlineMs === Number.POSITIVE_INFINITY) return;
    const leftMs = Math.max(0, origin.deadlineMs - clock.nowMs());
    this.#stopTimer = clock.after(leftMs, () => this.#abandon("deadline"));
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Headers and trailers have no reader here. */
  setHeader(_name: string, _value: string): void {}
  setTrailer(_name: string, _value: string): void {}

  fail(code: StatusCode, message: string): void {
    if (this.finish()) this.failed({ code, message });
  }

  /** The caller wants no answer any more; it gets none. */
  cancel(): void {
    this.#abandon("cancelled");
  }

  /** Runs a handler. A broken invariant ends the process; anything else it throws ends this call. */
  guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      this.fail(Status.unknown, error instanceof Error ? error.message : String(error));
    }
  }

  /** False when it had ended before. */
  protected finish(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    this.#stopTimer?.();
    return true;
  }

  protected abstract failed(failure: LocalFailure): void;

  #abandon(reason: CancelReason): void {
    if (!this.finish()) return;
    this.guard(() => this.onCancel?.(reason));
    if (reason === "deadline") {
      this.failed({ code: Status.deadlineExceeded, message: "context deadline exceeded" });
    }
  }
}

/** One run of bytes. */
export const joined = (message: MessageBytes): Uint8Array =>
  message instanceof Uint8Array ? message : Buffer.concat(message);
