import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import {
  assignIds,
  bootstrapCluster,
  Cluster,
  type ConfChangeRecord,
  clusterFromRows,
  computeMemberId,
  encodeMemberContext,
  encodePromoteContext,
  type Member,
  type MembershipRow,
  parseInitialCluster,
} from "../../../src/core/membership/index.ts";
import { clusterId, hexId, type MemberId, memberId } from "../../../src/core/types.ts";

const sha1 = (b: Uint8Array) => createHash("sha1").update(b).digest();

const member = (id: number, fields: Partial<Member> = {}): Member => ({
  id: memberId(BigInt(id)),
  name: `m${id}`,
  peerURLs: [`http://10.0.0.${id}:2380`],
  clientURLs: [],
  isLearner: false,
  ...fields,
});

const cluster = (members: Member[], removed: MemberId[] = [], maxLearners = 1): Cluster =>
  new Cluster(
    { clusterId: clusterId(1n), members, removed, clusterVersion: undefined },
    { maxLearners },
  );

const change = (type: number, m: Member, context = encodeMemberContext(m)): ConfChangeRecord => ({
  id: 1n,
  type,
  nodeId: m.id,
  context,
});
const add = (m: Member) => change(m.isLearner ? 3 : 0, m);
const remove = (m: Member) => change(1, m, new Uint8Array());
const update = (m: Member) => change(2, m);
const promote = (m: Member) => change(0, m, encodePromoteContext(m.id));

const initial = (text: string) => {
  const map = parseInitialCluster(text);
  assert.ok(map.ok);
  return map.value;
};

/** Rows as a backend would hold them after all changes. */
class Rows {
  readonly #rows = new Map<string, MembershipRow>();
  put(rows: readonly MembershipRow[]): void {
    for (const r of rows) {
      const key = `${r.bucket}/${Buffer.from(r.key)}`;
      if (r.value === undefined) this.#rows.delete(key);
      else this.#rows.set(key, r);
    }
  }
  list(): MembershipRow[] {
    return [...this.#rows.values()];
  }
}

test("bootstrapCluster() computes the ids etcd computes", () => {
  // Printed by a real etcd 3.7.3 for this flag and token.
  const made = bootstrapCluster(
    sha1,
    "etcd-cluster",
    initial(
      "infra0=http://10.0.1.10:2380,infra1=http://10.0.1.11:2380,infra2=http://10.0.1.12:2380",
    ),
  );
  assert.ok(made.ok);
  assert.deepEqual(
    made.value.members().map((m) => `${m.name} ${hexId(m.id)}`),
    ["infra0 794aea3ba77a1d64", "infra2 9d480e1db4ddec45", "infra1 e25938377bdd2340"],
  );
  assert.equal(hexId(made.value.clusterId), "e33cd1f1301c41a0");
});

test("computeMemberId() sorts the URLs, and a time makes another id", () => {
  const urls = ["http://b:1", "http://a:1"];
  const id = computeMemberId(sha1, urls, "t");
  assert.equal(computeMemberId(sha1, [...urls].reverse(), "t"), id);
  assert.notEqual(computeMemberId(sha1, urls, "u"), id);
  assert.notEqual(computeMemberId(sha1, urls, "t", 1_700_000_000), id);
});

test("bootstrapCluster() refuses two members with the same URLs", () => {
  const made = bootstrapCluster(sha1, "t", initial("a=http://x:1,b=http://x:1"));
  assert.ok(!made.ok && made.error.startsWith("member exists with identical ID"));
});

test("expected members are listed, and their first addition by the log passes", () => {
  const made = bootstrapCluster(sha1, "t", initial("a=http://x:1,b=http://y:1"));
  assert.ok(made.ok);
  const c = made.value;
  const [first] = c.members();
  assert.ok(first);
  assert.deepEqual(c.rows(), []);
  assert.equal(c.validateConfChange(add(first)), undefined);
  assert.equal(c.applyConfChange(add(first)).kind, "added");
  assert.equal(c.validateConfChange(add(first))?.code, "idExists");
  assert.equal(c.rows().length, 1);
  assert.equal(c.members().length, 2);
});

test("validateConfChange() refuses what etcd refuses, in its words", () => {
  const learner = member(3, { isLearner: true });
  const c = cluster([member(1), member(2), learner], [memberId(9n)]);
  const text = (cc: ConfChangeRecord) => c.validateConfChange(cc)?.text;
  assert.equal(text(add(member(9))), "membership: ID removed");
  assert.equal(text(add(member(1))), "membership: ID exists");
  assert.equal(
    text(add(member(4, { peerURLs: ["http://new:1", "http://10.0.0.2:2380"] }))),
    "membership: peerURL exists",
  );
  assert.equal(
    text(add(member(4, { isLearner: true }))),
    "membership: too many learner members in cluster",
  );
  assert.equal(text(add(member(4))), undefined);
  assert.equal(text(promote(member(4))), "membership: ID not found");
  assert.equal(text(promote(member(1))), "membership: can only promote a learner member");
  assert.equal(text(promote(learner)), undefined);
  assert.equal(text(remove(member(4))), "membership: ID not found");
  assert.equal(text(remove(member(1))), undefined);
  assert.equal(text(update(member(4))), "membership: ID not found");
  assert.equal(
    text(update(member(1, { peerURLs: ["http://10.0.0.2:2380"] }))),
    "membership: peerURL exists",
  );
  assert.equal(text(update(member(1))), undefined);
});

test("a learner is added, updated, promoted, published and removed; rows follow", () => {
  const c = cluster([member(1)]);
  const rows = new Rows();
  rows.put(c.rows());
  const learner = member(2, { isLearner: true, name: "" });
  const check = () => {
    const back = clusterFromRows(c.clusterId, rows.list());
    assert.ok(back.ok);
    assert.deepEqual(new Cluster(back.value).state(), c.state());
  };
  const steps: [ConfChangeRecord, string][] = [
    [add(learner), "added"],
    [update(member(2, { peerURLs: ["http://moved:1"] })), "updated"],
    [promote(learner), "promoted"],
  ];
  for (const [cc, kind] of steps) {
    assert.equal(c.validateConfChange(cc), undefined);
    const effect = c.applyConfChange(cc);
    assert.equal(effect.kind, kind);
    rows.put(effect.rows);
    check();
  }
  const published = c.setAttributes(learner.id, { name: "two", clientURLs: ["http://c:1"] });
  rows.put(published.rows);
  check();
  assert.deepEqual(c.member(learner.id), {
    id: learner.id,
    name: "two",
    peerURLs: ["http://moved:1"],
    clientURLs: ["http://c:1"],
    isLearner: false,
  });
  rows.put(c.applyConfChange(remove(learner)).rows);
  rows.put(c.setClusterVersion("3.7.0"));
  check();
  assert.ok(c.isRemoved(learner.id));
  assert.equal(c.setAttributes(learner.id, { name: "x", clientURLs: [] }).kind, "ignored");
  assert.throws(() => c.setAttributes(memberId(77n), { name: "x", clientURLs: [] }), /unknown/);
});

test("an update of peer URLs leaves a learner a learner", () => {
  const c = cluster([member(1), member(2, { isLearner: true })]);
  c.applyConfChange(update(member(2, { peerURLs: ["http://moved:1"] })));
  assert.equal(c.member(memberId(2n))?.isLearner, true);
});

test("rows are etcd's: hex ids as keys, its JSON as values", () => {
  const c = cluster([member(255, { name: "a<b", clientURLs: ["http://c:1"] })], [memberId(10n)]);
  c.setClusterVersion("3.7.0");
  const text = c
    .rows()
    .map((r) => `${r.bucket}/${Buffer.from(r.key)}=${Buffer.from(r.value ?? [])}`);
  assert.deepEqual(text, [
    'members/ff={"id":255,"peerURLs":["http://10.0.0.255:2380"],"name":"a\\u003cb","clientURLs":["http://c:1"]}',
    "members_removed/a=removed",
    "cluster/clusterVersion=3.7.0",
  ]);
});

test("clusterFromRows() names a row that is not etcd's", () => {
  const row = (bucket: MembershipRow["bucket"], key: string, value: string): MembershipRow => ({
    bucket,
    key: Buffer.from(key),
    value: Buffer.from(value),
  });
  const bad = clusterFromRows(clusterId(1n), [row("members", "ff", "{")]);
  assert.deepEqual(bad, { ok: false, error: "bad row members/ff" });
  const worse = clusterFromRows(clusterId(1n), [row("members_removed", "zz", "removed")]);
  assert.deepEqual(worse, { ok: false, error: "bad row members_removed/zz" });
});

test("assignIds() takes ids and learner marks of the running cluster by peer URL", () => {
  const local = bootstrapCluster(
    sha1,
    "other",
    initial("a=http://10.0.0.1:2380,b=http://10.0.0.2:2380"),
  );
  assert.ok(local.ok);
  const running = {
    clusterId: clusterId(5n),
    members: [member(2, { isLearner: true, name: "" }), member(1)],
  };
  const joined = assignIds(local.value, running);
  assert.ok(joined.ok);
  assert.deepEqual(
    joined.value.members.map((m) => [m.id, m.name, m.isLearner]),
    [
      [1n, "a", false],
      [2n, "b", true],
    ],
  );
  assert.equal(joined.value.clusterId, 5n);
  const fewer = assignIds(local.value, { clusterId: clusterId(5n), members: [member(1)] });
  assert.deepEqual(fewer, { ok: false, error: "member count is unequal" });
  const other = assignIds(local.value, {
    clusterId: clusterId(5n),
    members: [member(1), member(3)],
  });
  assert.ok(!other.ok && other.error.startsWith("PeerURLs: no match found for existing member (3"));
});
