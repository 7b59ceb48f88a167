/**
 * Long ranges that the keys' own order does not answer: by another target, descending, or filtered by
 * revisions. At one revision, a slice a turn: their keys are ranked out of the index (by value: with
 * their rows), put in order by merges that give the loop its turns too, and their rows are read in
 * that order. The answer is that of KvStore.range in one piece.
 */
import {
  hasRevisionFilters,
  type Outcome,
  type Pin,
  type RangeRequest,
  type RangeResult,
  type RankedKey,
  SortOrder,
  SortTarget,
} from "../core/mvcc/index.ts";
import type { Revision } from "../core/types.ts";
import type { Clock } from "../ports/index.ts";
import { type ReadTurns, sliceKeys } from "./read-turns.ts";
import type { Reply } from "./requests.ts";
import { type Ranked, SortedRows, withoutValue, withValue } from "./sorted-rows.ts";
import type { StateMachine } from "./state-machine.ts";

interface SortedAnswer {
  readonly kvs: readonly Uint8Array[];
  readonly more: boolean;
}

const whole = (row: Ranked): Uint8Array => row.encoded as Uint8Array;
const bare = (row: Ranked): Uint8Array => withoutValue(whole(row));

/** Whether `SortedRange` answers it: a range whose limit does not count before its order. */
export const isOutOfKeyOrder = (r: RangeRequest): boolean =>
  r.rangeEnd.byteLength > 0 &&
  !r.countOnly &&
  (hasRevisionFilters(r) ||
    (r.sortOrder === SortOrder.None
      ? r.sortTarget !== SortTarget.Key && r.limit <= 0
      : r.sortTarget !== SortTarget.Key || r.sortOrder === SortOrder.Descend));

/** Answers the ranges that `isOutOfKeyOrder` names. */
export class SortedRange {
  readonly #state: StateMachine;
  readonly #clock: Clock;
  readonly #turns: ReadTurns;

  constructor(state: StateMachine, clock: Clock, turns: ReadTurns) {
    this.#state = state;
    this.#clock = clock;
    this.#turns = turns;
  }

  /** In one turn where keys are few; else by slices, which are put in order between them. */
  range(request: RangeRequest, reply: Reply<RangeResult>): void {
    const { kv } = this.#state;
    let pin: Pin | undefined;
    let backend = this.#state.backend;
    const begin = (): Outcome<RangeResult> => {
      const counted = this.#turns.range({ ...request, countOnly: true });
      if (counted.kind !== "range") return counted;
      const held = kv.pin((request.revision <= 0 ? kv.revision : request.revision) as Revision);
      if (counted.count > sliceKeys) {
        backend = this.#state.backend;
        pin = held;
        return counted;
      }
      const outcome = kv.range(request, { pin: held });
      held.release();
      return outcome;
    };
    this.#turns.run<RangeResult>(
      "Range",
      request.serializable,
      (error, counted) => {
        if (counted === undefined || pin === undefined) {
          reply(error, counted);
          return;
        }
        const held = pin;
        this.#sorted(request, held, (failed, found) => {
          held.release();
          // A snapshot took the place of what was read so far.
          const isNew = this.#state.backend !== backend;
          if (isNew) this.range({ ...request, serializable: true }, reply);
          else if (found === undefined) reply(failed);
          else reply(undefined, { ...counted, ...found });
        });
      },
      begin,
    );
  }

  #sorted(request: RangeRequest, pin: Pin, reply: Reply<SortedAnswer>): void {
    const { kv } = this.#state;
    const isByValue = request.sortTarget === SortTarget.Value;
    const valued = { ...request, keysOnly: false };
    const sorted = new SortedRows(request);
    const soon = (f: () => void): void => void this.#clock.soon(f);
    const slice = (from: string | undefined): void => {
      let keys: readonly RankedKey[] = [];
      let next: string | undefined;
      const run = (): Outcome<RangeResult> => {
        const ranked = kv.rank(request, pin, from, sliceKeys);
        if (ranked.kind === "error") return ranked;
        ({ keys, next } = ranked);
        return kv.rows(valued, pin, isByValue ? keys : []);
      };
      this.#turns.piece(run, (error, found) => {
        if (found === undefined) {
          reply(error);
          return;
        }
        const { kvs } = found;
        sorted.add(isByValue ? keys.map((key, i) => withValue(key, kvs[i] as Uint8Array)) : keys);
        const isLast = next === undefined;
        sorted.settle(isLast, soon, () => soon(isLast ? end : () => slice(next)));
      });
    };
    const end = (): void => {
      const { rows, more } = sorted.rows();
      if (isByValue) reply(undefined, { kvs: rows.map(request.keysOnly ? bare : whole), more });
      else this.#rowsOf(rows, request, pin, (error, kvs) => reply(error, kvs && { kvs, more }));
    };
    slice(undefined);
  }

  /** The rows of keys in their order, a slice a turn. */
  #rowsOf(
    keys: readonly RankedKey[],
    request: RangeRequest,
    pin: Pin,
    reply: Reply<Uint8Array[]>,
  ): void {
    const { kv } = this.#state;
    const kvs: Uint8Array[] = [];
    const next = (): void => {
      const some = keys.slice(kvs.length, kvs.length + sliceKeys);
      this.#turns.piece(
        () => kv.rows(request, pin, some),
        (error, found) => {
          if (found === undefined) {
            reply(error);
            return;
          }
          for (const encoded of found.kvs) kvs.push(encoded);
          if (kvs.length >= keys.length) reply(undefined, kvs);
          else this.#clock.soon(next);
        },
      );
    };
    next();
  }
}
