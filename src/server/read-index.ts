/**
 * Linearizable reads: everybody who asks while a round is under way shares the next one.
 * Source: Raft thesis 6.4; etcd server/etcdserver/v3_server.go linearizableReadLoop.
 */
import type { ReadIndexResult, ReadState } from "../core/raft/index.ts";
import type { Index } from "../core/types.ts";
import type { Cancel, Clock } from "../ports/index.ts";
import { EtcdError } from "../proto/index.ts";

export type ReadReply = (error: EtcdError | undefined) => void;

export interface ReadIndexOptions {
  readonly clock: Clock;
  /** Asks Raft; the answer comes back through `confirmed`. */
  readonly readIndex: (context: Uint8Array) => ReadIndexResult;
  readonly appliedIndex: () => Index;
  /** A round that is not confirmed by then fails with Timeout. */
  readonly timeoutMs: number;
  /** 64 random bits: a late answer to a former life of this member must match none of ours. */
  readonly seed: bigint;
  readonly onSlow: () => void;
  readonly onFailed: () => void;
}

/** A lost request is asked again after this long (etcd: 500 ms). */
const retryMs = 500;

interface Round {
  readonly context: Uint8Array;
  readonly replies: ReadReply[];
  readonly deadlineMs: number;
  cancelRetry: Cancel;
}

export class ReadIndexRounds {
  readonly #options: ReadIndexOptions;
  #waiting: ReadReply[] = [];
  #scheduled = false;
  #round: Round | undefined;
  /** Confirmed, but the state machine is not that far yet; ascending by index. */
  #confirmed: { readonly index: Index; readonly replies: ReadReply[] }[] = [];
  #nextContext: bigint;
  #closed = false;

  constructor(options: ReadIndexOptions) {
    this.#options = options;
    this.#nextContext = options.seed;
  }

  /** Calls back once this member has applied everything that was committed before this call. */
  wait(reply: ReadReply): void {
    if (this.#closed) {
      reply(new EtcdError("Stopped"));
      return;
    }
    this.#waiting.push(reply);
    if (this.#round !== undefined || this.#scheduled) return;
    this.#scheduled = true;
    this.#options.clock.soon(() => this.#begin());
  }

  /**
   * Calls back once this member has applied `index`, without asking anybody. What it returns gives up:
   * nothing is kept, and nobody called back.
   */
  waitApplied(index: Index, timeoutMs: number, reply: ReadReply): Cancel {
    if (this.#closed || index <= this.#options.appliedIndex()) {
      reply(this.#closed ? new EtcdError("Stopped") : undefined);
      return () => undefined;
    }
    let done = false;
    const once: ReadReply = (error) => {
      if (done) return;
      done = true;
      cancel();
      reply(error);
    };
    const cancel = this.#options.clock.after(timeoutMs, () => {
      this.#forget(once);
      once(new EtcdError("TimeoutWaitAppliedIndex"));
    });
    this.#insert(index, [once]);
    return () => {
      if (done) return;
      done = true;
      cancel();
      this.#forget(once);
    };
  }

  /** Raft's answers. */
  confirmed(states: readonly ReadState[]): void {
    for (const state of states) {
      const round = this.#round;
      if (round === undefined || Buffer.compare(round.context, state.context) !== 0) continue;
      round.cancelRetry();
      this.#round = undefined;
      this.#insert(state.index, round.replies);
      this.applied(this.#options.appliedIndex());
      if (this.#waiting.length > 0) this.#begin();
    }
  }

  /** The state machine has moved on. */
  applied(index: Index): void {
    while (this.#confirmed.length > 0 && (this.#confirmed[0]?.index ?? 0) <= index) {
      for (const reply of this.#confirmed.shift()?.replies ?? []) reply(undefined);
    }
  }

  /** The leader changed or was lost: what it had promised to confirm may never come. */
  leaderChanged(): void {
    const round = this.#round;
    if (round === undefined) return;
    this.#fail(round, new EtcdError("LeaderChanged"));
  }

  close(): void {
    this.#closed = true;
    const error = new EtcdError("Stopped");
    this.#round?.cancelRetry();
    const all = [this.#round?.replies ?? [], ...this.#confirmed.map((c) => c.replies)];
    this.#round = undefined;
    this.#confirmed = [];
    for (const reply of [...all.flat(), ...this.#waiting.splice(0)]) reply(error);
  }

  #insert(index: Index, replies: ReadReply[]): void {
    let at = this.#confirmed.length;
    while (at > 0 && (this.#confirmed[at - 1]?.index ?? 0) > index) at--;
    this.#confirmed.splice(at, 0, { index, replies });
  }

  #forget(reply: ReadReply): void {
    const at = this.#confirmed.findIndex((c) => c.replies[0] === reply);
    if (at >= 0) this.#confirmed.splice(at, 1);
  }

  #begin(): void {
    this.#scheduled = false;
    if (this.#closed) return;
    if (this.#waiting.length === 0 || this.#round !== undefined) return;
    const context = Buffer.alloc(8);
    context.writeBigUInt64BE(this.#nextContext);
    this.#nextContext = BigInt.asUintN(64, this.#nextContext + 1n);
    const round: Round = {
      context,
      replies: this.#waiting,
      deadlineMs: this.#options.clock.nowMs() + this.#options.timeoutMs,
      cancelRetry: () => undefined,
    };
    this.#waiting = [];
    this.#round = round;
    this.#ask(round);
  }

  #ask(round: Round): void {
    round.cancelRetry = this.#options.clock.after(retryMs, () => {
      if (this.#round !== round) return;
      if (this.#options.clock.nowMs() >= round.deadlineMs) {
        this.#fail(round, new EtcdError("Timeout"));
        return;
      }
      this.#options.onSlow();
      this.#ask(round);
    });
    this.#options.readIndex(round.context);
  }

  #fail(round: Round, error: EtcdError): void {
    this.#options.onFailed();
    round.cancelRetry();
    this.#round = undefined;
    for (const reply of round.replies) reply(error);
    if (this.#waiting.length > 0) this.#begin();
  }
}
