// Saves and restores that are killed, stopped or run out of space, as people run them; and a save
// while writes go on.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { on } from "node:events";
import { existsSync, mkdirSync, readdirSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { TcpProxy } from "../../backup/tcp-proxy.ts";
import { quoin } from "../../process/member.ts";
import { makeSnapshot } from "../../storage/snapshot/made-snapshot.ts";
import {
  attempt,
  ended,
  memberOf,
  pathOf,
  restoreFlags,
  run,
  scratch,
  start,
} from "./snapshot-tools.ts";

/** Resolves with the first name in `dir` that matches, of what is there or comes, if only for a moment. */
async function appears(dir: string, pattern: RegExp): Promise<string> {
  const watcher = watch(dir);
  try {
    const there = readdirSync(dir).find((name) => pattern.test(name));
    if (there !== undefined) return there;
    for await (const [, name] of on(watcher, "change")) if (pattern.test(name)) return name;
    throw new Error(`nobody watches ${dir} any more`);
  } finally {
    watcher.close();
  }
}

/** So many that a restore is under way for longer than anybody needs to notice it. */
const manyKeys = 400_000;

async function madeFile(dir: string, keys = 100_000): Promise<string> {
  const file = join(dir, "made.db");
  await makeSnapshot(file, { keys, valueBytes: 200 });
  return file;
}

test("a restore that was killed is done anew by the same command", async (t) => {
  const dir = scratch(t);
  const file = await madeFile(dir, manyKeys);
  const data = join(dir, "data");
  mkdirSync(data);
  const wal = join(dir, "wal");
  const args = ["snapshot", "restore", file, `--data-dir=${data}`, `--wal-dir=${wal}`];
  const child = start("quoin", "etcdutl", args);
  const over = ended(child);
  await appears(data, /^member\.restoring\./);
  child.kill("SIGKILL");
  await over;
  assert.match(readdirSync(data).join(), /^member\.restoring\.[0-9a-f]{8}$/);
  // Of a run that was killed a little later.
  mkdirSync(`${wal}.restoring.0123abcd`);
  await run("quoin", "etcdutl", ...args);
  assert.deepEqual(readdirSync(data), ["member"]);
  assert.deepEqual(readdirSync(dir).sort(), ["data", "made.db", "wal"]);
});

test("a restore killed between its two renames says what to remove", async (t) => {
  const dir = scratch(t);
  const file = await madeFile(dir, 10);
  const data = join(dir, "data");
  const wal = join(dir, "wal");
  mkdirSync(join(data, "member.restoring.0123abcd"), { recursive: true });
  mkdirSync(wal);
  const args = ["snapshot", "restore", file, `--data-dir=${data}`, `--wal-dir=${wal}`];
  const { status, stderr } = await attempt("quoin", "etcdutl", args);
  assert.equal(status, 1);
  assert.ok(stderr.includes(`remove ${wal} and run the restore again`), stderr);
  assert.equal(existsSync(wal), true);
  execFileSync("rmdir", [wal]);
  await run("quoin", "etcdutl", ...args);
  assert.deepEqual(readdirSync(data), ["member"]);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`a restore stopped by ${signal} leaves nothing`, async (t) => {
    const dir = scratch(t);
    const file = await madeFile(dir, manyKeys);
    const data = join(dir, "new");
    const inner = join(data, "data");
    mkdirSync(data);
    const child = start("quoin", "etcdutl", ["snapshot", "restore", file, `--data-dir=${inner}`]);
    const over = ended(child);
    let stderr = "";
    child.stderr.on("data", (bytes) => {
      stderr += bytes;
    });
    await appears(data, /^data$/);
    await appears(inner, /^member\.restoring\./);
    child.kill(signal);
    await over;
    assert.equal(child.exitCode, 5, stderr);
    assert.equal(stderr, `Error: stopped by ${signal}. Nothing was left behind\n`);
    assert.deepEqual(readdirSync(data), []);
  });
}

/** A volume of so many MiB, unmounted at the end of its block; undefined where we may not mount. */
function smallVolume(dir: string, mebibytes: number): ({ path: string } & Disposable) | undefined {
  const path = join(dir, `volume-${mebibytes}`);
  mkdirSync(path);
  const size = `size=${mebibytes}m`;
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", size, "quoin-test", path]);
  if (status !== 0) return undefined;
  return { path, [Symbol.dispose]: () => spawnSync("umount", ["--lazy", path]) };
}

test("a full volume is named, and nothing is left on it", async (t) => {
  const dir = scratch(t);
  // Each size ends at another step.
  const file = await madeFile(dir, 150_000);
  for (const mebibytes of [1, 12, 36]) {
    using volume = smallVolume(dir, mebibytes);
    if (volume === undefined) return t.skip("mounting a small volume needs root");
    const data = join(volume.path, "data");
    const args = ["snapshot", "restore", file, `--data-dir=${data}`];
    const { status, stderr } = await attempt("quoin", "etcdutl", args);
    assert.equal(status, 1, stderr);
    assert.match(stderr, /^Error: no space left on device: .*\/data cannot hold what .*made\.db/m);
    assert.match(stderr, /Nothing was left behind\. Free space or use a larger volume/);
    assert.deepEqual(readdirSync(volume.path), []);
  }
});

test("a save that is killed, stopped or out of space leaves no snapshot that is not whole", async (t) => {
  const dir = scratch(t);
  const source = await madeFile(dir);
  await using member = await memberOf(quoin, dir, "m1");
  await run("quoin", "etcdutl", "snapshot", "restore", source, ...restoreFlags(member));
  member.start();
  await member.ready();
  const saved = join(dir, "saved");
  mkdirSync(saved);
  const file = join(saved, "s.db");
  const save = ["snapshot", "save", file, `--endpoints=${member.endpoint}`];

  using volume = smallVolume(dir, 10);
  if (volume !== undefined) {
    const args = ["snapshot", "save", join(volume.path, "s.db"), `--endpoints=${member.endpoint}`];
    const { status, stderr } = await attempt("quoin", "etcdctl", args);
    assert.equal(status, 5, stderr);
    assert.match(stderr, /^Error: could not write snapshot \(write .*s\.db\.part: no space left/);
    assert.deepEqual(readdirSync(volume.path), []);
  }
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    writeFileSync(file, "the one before");
    // Its end never comes, so that the signal finds it under way.
    await using proxy = await TcpProxy.start(member.endpoint);
    proxy.holdAfterDown(1 << 20);
    const endless = ["snapshot", "save", file, `--endpoints=${proxy.endpoint}`];
    const child = start("quoin", "etcdctl", endless);
    const over = ended(child);
    await appears(saved, /\.part$/);
    child.kill(signal);
    await over;
    const left = signal === "SIGKILL" ? ["s.db", "s.db.part"] : ["s.db"];
    assert.deepEqual(readdirSync(saved), left, signal);
  }
  await run("quoin", "etcdctl", ...save);
  assert.deepEqual(readdirSync(saved), ["s.db"]);
  await run("quoin", "etcdutl", "snapshot", "status", file);
});

test("a snapshot saved while writes go on is one moment of them", async (t) => {
  const dir = scratch(t);
  const source = await madeFile(dir, 20_000);
  await using member = await memberOf(quoin, dir, "m1");
  await run("quoin", "etcdutl", "snapshot", "restore", source, ...restoreFlags(member));
  member.start();
  await member.ready();
  using client = member.client();
  const stop = new AbortController();
  await client.kv.put("/made/first", "written");
  const writing = Array.from({ length: 4 }, async (_, i) => {
    for (let n = 0; !stop.signal.aborted; n++) {
      await client.kv.put(`/made/${n % 500}/${i}`, `written ${n}`);
      if (n % 7 === 0) await client.kv.delete(`/made/${n % 300}/${i}`);
    }
  });
  const file = join(dir, "busy.db");
  await run("quoin", "etcdctl", "snapshot", "save", file, `--endpoints=${member.endpoint}`);
  stop.abort();
  await Promise.all(writing);

  await using restored = await memberOf(quoin, dir, "restored");
  await run("quoin", "etcdutl", "snapshot", "restore", file, ...restoreFlags(restored));
  restored.start();
  await restored.ready();
  using other = restored.client();
  const { header, hash } = await other.maintenance.hashKv(restored.endpoint);
  const revision = header?.revision as number;
  assert.ok(revision > 20_001, "some writes came before the snapshot");
  const then = await client.maintenance.hashKv(member.endpoint, revision);
  assert.equal(hash, then.hash);
});

test("progress is told on a terminal only", async (t) => {
  if (spawnSync("script", ["--version"]).status !== 0)
    return t.skip("no `script` to make a terminal");
  const dir = scratch(t);
  const file = await madeFile(dir);
  const data = join(dir, "data");
  const command = `${pathOf("quoin", "etcdutl")} snapshot restore ${file} --data-dir=${data}`;
  const { stdout } = spawnSync("script", ["-qec", command, "/dev/null"], { encoding: "utf8" });
  assert.match(stdout, /\r(checking|restoring) made\.db: \d+% \([\d.]+ M?k?B of 2\d MB/);
  const quiet = await run("quoin", "etcdutl", "snapshot", "status", file);
  assert.equal(quiet.stderr, "");
});
