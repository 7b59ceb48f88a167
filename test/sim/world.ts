import { mix, SimRandom } from "./random.ts";

/** What an event was, for the report of a failure; formatted only then. */
export type Label = string | (() => string);

interface Event {
  readonly timeUs: number;
  readonly seq: number;
  readonly actor: Actor | undefined;
  readonly generation: number;
  readonly label: Label;
  run: (() => void) | undefined;
}

/** Something that lives in the world and can be killed or stopped for a while: one process. */
export class Actor {
  readonly name: string;
  /** Raised when the process dies: events of earlier generations never run. */
  generation = 0;
  paused = false;
  /** The process is gone for good: whatever it still tries to schedule never happens. */
  dead = false;
  /** Speed of its clock in parts per million: 1_000_000 is true time. */
  ratePpm = 1_000_000;
  readonly backlog: Event[] = [];

  constructor(name: string) {
    this.name = name;
  }
}

/** A broken rule, found by a checker. */
export class Violation extends Error {
  override readonly name = "Violation";
}

const recentEvents = 50;
/** Far beyond what any seed needs: members that answer each other without end. */
const maxEvents = 1_000_000;

/**
 * Virtual time: a heap of (time, sequence, function), one seed for all randomness, and a hash over
 * everything that happened. The same seed gives the same hash, or nondeterminism has leaked in.
 */
export class World {
  readonly seed: string;
  readonly random: SimRandom;
  nowUs = 0;
  events = 0;
  /** Labels of events that a report leaves out: they say nothing and there are many. */
  quiet: ReadonlySet<Label> = new Set();
  /** Called after every event with the actor it belonged to. */
  check: (actor: Actor | undefined) => void = () => {};
  #hash = 0x811c9dc5;
  #seq = 0;
  readonly #heap: Event[] = [];
  readonly #recent: { timeUs: number; actor: Actor | undefined; label: Label }[] = [];

  constructor(seed: string) {
    this.seed = seed;
    this.random = new SimRandom(seed);
  }

  get traceHash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  /** Adds a number to the trace hash: state that must be equal in a second run. */
  mark(n: number): void {
    this.#hash = mix(this.#hash, n);
  }

  /**
   * Runs `run` after `delayUs` of true time, unless the actor dies before; while it is paused, its
   * events wait. Returns what cancels it.
   */
  after(delayUs: number, actor: Actor | undefined, label: Label, run: () => void): () => void {
    if (actor?.dead) return () => {};
    const event: Event = {
      timeUs: this.nowUs + delayUs,
      seq: this.#seq++,
      actor,
      generation: actor?.generation ?? 0,
      label,
      run,
    };
    this.#push(event);
    return () => {
      event.run = undefined;
    };
  }

  /** As `after`, in the time of the actor's own, drifting clock. */
  afterLocal(delayUs: number, actor: Actor, label: Label, run: () => void): () => void {
    const trueUs = Math.max(1, Math.floor((delayUs * 1_000_000) / actor.ratePpm));
    return this.after(trueUs, actor, label, run);
  }

  pause(actor: Actor): void {
    actor.paused = true;
  }

  /** What waited runs now, in its order. */
  resume(actor: Actor): void {
    actor.paused = false;
    for (const e of actor.backlog.splice(0)) {
      this.#push({ ...e, timeUs: this.nowUs, seq: this.#seq++ });
    }
  }

  kill(actor: Actor): void {
    actor.generation++;
    actor.paused = false;
    actor.backlog.length = 0;
  }

  /** As `kill`, for a process that does not come back as the same actor. */
  end(actor: Actor): void {
    this.kill(actor);
    actor.dead = true;
  }

  /** Runs the next event; false when there is none at or before `untilUs`. */
  step(untilUs: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.timeUs > untilUs) {
      this.nowUs = Math.max(this.nowUs, Math.min(untilUs, Number.MAX_SAFE_INTEGER));
      return false;
    }
    this.#pop();
    const { actor, run } = next;
    if (run === undefined) return true;
    if (actor !== undefined && next.generation !== actor.generation) return true;
    this.nowUs = next.timeUs;
    if (actor?.paused) {
      actor.backlog.push(next);
      return true;
    }
    if (++this.events > maxEvents) throw new Violation("the members run wild: too many events");
    this.mark(next.timeUs);
    this.mark(next.seq);
    if (!this.quiet.has(next.label)) this.note(next.label, actor);
    run();
    this.check(actor);
    return true;
  }

  /** Runs events up to `untilUs` of virtual time, or until `done()`. */
  run(untilUs: number, done?: () => boolean): boolean {
    while (!done?.()) if (!this.step(untilUs)) return done?.() ?? true;
    return true;
  }

  /**
   * As `run` for members that use promises: after each event all jobs that it made ready run to
   * their end. Only the loop's own setImmediate is used, so the order stays that of the queue.
   */
  async runAsync(untilUs: number, done?: () => boolean): Promise<boolean> {
    while (!done?.()) {
      if (!this.step(untilUs)) return done?.() ?? true;
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.check(undefined);
    }
    return true;
  }

  /** Remembers something for the report of a failure. */
  note(label: Label, actor?: Actor): void {
    if (this.#recent.length === recentEvents) this.#recent.shift();
    this.#recent.push({ timeUs: this.nowUs, actor, label });
  }

  /** The last events, oldest first. */
  history(): string[] {
    return this.#recent.map(({ timeUs, actor, label }) => {
      const text = typeof label === "string" ? label : label();
      return `${(timeUs / 1000).toFixed(3).padStart(12)} ms  ${(actor?.name ?? "-").padEnd(4)} ${text}`;
    });
  }

  #push(e: Event): void {
    const heap = this.#heap;
    let i = heap.length;
    heap.push(e);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const p = heap[parent] as Event;
      if (before(p, e)) break;
      heap[i] = p;
      i = parent;
    }
    heap[i] = e;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    const n = heap.length;
    if (n === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      const right = child + 1;
      if (right < n && before(heap[right] as Event, heap[child] as Event)) child = right;
      const c = heap[child] as Event;
      if (before(last, c)) break;
      heap[i] = c;
      i = child;
    }
    heap[i] = last;
  }
}

const before = (a: Event, b: Event): boolean =>
  a.timeUs < b.timeUs || (a.timeUs === b.timeUs && a.seq < b.seq);
