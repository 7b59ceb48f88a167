import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Cluster,
  isConnectedToQuorum,
  type Member,
  mayAddMember,
  mayPromoteMember,
  mayRemoveMember,
} from "../../../src/core/membership/index.ts";
import { clusterId, memberId } from "../../../src/core/types.ts";

/** Voters 1..n, the first `started` with a name, plus learners. */
function cluster(voters: number, started = voters, learners = 0): Cluster {
  const members: Member[] = Array.from({ length: voters + learners }, (_, i) => ({
    id: memberId(BigInt(i + 1)),
    name: i < started ? `m${i}` : "",
    peerURLs: [`http://p${i}:1`],
    clientURLs: [],
    isLearner: i >= voters,
  }));
  return new Cluster({
    clusterId: clusterId(1n),
    members,
    removed: [],
    clusterVersion: undefined,
  });
}

/** Member 1 asks; members up to `healthy` have long been connected, those in `fresh` just now. */
const options = (healthy: number, fresh: number[] = []) => ({
  strict: true,
  connectivity: {
    self: memberId(1n),
    isHealthy: (id: bigint) => id <= BigInt(healthy),
    isActive: (id: bigint) => id <= BigInt(healthy) || fresh.includes(Number(id)),
  },
});
const voter = { isLearner: false };
const learner = { isLearner: true };

test("mayAddMember() asks for a healthy quorum of the cluster to come", () => {
  const rows: [voters: number, started: number, healthy: number, code: string | undefined][] = [
    [1, 1, 1, undefined],
    [1, 0, 1, "notEnoughStartedMembers"],
    [2, 2, 2, undefined],
    [2, 2, 1, "unhealthy"],
    [2, 1, 2, "notEnoughStartedMembers"],
    [3, 3, 3, undefined],
    [3, 3, 2, "unhealthy"],
    [3, 2, 3, "notEnoughStartedMembers"],
    [4, 4, 3, undefined],
    [5, 5, 4, undefined],
    [5, 5, 3, "unhealthy"],
  ];
  for (const [voters, started, healthy, code] of rows) {
    const got = mayAddMember(cluster(voters, started), voter, options(healthy))?.code;
    assert.equal(got, code, `${voters} voters, ${started} started, ${healthy} healthy`);
  }
});

test("mayAddMember() holds a learner to the connections, not to who has started", () => {
  assert.equal(mayAddMember(cluster(3, 2), learner, options(3)), undefined);
  assert.equal(mayAddMember(cluster(3, 3), learner, options(2))?.code, "unhealthy");
});

test("mayAddMember() lets any learner in when learners are quick, and no voter", () => {
  const quick = (healthy: number) => ({ ...options(healthy), quickLearners: true });
  assert.equal(mayAddMember(cluster(3, 3), learner, quick(2)), undefined);
  assert.equal(mayAddMember(cluster(3, 3), voter, quick(2))?.code, "unhealthy");
});

test("mayRemoveMember() protects the quorum at work, and lets a dead member go", () => {
  const id = (n: number) => memberId(BigInt(n));
  assert.equal(mayRemoveMember(cluster(3), id(3), options(3)), undefined);
  assert.equal(mayRemoveMember(cluster(3), id(3), options(2)), undefined, "3 is down");
  assert.equal(mayRemoveMember(cluster(3), id(2), options(2))?.code, "unhealthy");
  assert.equal(mayRemoveMember(cluster(3), id(1), options(2))?.code, "unhealthy");
  assert.equal(mayRemoveMember(cluster(3), id(3), options(1, [3]))?.code, "unhealthy");
  assert.equal(mayRemoveMember(cluster(3, 1), id(1), options(3))?.code, "notEnoughStartedMembers");
  assert.equal(mayRemoveMember(cluster(3, 3, 1), id(4), options(1)), undefined, "a learner");
  assert.equal(mayRemoveMember(cluster(1), id(1), options(1))?.code, "notEnoughStartedMembers");
});

test("mayPromoteMember() wants the leader, and the learner at nine tenths of its log", () => {
  const c = cluster(1, 1, 1);
  const may = (leaderMatch: number | undefined, learnerMatch: number | undefined, strict = true) =>
    mayPromoteMember(c, { leaderMatch, learnerMatch }, strict)?.code;
  assert.equal(may(undefined, 5), "notLeader");
  assert.equal(may(100, undefined), "idNotFound");
  assert.equal(may(100, 89), "learnerNotReady");
  assert.equal(may(100, 90), undefined);
  const unstarted = cluster(3, 1, 1);
  const progress = { leaderMatch: 9, learnerMatch: 9 };
  assert.equal(mayPromoteMember(unstarted, progress, true)?.code, "notEnoughStartedMembers");
  assert.equal(mayPromoteMember(unstarted, progress, false), undefined);
});

test("nothing is checked without --strict-reconfig-check", () => {
  const lax = { ...options(1), strict: false };
  assert.equal(mayAddMember(cluster(3), voter, lax), undefined);
  assert.equal(mayRemoveMember(cluster(3), memberId(2n), lax), undefined);
});

test("isConnectedToQuorum() counts this member and the healthy voters", () => {
  assert.equal(isConnectedToQuorum(cluster(3), options(2).connectivity), true);
  assert.equal(isConnectedToQuorum(cluster(3), options(1).connectivity), false);
  assert.equal(isConnectedToQuorum(cluster(1), options(0).connectivity), true);
});
