import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDuration, parseDuration, parseInteger } from "../../../src/server/config/values.ts";

test("parseInteger() knows Go's prefixes, underscores and bounds", () => {
  const cases: [string, boolean, number | string][] = [
    ["0", false, 0],
    ["42", false, 42],
    ["0x1F", false, 31],
    ["0b101", false, 5],
    ["0o17", false, 15],
    ["017", false, 15],
    ["1_000", false, 1000],
    ["0x_ff", false, 255],
    ["1__0", false, "syntax"],
    ["_1", false, "syntax"],
    ["08", false, "syntax"],
    ["", false, "syntax"],
    ["+1", false, "syntax"],
    ["-1", false, "syntax"],
    ["-1", true, -1],
    ["+7", true, 7],
    ["1e3", false, "syntax"],
    ["18446744073709551615", false, Number.MAX_SAFE_INTEGER],
    ["18446744073709551616", false, "range"],
    ["9223372036854775808", true, "range"],
  ];
  for (const [text, signed, want] of cases) {
    assert.equal(parseInteger(text, signed, 64), want, text);
  }
});

test("parseDuration() reads and refuses as Go's time.ParseDuration", () => {
  const good: [string, number][] = [
    ["0", 0],
    ["5s", 5000],
    ["1h2m3.5s", 3_723_500],
    [".5s", 500],
    ["-1m", -60_000],
    ["100us", 0.1],
    ["1.s", 1000],
  ];
  for (const [text, ms] of good)
    assert.deepEqual(parseDuration(text), { ok: true, value: ms }, text);
  const bad: [string, string][] = [
    ["", 'time: invalid duration ""'],
    ["5", 'time: missing unit in duration "5"'],
    ["5x", 'time: unknown unit "x" in duration "5x"'],
    ["abc", 'time: invalid duration "abc"'],
    [".s", 'time: invalid duration ".s"'],
  ];
  for (const [text, error] of bad)
    assert.deepEqual(parseDuration(text), { ok: false, error }, text);
});

test("formatDuration() prints as Go does", () => {
  const cases: [number, string][] = [
    [0, "0s"],
    [1500, "1.5s"],
    [60_000, "1m0s"],
    [3_600_000, "1h0m0s"],
    [5, "5ms"],
    [-1000, "-1s"],
  ];
  for (const [ms, text] of cases) assert.equal(formatDuration(ms), text);
});
