import assert from "node:assert/strict";
import { test } from "node:test";
import { type Entry, EntryType } from "../../src/core/raft/index.ts";
import { index, term } from "../../src/core/types.ts";
import { rpcpb } from "../../src/proto/index.ts";
import { Applier } from "../../src/server/applier.ts";
import { boot, Measures } from "../../src/server/index.ts";
import { PendingRequests } from "../../src/server/requests.ts";
import { memberOptions, memberPorts, tempDir } from "./rig.ts";

const nothing = (): void => undefined;

/** An applier over a new data folder, and what it says. */
async function applierIn(path: string, overQuota = false) {
  const ports = memberPorts();
  const { state, wal } = await boot(memberOptions(path), ports);
  const fatal: string[] = [];
  const pending = new PendingRequests(1n, { count: 1, bytes: 1000 });
  const alarms: string[] = [];
  const applier = new Applier({
    state,
    pending,
    measures: new Measures(),
    requestTimeoutMs: 7000,
    isOverQuota: () => overQuota,
    onOverQuota: () => alarms.push("NOSPACE"),
    clock: ports.clock,
    faults: ports.faults,
    logger: ports.logger,
    onConfChange: nothing,
    onEmptyEntry: nothing,
    onApplied: nothing,
    onCompacted: nothing,
    onResumed: nothing,
    onFatal: (error) => fatal.push(error.message),
  });
  const close = async (): Promise<void> => {
    await wal.close();
    await state.backend.close();
  };
  return { applier, state, fatal, close, pending, alarms };
}

const entry = (at: number, data: Uint8Array, type: Entry["type"] = EntryType.Normal): Entry => ({
  index: index(at),
  term: term(1),
  type,
  data,
});

const putEntry = (at: number): Entry => {
  const request = rpcpb.newPutRequest({ key: Buffer.from("k"), value: Buffer.from("v") });
  const r = rpcpb.newInternalRaftRequest({ put: request });
  return entry(at, rpcpb.encodeInternalRaftRequest(r));
};

for (const [what, bad, text] of [
  ["bytes that are no request", entry(2, Buffer.from([0xff, 0xff])), /entry 2: /],
  ["a ConfChangeV2", entry(2, Buffer.alloc(0), EntryType.ConfChangeV2), /entry 2: .*entry type 2/],
] as const) {
  test(`run() ends the member at ${what} and applies nothing from there on`, async () => {
    await using dir = await tempDir();
    const { applier, state, fatal, close } = await applierIn(dir.path);
    applier.enqueue([putEntry(1), bad, putEntry(3)]);
    const drained = applier.drained();
    applier.run();
    await drained;
    assert.equal(fatal.length, 1);
    assert.match(fatal[0] as string, text);
    assert.equal(applier.appliedIndex, 1);
    assert.equal(state.kv.revision, 2);
    assert.equal(state.backend.meta.appliedIndex, 0, "the unit was not committed");
    applier.enqueue([putEntry(4)]);
    applier.run();
    assert.equal(state.kv.revision, 2);
    await close();
  });
}

test("run() applies entries that were enqueued, and only then", async () => {
  await using dir = await tempDir();
  const { applier, state, fatal, close } = await applierIn(dir.path);
  applier.enqueue([putEntry(1), putEntry(2)]);
  assert.equal(state.kv.revision, 1);
  applier.run();
  assert.deepEqual([state.kv.revision, state.backend.meta.appliedIndex, fatal], [3, 2, []]);
  await close();
});

test("an entry beyond the quota takes effect, and who waits for it is told NoSpace", async () => {
  await using dir = await tempDir();
  const { applier, state, close, pending, alarms } = await applierIn(dir.path, true);
  const put = rpcpb.newPutRequest({ key: Buffer.from("k"), value: Buffer.from("v") });
  const answers: unknown[] = [];
  const own = pending.add(rpcpb.newInternalRaftRequest({ put }), 1e12, (error) =>
    answers.push(error?.message),
  );
  applier.enqueue([entry(1, own?.data as Uint8Array), putEntry(2)]);
  applier.run();
  assert.deepEqual(answers, ["etcdserver: mvcc: database space exceeded"]);
  assert.deepEqual([state.kv.revision, alarms], [3, ["NOSPACE"]]);
  await close();
});
