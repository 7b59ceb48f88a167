// Logs with random tails: known to be committed or not, replaced in part by later terms, with changes
// of the old cluster's members in them. A model says what the forced member must hold.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { encodeMemberContext, parseInitialCluster } from "../../src/core/membership/index.ts";
import type { Entry, HardState } from "../../src/core/raft/index.ts";
import { index, memberId, term } from "../../src/core/types.ts";
import { noFaults } from "../../src/io/index.ts";
import { raftpb, rpcpb } from "../../src/proto/index.ts";
import { forceNew } from "../../src/server/index.ts";
import { cloneRocksEngine, openRocksEngine } from "../../src/storage/backend/index.ts";
import { Wal } from "../../src/storage/wal/index.ts";
import { seededRandom } from "../process/random.ts";
import { get, memberOptions, memberPorts, put, startMember, tempDir } from "./rig.ts";

type Model = Map<string, string>;
type Effect = (model: Model) => void;
type Below = (n: number) => number;

interface Step {
  readonly entry: Entry;
  readonly effect: Effect;
}

const nothing: Effect = () => undefined;

/** What an entry says, and what it does to the keys. */
function content(below: Below, own: bigint): { type: number; data: Uint8Array; effect: Effect } {
  const key = `k${below(30)}`;
  const request = (r: Parameters<typeof rpcpb.newInternalRaftRequest>[0], effect: Effect) => ({
    type: 0,
    data: rpcpb.encodeInternalRaftRequest(rpcpb.newInternalRaftRequest(r)),
    effect,
  });
  const what = below(12);
  if (what < 6) {
    const value = `v${below(1e9)}`;
    const text = { key: Buffer.from(key), value: Buffer.from(value) };
    return request({ put: rpcpb.newPutRequest(text) }, (m) => void m.set(key, value));
  }
  if (what < 8) {
    const range = rpcpb.newDeleteRangeRequest({ key: Buffer.from(key) });
    return request({ deleteRange: range }, (m) => void m.delete(key));
  }
  if (what === 8) return { type: 0, data: new Uint8Array(0), effect: nothing };
  const nodeId = memberId(below(2) === 0 ? own : BigInt(1 + below(5)));
  if (what === 9) {
    const memberAttributes = { name: "x", clientUrls: ["http://x:1"] };
    const set = { memberId: nodeId, memberAttributes };
    return request({ clusterMemberAttrSet: set }, nothing);
  }
  const peerURLs = [`http://10.0.0.${below(250)}:2380`];
  const member = { id: nodeId, name: "", peerURLs, clientURLs: [], isLearner: below(2) === 0 };
  const type = below(4) as 0 | 1 | 2 | 3;
  const context = encodeMemberContext(member);
  const change = { id: BigInt(below(1e9)), type, nodeId, context };
  return { type: 1, data: raftpb.encodeConfChange(change), effect: nothing };
}

/** Appends to the log as a follower of changing leaders would: the last word at an index counts. */
async function appendTail(wal: Wal, from: number, start: HardState, own: bigint, below: Below) {
  const tail: Step[] = [];
  let at = start.term as number;
  let commit = from;
  for (let batch = 0; batch < 1 + below(6); batch++) {
    at += below(2);
    const replaced = below(3) === 0 ? below(tail.length + 1) : 0;
    tail.length = Math.max(commit - from, tail.length - replaced);
    const added: Step[] = Array.from({ length: 1 + below(12) }, (_, i) => {
      const { effect, ...said } = content(below, own);
      const entry = { ...said, term: term(at), index: index(from + tail.length + 1 + i) } as Entry;
      return { entry, effect };
    });
    // Replaced entries are followed by those of a later term.
    if (replaced > 0) at += 1;
    for (const step of added) step.entry.term = term(at);
    tail.push(...added);
    commit += below(2) === 0 ? 0 : below(from + tail.length - commit + 1);
    const hardState = { term: term(at + below(2)), vote: memberId(own), commit: index(commit) };
    await wal.save(
      hardState,
      added.map((step) => step.entry),
    );
  }
  return { tail, commit };
}

function removes(entry: Entry, id: bigint): boolean {
  if (entry.type !== 1) return false;
  const { type, nodeId } = raftpb.decodeConfChange(entry.data);
  return type === 1 && nodeId === id;
}

async function play(seed: number): Promise<{ length: number; unknown: number }> {
  const { below } = seededRandom(seed);
  await using dir = await tempDir();
  const data = join(dir.path, "m1");
  const model: Model = new Map();
  const p = memberPorts({ walSegmentBytes: 4096 });
  const member = await startMember(memberOptions(data), p);
  for (let i = 0; i < below(80); i++) {
    const key = `k${below(30)}`;
    await put(member, key, `early${i}`);
    model.set(key, `early${i}`);
  }
  const { id, log } = member;
  await member.stop();

  const options = { disk: p.disk, faults: noFaults, logger: p.logger, nowMs: () => 0 };
  const { wal, contents } = await Wal.open(
    { ...options, segmentBytes: 4096 },
    join(data, "member", "wal"),
    (valid) => valid.at(-1)!,
  );
  const { tail, commit } = await appendTail(wal, log.lastLogIndex, contents.hardState, id, below);
  await wal.close();
  for (const { effect } of tail) effect(model);

  const url = "http://127.0.0.1:91";
  const forcing = forceNew(
    {
      dataDir: data,
      name: "n1",
      peerUrls: [url],
      initialClusterToken: "second",
      revisionBump: seed % 2 === 0 ? 0 : 1000,
    },
    {
      disk: p.disk,
      logger: p.logger,
      clock: p.clock,
      faults: noFaults,
      sha1: (bytes) => createHash("sha1").update(bytes).digest(),
      random: p.random,
      crc32c: p.crc32c,
      openEngine: openRocksEngine,
      openEngineReadOnly: (folder) => openRocksEngine(folder, { readOnly: true }),
      cloneEngine: cloneRocksEngine,
    },
  );
  if (tail.some(({ entry }) => entry.index <= commit && removes(entry, id))) {
    await assert.rejects(forcing, { code: "removed" }, `seed ${seed}`);
    return { length: 0, unknown: 0 };
  }
  const made = await forcing;
  assert.equal(made.lastLogIndex, log.lastLogIndex + tail.length, `seed ${seed}`);
  assert.equal(made.lastLogTerm, tail.at(-1)?.entry.term, `seed ${seed}`);
  assert.equal(made.keptUncommitted, made.lastLogIndex - commit, `seed ${seed}`);
  const initial = parseInitialCluster(`n1=${url}`);
  assert.ok(initial.ok);
  const forced = await startMember(
    memberOptions(data, {
      name: "n1",
      initialCluster: initial.value,
      initialClusterState: "existing",
      initialAdvertisePeerUrls: [url],
    }),
  );
  const held: Model = new Map();
  for (let i = 0; i < 30; i++) {
    const value = await get(forced, `k${i}`);
    if (value !== undefined) held.set(`k${i}`, value);
  }
  const names = forced.members().map((m) => m.name);
  await forced.stop();
  const sorted = (m: Model) => [...m].sort();
  assert.deepEqual(sorted(held), sorted(model), `seed ${seed}`);
  assert.deepEqual(names, ["n1"], `seed ${seed}`);
  return { length: tail.length, unknown: made.keptUncommitted };
}

test("forceNew() keeps what a model of the log says, for random tails", async (t) => {
  let length = 0;
  let unknown = 0;
  for (let seed = 1; seed <= 25; seed++) {
    const tail = await play(seed);
    length += tail.length;
    unknown += tail.unknown;
  }
  t.diagnostic(`${length} entries in tails, ${unknown} of them not known to be committed`);
});
