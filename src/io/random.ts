import { randomFillSync } from "node:crypto";
import { assert } from "../lib/assert.ts";
import type { Random } from "../ports/index.ts";

const poolWords = 512;

/** Randomness of the operating system, fetched a few kilobytes at a time. */
export function createRandom(): Random {
  const pool = new Uint32Array(poolWords);
  let next = poolWords;

  const word = (): number => {
    if (next === poolWords) {
      randomFillSync(pool);
      next = 0;
    }
    return pool[next++]!;
  };

  return {
    below: (n) => {
      assert(Number.isSafeInteger(n) && n > 0, `below(${n}) needs a positive safe integer`);
      // Draws of 53 bits; those in the incomplete last multiple of n are drawn again, so that
      // every result is equally likely.
      const limit = 2 ** 53 - (2 ** 53 % n);
      for (;;) {
        const draw = (word() >>> 11) * 2 ** 32 + word();
        if (draw < limit) return draw % n;
      }
    },
    bits64: () => (BigInt(word()) << 32n) | BigInt(word()),
  };
}
