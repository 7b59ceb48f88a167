/** Deadlines of calls: thousands of timers that nearly never fire, at two pointer writes each. */
import type { Cancel, Clock } from "../ports/index.ts";

const tickMs = 16;
/** A power of two; a round of the wheel takes about eight seconds. */
const slotCount = 512;

/** What is put on the wheel; at most once at a time. The two links belong to the wheel. */
export interface WheelEntry {
  /** `Clock.nowMs` at or after which `onDue` runs. */
  deadlineMs: number;
  wheelNext: WheelEntry | undefined;
  wheelPrevious: WheelEntry | undefined;
  onDue(): void;
}

/** Rings of a doubly linked list per slot; ticks only while something waits. */
export class TimerWheel {
  readonly #clock: Clock;
  readonly #slots: WheelEntry[] = Array.from({ length: slotCount }, () => ring());
  #waiting = 0;
  /** The last tick whose slot was looked at. */
  #tick = 0;
  #cancelTick: Cancel | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get waiting(): number {
    return this.#waiting;
  }

  add(entry: WheelEntry): void {
    if (this.#cancelTick === undefined) {
      this.#tick = Math.floor(this.#clock.nowMs() / tickMs);
      this.#arm();
    }
    // Rounded up, and never into a slot that this round has passed.
    const tick = Math.max(this.#tick + 1, Math.ceil(entry.deadlineMs / tickMs));
    const head = this.#slots[tick & (slotCount - 1)]!;
    const last = head.wheelPrevious!;
    entry.wheelPrevious = last;
    entry.wheelNext = head;
    last.wheelNext = entry;
    head.wheelPrevious = entry;
    this.#waiting++;
  }

  /** Does nothing when the entry is not on the wheel. */
  remove(entry: WheelEntry): void {
    if (entry.wheelNext === undefined) return;
    entry.wheelPrevious!.wheelNext = entry.wheelNext;
    entry.wheelNext.wheelPrevious = entry.wheelPrevious;
    entry.wheelNext = undefined;
    entry.wheelPrevious = undefined;
    this.#waiting--;
  }

  /** Stops ticking; entries still on the wheel never fire. */
  close(): void {
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  #arm(): void {
    this.#cancelTick = this.#clock.after(tickMs, () => this.#advance());
  }

  #advance(): void {
    const now = this.#clock.nowMs();
    const until = Math.floor(now / tickMs);
    // After a long pause each slot is looked at once, however many ticks were missed.
    const from = Math.max(this.#tick + 1, until - slotCount + 1);
    const due: WheelEntry[] = [];
    for (let tick = from; tick <= until; tick++) {
      const head = this.#slots[tick & (slotCount - 1)]!;
      for (let e = head.wheelNext!; e !== head; e = e.wheelNext!)
        if (e.deadlineMs <= now) due.push(e);
    }
    this.#tick = Math.max(this.#tick, until);
    for (const entry of due) {
      if (entry.wheelNext === undefined) continue;
      this.remove(entry);
      entry.onDue();
    }
    if (this.#cancelTick === undefined) return;
    this.#cancelTick = undefined;
    if (this.#waiting > 0) this.#arm();
  }
}

function ring(): WheelEntry {
  const head: WheelEntry = {
    deadlineMs: Number.POSITIVE_INFINITY,
    wheelNext: undefined,
    wheelPrevious: undefined,
    onDue: () => {},
  };
  head.wheelNext = head;
  head.wheelPrevious = head;
  return head;
}
