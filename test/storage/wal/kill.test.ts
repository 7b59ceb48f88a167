import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { Entry } from "../../../src/core/raft/types.ts";
import { createDisk } from "../../../src/io/index.ts";
import { Wal, type WalSnapshot } from "../../../src/storage/wal/index.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

test("Wal has every acknowledged entry after kill -9 of the writing process", async (t) => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "quoin-wal-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  const walDir = path.join(dir, "wal");
  const writer = path.join(import.meta.dirname, "wal-writer.ts");
  const child = spawn(process.execPath, [writer, walDir], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = new Promise((resolve) => child.on("exit", resolve));
  let acknowledged = 0;
  for await (const chunk of child.stdout) {
    acknowledged = Math.max(acknowledged, ...String(chunk).trim().split("\n").map(Number));
    if (acknowledged >= 600) break;
  }
  child.kill("SIGKILL");
  await exited;
  const options = {
    disk: createDisk(),
    faults: { hit: () => undefined },
    logger: quiet,
    nowMs: () => performance.now(),
    segmentBytes: 200_000,
  };
  const { wal, contents } = await Wal.open(options, walDir, (valid) => valid[0] as WalSnapshot);
  const { entries } = contents;
  assert.ok(entries.length >= acknowledged, `${entries.length} of ${acknowledged}`);
  entries.forEach((entry, i) => {
    assert.equal(entry.index, i + 1);
    assert.deepEqual(entry.data, Buffer.alloc(100 + (entry.index % 2000), String(entry.index)));
  });
  const next = { ...(entries.at(-1) as Entry), index: entries.length + 1 } as Entry;
  await wal.save(undefined, [next]);
  await wal.close();
  assert.ok(fs.readdirSync(walDir).filter((name) => name.endsWith(".wal")).length > 1);
});
