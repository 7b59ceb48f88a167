import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { createDisk } from "../../src/io/disk.ts";

const disk = createDisk();

function folder(t: { after(f: () => void): void }): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "quoin-disk-"));
  t.after(() => fs.rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test("File writes parts one behind the other and reads short at the end", async (t) => {
  const dir = folder(t);
  const file = await disk.open(path.join(dir, "a"), { create: true });
  await file.write([Buffer.from("ab"), Buffer.alloc(0), Buffer.from("cd")], 3);
  await file.writeDurably([Buffer.from("X")], 0);
  await file.sync();
  assert.equal(await file.size(), 7);
  assert.equal(Buffer.from(await file.read(0, 100)).toString("latin1"), "X\0\0abcd");
  assert.equal((await file.read(7, 5)).byteLength, 0);
  await file.truncate(4);
  assert.equal(await file.size(), 4);
  await file.close();
});

test("File.write takes more parts than one system call does", async (t) => {
  const file = await disk.open(path.join(folder(t), "a"), { create: true });
  const parts = Array.from({ length: 2500 }, (_, i) => Buffer.from([i & 255, i >> 8]));
  await file.writeDurably(parts, 0);
  assert.deepEqual(Buffer.from(await file.read(0, 6000)), Buffer.concat(parts));
  await file.close();
});

test("File.writeDurably follows the file when it was renamed and its name taken", async (t) => {
  const dir = folder(t);
  const file = await disk.open(path.join(dir, "a"), { create: true });
  await disk.rename(path.join(dir, "a"), path.join(dir, "b"));
  fs.writeFileSync(path.join(dir, "a"), "other");
  await file.writeDurably([Buffer.from("mine")], 0);
  await file.close();
  assert.equal(fs.readFileSync(path.join(dir, "b"), "utf8"), "mine");
  assert.equal(fs.readFileSync(path.join(dir, "a"), "utf8"), "other");
});

test("Disk makes private files and folders, lists sorted, removes what is missing", async (t) => {
  const dir = path.join(folder(t), "x", "y");
  await disk.mkdir(dir);
  await (await disk.open(path.join(dir, "2"), { create: true })).close();
  await (await disk.open(path.join(dir, "1"), { create: true })).close();
  await disk.syncDir(dir);
  assert.deepEqual(await disk.list(dir), ["1", "2"]);
  assert.equal(fs.statSync(path.join(dir, "1")).mode & 0o777, 0o600);
  assert.equal(fs.statSync(dir).mode & 0o777, 0o700);
  assert.equal(await disk.exists(path.join(dir, "1")), true);
  await disk.remove(path.join(dir, "1"));
  await disk.remove(path.join(dir, "1"));
  assert.equal(await disk.exists(path.join(dir, "1")), false);
  await disk.removeAll(dir);
  await disk.removeAll(dir);
  await assert.rejects(disk.list(dir), { code: "ENOENT" });
  await assert.rejects(disk.open(path.join(dir, "1")), { code: "ENOENT" });
});
