import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openLogOutputs } from "../../src/io/index.ts";
import { until } from "../until.ts";

const rotation = { maxBytes: 100, maxAgeMs: 0, maxBackups: 0, localTime: false, compress: false };

function inFolder(f: (dir: string) => void | Promise<void>) {
  return async (): Promise<void> => {
    const dir = mkdtempSync(join(tmpdir(), "quoin-log-"));
    try {
      await f(dir);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  };
}

test(
  "openLogOutputs() appends to files, also to those that are there",
  inFolder((dir) => {
    const paths = [join(dir, "a.log"), join(dir, "b.log")];
    openLogOutputs(paths, undefined)("one\n");
    openLogOutputs(paths, undefined)("two\n");
    for (const path of paths) assert.equal(readFileSync(path, "utf8"), "one\ntwo\n");
    assert.throws(() => openLogOutputs([join(dir, "no", "file")], undefined), /ENOENT/);
  }),
);

test(
  "a full file is set aside under its time, and no more are kept than asked for",
  inFolder(async (dir) => {
    const path = join(dir, "member.log");
    const write = openLogOutputs([path], { ...rotation, maxBackups: 2 });
    const line = `${"x".repeat(59)}\n`;
    for (let i = 0; i < 5; i++) {
      write(line);
      const now = Date.now();
      await until("the next millisecond", () => Date.now() > now);
    }
    const old = readdirSync(dir).filter((name) => name !== "member.log");
    assert.equal(old.length, 2);
    for (const name of old) {
      assert.match(name, /^member-\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.log$/);
      assert.equal(readFileSync(join(dir, name), "utf8"), line);
    }
    assert.equal(readFileSync(path, "utf8"), line);
  }),
);

test(
  "old files are compressed when asked for",
  inFolder(async (dir) => {
    const write = openLogOutputs([join(dir, "m.log")], { ...rotation, compress: true });
    write(`${"x".repeat(99)}\n`);
    write("y\n");
    await until("one old file, compressed", () => {
      const old = readdirSync(dir).filter((name) => name !== "m.log");
      return old.length === 1 && old[0]?.endsWith(".log.gz");
    });
  }),
);
