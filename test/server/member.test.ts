import assert from "node:assert/strict";
import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import {
  bootstrapCluster,
  membersJson,
  parseInitialCluster,
} from "../../src/core/membership/index.ts";
import { rpcpb } from "../../src/proto/index.ts";
import { BootError, boot, initDataDir } from "../../src/server/index.ts";
import { get, memberOptions, memberPorts, put, startMember, tempDir } from "./rig.ts";

test("a member comes back with every acknowledged write after its process was lost", async () => {
  await using dir = await tempDir();
  const options = memberOptions(dir.path);
  const before = await startMember(options);
  for (let i = 0; i < 200; i++) await put(before, `k${i}`, `v${i}`);
  const { revision } = before.kv;
  const hash = await before.reads.hashKv(0);
  await before.stop();
  const after = await startMember(options);
  assert.equal(after.kv.revision, revision);
  for (let i = 0; i < 200; i++) assert.equal(await get(after, `k${i}`), `v${i}`);
  assert.equal((await after.reads.hashKv(0)).hash, hash.hash);
  await after.stop();
});

test("the log is cut once the engine has made the entries durable, and the member still boots", async () => {
  await using dir = await tempDir();
  const options = memberOptions(dir.path, { snapshotCount: 20, snapshotCatchupEntries: 5 });
  const member = await startMember(options);
  for (let i = 0; i < 100; i++) await put(member, "k", `v${i}`);
  await member.stop();
  const snaps = await readdir(join(dir.path, "member", "snap"));
  assert.ok(
    snaps.some((n) => n.endsWith(".snap")),
    `no .snap among ${snaps}`,
  );
  const again = await startMember(options);
  assert.equal(await get(again, "k"), "v99");
  assert.equal(await put(again, "k", "new"), 102);
  await again.stop();
});

test("values that left the memory tier are fetched, for reads and for transactions", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path, { tierBytes: 1 << 16 }));
  const big = "x".repeat(4096);
  for (let i = 0; i < 100; i++) await put(member, `k${i}`, `${big}${i}`);
  assert.equal(await get(member, "k0"), `${big}0`);
  const key = Buffer.from("k1");
  const compare = rpcpb.newCompare({ key, target: 3, value: Buffer.from(`${big}1`) });
  const requestPut = rpcpb.newPutRequest({ key, value: Buffer.from("swapped"), prevKv: true });
  const txn = rpcpb.newTxnRequest({
    compare: [compare],
    success: [rpcpb.newRequestOp({ requestPut })],
  });
  const succeeded = await new Promise((resolve, reject) => {
    member.proposals.txn(txn, rpcpb.encodeTxnRequest(txn), (error, result) => {
      if (result === undefined) reject(error);
      else resolve(result.succeeded);
    });
  });
  assert.equal(succeeded, true);
  assert.equal(await get(member, "k1", true), "swapped");
  await member.stop();
});

test("initDataDir() gives the right to form a cluster once", async () => {
  await using dir = await tempDir();
  const options = memberOptions(dir.path);
  const ports = memberPorts();
  const made = await initDataDir(options, ports);
  const booted = await startMember({ ...options, initialClusterState: "existing" });
  assert.equal(booted.id, made.memberId);
  assert.equal(await put(booted, "a", "1"), 2);
  await booted.stop();
  const other = { ...options, initialClusterToken: "other" };
  await assert.rejects(initDataDir(other, ports), BootError);
});

test("a member without data does not form a cluster when it was told to join one", async () => {
  await using dir = await tempDir();
  const options = memberOptions(dir.path, { initialClusterState: "existing" });
  await assert.rejects(boot(options, memberPorts()), (error: BootError) => error.code === "join");
  assert.deepEqual(await readdir(dir.path), []);
});

test("a member whose data is gone does not come back under its old id", async () => {
  await using dir = await tempDir();
  const initial = parseInitialCluster("m1=http://127.0.0.1:1,m2=http://127.0.0.1:3");
  assert.ok(initial.ok);
  const options = memberOptions(dir.path, { initialCluster: initial.value });
  const sha1 = memberPorts().sha1;
  const cluster = bootstrapCluster(sha1, options.initialClusterToken, initial.value);
  assert.ok(cluster.ok);
  const members = cluster.value
    .members()
    .map((m) => ({ ...m, clientURLs: ["http://127.0.0.1:2"] }));
  const ports = memberPorts({
    fetchMembers: async () => ({
      clusterId: cluster.value.clusterId,
      body: Buffer.from(membersJson(members)),
    }),
  });
  for (const initialClusterState of ["new", "existing"] as const) {
    await assert.rejects(
      boot({ ...options, initialClusterState }, ports),
      (error: BootError) =>
        error.code === "emptied" && /already been bootstrapped/.test(error.message),
    );
  }
  assert.deepEqual(await readdir(dir.path), []);
});

test("boot() refuses by name when the log is gone and the engine is there", async () => {
  await using dir = await tempDir();
  const options = memberOptions(dir.path);
  const member = await startMember(options);
  await put(member, "a", "1");
  await member.stop();
  await rm(join(dir.path, "member", "wal"), { recursive: true });
  await assert.rejects(boot(options, memberPorts()), /holds data but no log in .*member\/wal/);
});

test("an engine that is gone is rebuilt while the log reaches back to its beginning", async () => {
  await using dir = await tempDir();
  const options = memberOptions(dir.path, { snapshotCount: 20, snapshotCatchupEntries: 5 });
  const member = await startMember(options);
  for (let i = 0; i < 100; i++) await put(member, "k", `v${i}`);
  const { hash } = await member.reads.hashKv(0);
  await member.stop();
  await rm(join(dir.path, "member", "snap"), { recursive: true });
  const again = await startMember(options);
  assert.equal(await get(again, "k"), "v99");
  assert.equal((await again.reads.hashKv(0)).hash, hash);
  await again.stop();
});

test("boot() refuses a damaged log and names file, offset and what to do", async () => {
  await using dir = await tempDir();
  const options = memberOptions(dir.path);
  const member = await startMember(options);
  for (let i = 0; i < 50; i++) await put(member, "a", "1".repeat(100));
  await member.stop();
  const wal = join(dir.path, "member", "wal");
  const [segment] = (await readdir(wal)).filter((n) => n.endsWith(".wal")).sort();
  await using file = await open(join(wal, segment as string), "r+");
  await file.write(Buffer.from([0xff, 0xff, 0xff]), 0, 3, 2000);
  await assert.rejects(boot(options, memberPorts()), /\.wal at offset \d+: .+\. .+/);
});
