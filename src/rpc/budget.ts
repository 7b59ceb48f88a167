/** A token bucket for things a client may do now and then but not all the time. */
export class Budget {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #lastMs = 0;

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1000;
    this.#tokens = burst;
  }

  /** Takes so many; false when fewer are left. Debts are paid back before anything is given. */
  take(nowMs: number, count = 1): boolean {
    const grown = this.#tokens + (nowMs - this.#lastMs) * this.#perMs;
    this.#tokens = Math.min(this.#burst, grown) - count;
    this.#lastMs = nowMs;
    return this.#tokens >= 0;
  }

  /** Takes what was used up already. */
  charge(count: number): void {
    this.#tokens -= count;
  }
}
