import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseMember } from "../../src/backup/members.ts";
import { type Client, RpcError } from "../../src/client/index.ts";
import { silent } from "../server/rig.ts";

interface Said {
  readonly clusterId?: bigint;
  readonly revision?: number;
  /** Answers a linearizable read. */
  readonly quorum?: boolean;
}

/** As far as chooseMember asks a client: members by their endpoint, undefined for one that is dead. */
function clientOf(members: Readonly<Record<string, Said | undefined>>): Client {
  const unavailable = (endpoint: string) => new RpcError(14, "no one there", endpoint);
  const status = async (endpoint: string) => {
    const said = members[endpoint];
    if (said === undefined) throw unavailable(endpoint);
    const { clusterId = 1n, revision = 5 } = said;
    const header = { clusterId, memberId: 1n, revision };
    const counts = { raftIndex: 10, raftAppliedIndex: 10, dbSize: 0 };
    return { header, leader: 2n, errors: [], isLearner: false, ...counts };
  };
  const get = async (_key: string, { endpoint }: { readonly endpoint: string }) => {
    if (members[endpoint]?.quorum === false) throw unavailable(endpoint);
    return { header: { revision: members[endpoint]?.revision ?? 5 } };
  };
  const fake = { endpoints: Object.keys(members), maintenance: { status }, kv: { get } };
  return fake as unknown as Client;
}

const choose = (members: Readonly<Record<string, Said | undefined>>, clusterId?: bigint) =>
  chooseMember({
    client: clientOf(members),
    logger: silent,
    signal: new AbortController().signal,
    avoid: new Set(),
    timeoutMs: 1000,
    clusterId,
  });

test("chooseMember() takes the newest, possibly stale, where no read is linearizable", async () => {
  const lost = {
    a: { quorum: false, revision: 7 },
    b: { quorum: false, revision: 9 },
    c: undefined,
  };
  const chosen = await choose(lost);
  assert.deepEqual([chosen.endpoint, chosen.possiblyStale], ["b", true]);
  const one = await choose({ ...lost, d: { revision: 8 } });
  assert.deepEqual([one.endpoint, one.possiblyStale, one.atLeastRevision], ["d", false, 8]);
});

test("chooseMember() refuses endpoints of several clusters unless told which is meant", async () => {
  const mixed = { a: { clusterId: 1n }, b: { clusterId: 2n } };
  await assert.rejects(choose(mixed), { code: "InvalidConfig", message: /2 clusters: a of/ });
  assert.equal((await choose(mixed, 2n)).endpoint, "b");
  await assert.rejects(choose(mixed, 3n), { code: "ClusterUnreachable", transient: true });
});

test("chooseMember() says who did not answer", async () => {
  await assert.rejects(choose({ a: undefined, b: undefined }), {
    code: "ClusterUnreachable",
    transient: true,
    message: /a: no one there; b: no one there/,
  });
});
