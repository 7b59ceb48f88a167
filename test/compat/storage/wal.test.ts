import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { createDisk } from "../../../src/io/index.ts";
import { Wal, type WalOptions, type WalSnapshot } from "../../../src/storage/wal/index.ts";
import { skipWithoutEtcd, startEtcd, temporaryFolder } from "./real-etcd.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const options: WalOptions = {
  disk: createDisk(),
  faults: { hit: () => undefined },
  logger: quiet,
  nowMs: () => performance.now(),
};

test("Wal reads what a real etcd wrote, and writes it again byte for byte", {
  skip: skipWithoutEtcd,
}, async (t) => {
  const dir = temporaryFolder(t);
  const dataDir = path.join(dir, "data");
  const etcd = await startEtcd(t, dataDir, { flags: ["--snapshot-count=20"] });
  for (let i = 0; i < 30; i++) etcd.ctl("put", `key${i}`, "v".repeat(i * 20));
  etcd.ctl("member", "add", "m2", "--peer-urls=http://127.0.0.1:1", "--learner");
  etcd.ctl("lease", "grant", "100");
  etcd.ctl("del", "key3");
  await etcd.stop();

  const walDir = path.join(dataDir, "member", "wal");
  const name = "0000000000000000-0000000000000000.wal";
  const theirs = fs.readFileSync(path.join(walDir, name));
  const read = await Wal.open(options, walDir, (valid) => valid[0] as WalSnapshot);
  await read.wal.close();
  assert.ok(read.contents.entries.length >= 35, `${read.contents.entries.length} entries`);
  const ourDir = path.join(dir, "ours");
  const wal = await Wal.create(options, ourDir, read.contents.metadata);
  await wal.save(read.contents.hardState, read.contents.entries);
  await wal.close();
  const ours = fs.readFileSync(path.join(ourDir, name));
  const data = (entry: { data: Uint8Array }): Buffer => Buffer.from(entry.data);
  const longest = read.contents.entries.reduce((a, b) => (data(a).length > data(b).length ? a : b));
  const around = (file: Buffer): Buffer => {
    const at = file.indexOf(data(longest));
    return file.subarray(at - 9, at + data(longest).length);
  };
  assert.deepEqual(around(ours), around(theirs), "an entry's record");
  assert.deepEqual(ours.subarray(0, 80), theirs.subarray(0, 80), "the head of the segment");
});

test("a real etcd boots from a log that Wal wrote", { skip: skipWithoutEtcd }, async (t) => {
  const dir = temporaryFolder(t);
  const dataDir = path.join(dir, "data");
  const first = await startEtcd(t, dataDir);
  for (let i = 0; i < 10; i++) first.ctl("put", `key${i}`, `value${i}`);
  await first.stop();

  const walDir = path.join(dataDir, "member", "wal");
  const { wal: theirs, contents } = await Wal.open(
    options,
    walDir,
    (valid) => valid[0] as WalSnapshot,
  );
  await theirs.close();
  fs.rmSync(walDir, { recursive: true });
  // The state is to come from the log alone, through several of our segments.
  fs.rmSync(path.join(dataDir, "member", "snap"), { recursive: true });
  const ours = await Wal.create({ ...options, segmentBytes: 700 }, walDir, contents.metadata);
  for (const entry of contents.entries) await ours.save(contents.hardState, [entry]);
  await ours.close();
  assert.ok(fs.readdirSync(walDir).length > 2);

  const second = await startEtcd(t, dataDir, { peerUrl: first.peerUrl });
  assert.equal(second.ctl("get", "key7", "--print-value-only").trim(), "value7");
  second.ctl("put", "after", "boot");
  await second.stop();
  const again = await Wal.open(options, walDir, (valid) => valid[0] as WalSnapshot);
  assert.ok(again.contents.entries.length > contents.entries.length);
  await again.wal.close();
});
