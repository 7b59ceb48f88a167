import assert from "node:assert/strict";
import { test } from "node:test";
import { type MemberView, rankMembers } from "../../src/backup/members.ts";

const view = (endpoint: string, change: Partial<MemberView> = {}): MemberView => ({
  endpoint,
  memberId: 1n,
  clusterId: 1n,
  revision: 100,
  applied: 5000,
  committed: 5000,
  isLeader: false,
  isLearner: false,
  alarms: new Set(),
  dbBytes: 0,
  ...change,
});

const ranked = (views: readonly MemberView[], avoid: readonly string[] = []): string[] =>
  rankMembers(views, new Set(avoid)).map(({ endpoint }) => endpoint);

test("rankMembers() takes followers before the leader, and the one that has applied most", () => {
  const views = [view("a", { isLeader: true }), view("b", { applied: 4990 }), view("c")];
  assert.deepEqual(ranked(views), ["c", "b", "a"]);
});

test("rankMembers() takes the leader before a follower that is far behind", () => {
  const views = [view("a", { isLeader: true }), view("b", { applied: 3000 })];
  assert.deepEqual(ranked(views), ["a", "b"]);
});

test("rankMembers() leaves out learners and members whose data is known to differ", () => {
  const views = [
    view("learner", { isLearner: true }),
    view("corrupt", { alarms: new Set(["CORRUPT"]) }),
    view("full", { alarms: new Set(["NOSPACE"]) }),
    view("leader", { isLeader: true }),
  ];
  assert.deepEqual(ranked(views), ["leader", "full"]);
});

test("rankMembers() asks members whose stream broke last", () => {
  const views = [view("a"), view("b", { isLeader: true }), view("c", { applied: 100 })];
  assert.deepEqual(ranked(views, ["a"]), ["b", "c", "a"]);
});
