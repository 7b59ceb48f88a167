import type { Cancel, Clock } from "../../../src/ports/index.ts";
import type { Actor, World } from "../world.ts";

/** Wall time at the beginning of every world: a day in 2026. */
const epochMs = 1_780_000_000_000;

/** Virtual time as one process sees it: its own rate, and a wall clock that may be wrong. */
export class SimClock implements Clock {
  readonly #world: World;
  readonly #actor: Actor;
  /** How wrong the wall clock is, in milliseconds; a jump changes it. */
  wallSkewMs = 0;

  constructor(world: World, actor: Actor) {
    this.#world = world;
    this.#actor = actor;
  }

  nowMs(): number {
    return (this.#world.nowUs * this.#actor.ratePpm) / 1_000_000_000;
  }

  wallMs(): number {
    return Math.floor(epochMs + this.nowMs() + this.wallSkewMs);
  }

  after(ms: number, f: () => void): Cancel {
    const us = Math.max(1, Math.ceil(ms * 1000));
    return this.#world.afterLocal(us, this.#actor, "timer", f);
  }

  soon(f: () => void): void {
    this.#world.after(0, this.#actor, "soon", f);
  }
}
