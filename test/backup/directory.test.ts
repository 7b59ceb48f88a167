import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { DirectoryDestination } from "../../src/backup/directory.ts";
import { BackupError, type Destination } from "../../src/backup/types.ts";

const key = "shop/orders/20260501T000000Z-00000001.db";
const mebibyte = Buffer.alloc(1 << 20, 7);

function folder(t: TestContext): string {
  const path = fs.mkdtempSync(join(tmpdir(), "quoin-directory-"));
  t.after(() => fs.rmSync(path, { recursive: true, force: true }));
  return path;
}

const opened = (directory: string, signal?: AbortSignal): Destination =>
  new DirectoryDestination({ kind: "directory", directory, uri: "pvc://claim/a" }, signal);

async function put(destination: Destination, at: string, text: string): Promise<void> {
  const writer = await destination.create(at, { sizeBytes: text.length });
  await writer.write(Buffer.from(text));
  await writer.commit();
}

async function textOf(destination: Destination, at: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of destination.read(at)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

async function keysOf(destination: Destination, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const object of destination.list(prefix)) keys.push(object.key);
  return keys;
}

/** Names of all files below, unfinished ones too. */
const filesIn = (path: string): string[] =>
  fs
    .readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((it) => !it.isDirectory())
    .map((it) => it.name);

const isError = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof BackupError && error.code === code && message.test(error.message);

test("nothing is seen under a key before commit(), and then all of it", async (t) => {
  const root = folder(t);
  const destination = opened(join(root, "made", "when", "needed"));
  assert.deepEqual(await keysOf(destination, ""), []);
  const writer = await destination.create(key, { sizeBytes: 10 });
  await writer.write(Buffer.from("hello "));
  await writer.write(Buffer.from("world"));
  assert.deepEqual(await keysOf(destination, ""), []);
  await assert.rejects(textOf(destination, key), { code: "ArtifactMissing" });
  await writer.commit();
  assert.deepEqual(await keysOf(destination, ""), [key]);
  assert.equal(await textOf(destination, key), "hello world");
  assert.equal(filesIn(root).length, 1, "no unfinished file stays");
});

test("abort() leaves nothing, and after commit() it takes nothing back", async (t) => {
  const root = folder(t);
  const destination = opened(root);
  const writer = await destination.create(key, { sizeBytes: 5 });
  await writer.write(Buffer.from("hello"));
  await writer.abort();
  assert.deepEqual(filesIn(root), []);
  await assert.rejects(writer.write(Buffer.from("more")), { code: "DestinationFailed" });
  const again = await destination.create(key, { sizeBytes: 5 });
  await again.write(Buffer.from("hello"));
  await again.commit();
  await again.abort();
  assert.equal(await textOf(destination, key), "hello");
});

test("a key that is taken is refused at create(), and at commit() when another was faster", async (t) => {
  const root = folder(t);
  const destination = opened(root);
  const slow = await destination.create(key, { sizeBytes: 4 });
  await slow.write(Buffer.from("slow"));
  await put(destination, key, "fast");
  await assert.rejects(destination.create(key, { sizeBytes: 4 }), { code: "AlreadyExists" });
  await assert.rejects(slow.commit(), isError("AlreadyExists", /left as it is/));
  assert.equal(await textOf(destination, key), "fast");
  assert.equal(filesIn(root).length, 1);
});

test("list() is in the order of the keys' bytes and below the prefix only", async (t) => {
  const destination = opened(folder(t));
  const keys = [
    "a/b/z.db",
    "a/b.db",
    "a/b.db.manifest.json",
    "a-b/x.db",
    "a/B.db",
    "a/é.db",
    "b/x",
  ];
  for (const it of keys) await put(destination, it, it);
  const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual(await keysOf(destination, ""), sorted);
  assert.deepEqual(
    await keysOf(destination, "a/"),
    sorted.filter((it) => it.startsWith("a/")),
  );
  assert.deepEqual(
    await keysOf(destination, "a/b"),
    sorted.filter((it) => it.startsWith("a/b")),
  );
  assert.deepEqual(await keysOf(destination, "nothing/"), []);
  const [first] = sorted as [string];
  for await (const object of destination.list("")) {
    assert.equal(object.sizeBytes, Buffer.byteLength(first));
    assert(Math.abs(object.modifiedMs - Date.now()) < 60_000);
    break;
  }
});

test("writeSmall() replaces what is there at once, and readSmall() is bounded", async (t) => {
  const root = folder(t);
  const destination = opened(root);
  assert.equal(await destination.readSmall("a/m.json", 10), undefined);
  await destination.writeSmall("a/m.json", Buffer.from("one"));
  await destination.writeSmall("a/m.json", Buffer.from("two"));
  assert.equal(String(await destination.readSmall("a/m.json", 3)), "two");
  await assert.rejects(destination.readSmall("a/m.json", 2), { code: "InvalidSnapshot" });
  assert.equal(filesIn(root).length, 1);
});

test("delete() is done once the object is gone, however it went", async (t) => {
  const destination = opened(folder(t));
  await put(destination, key, "x");
  await destination.delete(key);
  await destination.delete(key);
  await destination.delete("never/was");
  assert.deepEqual(await keysOf(destination, ""), []);
});

test("keys and links do not lead out of the folder", async (t) => {
  const outside = folder(t);
  const root = folder(t);
  fs.writeFileSync(join(outside, "secret"), "secret");
  fs.symlinkSync(outside, join(root, "link"));
  fs.symlinkSync(join(outside, "secret"), join(root, "file"));
  const destination = opened(root);
  for (const it of ["../x", "/etc/passwd", "a/../../x"]) {
    await assert.rejects(textOf(destination, it), { code: "InvalidConfig" });
    await assert.rejects(destination.create(it, { sizeBytes: 1 }), { code: "InvalidConfig" });
    await assert.rejects(destination.delete(it), { code: "InvalidConfig" });
  }
  const isLink = isError("InvalidConfig", /symbolic link out of the backup volume/);
  await assert.rejects(textOf(destination, "file"), isLink);
  await assert.rejects(textOf(destination, "link/secret"), isLink);
  await assert.rejects(destination.create("link/x", { sizeBytes: 1 }), isLink);
  await assert.rejects(destination.writeSmall("link/x", mebibyte), isLink);
  await assert.rejects(destination.delete("link/secret"), isLink);
  assert.deepEqual(await keysOf(destination, ""), []);
  assert.deepEqual(filesIn(outside), ["secret"]);
});

test("sweep() removes unfinished files that are old, and nothing else", async (t) => {
  const root = folder(t);
  const destination = opened(root);
  await put(destination, key, "whole");
  const young = await destination.create(`${key}.gz`, { sizeBytes: 1 });
  const old = await destination.create(`${key}.zst`, { sizeBytes: 1 });
  await old.write(Buffer.from("x"));
  const unfinished = filesIn(root).filter((name) => name.startsWith(".quoin-part-"));
  assert.equal(unfinished.length, 2);
  const hourAgo = new Date(Date.now() - 3_600_000);
  const inFolder = (name: string) => join(root, "shop", "orders", name);
  const oldName = unfinished.find((name) => fs.statSync(inFolder(name)).size === 1) ?? "";
  fs.utimesSync(inFolder(oldName), hourAgo, hourAgo);
  for (const foreign of [".quoin-part-mine", "quoin-part-0123456789abcdef", ".hidden"]) {
    fs.writeFileSync(inFolder(foreign), "");
    fs.utimesSync(inFolder(foreign), hourAgo, hourAgo);
  }
  assert.equal(await destination.sweep("shop/other/", 600_000), 0);
  assert.equal(await destination.sweep("shop/orders/", 600_000), 1);
  assert.equal(filesIn(root).includes(oldName), false);
  assert.equal(filesIn(root).length, 5);
  await young.abort();
  await old.abort();
});

test("a process killed in the middle of writing leaves nothing to be seen; sweep() removes the rest", async (t) => {
  const root = folder(t);
  const program = `
    const { openDestination } = await import("${join(import.meta.dirname, "../../src/backup/destination.ts")}");
    const destination = await openDestination({ kind: "directory", directory: ${JSON.stringify(root)} });
    const writer = await destination.create(${JSON.stringify(key)}, { sizeBytes: 1 });
    await writer.write(Buffer.alloc(1 << 20));
    process.stdout.write("half");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  const destination = opened(root);
  assert.deepEqual(await keysOf(destination, ""), []);
  assert.equal(filesIn(root).length, 1);
  assert.equal(await destination.sweep("", -60_000), 1);
  assert.deepEqual(filesIn(root), []);
});

test("once the Job is told to stop every step ends, but abort() and delete() still clean up", async (t) => {
  const root = folder(t);
  const stop = new AbortController();
  const destination = opened(root, stop.signal);
  await put(destination, `${key}.gz`, "to be taken back");
  const writer = await destination.create(key, { sizeBytes: 1 });
  await writer.write(Buffer.from("x"));
  stop.abort();
  await assert.rejects(writer.commit(), { code: "Interrupted" });
  await assert.rejects(destination.create(key, { sizeBytes: 1 }), { code: "Interrupted" });
  await writer.abort();
  await destination.delete(`${key}.gz`);
  assert.deepEqual(filesIn(root), []);
});

test("a full volume is DestinationFull, leaves nothing, and works again with more room", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("a file system of its own size needs root");
  const root = folder(t);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=4m", "quoin-test", root]);
  try {
    const destination = opened(root);
    await put(destination, key, "earlier");
    const writer = await destination.create(`${key}.zst`, { sizeBytes: 1 });
    const fill = async () => {
      for (let i = 0; i < 8; i++) await writer.write(mebibyte);
    };
    const isFull = isError("DestinationFull", /pvc:\/\/claim\/a .*ENOSPC.* 0 MiB left.*larger/s);
    await assert.rejects(fill(), isFull);
    assert.deepEqual(await keysOf(destination, ""), [key]);
    assert.equal(filesIn(root).length, 1);
    await put(destination, `${key}.gz`, "later");
    assert.equal(await textOf(destination, key), "earlier");
  } finally {
    execFileSync("umount", [root]);
  }
});

test("a volume that may not be written is AccessDenied", async (t) => {
  const root = folder(t);
  // Root passes every permission, but not a read-only mount.
  const isRoot = process.getuid?.() === 0;
  if (isRoot) execFileSync("mount", ["-t", "tmpfs", "-o", "ro", "quoin-test", root]);
  else fs.chmodSync(root, 0o500);
  try {
    const message = /Let the Job's user write to/;
    const isDenied = isError("AccessDenied", message);
    await assert.rejects(opened(root).create(key, { sizeBytes: 1 }), isDenied);
  } finally {
    if (isRoot) execFileSync("umount", [root]);
  }
});
