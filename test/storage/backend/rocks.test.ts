import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import type { Engine, Row } from "../../../src/ports/index.ts";
import { openRocksEngine } from "../../../src/storage/backend/index.ts";

async function rocks(t: { after(f: () => void): void }): Promise<{ dir: string; engine: Engine }> {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "quoin-rocks-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return { dir, engine: await openRocksEngine(path.join(dir, "db")) };
}

const b = (text: string): Uint8Array => Buffer.from(text);
const put = (key: string, value: string) =>
  ({ kind: "put", key: b(key), value: b(value) }) as const;
const plain = (rows: readonly Row[]): string[] => rows.map(([k, v]) => `${k}=${v}`);

async function all(rows: AsyncIterable<readonly Row[]>): Promise<string[]> {
  const found: string[] = [];
  for await (const chunk of rows) found.push(...plain(chunk));
  return found;
}

test("RocksEngine applies a batch in order and reads it back", async (t) => {
  const { engine, dir } = await rocks(t);
  await engine.write([
    put("a", "1"),
    put("b", ""),
    put("c", "3"),
    put("d", "4"),
    put("e", "5"),
    { kind: "delete", key: b("a") },
    put("a", "again"),
    { kind: "deleteRange", from: b("c"), to: b("e") },
  ]);
  await engine.write([]);
  const values = await engine.getMany([b("a"), b("none"), b("b"), b("c")]);
  assert.deepEqual(
    values.map((v) => v && Buffer.from(v).toString()),
    ["again", undefined, "", undefined],
  );
  assert.deepEqual(await engine.getMany([]), []);
  const range = { gte: b("a"), lt: b("e") };
  assert.deepEqual(await all(engine.scan(range)), ["a=again", "b="]);
  assert.deepEqual(await all(engine.scan({ gte: b("a"), lt: b("z"), reverse: true })), [
    "e=5",
    "b=",
    "a=again",
  ]);
  await engine.flush();
  assert.ok((await engine.sizeBytes()) > 0);
  await engine.close();
  const again = await openRocksEngine(path.join(dir, "db"));
  assert.deepEqual(await all(again.scan(range)), ["a=again", "b="]);
  await again.close();
});

test("RocksEngine.scan comes in chunks and may be left early", async (t) => {
  const { engine } = await rocks(t);
  await engine.write(Array.from({ length: 1000 }, (_, i) => put(String(i).padStart(4, "0"), "v")));
  const sizes: number[] = [];
  for await (const chunk of engine.scan({ gte: b("0"), lt: b("9"), chunkRows: 300 })) {
    sizes.push(chunk.length);
  }
  assert.equal(
    sizes.reduce((a, b) => a + b),
    1000,
  );
  assert.equal(Math.max(...sizes), 300);
  for await (const chunk of engine.scan({ gte: b("0"), lt: b("9"), chunkRows: 10 })) {
    assert.equal(chunk.length, 10);
    break;
  }
  await engine.close();
});

test("RocksEngine.scan finds every row once, whatever their sizes, both ways", async (t) => {
  const { engine } = await rocks(t);
  const keys = Array.from({ length: 3000 }, (_, i) => String(i).padStart(5, "0"));
  const size = (i: number): number =>
    i < 1000 ? 10 : i < 1100 ? 100_000 : i % 7 === 0 ? 20_000 : 5;
  for (let from = 0; from < keys.length; from += 500) {
    await engine.write(
      keys.slice(from, from + 500).map((key, i) => put(key, "v".repeat(size(from + i)))),
    );
  }
  for (const reverse of [false, true]) {
    const found: string[] = [];
    let most = 0;
    for await (const chunk of engine.scan({ gte: b("0"), lt: b("9"), reverse })) {
      found.push(...chunk.map(([key]) => String(key)));
      most = Math.max(
        most,
        chunk.reduce((n, [, value]) => n + value.byteLength, 0),
      );
    }
    assert.deepEqual(found, reverse ? [...keys].reverse() : keys);
    assert.ok(most < 60_000_000, `${most}`);
  }
  await engine.close();
});

test("RocksEngine.snapshot does not see later batches", async (t) => {
  const { engine } = await rocks(t);
  await engine.write([put("a", "1")]);
  const snapshot = engine.snapshot();
  await engine.write([put("a", "2"), put("b", "2")]);
  assert.deepEqual(await all(snapshot.scan({ gte: b("a"), lt: b("z") })), ["a=1"]);
  assert.deepEqual((await snapshot.getMany([b("a"), b("b")])).map(String), ["1", "undefined"]);
  await snapshot.release();
  assert.deepEqual(await all(engine.scan({ gte: b("a"), lt: b("z") })), ["a=2", "b=2"]);
  await engine.close();
});

test("openRocksEngine refuses a folder that another process holds open", async (t) => {
  const { engine, dir } = await rocks(t);
  await assert.rejects(openRocksEngine(path.join(dir, "db")), /lock/i);
  await engine.close();
});

test("RocksEngine has every acknowledged batch, and no half of one, after kill -9", async (t) => {
  const { engine, dir } = await rocks(t);
  await engine.close();
  const child = spawn(process.execPath, [path.join(import.meta.dirname, "rocks-writer.ts"), dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let acknowledged = 0;
  const exited = new Promise((resolve) => child.on("exit", resolve));
  for await (const chunk of child.stdout) {
    acknowledged = Number(String(chunk).trim().split("\n").at(-1));
    if (acknowledged >= 200) break;
  }
  child.kill("SIGKILL");
  await exited;
  const again = await openRocksEngine(path.join(dir, "db"));
  const rows = await all(again.scan({ gte: b("0"), lt: b("9") }));
  assert.equal(rows.length % 10, 0, "whole batches");
  assert.ok(rows.length >= acknowledged * 10, `${rows.length} rows, ${acknowledged} batches`);
  await again.close();
});
