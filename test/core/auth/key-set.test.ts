import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isValidRange, KeySet } from "../../../src/core/auth/key-set.ts";

/** Every key of up to two bytes out of three, in order: small enough to ask each of them. */
const letters = [0, 97, 255];
const keys = [...letters.map((a) => [a]), ...letters.flatMap((a) => letters.map((b) => [a, b]))]
  .map((bytes) => Uint8Array.from(bytes))
  .sort(Buffer.compare);

const key = fc.constantFrom(...keys);
const rangeEnd = fc.oneof(fc.constant(new Uint8Array(0)), fc.constant(new Uint8Array(1)), key);
const range = fc.record({ key, rangeEnd });
const permission = range
  .filter((r) => isValidRange(r.key, r.rangeEnd))
  .map((r) => ({ ...r, permType: 0 }));

/** Is this key meant by the range? Straight from the documentation of etcd's API. */
function has(r: { key: Uint8Array; rangeEnd: Uint8Array }, k: Uint8Array): boolean {
  if (r.rangeEnd.byteLength === 0) return Buffer.compare(r.key, k) === 0;
  if (Buffer.compare(r.key, k) > 0) return false;
  const isOpen = r.rangeEnd.byteLength === 1 && r.rangeEnd[0] === 0;
  return isOpen || Buffer.compare(k, r.rangeEnd) < 0;
}

/** Keys of up to three bytes: those between the ones that ranges are made of. */
const probes = keys.flatMap((k) => [
  k,
  Buffer.concat([k, Uint8Array.of(0)]),
  Buffer.concat([k, Uint8Array.of(1)]),
]);
const last = Uint8Array.of(255, 255, 255, 255);

test("covers() says of every range what its keys say one by one", () => {
  fc.assert(
    fc.property(fc.array(permission, { maxLength: 6 }), range, (permissions, asked) => {
      const set = new KeySet(permissions);
      const wanted = [...probes, last].filter((k) => has(asked, k));
      if (wanted.length === 0) return;
      const expected = wanted.every((k) => permissions.some((p) => has(p, k)));
      assert.equal(set.covers(asked.key, asked.rangeEnd), expected);
    }),
    { numRuns: 2000 },
  );
});

test("covers() merges ranges that touch, and no others", () => {
  const of = (begin: string, end: string) => ({
    key: Buffer.from(begin),
    rangeEnd: Buffer.from(end),
    permType: 0,
  });
  const set = new KeySet([of("c", "d"), of("a", "b"), of("b", ""), of("b\0", "c")]);
  const covers = (begin: string, end: string): boolean =>
    set.covers(Buffer.from(begin), Buffer.from(end));
  assert.ok(covers("a", "d"));
  assert.ok(covers("b", "b\0"));
  assert.ok(!covers("a", "d\0"));
  assert.ok(!covers("a", "\0"));
  assert.ok(!new KeySet([of("a", "b"), of("b\0", "c")]).covers(Buffer.from("a"), Buffer.from("c")));
  assert.ok(!new KeySet([]).covers(Buffer.from("a"), Buffer.from("")));
});
