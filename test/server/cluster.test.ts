import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { rpcpb } from "../../src/proto/index.ts";
import type { Member } from "../../src/server/index.ts";
import { until } from "../until.ts";
import { answer, TestCluster } from "./cluster.ts";
import { get, put, tempDir } from "./rig.ts";

const leaderOf = (members: readonly Member[]): Promise<Member> =>
  until("a leader", () => members.find((m) => m.isLeader));

test("a learner that joins by a snapshot has its state, watchers, members and indexes", async () => {
  await using dir = await tempDir();
  const settings = { snapshotCount: 20, snapshotCatchupEntries: 5 };
  await using cluster = new TestCluster(dir.path, settings);
  const [first] = (await cluster.form(1)) as [Member];
  await answer((reply) => first.proposals.leaseGrant(77n as never, 60, reply));
  for (let i = 0; i < 60; i++) await put(first, `k${i % 7}`, `v${i}`);
  await answer((reply) => first.proposals.compact(30, true, reply));
  // Restarted, the leader knows its log from the marker on only.
  await cluster.stop(first);
  const leader = await cluster.start(1, [1], "new");
  await leaderOf([leader]);
  await answer((reply) => leader.membership.add(["http://127.0.0.1:2"], true, reply));
  const learner = await cluster.start(2, [1, 2], "existing");
  assert.equal(learner.appliedIndex, 0);
  await until("the snapshot", () => learner.appliedIndex > 0);
  assert.ok(learner.kv.revision > 30, "the state is there as soon as the index is");
  assert.equal(learner.isLearner, true);
  await until("to catch up", () => learner.appliedIndex === leader.appliedIndex);
  assert.equal((await learner.reads.hashKv(0)).hash, (await leader.reads.hashKv(0)).hash);
  assert.deepEqual(learner.state.lessor.leases(), [77n]);
  assert.deepEqual([...(cluster.wires.peers.get(learner.id)?.keys() ?? [])], [leader.id]);
  await put(leader, "after", "snapshot");
  await until("a put to arrive", () => learner.kv.revision === leader.kv.revision);
  assert.equal(await get(learner, "after", true), "snapshot");
  const left = await readdir(join(dir.path, "m2", "member", "snap"));
  assert.deepEqual(
    left.filter((n) => n.includes(".snap.db")),
    [],
  );
});

test("a member that missed a removal learns of it by snapshot and drops the connection", async () => {
  await using dir = await tempDir();
  const settings = { snapshotCount: 20, snapshotCatchupEntries: 5 };
  await using cluster = new TestCluster(dir.path, settings);
  const members = await cluster.form(4);
  const leader = await leaderOf(members);
  const [away, gone, third] = members.filter((m) => m !== leader) as [Member, Member, Member];
  cluster.wires.cutOff.add(away.id);
  await answer((reply) => leader.membership.remove(gone.id, reply));
  await cluster.stop(gone);
  for (let i = 0; i < 60; i++) await put(leader, "k", `v${i}`);
  const watch = away.kv.watches.openStream({
    maxRequestBytes: 1 << 20,
    budgetBytes: 1 << 20,
    onReadable: () => undefined,
  });
  watch.create(rpcpb.newWatchCreateRequest({ key: Buffer.from("k"), startRevision: 2 as never }));
  // Restarted, they know their logs from the last cut on only.
  for (const m of [leader, third]) await cluster.stop(m);
  const all = [1, 2, 3, 4];
  const back = [leader, third].map((m) => Number(m.options.name.slice(1)));
  for (const i of back) await cluster.start(i, all, "new");
  cluster.wires.cutOff.delete(away.id);
  await until("the snapshot", () => away.members().length === 3);
  assert.equal(cluster.wires.peers.get(away.id)?.has(gone.id), false);
  assert.equal(cluster.wires.peers.get(away.id)?.size, 2);
  let events = 0;
  await until("the watcher to see all of it", () => {
    away.catchUpWatchers();
    for (const r of watch.take(1 << 20)) events += r.events.length;
    return events === 60;
  });
});

test("keepAlive() through a follower waits for the next leader instead of failing", async () => {
  await using dir = await tempDir();
  await using cluster = new TestCluster(dir.path);
  const members = await cluster.form(3);
  const old = await leaderOf(members);
  const follower = members.find((m) => m !== old) as Member;
  await answer((reply) => old.proposals.leaseGrant(5n as never, 30, reply));
  assert.equal(await answer((reply) => follower.leases.keepAlive(5n as never, reply)), 30);
  cluster.wires.cutOff.add(old.id);
  const renewed = answer((reply) => follower.leases.keepAlive(5n as never, reply));
  assert.equal(await renewed, 30);
  assert.notEqual(follower.leader, old.id);
  await assert.rejects(
    answer((reply) => follower.leases.keepAlive(6n as never, reply)),
    /requested lease not found/,
  );
});

test("timeToLive() of a lease that the leader has only just committed finds it", async () => {
  await using dir = await tempDir();
  await using cluster = new TestCluster(dir.path);
  const members = await cluster.form(3);
  const leader = await leaderOf(members);
  const follower = members.find((m) => m !== leader) as Member;
  await answer((reply) => follower.proposals.leaseGrant(9n as never, 30, reply));
  const found = await answer<{ grantedTtl: number }>((reply) =>
    follower.leases.timeToLive(9n as never, true, reply),
  );
  assert.equal(found.grantedTtl, 30);
});

test("move() gives leadership to the member named, and only to a voter", async () => {
  await using dir = await tempDir();
  // A transfer is given up after an election timeout, as etcd's: 200 ms are little on a machine with other work.
  await using cluster = new TestCluster(dir.path, { heartbeatMs: 100, electionMs: 3000 });
  const members = await cluster.form(3);
  const leader = await leaderOf(members);
  const heir = members.find((m) => m !== leader) as Member;
  const refused = (m: Member, to: bigint): Promise<unknown> =>
    answer((reply) => m.leadership.move(to as never, reply));
  await assert.rejects(refused(heir, leader.id), /not leader/);
  await assert.rejects(refused(leader, 1n), /bad leader transferee/);
  await answer((reply) => leader.leadership.move(heir.id, reply));
  await until("the heir to lead", () => heir.isLeader);
  await put(leader, "through", "the old leader");
});

test("a cut-off leader's reads fail, and everyone's are answered when it is stopped", async () => {
  await using dir = await tempDir();
  await using cluster = new TestCluster(dir.path);
  const members = await cluster.form(3);
  const leader = await leaderOf(members);
  cluster.wires.cutOff.add(leader.id);
  const read = answer((reply) => leader.linearize(reply as never));
  const request = rpcpb.newPutRequest({ key: Buffer.from("a"), value: Buffer.from("1") });
  const write = answer((reply) =>
    leader.proposals.put(request, rpcpb.encodePutRequest(request), reply),
  );
  const both = Promise.all([
    assert.rejects(read, /server stopped/),
    assert.rejects(write, /server stopped/),
  ]);
  await cluster.stop(leader);
  await both;
  await assert.rejects(
    answer((reply) => leader.linearize(reply as never)),
    /server stopped/,
  );
});
