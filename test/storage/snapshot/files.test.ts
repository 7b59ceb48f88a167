import assert from "node:assert/strict";
import { test } from "node:test";
import type { Snapshot } from "../../../src/core/raft/types.ts";
import type { Index, MemberId, Term } from "../../../src/core/types.ts";
import {
  chooseEngineDir,
  prepareEngineDir,
  Snapshotter,
  swapEngineDir,
} from "../../../src/storage/snapshot/index.ts";
import { MemoryDisk } from "../memory-disk.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const dir = "/data/member/snap";

async function fresh(): Promise<{ disk: MemoryDisk; snapshotter: Snapshotter }> {
  const disk = new MemoryDisk();
  await disk.mkdir(dir);
  for (const folder of ["/", "/data", "/data/member"]) await disk.syncDir(folder);
  return { disk, snapshotter: new Snapshotter(disk, quiet, dir) };
}

const snapshot = (term: number, index: number): Snapshot => ({
  data: Buffer.from("data"),
  metadata: {
    index: index as Index,
    term: term as Term,
    confState: {
      voters: [0xfedcba9876543210n as MemberId],
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    },
  },
});

async function* chunksOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

test("Snapshotter loads the newest file that is accepted, even after a crash", async () => {
  const { disk, snapshotter } = await fresh();
  await snapshotter.save(snapshot(2, 0x400));
  await snapshotter.save(snapshot(3, 0x500));
  disk.crash(() => false);
  assert.deepEqual(await disk.list(dir), [
    "0000000000000002-0000000000000400.snap",
    "0000000000000003-0000000000000500.snap",
  ]);
  const newest = await snapshotter.loadNewest(() => true);
  assert.equal(newest?.metadata.index, 0x500);
  assert.deepEqual(newest?.metadata.confState.voters, [0xfedcba9876543210n]);
  const older = await snapshotter.loadNewest((s) => s.metadata.index === 0x400);
  assert.equal(older?.metadata.term, 2);
  assert.equal(await snapshotter.loadNewest(() => false), undefined);
});

test("Snapshotter puts a damaged file aside and takes the one before", async () => {
  const { disk, snapshotter } = await fresh();
  await snapshotter.save(snapshot(2, 4));
  await snapshotter.save(snapshot(2, 5));
  const name = "0000000000000002-0000000000000005.snap";
  const bytes = disk.bytes(`${dir}/${name}`);
  bytes[bytes.length - 2] = (bytes[bytes.length - 2] as number) ^ 4;
  assert.equal((await snapshotter.loadNewest(() => true))?.metadata.index, 4);
  assert.ok((await disk.list(dir)).includes(`${name}.broken`));
});

test("Snapshotter keeps the newest few when it releases", async () => {
  const { disk, snapshotter } = await fresh();
  for (let i = 1; i <= 8; i++) await snapshotter.save(snapshot(1, i));
  await snapshotter.releaseTo(7 as Index, 3);
  assert.equal((await disk.list(dir)).length, 3);
  assert.equal((await snapshotter.loadNewest(() => true))?.metadata.index, 8);
});

test("Snapshotter stores a received database whole or not at all", async () => {
  const { disk, snapshotter } = await fresh();
  const path = await snapshotter.saveDatabase(31 as Index, chunksOf("one", "two"));
  disk.crash(() => false);
  assert.equal(path, `${dir}/000000000000001f.snap.db`);
  assert.equal(Buffer.from(disk.bytes(path)).toString(), "onetwo");
  assert.equal(await snapshotter.databasePath(31 as Index), path);
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from("half");
    throw new Error("connection lost");
  }
  await assert.rejects(snapshotter.saveDatabase(32 as Index, failing()), /connection lost/);
  assert.deepEqual(await disk.list(dir), ["000000000000001f.snap.db"]);
  await snapshotter.releaseDatabases(31 as Index);
  assert.deepEqual(await disk.list(dir), []);
});

test("chooseEngineDir gives the old or the new engine, whatever a crash keeps of a swap", async () => {
  for (let kept = 0; kept < 64; kept++) {
    const { disk } = await fresh();
    await disk.mkdir(`${dir}/db`);
    await disk.syncDir(dir);
    assert.equal(await chooseEngineDir(disk, dir), `${dir}/db`);
    const next = await prepareEngineDir(disk, dir, 0x1f as Index);
    assert.equal(next, `${dir}/db.000000000000001f`);
    await disk.mkdir(next);
    let steps = 0;
    const cut = kept % 8;
    const process = disk.process();
    const stopping = new Proxy(process, {
      get: (target, name: keyof typeof process) =>
        steps++ < cut ? target[name].bind(target) : () => Promise.reject(new Error("crash")),
    });
    const swapped = await swapEngineDir(stopping, dir, 0x1f as Index).then(
      () => true,
      () => false,
    );
    let bits = kept >> 3;
    disk.crash(() => {
      bits >>= 1;
      return (bits & 1) === 1;
    });
    const chosen = await chooseEngineDir(disk, dir);
    assert.ok([`${dir}/db`, next].includes(chosen), chosen);
    if (swapped) assert.equal(chosen, next);
    assert.equal(await disk.exists(chosen), true);
    const others = (await disk.list(dir)).filter((n) => n.startsWith("db") && !chosen.endsWith(n));
    assert.deepEqual(others, []);
  }
});

test("chooseEngineDir refuses the data folder of a real etcd by name", async () => {
  const { disk } = await fresh();
  await disk.open(`${dir}/db`, { create: true });
  await assert.rejects(chooseEngineDir(disk, dir), {
    code: "foreign",
    message: /snap\/db is a file: this data folder was made by a real etcd\. Start with an empty/,
  });
  const { disk: other } = await fresh();
  const current = await other.open(`${dir}/CURRENT`, { create: true });
  await current.write([Buffer.from("db.0000000000000009\n")], 0);
  await assert.rejects(chooseEngineDir(other, dir), { code: "corrupt", message: /is missing/ });
});
