/** How values are distributed: counts by bucket, in plain numbers. Observing allocates nothing. */
export class Distribution {
  /** Upper bounds, ascending; what is above the last is counted behind them. */
  readonly bounds: readonly number[];
  /** One count per bound and one more; not cumulative. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds, counts } = this;
    let i = 0;
    while (i < bounds.length && value > (bounds[i] as number)) i++;
    counts[i] = (counts[i] as number) + 1;
    this.sum += value;
  }

  /** How many values were observed. */
  get total(): number {
    return this.counts.reduce((a, b) => a + b, 0);
  }
}

/** `count` bounds from `start`, each `factor` times the one before, as Prometheus' Go client makes them. */
export function exponential(start: number, factor: number, count: number): readonly number[] {
  const bounds: number[] = [];
  for (let i = 0, bound = start; i < count; i++, bound *= factor) bounds.push(bound);
  return bounds;
}

/** Of outcomes: one distribution of what went well, one of what did not. */
export interface Outcomes {
  readonly ok: Distribution;
  readonly failed: Distribution;
}

/** Distributions by a name; the names are few and fixed by the caller. */
export class OutcomesByName {
  readonly #bounds: readonly number[];
  readonly #byName = new Map<string, Outcomes>();

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
  }

  observe(name: string, isOk: boolean, value: number): void {
    let outcomes = this.#byName.get(name);
    if (outcomes === undefined) {
      outcomes = { ok: new Distribution(this.#bounds), failed: new Distribution(this.#bounds) };
      this.#byName.set(name, outcomes);
    }
    (isOk ? outcomes.ok : outcomes.failed).observe(value);
  }

  entries(): IterableIterator<[string, Outcomes]> {
    return this.#byName.entries();
  }
}
