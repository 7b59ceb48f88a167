import assert from "node:assert/strict";
import { test } from "node:test";
import { rpcpb } from "../../src/proto/index.ts";
import type { Member } from "../../src/server/index.ts";
import { until } from "../until.ts";
import { answer, TestCluster } from "./cluster.ts";
import { put, tempDir } from "./rig.ts";

const { CORRUPT } = rpcpb.AlarmType;

/** Takes a row out of a member's history behind its back. */
async function damage(member: Member, main: number): Promise<void> {
  await member.state.backend.remove([{ main, sub: 0, tombstone: false }]);
  member.state.backend.commit();
}

const leaderOf = (members: readonly Member[]): Promise<Member> =>
  until("a leader", () => members.find((m) => m.isLeader));

async function fill(members: readonly Member[], upTo: number): Promise<Member> {
  const leader = await leaderOf(members);
  while (leader.kv.revision < upTo) await put(leader, `k${leader.kv.revision % 3}`, "v");
  await until("all have it", () => members.every((m) => m.kv.revision >= upTo));
  return leader;
}

const accused = (members: readonly Member[]): Promise<bigint[]> =>
  until("an alarm", () => {
    const alarms = members.map((m) => m.state.alarms.list(CORRUPT));
    return alarms.every((list) => list.length > 0) && alarms[0]?.map((a) => a.memberId);
  });

test("the leader finds the member whose history differs, and raises CORRUPT for it", async () => {
  await using dir = await tempDir();
  const checks = { initial: false, periodicMs: 50, compactionMs: 0 };
  await using cluster = new TestCluster(dir.path, { checks });
  const members = await cluster.form(3);
  const leader = await fill(members, 8);
  const follower = members.find((m) => m !== leader) as Member;
  assert.equal(leader.state.alarms.none, true);
  await damage(follower, 3);
  assert.deepEqual(await accused(members), [follower.id]);
});

test("hashes of compactions agree, and name the minority where they do not", async () => {
  await using dir = await tempDir();
  const checks = { initial: false, periodicMs: 0, compactionMs: 50 };
  await using cluster = new TestCluster(dir.path, { checks });
  const members = await cluster.form(3);
  const leader = await fill(members, 8);
  await answer((reply) => leader.proposals.compact(5, true, reply));
  await until("all have compacted", () =>
    members.every((m) => m.state.backend.meta.finishedCompactRevision >= 5),
  );
  const hashes = await Promise.all(members.map((m) => m.reads.hashKv(5)));
  assert.deepEqual(
    hashes.map((h) => h.compactRevision),
    [-1, -1, -1],
  );
  assert.equal(new Set(hashes.map((h) => h.hash)).size, 1);
  await fill(members, 12);
  const follower = members.find((m) => m !== leader) as Member;
  await damage(follower, 7);
  await answer((reply) => leader.proposals.compact(10, true, reply));
  assert.deepEqual(await accused(members), [follower.id]);
});

test("a member that holds something else than the others does not serve", async () => {
  await using dir = await tempDir();
  const checks = { initial: true, periodicMs: 0, compactionMs: 0 };
  await using cluster = new TestCluster(dir.path, { checks });
  const members = await cluster.form(3);
  const leader = await fill(members, 8);
  const follower = members.find((m) => m !== leader) as Member;
  const number = members.indexOf(follower) + 1;
  await cluster.stop(follower);
  const again = await cluster.start(number, [1, 2, 3], "existing");
  await again.checkData();
  await damage(again, 3);
  await assert.rejects(again.checkData(), /found data inconsistency with peers/);
});
