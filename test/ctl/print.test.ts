import assert from "node:assert/strict";
import { test } from "node:test";
import { goJson, omitEmpty } from "../../src/ctl/print/go-json.ts";
import { humanBytes } from "../../src/ctl/print/rows.ts";
import { table } from "../../src/ctl/print/table.ts";
import { splitWords } from "../../src/ctl/words.ts";
import { formatDuration, parseDuration } from "../../src/lib/duration.ts";

test("goJson() keeps 64-bit integers exact", () => {
  assert.equal(goJson({ id: 2n ** 64n - 1n, n: -5 }), '{"id":18446744073709551615,"n":-5}');
});

test("goJson() writes bytes as base64 and escapes like Go", () => {
  assert.equal(goJson(Buffer.from([0, 255])), '"AP8="');
  assert.equal(
    goJson('<a>&"\\\n\u0001\u2028é'),
    '"\\u003ca\\u003e\\u0026\\"\\\\\\n\\u0001\\u2028é"',
  );
});

test("omitEmpty() leaves out zeros and keeps empty records", () => {
  const record = { a: 0, b: "", c: false, d: 0n, e: [], f: Buffer.alloc(0), g: undefined };
  assert.equal(goJson(omitEmpty({ ...record, h: {}, i: 1 })), '{"h":{},"i":1}');
});

test("humanBytes() rounds like go-humanize", () => {
  const cases: [number, string][] = [
    [0, "0 B"],
    [9, "9 B"],
    [999, "999 B"],
    [16_384, "16 kB"],
    [20_480, "20 kB"],
    [25_500_000, "26 MB"],
    [2_147_483_648, "2.1 GB"],
  ];
  for (const [bytes, text] of cases) assert.equal(humanBytes(bytes), text);
});

test("formatDuration() prints like Go", () => {
  const cases: [number, string][] = [
    [0, "0s"],
    [12, "12ns"],
    [1500, "1.5µs"],
    [2_875_559, "2.875559ms"],
    [1_000_000_000, "1s"],
    [61_500_000_000, "1m1.5s"],
    [3_600_000_000_000, "1h0m0s"],
  ];
  for (const [ns, text] of cases) assert.equal(formatDuration(ns), text);
});

test("parseDuration() takes Go's durations and nothing else", () => {
  assert.equal(parseDuration("1h2m3.5s"), 3_723_500);
  assert.equal(parseDuration("-1.5ms"), -1.5);
  assert.equal(parseDuration("100us"), 0.1);
  for (const text of ["", "5", "s", "1x", "1 s"]) assert.equal(parseDuration(text), undefined);
});

test("table() centres heads and sets cells to the right", () => {
  const drawn = table({ header: ["id", "long_name"], rows: [["12345", "x"]] });
  assert.equal(
    drawn,
    [
      "┌───────┬───────────┐",
      "│  ID   │ LONG NAME │",
      "├───────┼───────────┤",
      "│ 12345 │         x │",
      "└───────┴───────────┘",
      "",
    ].join("\n"),
  );
});

test("splitWords() keeps quoted words together", () => {
  assert.deepEqual(splitWords(`put k 'a b' "c\\x41\\n"`), ["put", "k", "a b", "cA\n"]);
});
