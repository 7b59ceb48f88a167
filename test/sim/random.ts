import type { Random } from "../../src/ports/index.ts";

/**
 * sfc32, seeded by a string. `fork(label)` gives a stream of its own per concern, derived from the
 * seed and the label only: a new draw in one place does not reshuffle the others.
 * Integer arithmetic throughout, since floating point functions may differ between engines.
 */
export class SimRandom implements Random {
  readonly #seed: string;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: string) {
    this.#seed = seed;
    this.#a = hash32(seed, 0x9e3779b9);
    this.#b = hash32(seed, 0x243f6a88);
    this.#c = hash32(seed, 0xb7e15162);
    this.#d = 1;
    for (let i = 0; i < 12; i++) this.next32();
  }

  fork(label: string): SimRandom {
    return new SimRandom(`${this.#seed}/${label}`);
  }

  next32(): number {
    const t = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + t) | 0;
    return t >>> 0;
  }

  below(n: number): number {
    if (n <= 0x1_0000_0000) return Math.floor((this.next32() * n) / 0x1_0000_0000);
    const high = this.below(Math.ceil(n / 0x1_0000_0000));
    const v = high * 0x1_0000_0000 + this.next32();
    return v < n ? v : v % n;
  }

  bits64(): bigint {
    return (BigInt(this.next32()) << 32n) | BigInt(this.next32());
  }

  /** An integer in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True in `percent` of a hundred cases; tenths count. */
  chance(percent: number): boolean {
    return this.below(1000) < percent * 10;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** About geometric with this mean, at most 16 times as much; integers only. */
  geometric(mean: number): number {
    let whole = 0;
    while (whole < 15 && (this.next32() & 1) === 0) whole++;
    return whole * mean + this.below(mean + 1);
  }
}

/** FNV-1a with a final mix. */
export function hash32(text: string, basis: number): number {
  let h = basis >>> 0;
  for (let i = 0; i < text.length; i++) {
    h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Adds a number to a running 32-bit hash. */
export function mix(h: number, n: number): number {
  let x = Math.imul(h ^ (n | 0), 0x85ebca6b);
  x = (x << 13) | (x >>> 19);
  x = (Math.imul(x, 5) + 0xe6546b64) | 0;
  return (x ^ Math.floor(n / 0x1_0000_0000)) >>> 0;
}
