import type { Random } from "../../src/ports/index.ts";

/** A seeded generator (splitmix64): the same seed gives the same run. */
export function seededRandom(seed: number): Random {
  // Neighbouring seeds start far apart: with the generator's own step they would share a stream.
  let state = BigInt.asUintN(64, (BigInt(seed) + 1n) * 0xd1342543de82ef95n);
  state ^= state >> 29n;
  const bits64 = (): bigint => {
    state = BigInt.asUintN(64, state + 0x9e3779b97f4a7c15n);
    let z = state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  };
  return { bits64, below: (n) => Number(bits64() % BigInt(n)) };
}
