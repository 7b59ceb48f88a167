import assert from "node:assert/strict";
import { cp, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parseInitialCluster } from "../../src/core/membership/index.ts";
import { LostEntries } from "../../src/core/raft/index.ts";
import { clusterId } from "../../src/core/types.ts";
import { BootError, type BootErrorCode, boot, exitCodeOf } from "../../src/server/index.ts";
import { get, memberOptions, memberPorts, put, startMember, tempDir } from "./rig.ts";

const walOf = (dataDir: string): string => join(dataDir, "member", "wal");
const engineOf = (dataDir: string): string => join(dataDir, "member", "snap", "db");

/** A data folder with some keys, engine files on disk and a log. */
async function filled(dataDir: string, keys = 300): Promise<bigint> {
  const member = await startMember(memberOptions(dataDir, { snapshotCount: 20 }));
  for (let i = 0; i < keys; i++) await put(member, `k${i}`, `v${i}`.repeat(50));
  await member.stop();
  return member.clusterId;
}

async function invert(path: string, from: number, bytes = 64): Promise<void> {
  const content = await readFile(path);
  for (let i = from; i < from + bytes; i++) content[i] = (content[i] ?? 0) ^ 0xff;
  await writeFile(path, content);
}

async function fileIn(dir: string, ending: string): Promise<string> {
  const name = (await readdir(dir)).find((it) => it.endsWith(ending) || it.startsWith(ending));
  assert.ok(name !== undefined, `no ${ending} in ${dir}`);
  return join(dir, name);
}

async function refused(dataDir: string, code: BootErrorCode, change = {}): Promise<string> {
  const options = memberOptions(dataDir, { initialClusterState: "existing", ...change });
  try {
    await boot(options, memberPorts());
  } catch (error) {
    assert.ok(error instanceof BootError, `${error}`);
    assert.equal(error.code, code, error.message);
    return error.message;
  }
  throw new Error("it booted");
}

const harms: readonly [string, BootErrorCode, (dataDir: string) => Promise<void>][] = [
  [
    "a log whose middle was changed",
    "corrupt",
    async (dir) => invert(await fileIn(walOf(dir), ".wal"), 1500),
  ],
  [
    "a log whose oldest segment starts with garbage",
    "corrupt",
    async (dir) => invert(await fileIn(walOf(dir), ".wal"), 0),
  ],
  [
    "an engine's table that was changed",
    "corrupt",
    async (dir) => invert(await fileIn(engineOf(dir), ".sst"), 200),
  ],
  [
    "an engine's table that was cut",
    "corrupt",
    async (dir) => truncate(await fileIn(engineOf(dir), ".sst"), 100),
  ],
  [
    "an engine's table that is gone",
    "corrupt",
    async (dir) => rm(await fileIn(engineOf(dir), ".sst")),
  ],
  [
    "an engine's manifest that is gone",
    "corrupt",
    async (dir) => rm(await fileIn(engineOf(dir), "MANIFEST")),
  ],
  [
    "an engine's CURRENT that makes no sense",
    "corrupt",
    async (dir) => writeFile(join(engineOf(dir), "CURRENT"), "hello"),
  ],
  [
    "an engine's CURRENT that is gone",
    "corrupt",
    async (dir) => rm(join(engineOf(dir), "CURRENT")),
  ],
  ["a log that is gone", "half", async (dir) => rm(walOf(dir), { recursive: true })],
  [
    "a real etcd's database",
    "foreign",
    async (dir) => {
      await rm(engineOf(dir), { recursive: true });
      await writeFile(engineOf(dir), "bbolt");
    },
  ],
];

test("boot() has a code of its own for every way in which a disk loses its data", async (t) => {
  await using dir = await tempDir();
  const whole = join(dir.path, "whole");
  await filled(whole);
  for (const [i, [what, code, harm]] of harms.entries()) {
    await t.test(what, async () => {
      // A boot that fails keeps the engine's lock until its process ends.
      const harmed = join(dir.path, `harmed${i}`);
      await cp(whole, harmed, { recursive: true });
      await harm(harmed);
      await refused(harmed, code);
    });
  }
});

test("exitCodeOf() tells lost entries and damage from other failures", () => {
  assert.equal(exitCodeOf(new LostEntries(4, 3)), 74);
  assert.equal(exitCodeOf(new BootError("corrupt", "x")), 77);
  assert.equal(exitCodeOf(new Error("x")), 1);
});

test("boot() leaves errors that are no damage as they are", async () => {
  await using dir = await tempDir();
  await filled(dir.path, 10);
  for (const text of [
    "While pread: Input/output error",
    "lock hold by current process, acquire time 1: /data/LOCK: No locks available",
    "Corruption: IO error: While open a file for random read: 9.sst: Too many open files  The file MANIFEST-5 may be corrupted.",
  ]) {
    const failing = Object.assign(new Error(text), { code: "EIO" });
    const ports = memberPorts({ openEngine: () => Promise.reject(failing) });
    await assert.rejects(boot(memberOptions(dir.path), ports), (error) => error === failing);
  }
});

test("--quoin-cluster-id refuses another cluster's data and leaves it as it is", async () => {
  await using dir = await tempDir();
  const own = clusterId(await filled(dir.path, 10));
  const before = await readdir(walOf(dir.path));
  const message = await refused(dir.path, "foreign", { clusterId: clusterId(0xcafen) });
  assert.match(message, /holds data of cluster [0-9a-f]+, but this is a member of cluster cafe/);
  assert.deepEqual(await readdir(walOf(dir.path)), before);
  const member = await startMember(memberOptions(dir.path, { clusterId: own }));
  assert.equal(await get(member, "k3"), "v3".repeat(50));
  await member.stop();
});

test("--quoin-cluster-id refuses a copy of another member's disk", async () => {
  await using dir = await tempDir();
  const own = clusterId(await filled(dir.path, 10));
  const initial = parseInitialCluster("m2=http://127.0.0.1:7");
  assert.ok(initial.ok);
  const change = {
    name: "m2",
    clusterId: own,
    initialCluster: initial.value,
    initialAdvertisePeerUrls: ["http://127.0.0.1:7"],
  };
  const message = await refused(dir.path, "foreign", change);
  assert.match(message, /holds the data of member [0-9a-f]+ at http:\/\/127.0.0.1:1/);
});

test("an emptied folder is no damage to boot(): it asks the cluster, and forms none", async () => {
  await using dir = await tempDir();
  const kept = join(dir.path, "kept");
  const own = clusterId(await filled(join(dir.path, "data"), 10));
  await rename(join(dir.path, "data"), kept);
  await mkdir(join(dir.path, "data"));
  await refused(join(dir.path, "data"), "join", { clusterId: own });
  assert.deepEqual(await readdir(join(dir.path, "data")), []);
});
