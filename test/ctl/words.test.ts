import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandError } from "../../src/ctl/exit.ts";
import { goQuote } from "../../src/ctl/print/go-quote.ts";
import { unquote } from "../../src/ctl/words.ts";

test("goQuote() escapes what Go's %q escapes", () => {
  const cases: [string | Uint8Array, string][] = [
    ["plain é 漢 🙂", '"plain é 漢 🙂"'],
    ['a"b\\c', '"a\\"b\\\\c"'],
    ["\x00\x07\b\t\n\v\f\r\x1f\x7f", '"\\x00\\a\\b\\t\\n\\v\\f\\r\\x1f\\x7f"'],
    ["\u00a0\u200b\u2028\ufeff", '"\\u00a0\\u200b\\u2028\\ufeff"'],
    ["\ufffd", '"\ufffd"'],
    ["\u{e0001}", '"\\U000e0001"'],
    [Buffer.from([0xff, 0x41, 0xc3]), '"\\xffA\\xc3"'],
    [Buffer.from([0xed, 0xa0, 0x80]), '"\\xed\\xa0\\x80"'],
    [Buffer.from([0xc0, 0x80]), '"\\xc0\\x80"'],
  ];
  for (const [value, quoted] of cases) assert.equal(goQuote(value), quoted);
});

test("unquote() takes back what goQuote() wrote", () => {
  for (const bytes of [
    Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
    Buffer.from("é漢🙂\u2028\u{e0001}\ufffd"),
  ]) {
    assert.deepEqual(unquote(goQuote(bytes)), bytes);
  }
});

test("unquote() refuses escapes that Go does not know", () => {
  for (const literal of ['"\\q"', '"\\xg0"', '"\\U00110000"']) {
    assert.throws(() => unquote(literal), CommandError);
  }
});
