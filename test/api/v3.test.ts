import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { methods } from "../../src/client/index.ts";
import type { LeaseId, MemberId, Revision } from "../../src/core/types.ts";
import { rpcpb } from "../../src/proto/index.ts";
import type { Member } from "../../src/server/index.ts";
import { answer, TestCluster } from "../server/cluster.ts";
import { memberOptions, put, startMember, tempDir } from "../server/rig.ts";
import { until } from "../until.ts";
import { Served } from "./rig.ts";

const key = Buffer.from("k");
const value = Buffer.from("v");
const putRequest = rpcpb.newPutRequest({ key, value });
const alarmOf = (action: rpcpb.AlarmAction, alarm: rpcpb.AlarmType, memberId = 0n) =>
  rpcpb.newAlarmRequest({ action, alarm, memberId: memberId as MemberId });

test("headers carry ids, term and revision; those of the Cluster service no revision", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using served = await Served.of(member);
  const made = await served.call(methods.put, putRequest);
  assert.deepEqual(made.header, {
    clusterId: member.clusterId,
    memberId: member.id,
    revision: 2,
    raftTerm: member.term,
  });
  const list = rpcpb.newMemberListRequest({ linearizable: true });
  const members = await served.call(methods.memberList, list);
  assert.equal(members.header?.revision, 0);
  assert.deepEqual(
    members.members.map((m) => [m.id, m.name]),
    [[member.id, "m1"]],
  );
  assert.equal((await served.call(methods.defragment, {})).header, undefined);
  const moved = await served.call(methods.moveLeader, { targetId: member.id });
  assert.equal(moved.header, undefined);
  await member.stop();
});

test("NOSPACE refuses what adds data, whoever raised it, until it is disarmed", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using served = await Served.of(member);
  await served.call(methods.put, putRequest);
  const { NOSPACE } = rpcpb.AlarmType;
  const raised = await served.call(methods.alarm, alarmOf(rpcpb.AlarmAction.ACTIVATE, NOSPACE));
  assert.deepEqual(raised.alarms, [{ memberId: 0n, alarm: NOSPACE }]);
  const noSpace = { code: 8, details: "etcdserver: mvcc: database space exceeded" };
  await assert.rejects(served.call(methods.put, putRequest), noSpace);
  const grant = rpcpb.newLeaseGrantRequest({ ttl: 10 });
  await assert.rejects(served.call(methods.leaseGrant, grant), noSpace);
  const nested = rpcpb.newTxnRequest({ failure: [rpcpb.newRequestOp({ requestPut: putRequest })] });
  const outer = rpcpb.newTxnRequest({ success: [rpcpb.newRequestOp({ requestTxn: nested })] });
  await assert.rejects(served.call(methods.txn, outer), noSpace);
  const gone = await served.call(methods.deleteRange, rpcpb.newDeleteRangeRequest({ key }));
  assert.equal(gone.deleted, 1);
  assert.deepEqual((await served.call(methods.status, {})).errors, ["alarm:NOSPACE"]);
  const health = await fetch(`${served.http}/health`);
  assert.equal(health.status, 503);
  assert.equal(await health.text(), '{"health":"false","reason":"ALARM NOSPACE"}');
  await served.call(methods.alarm, alarmOf(rpcpb.AlarmAction.DEACTIVATE, NOSPACE));
  await served.call(methods.put, putRequest);
  await member.stop();
});

test("CORRUPT refuses every entry that touches data and lets reads through", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using served = await Served.of(member);
  const { CORRUPT } = rpcpb.AlarmType;
  await served.call(methods.alarm, alarmOf(rpcpb.AlarmAction.ACTIVATE, CORRUPT, 5n));
  const corrupt = { code: 15, details: "etcdserver: corrupt cluster" };
  await assert.rejects(served.call(methods.put, putRequest), corrupt);
  await assert.rejects(
    served.call(methods.deleteRange, rpcpb.newDeleteRangeRequest({ key })),
    corrupt,
  );
  const compaction = rpcpb.newCompactionRequest({ revision: 1 as Revision });
  await assert.rejects(served.call(methods.compact, compaction), corrupt);
  await served.call(methods.range, rpcpb.newRangeRequest({ key }));
  assert.deepEqual((await served.call(methods.status, {})).errors, ["memberID:5 alarm:CORRUPT"]);
  const ready = await fetch(`${served.http}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(await ready.text(), /^\[-\]data_corruption failed: alarm activated: CORRUPT$/m);
  await member.stop();
});

test("the quota raises NOSPACE for this member and refuses the request", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path, { quotaBytes: 4096 }));
  await using served = await Served.of(member);
  const big = rpcpb.newPutRequest({ key, value: Buffer.alloc(1500) });
  await served.call(methods.put, big);
  await served.call(methods.put, big);
  await assert.rejects(served.call(methods.put, big), { code: 8 });
  const get = alarmOf(rpcpb.AlarmAction.GET, rpcpb.AlarmType.NONE);
  const { alarms } = await served.call(methods.alarm, get);
  assert.deepEqual(alarms, [{ memberId: member.id, alarm: rpcpb.AlarmType.NOSPACE }]);
  await member.stop();
});

test("keep-alive answers in order, TTL 0 for an unknown lease, and ends with its client", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using served = await Served.of(member);
  const grant = rpcpb.newLeaseGrantRequest({ id: 7n as LeaseId, ttl: 10 });
  assert.equal((await served.call(methods.leaseGrant, grant)).ttl, 10);
  const stream = served.stream(methods.leaseKeepAlive);
  const answers: [bigint, number][] = [];
  stream.on("data", (r: rpcpb.LeaseKeepAliveResponse) => answers.push([r.id, r.ttl]));
  for (const id of [7n, 8n, 7n]) stream.write({ id: id as LeaseId });
  stream.end();
  await once(stream, "end");
  assert.deepEqual(answers, [
    [7n, 10],
    [8n, 0],
    [7n, 10],
  ]);
  const ttl = rpcpb.newLeaseTimeToLiveRequest({ id: 8n as LeaseId, keys: true });
  const unknown = await served.call(methods.leaseTimeToLive, ttl);
  assert.deepEqual([unknown.ttl, unknown.grantedTtl], [-1, 0]);
  await member.stop();
});

test("a learner answers serializable reads, Status and Snapshot, nothing else", async () => {
  await using dir = await tempDir();
  await using cluster = new TestCluster(dir.path);
  const [leader] = (await cluster.form(1)) as [Member];
  await put(leader, "k", "v");
  await answer((reply) => leader.membership.add(["http://127.0.0.1:2"], true, reply));
  const learner = await cluster.start(2, [1, 2], "existing");
  await until("to catch up", () => learner.kv.revision === leader.kv.revision);
  await until("to be known", () => learner.isLearner);
  await using served = await Served.of(learner);
  const refused = { code: 9, details: "etcdserver: rpc not supported for learner" };
  await assert.rejects(served.call(methods.range, rpcpb.newRangeRequest({ key })), refused);
  await assert.rejects(served.call(methods.put, putRequest), refused);
  await assert.rejects(served.call(methods.hashKv, rpcpb.newHashKVRequest()), refused);
  await assert.rejects(served.call(methods.memberList, rpcpb.newMemberListRequest()), refused);
  const watch = served.stream(methods.watch);
  const [error] = await once(watch, "error");
  assert.equal(error.details, refused.details);
  const local = rpcpb.newRangeRequest({ key, serializable: true });
  assert.equal((await served.call(methods.range, local)).count, 1);
  const applied = learner.appliedIndex;
  const status = await served.call(methods.status, {});
  assert.deepEqual([status.isLearner, status.leader], [true, leader.id]);
  // It may be told of its own name meanwhile.
  assert.ok(status.raftAppliedIndex >= applied && status.raftAppliedIndex <= learner.appliedIndex);
  const ready = await fetch(`${served.http}/readyz/non_learner?verbose`);
  assert.equal(ready.status, 503);
  assert.equal(await ready.text(), "[-]non_learner failed: local member is a learner\n\n");
  const { bytes, last } = await readSnapshot(served);
  assert.equal(bytes.byteLength % 512, 0);
  assert.deepEqual(last, createHash("sha256").update(bytes).digest());
});

async function readSnapshot(served: Served) {
  const blobs: Buffer[] = [];
  const stream = served.grpc.makeServerStreamRequest(
    methods.snapshot.path,
    (q: rpcpb.SnapshotRequest) => Buffer.from(methods.snapshot.encode(q)),
    methods.snapshot.decode,
    {},
  );
  for await (const r of stream as AsyncIterable<rpcpb.SnapshotResponse>) {
    assert.equal(r.version, "3.7.0");
    blobs.push(Buffer.from(r.blob));
  }
  return { last: blobs.pop() as Buffer, bytes: Buffer.concat(blobs) };
}

test("hasleader: requests are refused and streams ended where there is no leader", async () => {
  await using dir = await tempDir();
  await using cluster = new TestCluster(dir.path);
  const members = await cluster.form(3);
  const follower = await until("a follower", () => members.find((m) => !m.isLeader));
  await using served = await Served.of(follower);
  const headers = { hasleader: "true" };
  const watch = served.stream(methods.watch, headers);
  const created = once(watch, "data");
  watch.write(rpcpb.newWatchRequest({ createRequest: rpcpb.newWatchCreateRequest({ key }) }));
  await created;
  assert.equal(follower.kv.watches.watcherCount, 1);
  const failed = once(watch, "error");
  for (const m of members) cluster.wires.cutOff.add(m.id);
  const [error] = await failed;
  assert.deepEqual([error.code, error.details], [14, "etcdserver: no leader"]);
  assert.equal(follower.kv.watches.watcherCount, 0, "its watchers went with it");
  const local = rpcpb.newRangeRequest({ key, serializable: true });
  await assert.rejects(served.call(methods.range, local, headers), { code: 14 });
  assert.equal((await served.call(methods.range, local)).count, 0);
  const health = await fetch(`${served.http}/health`);
  assert.equal(await health.text(), '{"health":"false","reason":"RAFT NO LEADER"}');
});

test("a long range arrives whole and in order", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using served = await Served.of(member);
  const keys = Array.from({ length: 2500 }, (_, i) => `k${String(i).padStart(6, "0")}`);
  await Promise.all(keys.map((k) => put(member, k, k)));
  const all = rpcpb.newRangeRequest({ key, rangeEnd: Buffer.from("l"), limit: 2400 });
  const { kvs, more, count, header } = await served.call(methods.range, all);
  assert.deepEqual([more, count, header?.revision], [true, 2500, 2501]);
  assert.deepEqual(
    kvs.map((kv) => Buffer.from(kv.key).toString()),
    keys.slice(0, 2400),
  );
  await member.stop();
});
