import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { WatchedRanges, type Watching } from "../../../src/core/mvcc/watch-ranges.ts";

const letter = fc.nat(9).map((n) => String.fromCharCode(97 + n));
const watching = fc
  .tuple(letter, fc.option(letter), fc.boolean())
  .map(([start, end, single]): Watching => {
    if (single) return { start, end: `${start}\0`, single };
    return { start, end: end === null || end <= start ? undefined : end, single };
  });

test("WatchedRanges finds exactly the watchers whose range holds a key", () => {
  fc.assert(
    fc.property(
      fc.array(watching, { maxLength: 60 }),
      fc.array(fc.nat(59), { maxLength: 40 }),
      (watchers, removals) => {
        const ranges = new WatchedRanges<Watching>();
        for (const w of watchers) ranges.add(w);
        const left = new Set(watchers);
        for (const i of removals) {
          const w = watchers[i];
          if (w === undefined || !left.delete(w)) continue;
          ranges.remove(w);
        }
        for (const key of ["", "a", "c", "c\0", "ef", "j", "z"]) {
          const found: Watching[] = [];
          ranges.forEach(key, (group) => found.push(...group));
          const expected = [...left].filter((w) =>
            w.single ? key === w.start : key >= w.start && (w.end === undefined || key < w.end),
          );
          assert.equal(found.length, expected.length);
          assert.deepEqual(new Set(found), new Set(expected));
        }
      },
    ),
    { numRuns: 300 },
  );
});
