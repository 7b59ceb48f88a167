import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { createClock, createDisk } from "../../../src/io/index.ts";
import type { Engine } from "../../../src/ports/index.ts";
import { Backend, openRocksEngine } from "../../../src/storage/backend/index.ts";
import {
  chooseEngineDir,
  exportSnapshot,
  importSnapshot,
  type RestoreOptions,
  restoreSnapshot,
  Snapshotter,
  snapshotStatus,
} from "../../../src/storage/snapshot/index.ts";
import { Wal, type WalSnapshot } from "../../../src/storage/wal/index.ts";
import {
  type RunningEtcd,
  skipWithoutEtcd,
  startEtcd,
  temporaryFolder,
  tool,
} from "./real-etcd.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const disk = createDisk();
const faults = { hit: () => undefined };

interface Context {
  after(f: () => void | Promise<void>): void;
}

/** Some of everything that a snapshot can hold; the snapshot's path. */
async function realSnapshot(t: Context, dir: string): Promise<{ file: string; etcd: RunningEtcd }> {
  const etcd = await startEtcd(t, path.join(dir, "real"));
  for (let i = 0; i < 40; i++) etcd.ctl("put", `key${i % 25}`, "v".repeat(i * 97));
  etcd.ctl("put", "big", "b".repeat(100_000));
  const lease = etcd.ctl("lease", "grant", "1000").split(" ")[1] as string;
  etcd.ctl("put", "leased", "x", `--lease=${lease}`);
  etcd.ctl("del", "key1", "key5");
  etcd.ctl("compact", "20");
  etcd.ctl("put", "last", "one");
  etcd.ctl("role", "add", "reader");
  etcd.ctl("user", "add", "root:secret");
  const file = path.join(dir, "real.db");
  etcd.ctl("snapshot", "save", file);
  return { file, etcd };
}

async function openBackend(engine: Engine): Promise<Backend> {
  const onFatal = (error: Error): void => assert.fail(error);
  return Backend.open({ engine, clock: createClock(), faults, logger: quiet, onFatal });
}

/** The snapshot that we make of the rows in an engine's folder. */
async function exported(engineDir: string, file: string): Promise<void> {
  const backend = await openBackend(await openRocksEngine(engineDir));
  const view = await backend.view();
  const snapshot = await exportSnapshot(view);
  const out = fs.createWriteStream(file);
  for await (const chunk of snapshot.chunks({ withSha256: true })) out.write(chunk);
  await new Promise((resolve) => out.end(resolve));
  assert.equal(fs.statSync(file).size, snapshot.sizeBytes + 32);
  await view.release();
  await backend.close();
}

const etcdutlStatus = (file: string): unknown =>
  JSON.parse(tool("etcdutl", ["snapshot", "status", file, "-w", "json"]));

function hashKv(etcd: RunningEtcd): { hash: number; revision: number } {
  const [status] = JSON.parse(etcd.ctl("endpoint", "hashkv", "-w", "json"));
  return { hash: status.HashKV.hash, revision: status.HashKV.header.revision };
}

test("snapshotStatus of a real snapshot is etcdutl's", { skip: skipWithoutEtcd }, async (t) => {
  const { file, etcd } = await realSnapshot(t, temporaryFolder(t));
  // Before its folder goes.
  await etcd.stop();
  assert.deepEqual(await snapshotStatus(disk, file), etcdutlStatus(file));
});

test("a real snapshot imported and exported by us is the same to etcdutl, and serves again", {
  skip: skipWithoutEtcd,
}, async (t) => {
  const dir = temporaryFolder(t);
  const { file, etcd } = await realSnapshot(t, dir);
  const before = hashKv(etcd);
  const all = etcd.ctl("get", "", "--prefix", "-w", "json");
  await etcd.stop();

  const engine = await openRocksEngine(path.join(dir, "engine"));
  const imported = await importSnapshot(disk, file, engine);
  await engine.close();
  assert.equal(imported.revision, before.revision);
  const ours = path.join(dir, "ours.db");
  await exported(path.join(dir, "engine"), ours);
  const theirStatus = etcdutlStatus(file) as { hash: number; totalSize: number };
  const ourStatus = etcdutlStatus(ours) as { totalSize: number };
  assert.deepEqual({ ...ourStatus, totalSize: 0 }, { ...theirStatus, totalSize: 0 });
  assert.deepEqual(await snapshotStatus(disk, ours), ourStatus);

  const restored = path.join(dir, "restored");
  const { peerUrl } = etcd;
  tool("etcdutl", [
    "snapshot",
    "restore",
    ours,
    `--data-dir=${restored}`,
    "--name=m1",
    `--initial-cluster=m1=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
  ]);
  const again = await startEtcd(t, restored, { peerUrl });
  assert.deepEqual(hashKv(again), before);
  const kvs = (json: string): unknown => JSON.parse(json).kvs;
  assert.deepEqual(kvs(again.ctl("get", "", "--prefix", "-w", "json")), kvs(all));
  again.ctl("put", "after", "restore");
  again.ctl("defrag");
  await again.stop();
});

test("restoreSnapshot makes a data folder of a real snapshot, as etcdutl does", {
  skip: skipWithoutEtcd,
}, async (t) => {
  const dir = temporaryFolder(t);
  const { file, etcd } = await realSnapshot(t, dir);
  await etcd.stop();
  const initialCluster = "m2=http://127.0.0.1:2,m1=http://127.0.0.1:1";
  const flags = {
    name: "m1",
    initialCluster,
    initialClusterToken: "token",
    peerUrls: ["http://127.0.0.1:1"],
    revisionBump: 1000,
    markCompacted: true,
  };
  const theirs = path.join(dir, "theirs");
  tool("etcdutl", [
    "snapshot",
    "restore",
    file,
    `--data-dir=${theirs}`,
    "--name=m1",
    `--initial-cluster=${initialCluster}`,
    "--initial-cluster-token=token",
    "--initial-advertise-peer-urls=http://127.0.0.1:1",
    "--bump-revision=1000",
    "--mark-compacted",
  ]);
  const dataDir = path.join(dir, "ours");
  const base = { disk, logger: quiet, faults, openEngine: openRocksEngine, path: file, dataDir };
  const result = await restoreSnapshot({ ...base, ...flags });
  assert.deepEqual(fs.readdirSync(dataDir), ["member"]);

  const options = { disk, faults, logger: quiet, nowMs: () => 0 };
  const log = async (folder: string) => {
    const newest = (valid: readonly WalSnapshot[]) => valid.at(-1) as WalSnapshot;
    const { wal, contents } = await Wal.open(options, path.join(folder, "member/wal"), newest);
    await wal.close();
    return contents;
  };
  const [ours, real] = [await log(dataDir), await log(theirs)];
  assert.deepEqual(ours.metadata, real.metadata);
  assert.deepEqual(ours.metadata, { nodeId: result.memberId, clusterId: result.clusterId });
  assert.deepEqual(ours.hardState, real.hardState);
  assert.deepEqual(ours.snapshot, real.snapshot);
  const whole = async (folder: string) => {
    const { wal, contents } = await Wal.open(
      options,
      path.join(folder, "member/wal"),
      (valid) => valid[0] as WalSnapshot,
    );
    await wal.close();
    return contents.entries.map((e) => [
      e.index,
      e.term,
      e.type,
      /\{.*\}/.exec(String(e.data))?.[0],
    ]);
  };
  assert.deepEqual(await whole(dataDir), await whole(theirs));
  const snapDir = path.join(dataDir, "member/snap");
  const snap = await new Snapshotter(disk, quiet, snapDir).loadNewest(() => true);
  assert.deepEqual(snap?.metadata, { ...real.snapshot, confState: real.snapshot.confState });

  const backend = await openBackend(await openRocksEngine(await chooseEngineDir(disk, snapDir)));
  assert.equal(backend.meta.appliedIndex, 2);
  assert.equal(backend.meta.revision, result.revision);
  assert.equal(backend.meta.scheduledCompactRevision, result.revision);
  await backend.close();
  const file2 = path.join(dir, "again.db");
  await exported(path.join(snapDir, "db"), file2);
  const members = JSON.stringify(etcdutlStatus(file2));
  const status = JSON.parse(members) as { revision: number; totalKey: number };
  const real2 = etcdutlStatus(path.join(theirs, "member/snap/db")) as typeof status;
  assert.equal(status.revision, real2.revision);
  assert.equal(status.totalKey, real2.totalKey);
});

test("our member serves a real snapshot restored by us as a real etcd does one by etcdutl", {
  skip: skipWithoutEtcd,
}, async (t) => {
  const dir = temporaryFolder(t);
  const { file, etcd } = await realSnapshot(t, dir);
  await etcd.stop();
  const { peerUrl } = etcd;
  const theirs = path.join(dir, "theirs");
  tool("etcdutl", [
    "snapshot",
    "restore",
    file,
    `--data-dir=${theirs}`,
    "--name=m1",
    `--initial-cluster=m1=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    "--bump-revision=500",
    "--mark-compacted",
  ]);
  const dataDir = path.join(dir, "ours");
  await restoreSnapshot({
    disk,
    logger: quiet,
    faults,
    openEngine: openRocksEngine,
    path: file,
    dataDir,
    name: "m1",
    initialCluster: `m1=${peerUrl}`,
    initialClusterToken: "etcd-cluster",
    peerUrls: [peerUrl],
    revisionBump: 500,
    markCompacted: true,
  });
  const answers = async (folder: string, program?: string): Promise<unknown> => {
    const options = program === undefined ? { peerUrl } : { peerUrl, program };
    const member = await startEtcd(t, folder, options);
    const kvs = (): unknown => JSON.parse(member.ctl("get", "", "--prefix", "-w", "json")).kvs;
    const first = [hashKv(member), kvs()];
    member.ctl("put", "more", "later");
    member.ctl("del", "key7");
    const { cluster_id, member_id } = JSON.parse(member.ctl("get", "x", "-w", "json")).header;
    const all = [first, hashKv(member), kvs(), cluster_id, member_id];
    await member.stop();
    return all;
  };
  const launcher = path.join(import.meta.dirname, "../../../bin/etcd");
  assert.deepEqual(await answers(dataDir, launcher), await answers(theirs));
});

test("restoreSnapshot leaves nothing behind when the file is bad or the target taken", {
  skip: skipWithoutEtcd,
}, async (t) => {
  const dir = temporaryFolder(t);
  const { file, etcd } = await realSnapshot(t, dir);
  await etcd.stop();
  const options = (more: Partial<RestoreOptions>): RestoreOptions => ({
    disk,
    logger: quiet,
    faults,
    openEngine: openRocksEngine,
    path: file,
    dataDir: path.join(dir, "target"),
    name: "m1",
    initialCluster: "m1=http://127.0.0.1:1",
    initialClusterToken: "t",
    peerUrls: ["http://127.0.0.1:1"],
    ...more,
  });
  const bad = path.join(dir, "bad.db");
  const bytes = fs.readFileSync(file);
  const at = bytes.indexOf("bbbbbbbbbb");
  bytes[at] = 0x63;
  fs.writeFileSync(bad, bytes);
  await assert.rejects(restoreSnapshot(options({ path: bad })), { code: "hash" });
  const bare = path.join(dir, "bare.db");
  fs.writeFileSync(bare, bytes.subarray(0, -32));
  await assert.rejects(restoreSnapshot(options({ path: bare })), {
    code: "hash",
    message: /^snapshot missing hash but --skip-hash-check=false: /,
  });
  const short = path.join(dir, "short.db");
  fs.writeFileSync(short, bytes.subarray(0, 40_960));
  await assert.rejects(restoreSnapshot(options({ path: short, skipHashCheck: true })), {
    code: "corrupt",
  });
  for (const [more, code] of [
    [{ name: "other" }, "cluster"],
    [{ peerUrls: ["http://127.0.0.1:9"] }, "cluster"],
    [{ revisionBump: 5 }, "bump"],
    [{ markCompacted: true }, "bump"],
  ] as const) {
    await assert.rejects(restoreSnapshot(options(more)), { code });
  }
  assert.equal(fs.existsSync(path.join(dir, "target")), false);
  fs.mkdirSync(path.join(dir, "taken"));
  fs.writeFileSync(path.join(dir, "taken", "file"), "");
  await assert.rejects(restoreSnapshot(options({ dataDir: path.join(dir, "taken") })), {
    code: "exists",
  });
  await restoreSnapshot(options({ path: bare, skipHashCheck: true }));
  fs.mkdirSync(path.join(dir, "empty"));
  await restoreSnapshot(
    options({ dataDir: path.join(dir, "empty"), walDir: path.join(dir, "elsewhere") }),
  );
  assert.deepEqual(fs.readdirSync(path.join(dir, "empty/member")), ["snap"]);
  assert.equal(await Wal.exists(disk, path.join(dir, "elsewhere")), true);
});
