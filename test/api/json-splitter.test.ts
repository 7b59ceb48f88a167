import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { JsonSplitter, ValueTooLong } from "../../src/api/gateway/json-splitter.ts";

test("JsonSplitter finds the objects of a stream, wherever it is cut", () => {
  const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 5 });
  const blanks = fc.constantFrom("", " ", "\n", " \r\n\t");
  const cuts = fc.array(fc.nat({ max: 500 }), { maxLength: 10 });
  fc.assert(
    fc.property(objects, blanks, cuts, (values, blank, at) => {
      const whole = Buffer.from(values.map((v) => blank + JSON.stringify(v)).join("") + blank);
      const splitter = new JsonSplitter(1 << 20);
      const found: string[] = [];
      const bounds = [0, ...at.filter((n) => n < whole.length).sort((a, b) => a - b), whole.length];
      for (let i = 1; i < bounds.length; i++) {
        found.push(...splitter.push(whole.subarray(bounds[i - 1], bounds[i])));
      }
      assert.deepEqual(
        found.map((text) => JSON.parse(text)),
        values.map((v) => JSON.parse(JSON.stringify(v))),
      );
      assert.equal(splitter.rest(), "");
    }),
  );
});

test("JsonSplitter holds no more than it may, and gives back what was no whole value", () => {
  const splitter = new JsonSplitter(10);
  assert.throws(() => splitter.push(Buffer.from('{"a":"bcdefghijkl')), ValueTooLong);
  const other = new JsonSplitter(100);
  assert.deepEqual(other.push(Buffer.from('{"a":1}{"b"')), ['{"a":1}']);
  assert.equal(other.rest(), '{"b"');
  // Closing what was never opened ends a value: its reader says what is wrong with it.
  assert.deepEqual(new JsonSplitter(100).push(Buffer.from("}}")), ["}", "}"]);
});
