import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Entry, HardState } from "../../../src/core/raft/types.ts";
import type { ClusterId, Index, MemberId, Term } from "../../../src/core/types.ts";
import {
  type ChooseSnapshot,
  Wal,
  type WalContents,
  type WalError,
  type WalOptions,
  type WalSnapshot,
} from "../../../src/storage/wal/index.ts";
import { MemoryDisk } from "../memory-disk.ts";

const dir = "/data/member/wal";
const metadata = { nodeId: 0xf234n as MemberId, clusterId: 0xffffffffffffffffn as ClusterId };
const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };

function options(disk: MemoryDisk, segmentBytes?: number): WalOptions {
  const base = {
    disk: disk.process(),
    faults: { hit: () => undefined },
    logger: quiet,
    nowMs: () => 0,
  };
  return segmentBytes === undefined ? base : { ...base, segmentBytes };
}

const newest: ChooseSnapshot = (valid) => valid[valid.length - 1] as WalSnapshot;
const oldest: ChooseSnapshot = (valid) => valid[0] as WalSnapshot;

const entry = (index: number, term: number, data = ""): Entry => ({
  type: 0,
  term: term as Term,
  index: index as Index,
  data: Buffer.from(data),
});
const state = (term: number, vote: bigint, commit: number): HardState => ({
  term: term as Term,
  vote: vote as MemberId,
  commit: commit as Index,
});
const marker = (index: number, term: number): WalSnapshot => ({
  index: index as Index,
  term: term as Term,
  confState: undefined,
});
const plain = (entries: readonly Entry[]): unknown[] =>
  entries.map((e) => [e.index, e.term, e.type, Buffer.from(e.data).toString("latin1")]);

async function fresh(segmentBytes = 64_000): Promise<{ disk: MemoryDisk; wal: Wal }> {
  const disk = new MemoryDisk();
  await disk.mkdir("/data/member");
  await disk.syncDir("/");
  await disk.syncDir("/data");
  return { disk, wal: await Wal.create(options(disk, segmentBytes), dir, metadata) };
}

async function reopen(disk: MemoryDisk, choose = newest): Promise<WalContents> {
  const { wal, contents } = await Wal.open(options(disk, 64_000), dir, choose);
  await wal.close();
  return contents;
}

async function onlySegment(disk: MemoryDisk): Promise<string> {
  const names = await disk.list(dir);
  assert.equal(names.length, 1);
  return `${dir}/${names[0]}`;
}

test("Wal.open returns what was saved when nothing happened", async () => {
  const { disk, wal } = await fresh();
  await wal.save(state(1, 7n, 0), [entry(1, 1, "a"), entry(2, 1)]);
  await wal.save(undefined, [entry(3, 2, "c".repeat(5000))]);
  await wal.save(state(2, 0xffffffffffffffffn, 2 ** 40), []);
  await wal.close();
  const log = await reopen(disk, oldest);
  assert.deepEqual(log.metadata, metadata);
  assert.deepEqual(log.hardState, state(2, 0xffffffffffffffffn, 2 ** 40));
  assert.deepEqual(plain(log.entries), [
    [1, 1, 0, "a"],
    [2, 1, 0, ""],
    [3, 2, 0, "c".repeat(5000)],
  ]);
});

test("Wal.create refuses a folder with a log and leaves it alone", async () => {
  const { disk, wal } = await fresh();
  await wal.close();
  assert.equal(await Wal.exists(disk, dir), true);
  assert.equal(await Wal.exists(disk, "/data/none"), false);
  await assert.rejects(Wal.create(options(disk), dir, metadata), { kind: "exists" });
});

test("Wal.open lets a later entry replace earlier ones from its index on", async () => {
  const { disk, wal } = await fresh();
  await wal.save(state(1, 1n, 1), [entry(1, 1), entry(2, 1, "old"), entry(3, 1, "old")]);
  await wal.save(state(2, 1n, 1), [entry(2, 2, "new")]);
  await wal.close();
  assert.deepEqual(plain((await reopen(disk)).entries), [
    [1, 1, 0, ""],
    [2, 2, 0, "new"],
  ]);
});

test("Wal.open offers markers up to the commit and returns the entries above the chosen", async () => {
  const { disk, wal } = await fresh();
  await wal.save(
    state(1, 1n, 3),
    [1, 2, 3, 4].map((i) => entry(i, 1)),
  );
  await wal.saveSnapshot(marker(2, 1));
  await wal.saveSnapshot(marker(4, 1));
  await wal.close();
  let offered: number[] = [];
  const log = await reopen(disk, (valid) => {
    offered = valid.map((m) => m.index);
    return valid[valid.length - 1] as WalSnapshot;
  });
  assert.deepEqual(offered, [0, 2]);
  assert.deepEqual(plain(log.entries), [
    [3, 1, 0, ""],
    [4, 1, 0, ""],
  ]);
  await assert.rejects(
    reopen(disk, () => marker(3, 1)),
    { kind: "snapshot" },
  );
  await assert.rejects(
    reopen(disk, () => marker(2, 9)),
    { kind: "snapshot" },
  );
});

test("Wal.open forgets entries that a received snapshot replaced", async () => {
  const { disk, wal } = await fresh();
  await wal.save(
    state(1, 1n, 1),
    [1, 2, 3, 4].map((i) => entry(i, 1, "stale")),
  );
  await wal.saveSnapshot(marker(3, 2));
  await wal.save(state(2, 0n, 3), []);
  await wal.close();
  assert.deepEqual((await reopen(disk)).entries, []);

  const { wal: again } = await Wal.open(options(disk), dir, newest);
  await again.save(undefined, [entry(4, 2, "live")]);
  await again.saveSnapshot(marker(100, 2));
  await again.save(state(2, 0n, 100), [entry(101, 2)]);
  await again.close();
  assert.deepEqual(plain((await reopen(disk)).entries), [[101, 2, 0, ""]]);
  await assert.rejects(reopen(disk, oldest), { kind: "hole" });
});

test("Wal.open offers the marker of a received snapshot also when its hard state is lost", async () => {
  const { disk, wal } = await fresh();
  await wal.save(
    state(1, 1n, 2),
    [1, 2, 3].map((i) => entry(i, 1)),
  );
  await wal.saveSnapshot(marker(50, 1));
  await wal.close();
  const contents = await reopen(disk);
  assert.equal(contents.snapshot.index, 50);
  assert.deepEqual(contents.entries, []);
});

test("Wal.save shares one durable write between all saves that wait", async () => {
  const { disk, wal } = await fresh();
  await wal.save(state(1, 1n, 0), []);
  const before = disk.syncs;
  const order: number[] = [];
  const all = Array.from({ length: 50 }, (_, i) =>
    wal.save(undefined, [entry(i + 1, 1)]).then(() => order.push(i)),
  );
  assert.ok(wal.pendingBytes > 0);
  await Promise.all(all);
  assert.ok(disk.syncs - before <= 2, `${disk.syncs - before} syncs`);
  assert.deepEqual(
    order,
    [...order].sort((a, b) => a - b),
  );
  assert.equal(wal.pendingBytes, 0);
  await wal.close();
});

test("Wal.save of a lone writer is durable when it returns, on a disk that has shown to be quick", async () => {
  const { disk, wal } = await fresh();
  for (let i = 1; i <= 16; i++) await wal.save(undefined, [entry(i, 1)]);
  const done = wal.save(state(1, 1n, 16), [entry(17, 1, "now")], true);
  assert.equal(wal.pendingBytes, 0);
  disk.crash(() => false);
  await done;
  const { entries, hardState } = await reopen(disk);
  assert.equal(entries.length, 17);
  assert.equal(hardState.commit, 16);
});

test("Wal.save leaves a lone writer's bytes to the thread pool while the disk is slow", async () => {
  const disk = new MemoryDisk();
  let now = 0;
  const slow = { ...options(disk), nowMs: () => (now += 2) };
  const wal = await Wal.create(slow, dir, metadata);
  for (let i = 1; i <= 40; i++) {
    const done = wal.save(undefined, [entry(i, 1)], true);
    assert.ok(wal.pendingBytes > 0);
    await done;
  }
  await wal.close();
});

test("Wal.save in the turn and through the thread pool keep one order, across segments", async () => {
  const { disk, wal } = await fresh(4_000);
  const all: Promise<void>[] = [];
  for (let i = 1; i <= 300; i++) {
    all.push(wal.save(state(1, 1n, i - 1), [entry(i, 1, "x".repeat(i % 90))], i % 5 !== 0));
    if (i % 7 === 0) await Promise.all(all);
  }
  await Promise.all(all);
  disk.crash(() => false);
  const { entries } = await reopen(disk);
  assert.deepEqual(
    entries.map((e) => e.data.length),
    Array.from({ length: 300 }, (_, i) => (i + 1) % 90),
  );
});

test("Wal rejects every later save once a write in the turn has failed", async () => {
  const { disk, wal } = await fresh();
  for (let i = 1; i <= 16; i++) await wal.save(undefined, [entry(i, 1)]);
  disk.failure = new Error("EIO");
  await assert.rejects(wal.save(undefined, [entry(17, 1)], true), /EIO/);
  disk.failure = undefined;
  await assert.rejects(wal.save(undefined, [entry(18, 1)], true), /EIO/);
  await wal.close();
});

test("Wal.save does not sync for a commit only, which goes along with the next save", async () => {
  const { disk, wal } = await fresh();
  await wal.save(state(1, 1n, 0), [entry(1, 1)]);
  const before = disk.syncs;
  await wal.save(state(1, 1n, 1), []);
  assert.equal(disk.syncs, before);
  await wal.save(undefined, [entry(2, 1)]);
  disk.crash(() => false);
  assert.equal((await reopen(disk)).hardState.commit, 1);
});

test("Wal.save makes a vote durable that comes without entries", async () => {
  const { disk, wal } = await fresh();
  await wal.save(state(1, 1n, 0), [entry(1, 1)]);
  await wal.save(state(2, 1n, 0), []);
  disk.crash(() => false);
  assert.deepEqual((await reopen(disk)).hardState, state(2, 1n, 0));
  const { wal: again } = await Wal.open(options(disk), dir, newest);
  await again.save(state(2, 7n, 0), []);
  disk.crash(() => false);
  assert.deepEqual((await reopen(disk)).hardState, state(2, 7n, 0));
});

test("Wal.releaseTo keeps the segment with the marker of that snapshot", async () => {
  for (let size = 0; size < 400; size += 8) {
    const { disk, wal } = await fresh(700);
    await wal.save(state(1, 1n, 0), [entry(1, 1, "x".repeat(100))]);
    await wal.save(state(1, 1n, 2), [entry(2, 1, "x".repeat(size))]);
    await wal.saveSnapshot(marker(2, 1));
    await wal.save(state(2, 1n, 2), []);
    await wal.save(state(3, 1n, 2), [entry(3, 3, "x".repeat(500))]);
    await wal.releaseTo(2 as Index);
    await wal.close();
    const log = await reopen(disk);
    assert.equal(log.snapshot.index, 2, `with an entry of ${size} bytes`);
    assert.deepEqual(
      log.entries.map((e) => e.index),
      [3],
    );
  }
});

test("Wal.open leaves nothing of a torn batch, also behind the end of the segment", async () => {
  const { disk, wal } = await fresh(2000);
  await wal.save(state(1, 1n, 0), [entry(1, 1)]);
  const lost = [2, 3, 4, 5].map((i) => entry(i, 1, "old".repeat(500)));
  void wal.save(undefined, lost).catch(() => {});
  for (let i = 0; i < 20; i++) await Promise.resolve();
  let sector = 0;
  disk.crash(() => sector++ !== 1);
  let { wal: again } = await Wal.open(options(disk, 2000), dir, newest);
  for (let i = 2; i < 40; i++) {
    await again.save(undefined, [entry(i, 2, "new".repeat(20))]);
    await again.close();
    again = (await Wal.open(options(disk, 2000), dir, newest)).wal;
  }
  await again.close();
  const { entries } = await reopen(disk);
  assert.equal(entries.at(-1)?.index, 39);
  assert.ok(entries.every((e) => e.index < 2 || e.term === 2 || e.index === 1));
});

test("Wal cuts segments, chains their checksums and releases old ones", async () => {
  const { disk, wal } = await fresh(2000);
  for (let i = 1; i <= 60; i++) {
    await wal.save(state(1, 1n, i), [entry(i, 1, "x".repeat(100))]);
  }
  await wal.saveSnapshot(marker(50, 1));
  const names = (await disk.list(dir)).filter((name) => name.endsWith(".wal"));
  assert.ok(names.length > 3, names.join(" "));
  assert.match(names[1] as string, /^0000000000000001-[0-9a-f]{16}\.wal$/);
  await wal.releaseTo(50 as Index);
  const left = (await disk.list(dir)).filter((name) => name.endsWith(".wal"));
  assert.ok(left.length < names.length);
  assert.deepEqual(left, names.slice(names.length - left.length));
  await wal.close();
  const log = await reopen(disk);
  assert.equal(log.snapshot.index, 50);
  assert.deepEqual(
    log.entries.map((e) => e.index),
    [51, 52, 53, 54, 55, 56, 57, 58, 59, 60],
  );
  assert.equal(
    (await disk.list(dir)).some((name) => name.endsWith(".tmp")),
    false,
  );
});

test("Wal.open goes on from an old marker that stands before the first entry kept", async () => {
  const { disk, wal } = await fresh(1000);
  let i = 0;
  const segments = async (): Promise<number> =>
    (await disk.list(dir)).filter((name) => name.endsWith(".wal")).length;
  while ((await segments()) < 2) {
    await wal.save(state(1, 1n, ++i), [entry(i, 1, "x".repeat(100))]);
  }
  await wal.saveSnapshot(marker(1, 1));
  await wal.save(state(1, 1n, i + 1), [entry(i + 1, 1), entry(i + 2, 1)]);
  await wal.saveSnapshot(marker(i + 1, 1));
  await wal.releaseTo((i + 1) as Index);
  await wal.close();
  const log = await reopen(disk);
  assert.deepEqual(
    log.entries.map((e) => e.index),
    [i + 2],
  );
});

test("Wal.open names file and offset of a flipped byte before the tail", async () => {
  const { disk, wal } = await fresh();
  await wal.save(state(1, 1n, 0), [entry(1, 1, "hello"), entry(2, 1, "world")]);
  await wal.close();
  const path = await onlySegment(disk);
  const bytes = disk.bytes(path);
  const at = Buffer.from(bytes).indexOf("hello");
  bytes[at] = 0x48;
  const before = bytes.slice();
  await assert.rejects(reopen(disk), (error: WalError) => {
    assert.equal(error.kind, "corrupt");
    assert.equal(error.path, path);
    assert.ok(error.offset > 0 && error.offset < at && at - error.offset < 40);
    assert.match(error.message, /checksum is wrong.*add it again/);
    return true;
  });
  assert.deepEqual(disk.bytes(path), before, "a damaged log is left as it is");
});

test("Wal.open takes a flipped length for damage and not for a torn write", async () => {
  const { disk, wal } = await fresh();
  await wal.save(state(1, 1n, 0), [entry(1, 1, "hello")]);
  const path = await onlySegment(disk);
  const at = Buffer.from(disk.bytes(path)).indexOf("hello");
  await wal.save(undefined, [entry(2, 1, "world")]);
  await wal.close();
  const frame = (at - 8 - 14) & ~7;
  const bytes = disk.bytes(path);
  bytes[frame + 5] = 1;
  await assert.rejects(reopen(disk), { kind: "corrupt" });
});

test("Wal.open cuts a record with a zero sector at the end, and appends go on", async () => {
  const { disk, wal } = await fresh();
  await wal.save(state(1, 1n, 0), [entry(1, 1, "kept")]);
  await wal.save(undefined, [entry(2, 1, "y".repeat(3000))]);
  await wal.close();
  const path = await onlySegment(disk);
  disk.bytes(path).fill(0, 1024, 1536);
  const { wal: again, contents } = await Wal.open(options(disk), dir, newest);
  assert.deepEqual(plain(contents.entries), [[1, 1, 0, "kept"]]);
  await again.save(undefined, [entry(2, 2, "next")]);
  disk.crash(() => true);
  assert.deepEqual(plain((await reopen(disk)).entries), [
    [1, 1, 0, "kept"],
    [2, 2, 0, "next"],
  ]);
});

test("Wal.open notices a segment that lost its end to zeros, by the next one's checksum", async () => {
  const { disk, wal } = await fresh(500);
  for (let i = 1; i <= 30; i++) await wal.save(state(1, 1n, i), [entry(i, 1, "x".repeat(50))]);
  await wal.close();
  const names = await disk.list(dir);
  const bytes = disk.bytes(`${dir}/${names[1]}`);
  bytes.fill(0, Math.floor(bytes.byteLength / 2) & ~7);
  let at = 0;
  // Up to the frame that was hit everything reads well: cut there, as lost zeros would.
  for (let next = 0; next < bytes.byteLength; ) {
    const size = Buffer.from(bytes).readUInt32LE(next);
    const pad = ((bytes[next + 7] as number) & 0x80) === 0 ? 0 : (bytes[next + 7] as number) & 7;
    if (size === 0 || next + 8 + size + pad > bytes.byteLength / 2) break;
    at = next;
    next += 8 + size + pad;
  }
  bytes.fill(0, at);
  await assert.rejects(reopen(disk), (error: WalError) => {
    assert.equal(error.kind, "corrupt");
    assert.equal(error.path, `${dir}/${names[2]}`);
    assert.match(error.message, /does not continue the checksum/);
    return true;
  });
});

test("Wal.open refuses a missing segment and one of another member", async () => {
  const { disk, wal } = await fresh(500);
  for (let i = 1; i <= 30; i++) await wal.save(state(1, 1n, i), [entry(i, 1, "x".repeat(50))]);
  await wal.close();
  const names = await disk.list(dir);
  await disk.remove(`${dir}/${names[1]}`);
  await assert.rejects(reopen(disk), (error: WalError) => {
    assert.equal(error.kind, "missing");
    assert.match(error.message, new RegExp(`${names[2]}.*follows ${names[0]}`));
    return true;
  });
  await assert.rejects(Wal.open(options(new MemoryDisk()), dir, newest), { code: "ENOENT" });
});

test("Wal rejects every waiting and later save once a write has failed", async () => {
  const { disk, wal } = await fresh();
  disk.failure = new Error("EIO");
  const first = wal.save(undefined, [entry(1, 1)]);
  const second = wal.save(undefined, [entry(2, 1)]);
  await assert.rejects(first, /EIO/);
  await assert.rejects(second, /EIO/);
  disk.failure = undefined;
  await assert.rejects(wal.save(undefined, [entry(3, 1)]), /EIO/);
  await wal.close();
});

test("Wal brings back a prefix with all that was acknowledged, whatever a crash keeps", async () => {
  const scenario = fc.record({
    segmentBytes: fc.integer({ min: 300, max: 6000 }),
    steps: fc.array(
      fc.record({
        sizes: fc.array(fc.integer({ min: 0, max: 2500 }), { maxLength: 4 }),
        wait: fc.boolean(),
        snapshot: fc.boolean(),
      }),
      { minLength: 1, maxLength: 25 },
    ),
    crashAfterTurns: fc.integer({ min: 0, max: 12 }),
    keep: fc.infiniteStream(fc.boolean()),
    rounds: fc.integer({ min: 1, max: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(scenario, async (s) => {
      const { disk, wal: first } = await fresh(s.segmentBytes);
      let wal = first;
      let saved: Entry[] = [];
      let durable = 0;
      let term = 1;
      for (let round = 0; round < s.rounds; round++) {
        for (const step of s.steps) {
          const entries = step.sizes.map((size, i) =>
            entry(saved.length + 1 + i, term, "z".repeat(size)),
          );
          saved.push(...entries);
          const upTo = saved.length;
          const done = wal.save(state(term, 3n, Math.min(upTo, durable)), entries).then(
            () => {
              durable = Math.max(durable, upTo);
            },
            () => {},
          );
          if (step.wait) await done;
          if (step.snapshot && step.wait && durable > 0) {
            void wal.save(state(term, 3n, durable), []);
            await wal.saveSnapshot(marker(durable, (saved[durable - 1] as Entry).term));
            await wal.releaseTo(durable as Index);
          }
        }
        for (let i = 0; i < s.crashAfterTurns; i++) await Promise.resolve();
        const acknowledged = durable;
        const next = s.keep[Symbol.iterator]();
        disk.crash(() => next.next().value as boolean);
        const again = await Wal.open(options(disk, s.segmentBytes), dir, newest);
        const from = again.contents.snapshot.index;
        const last = from + again.contents.entries.length;
        assert.ok(last >= acknowledged, `entry ${last} is the last, ${acknowledged} were durable`);
        assert.deepEqual(plain(again.contents.entries), plain(saved.slice(from, last)));
        saved = saved.slice(0, last);
        durable = last;
        wal = again.wal;
        term++;
      }
      await wal.close();
    }),
    { numRuns: Number(process.env["QUOIN_RUNS"] ?? 150) },
  );
});

test("what follows a segment whose rename was not synced by a killed process survives", async () => {
  const { disk, wal: created } = await fresh(600);
  await created.close();
  const { promise: renamed, resolve: onRenamed } = Promise.withResolvers<void>();
  const first = options(disk, 600);
  const { wal } = await Wal.open(first, dir, newest);
  // The kill comes between the rename and the sync of the folder: the call never returns.
  first.disk.syncDir = () => {
    onRenamed();
    return new Promise(() => {});
  };
  for (let i = 1; i <= 12; i++) void wal.save(state(1, 1n, 0), [entry(i, 1, "x".repeat(50))]);
  await renamed;
  const { wal: second, contents } = await Wal.open(options(disk), dir, newest);
  const last = contents.entries.length;
  await second.save(undefined, [entry(last + 1, 1, "acknowledged")]);
  disk.crash(() => false);
  const third = await Wal.open(options(disk), dir, newest);
  assert.equal(third.contents.entries.length, last + 1);
  await third.wal.close();
});
