/**
 * How a read runs: once it is linearizable, on a whole state, in one turn of the loop, and again when
 * the values that it lacked were fetched (STORE 9). Reads that are long take a turn a slice.
 */
import {
  decodeKeyValue,
  type KvStore,
  type OpResult,
  type Outcome,
  type RangeRequest,
  type RangeResult,
} from "../core/mvcc/index.ts";
import { assertNever } from "../lib/assert.ts";
import type { Clock } from "../ports/index.ts";
import { EtcdError } from "../proto/index.ts";
import type { Measures } from "./measures.ts";
import type { ReadIndexRounds } from "./read-index.ts";
import type { Reply } from "./requests.ts";
import { etcdError, type StateMachine } from "./state-machine.ts";

/** Keys that one turn of the loop reads; about 1 ms (DESIGN D11). */
export const sliceKeys = 1000;

const zeroByte = Uint8Array.of(0);

/** Where the slice after this row (an encoded KeyValue) begins. */
export const keyAfter = (encoded: Uint8Array): Uint8Array =>
  Buffer.concat([decodeKeyValue(encoded).key, zeroByte]);

export interface ReadTurnsOptions {
  readonly state: StateMachine;
  readonly rounds: ReadIndexRounds;
  readonly clock: Clock;
  readonly measures: Measures;
}

export class ReadTurns {
  readonly #state: StateMachine;
  readonly #rounds: ReadIndexRounds;
  readonly #clock: Clock;
  readonly #measures: Measures;

  constructor({ state, rounds, clock, measures }: ReadTurnsOptions) {
    this.#state = state;
    this.#rounds = rounds;
    this.#clock = clock;
    this.#measures = measures;
  }

  /** One turn's reading, measured. */
  range(request: RangeRequest): Outcome<RangeResult> {
    const measures = this.#measures;
    const begun = this.#clock.nowMs();
    const outcome = this.#state.kv.range(request);
    const seconds = (this.#clock.nowMs() - begun) / 1000;
    if (outcome.kind === "range") measures.rangeOk.observe(seconds);
    else if (outcome.kind === "error") measures.rangeFailed.observe(seconds);
    return outcome;
  }

  /**
   * Calls `run` in this turn or a later one, again and again until it lacks no values. `kind` as the
   * metrics page names it; undefined is not a request of its own.
   */
  run<T extends OpResult>(
    kind: "Range" | "ReadonlyTxn" | undefined,
    serializable: boolean,
    reply: Reply<T>,
    run: () => ReturnType<KvStore["range"]> | ReturnType<KvStore["txn"]>,
  ): void {
    const begun = this.#clock.nowMs();
    const attempt = (): void => {
      if (this.#state.restoring) {
        this.#state.whenWhole(attempt);
        return;
      }
      const outcome = run();
      switch (outcome.kind) {
        case "error":
          this.#measure(kind, false, begun);
          reply(etcdError(outcome.code));
          return;
        case "missing":
          this.#state.fetch(outcome.rows).then(attempt, () => reply(new EtcdError("Stopped")));
          return;
        case "range":
        case "txn":
          this.#measure(kind, true, begun);
          reply(undefined, outcome as unknown as T);
          return;
        default:
          assertNever(outcome);
      }
    };
    if (serializable) attempt();
    else {
      this.#rounds.wait((error) => {
        if (error === undefined) attempt();
        else {
          this.#measure(kind, false, begun);
          reply(error);
        }
      });
    }
  }

  /** What one turn reads of a range whose revision is pinned. */
  piece(run: () => Outcome<RangeResult>, reply: Reply<RangeResult>): void {
    this.run<RangeResult>(undefined, true, reply, run);
  }

  #measure(kind: string | undefined, isOk: boolean, begunMs: number): void {
    if (kind === undefined) return;
    this.#measures.requests.observe(kind, isOk, (this.#clock.nowMs() - begunMs) / 1000);
  }
}
