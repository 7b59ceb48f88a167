import assert from "node:assert/strict";
import { test } from "node:test";
import { createLogger, type LoggerOptions } from "../../src/io/index.ts";

function capture(options: LoggerOptions = {}) {
  const lines: string[] = [];
  const wallMs = (): number => Date.UTC(2026, 10, 22, 11, 15, 0, 42);
  return { lines, logger: createLogger({ ...options, wallMs, write: (line) => lines.push(line) }) };
}

test("createLogger() writes JSON lines with etcd's keys in etcd's order", () => {
  const { lines, logger } = capture();
  const child = logger.child({ "local-member-id": "8e9e05c52164694d" });
  child.info("ready to serve client requests", { caller: "embed/serve.go:103" });
  assert.deepEqual(lines, [
    '{"level":"info","ts":"2026-11-22T11:15:00.042000Z","caller":"embed/serve.go:103",' +
      '"msg":"ready to serve client requests","local-member-id":"8e9e05c52164694d"}\n',
  ]);
});

test("createLogger() prints bigints, errors, collections and unprintable things, never bytes", () => {
  const { lines, logger } = capture();
  const bytes = Buffer.from("secret");
  const fields = { id: 2n ** 63n, error: new Error("no"), set: new Set([1]), bytes };
  logger.warn("odd", fields);
  const line = JSON.parse(lines[0]!);
  assert.deepEqual([line.id, line.error, line.set], ["9223372036854775808", "no", [1]]);
  assert.equal(line.bytes, "(6 bytes)");
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  logger.warn("loop", { loop });
  assert.match(JSON.parse(lines[1]!).unprintable, /circular/i);
});

test("createLogger() drops lines below its level, which may change while it runs", () => {
  const { lines, logger } = capture({ level: "warn" });
  logger.info("no");
  logger.child({}).debug("no");
  logger.error("yes");
  logger.level = "debug";
  logger.child({}).debug("yes");
  assert.deepEqual(
    lines.map((l) => JSON.parse(l).msg),
    ["yes", "yes"],
  );
});

test("createLogger() has a console form", () => {
  const { lines, logger } = capture({ format: "console" });
  logger.info("hello", { caller: "here", n: 1 });
  logger.info("bare");
  const ts = "2026-11-22T11:15:00.042000Z";
  assert.deepEqual(lines, [`${ts}\tINFO\there\thello\t{"n":1}\n`, `${ts}\tINFO\tbare\n`]);
});
