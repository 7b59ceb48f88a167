import assert from "node:assert/strict";
import { test } from "node:test";
import { CommandError } from "../../src/ctl/exit.ts";
import {
  type FlagSpec,
  Flags,
  HelpRequested,
  parseFlags,
  parseHexId,
} from "../../src/ctl/flags.ts";

const specs: FlagSpec[] = [
  { name: "prefix", type: "bool", default: "false", usage: "" },
  { name: "rev", type: "int64", default: "0", usage: "" },
  { name: "write-out", short: "w", type: "string", default: "simple", usage: "" },
  { name: "endpoints", type: "strings", default: "a:1", usage: "" },
  { name: "timeout", type: "duration", default: "5s", usage: "" },
];

const parse = (...argv: string[]): { flags: Flags; args: string[] } => {
  const flags = new Flags(specs);
  return { flags, args: parseFlags(argv, flags).args };
};

const refusal = (...argv: string[]): string => {
  try {
    parse(...argv);
  } catch (error) {
    assert.ok(error instanceof CommandError);
    return error.message;
  }
  return assert.fail("not refused");
};

test("parseFlags() takes flags and arguments in any order", () => {
  const { flags, args } = parse("a", "--rev", "5", "b", "-w", "json", "--prefix", "c");
  assert.deepEqual(args, ["a", "b", "c"]);
  assert.equal(flags.int64("rev"), 5n);
  assert.equal(flags.string("write-out"), "json");
  assert.equal(flags.bool("prefix"), true);
  assert.equal(flags.changed("rev"), true);
  assert.equal(flags.changed("timeout"), false);
});

test("parseFlags() takes every spelling of a value", () => {
  for (const argv of [["-wjson"], ["-w=json"], ["--write-out=json"], ["--write-out", "json"]]) {
    assert.equal(parse(...argv).flags.string("write-out"), "json");
  }
  assert.equal(parse("--prefix=false").flags.bool("prefix"), false);
  assert.equal(parse("--rev=-3").flags.int64("rev"), -3n);
  assert.equal(parse("--rev=9223372036854775807").flags.int64("rev"), 2n ** 63n - 1n);
  assert.equal(parse("--timeout=1m30.5s").flags.duration("timeout"), 90_500);
});

test("parseFlags() ends at -- and takes a lone - as an argument", () => {
  assert.deepEqual(parse("-", "--", "--prefix", "-x").args, ["-", "--prefix", "-x"]);
});

test("a list replaces its default and grows when given again", () => {
  assert.deepEqual(parse().flags.strings("endpoints"), ["a:1"]);
  const { flags } = parse("--endpoints=b:1,c:1", "--endpoints", "d:1");
  assert.deepEqual(flags.strings("endpoints"), ["b:1", "c:1", "d:1"]);
});

test("parseFlags() refuses in pflag's words", () => {
  assert.equal(refusal("--what"), "unknown flag: --what");
  assert.equal(refusal("-xy"), "unknown shorthand flag: 'x' in -xy");
  assert.equal(refusal("--rev"), "flag needs an argument: --rev");
  assert.equal(refusal("-w"), "flag needs an argument: 'w' in -w");
  assert.equal(
    refusal("--rev", "x"),
    'invalid argument "x" for "--rev" flag: strconv.ParseInt: parsing "x": invalid syntax',
  );
  assert.throws(() => parse("-h"), HelpRequested);
  assert.throws(() => parse("--help"), HelpRequested);
});

test("parseHexId() takes all 64 bits, signed for leases", () => {
  assert.equal(parseHexId("ffffffffffffffff", false), 2n ** 64n - 1n);
  assert.equal(parseHexId("-1", true), -1n);
  assert.throws(() => parseHexId("ffffffffffffffff", true), /value out of range/);
  assert.throws(() => parseHexId("-1", false), /invalid syntax/);
  assert.throws(() => parseHexId("", false), /invalid syntax/);
});
