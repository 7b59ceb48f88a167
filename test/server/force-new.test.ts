import assert from "node:assert/strict";
import { cp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { parseInitialCluster } from "../../src/core/membership/index.ts";
import { hexId } from "../../src/core/types.ts";
import { noFaults } from "../../src/io/index.ts";
import type { FaultPoint, Faults } from "../../src/ports/index.ts";
import {
  type DataDirErrorCode,
  type ForceNewOptions,
  type ForceNewResult,
  forceNew,
  inspectDataDir,
  type Member,
} from "../../src/server/index.ts";
import { cloneRocksEngine, openRocksEngine } from "../../src/storage/backend/index.ts";
import { until } from "../until.ts";
import { answer, TestCluster } from "./cluster.ts";
import { get, memberOptions, memberPorts, put, startMember, tempDir } from "./rig.ts";

const newUrl = "http://127.0.0.1:91";

function ports(faults: Faults = noFaults) {
  const { disk, logger, clock, sha1, random, crc32c } = memberPorts();
  return {
    disk,
    logger,
    clock,
    sha1,
    random,
    crc32c,
    faults,
    openEngine: openRocksEngine,
    openEngineReadOnly: (dir: string) => openRocksEngine(dir, { readOnly: true }),
    cloneEngine: cloneRocksEngine,
  };
}

const order = (dataDir: string, token = "second"): ForceNewOptions => ({
  dataDir,
  name: "n1",
  peerUrls: [newUrl],
  initialClusterToken: token,
});

const force = (dataDir: string, faults?: Faults): Promise<ForceNewResult> =>
  forceNew(order(dataDir), ports(faults));

/** The member that force-new made, running alone. */
function startForced(dataDir: string): Promise<Member> {
  const initial = parseInitialCluster(`n1=${newUrl}`);
  assert(initial.ok);
  return startMember(
    memberOptions(dataDir, {
      name: "n1",
      initialCluster: initial.value,
      initialClusterState: "existing",
      initialClusterToken: "second",
      initialAdvertisePeerUrls: [newUrl],
    }),
  );
}

const refusal = (code: DataDirErrorCode, message: RegExp) => (error: Error) => {
  assert.equal((error as Error & { code?: string }).code, code, error.stack ?? "");
  assert.match(error.message, message);
  return true;
};

test("inspect() tells who a folder's member is, before, while and after it runs", async () => {
  await using dir = await tempDir();
  const data = join(dir.path, "m1");
  const member = await startMember(memberOptions(data));
  for (let i = 0; i < 20; i++) await put(member, `k${i}`, "v");
  const beside = await inspectDataDir(data, ports());
  assert.equal(beside.name, "m1");
  assert.equal(beside.token, "test");
  assert.equal(beside.memberID, hexId(member.id));
  assert.equal(beside.clusterID, hexId(member.clusterId));
  assert.ok(beside.lastLogIndex >= 20 && beside.lastLogTerm >= 1);
  const { log } = member;
  await member.stop();
  const after = await inspectDataDir(data, ports());
  assert.equal(after.lastLogIndex, log.lastLogIndex);
  assert.equal(after.lastLogTerm, log.lastLogTerm);
  assert.equal(after.appliedIndex, after.lastLogIndex);
  assert.equal(after.revision, 21);
  assert.deepEqual(
    after.members.map((m) => [m.name, m.isLearner]),
    [["m1", false]],
  );
});

test("inspect() reads beside a member that writes and cuts its log", async () => {
  await using dir = await tempDir();
  const change = { snapshotCount: 100, snapshotCatchupEntries: 10 };
  const small = memberPorts({ walSegmentBytes: 8192 });
  const member = await startMember(memberOptions(dir.path, change), small);
  let stopped = false;
  const load = Array.from({ length: 8 }, async (_, w) => {
    for (let i = 0; !stopped; i++) await put(member, `k${w}/${i % 50}`, "v".repeat(100));
  });
  for (let last = 0, i = 0; i < 10; i++) {
    const { lastLogIndex, appliedIndex } = await inspectDataDir(dir.path, ports());
    assert.ok(lastLogIndex >= last && appliedIndex <= lastLogIndex);
    last = lastLogIndex;
  }
  stopped = true;
  await Promise.all(load);
  await member.stop();
});

test("inspect() names an empty, a foreign and a damaged folder", async () => {
  await using dir = await tempDir();
  const data = join(dir.path, "m1");
  await assert.rejects(inspectDataDir(data, ports()), refusal("empty", /holds no member/));
  const member = await startMember(memberOptions(data));
  await put(member, "k", "v");
  await member.stop();
  const { disk } = ports();

  const noLog = join(dir.path, "no-log");
  await cp(data, noLog, { recursive: true });
  await rm(join(noLog, "member", "wal"), { recursive: true });
  await assert.rejects(inspectDataDir(noLog, ports()), refusal("damaged", /has no log/));

  const noEngine = join(dir.path, "no-engine");
  await cp(data, noEngine, { recursive: true });
  await rm(join(noEngine, "member", "snap"), { recursive: true });
  assert.equal((await inspectDataDir(noEngine, ports())).name, "m1", "the log has it all");

  const flipped = join(dir.path, "flipped");
  await cp(data, flipped, { recursive: true });
  const segment = join(flipped, "member", "wal", "0000000000000000-0000000000000000.wal");
  const file = await disk.open(segment);
  await file.write([Buffer.from([0xff])], 60);
  await file.close();
  await assert.rejects(inspectDataDir(flipped, ports()), refusal("damaged", /at offset/));

  const etcd = join(dir.path, "etcd");
  await cp(data, etcd, { recursive: true });
  await rm(join(etcd, "member", "snap", "db"), { recursive: true });
  await writeFile(join(etcd, "member", "snap", "db"), "bbolt");
  await assert.rejects(inspectDataDir(etcd, ports()), refusal("foreign", /real etcd/));
});

test("forceNew() makes a survivor a cluster of one with new ids, twice is once", async () => {
  await using dir = await tempDir();
  await using cluster = new TestCluster(dir.path);
  const [m1, m2, m3] = await cluster.form(3);
  assert(m1 && m2 && m3);
  for (let i = 0; i < 100; i++) await put(m2, `k${i}`, `v${i}`);
  const old = { id: m2.id, clusterId: m2.clusterId };
  for (const m of [m1, m2, m3]) await cluster.stop(m);
  const data = join(dir.path, "m2");
  const before = await inspectDataDir(data, ports());
  const made = await force(data);
  assert.equal(made.already, false);
  assert.equal(made.lastLogIndex, before.lastLogIndex);
  assert.notEqual(made.memberID, hexId(old.id));
  assert.notEqual(made.clusterID, hexId(old.clusterId));
  const again = await force(data);
  assert.deepEqual(
    { ...again, already: false },
    { ...made, keptUncommitted: again.keptUncommitted },
  );
  assert.equal(again.already, true);
  assert.deepEqual(await readdir(data), ["member", "member.before-second"]);

  const forced = await startForced(data);
  assert.equal(hexId(forced.id), made.memberID);
  assert.equal(hexId(forced.clusterId), made.clusterID);
  assert.deepEqual(
    forced.members().map((m) => [m.name, m.peerURLs.join()]),
    [["n1", newUrl]],
  );
  for (let i = 0; i < 100; i++) assert.equal(await get(forced, `k${i}`), `v${i}`);
  await put(forced, "after", "x");
  const { revision } = forced.kv;
  await forced.stop();
  const restarted = await startForced(data);
  assert.equal(await get(restarted, "after"), "x");
  assert.equal(restarted.kv.revision, revision);
  await restarted.stop();
});

test("forceNew() keeps an acknowledged write that the survivor did not know to be committed", async () => {
  await using dir = await tempDir();
  await using cluster = new TestCluster(dir.path);
  const members = await cluster.form(3);
  const leader = await until("a leader", () => members.find((m) => m.isLeader));
  for (let i = 0; i < 20; i++) await put(leader, `k${i}`, "v");
  // The survivor's answer makes the quorum; then nothing reaches it any more, so that it never
  // hears that the entry is committed.
  const [survivor, other] = members.filter((m) => m !== leader);
  assert(survivor && other);
  cluster.wires.cutOff.add(other.id);
  await until("all applied", () => survivor.appliedIndex === leader.appliedIndex);
  const applied = survivor.appliedIndex;
  cluster.wires.delivers = (m) =>
    m.to !== survivor.id || (m.commit <= applied && survivor.log.lastLogIndex === applied);
  await put(leader, "acknowledged", "yes");
  assert.equal(survivor.appliedIndex, applied, "the survivor has it and does not know");
  for (const m of members) await cluster.stop(m);
  const data = join(dir.path, memberName(members.indexOf(survivor)));
  const seen = await inspectDataDir(data, ports());
  assert.equal(seen.lastLogIndex, applied + 1);
  assert.equal(seen.commitIndex, applied, "etcd's force-new-cluster would drop the entry above it");
  const made = await force(data);
  assert.equal(made.keptUncommitted, 1);
  const forced = await startForced(data);
  assert.equal(await get(forced, "acknowledged"), "yes");
  await forced.stop();
});

const memberName = (i: number): string => `m${i + 1}`;

const points: readonly FaultPoint[] = [
  "forceNewBeforeBuild",
  "forceNewAfterEngine",
  "forceNewAfterLog",
  "forceNewBetweenRenames",
  "forceNewAfterRenames",
  "walBeforeSync",
  "walAfterSync",
];

for (const point of points) {
  test(`forceNew() that dies at ${point} is finished by another one`, async () => {
    await using dir = await tempDir();
    const data = join(dir.path, "m1");
    const member = await startMember(memberOptions(data));
    for (let i = 0; i < 10; i++) await put(member, `k${i}`, "v");
    await member.stop();
    const dying: Faults = {
      hit: (name) => {
        if (name === point) throw new Error(`died at ${name}`);
        return undefined;
      },
    };
    await assert.rejects(force(data, dying), /died at/);
    if (point === "forceNewBetweenRenames") {
      const hint = /member.before-second is its state from before force-new/;
      await assert.rejects(inspectDataDir(data, ports()), refusal("empty", hint));
    }
    const made = await force(data);
    assert.equal(made.already, point.endsWith("Renames"));
    const forced = await startForced(data);
    assert.equal(await get(forced, "k9"), "v");
    assert.equal(hexId(forced.clusterId), made.clusterID);
    await forced.stop();
    assert.deepEqual(
      (await readdir(data)).filter((name) => name === "member.forcing"),
      [],
    );
  });
}

test("forceNew() takes a snapshot that its member had received and not yet installed", async () => {
  await using dir = await tempDir();
  await using cluster = new TestCluster(dir.path, {
    snapshotCount: 20,
    snapshotCatchupEntries: 5,
    raftLogBytes: 2000,
  });
  const members = await cluster.form(3);
  const leader = await until("a leader", () => members.find((m) => m.isLeader));
  const away = members.findIndex((m) => m !== leader) + 1;
  await cluster.stop(members[away - 1] as Member);
  for (let i = 0; i < 150; i++) await put(leader, `k${i}`, "v");
  const died = Promise.withResolvers<Error>();
  const faults: Faults = {
    hit: (name) => {
      if (name === "applyBeforeOpenSnapshot") throw new Error("died");
      return undefined;
    },
  };
  const back = await cluster.start(away, [1, 2, 3], "existing", { faults, onFatal: died.resolve });
  assert.match((await died.promise).message, /died/);
  await cluster.stop(back).catch(() => undefined);
  const data = join(dir.path, memberName(away - 1));
  const seen = await inspectDataDir(data, ports());
  assert.ok(seen.appliedIndex >= 150, "as of the snapshot");
  await force(data);
  const forced = await startForced(data);
  for (let i = 0; i < 150; i++) assert.equal(await get(forced, `k${i}`), "v");
  assert.deepEqual(
    forced.members().map((m) => m.name),
    ["n1"],
  );
  await forced.stop();
});

test("forceNew() moves the revision on, so that no client takes new writes for lost ones", async () => {
  await using dir = await tempDir();
  const data = join(dir.path, "m1");
  const member = await startMember(memberOptions(data));
  for (let i = 0; i < 20; i++) await put(member, `k${i}`, "v");
  await put(member, "k0", "again");
  const { revision } = member.kv;
  await member.stop();
  await forceNew({ ...order(data), revisionBump: 1000 }, ports());
  assert.deepEqual(await readdir(data), ["member", "member.before-second"]);
  const forced = await startForced(data);
  assert.equal(forced.kv.revision, revision + 1000);
  assert.equal(forced.kv.compactRevision, revision + 1000);
  assert.equal(await get(forced, "k0"), "again");
  assert.equal(await get(forced, "k19"), "v");
  assert.equal(await put(forced, "next", "x"), revision + 1001);
  await forced.stop();
  const again = await startForced(data);
  assert.equal(again.kv.revision, revision + 1001);
  await again.stop();
});

test("forceNew() makes a log of all its entries into one that members can join by", async () => {
  await using dir = await tempDir();
  await using cluster = new TestCluster(dir.path, { snapshotCount: 1000 });
  const members = await cluster.form(3);
  for (let i = 0; i < 30; i++) await put(members[0] as Member, `k${i}`, "v");
  for (const m of members) await cluster.stop(m);
  const data = join(dir.path, "m9");
  await cp(join(dir.path, "m2"), data, { recursive: true });
  await rm(join(data, "member", "snap"), { recursive: true });
  const url = "http://127.0.0.1:9";
  await forceNew({ ...order(data), name: "m9", peerUrls: [url] }, ports());
  const forced = await cluster.start(9, [9], "existing");
  await until("it leads", () => forced.isLeader && forced.appliedIndex === forced.commitIndex);
  await answer((reply) => forced.membership.add(["http://127.0.0.1:4"], true, reply));
  const learner = await cluster.start(4, [9, 4], "existing");
  await until("it has caught up", () => learner.appliedIndex === forced.appliedIndex);
  assert.deepEqual(
    learner.members().map((m) => m.peerURLs.join()),
    forced.members().map((m) => m.peerURLs.join()),
  );
  assert.equal(learner.members().length, 2);
  assert.equal(await get(learner, "k29", true), "v");
});

test("forceNew() can be undone: the former state is whole", async () => {
  await using dir = await tempDir();
  const data = join(dir.path, "m1");
  const member = await startMember(memberOptions(data));
  for (let i = 0; i < 10; i++) await put(member, `k${i}`, "v");
  await member.stop();
  const made = await force(data);
  assert(made.former);
  const forced = await startForced(data);
  await put(forced, "k0", "changed");
  await forced.stop();
  await rm(join(data, "member"), { recursive: true });
  await rename(made.former, join(data, "member"));
  const undone = await startMember(memberOptions(data));
  assert.equal(hexId(undone.id), hexId(member.id));
  assert.equal(await get(undone, "k0"), "v");
  await undone.stop();
});

test("forceNew() refuses a folder in use, an empty one and that of a removed member", async () => {
  await using dir = await tempDir();
  const data = join(dir.path, "m1");
  await assert.rejects(force(data), refusal("empty", /holds no member/));
  await using cluster = new TestCluster(dir.path);
  const [m1, m2] = await cluster.form(2);
  assert(m1 && m2);
  await put(m1, "k", "v");
  await assert.rejects(force(data), refusal("busy", /stop the member/));
  assert.deepEqual(await readdir(data), ["member"], "nothing was changed");
  await answer((reply) => m1.membership.remove(m2.id, reply));
  await until("m2 knows", () => m2.isRemoved(m2.id));
  await cluster.stop(m2);
  await assert.rejects(force(join(dir.path, "m2")), refusal("removed", /choose another survivor/));
});
