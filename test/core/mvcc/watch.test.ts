import assert from "node:assert/strict";
import { test } from "node:test";
import type { WatchRecord, WatchStreamOptions } from "../../../src/core/mvcc/index.ts";
import { mvccpb } from "../../../src/proto/index.ts";
import { del, type Fixture, newFixture, op, put, text, txn, watch } from "./fixture.ts";

const options: WatchStreamOptions = {
  maxRequestBytes: 1_000_000,
  budgetBytes: 1_000_000,
  onReadable: () => undefined,
};
const all = Number.POSITIVE_INFINITY;

/** A record in a line: "id@revision: key=value ..." with flags. */
function line(record: WatchRecord): string {
  const flags = (["created", "canceled", "fragment"] as const).filter((flag) => record[flag]);
  const compacted = record.compactRevision > 0 ? [`compacted=${record.compactRevision}`] : [];
  const events = record.events.map((bytes) => {
    const { type, kv, prevKv } = mvccpb.decodeEvent(bytes);
    const prev = prevKv === undefined ? "" : `(${text(prevKv.value)})`;
    const value = type === 1 ? "-" : `=${text(kv!.value)}`;
    return `${text(kv!.key)}${value}@${kv!.modRevision}${prev}`;
  });
  const reason = record.cancelReason === "" ? [] : [`"${record.cancelReason}"`];
  const head = `${record.watchId}@${record.revision}`;
  return [head, ...flags, ...compacted, ...reason, ...events].join(" ");
}

const lines = (records: readonly WatchRecord[]): string[] => records.map(line);

function settleWatches({ store, rows }: Fixture): void {
  for (;;) {
    const result = store.watches.syncUnsynced(100);
    if (result.kind === "idle") return;
    if (result.kind === "missing") rows.fetch(result.rows);
  }
}

test("create() answers with ids from 0 and delivers what is written afterwards", () => {
  const { store } = newFixture();
  const stream = store.watches.openStream(options);
  stream.create(watch("a"));
  stream.create(watch("a", "b"));
  stream.create(watch("b", "\0", { watchId: 7 }));
  store.put(put("a", "1"));
  store.put(put("b", "2"));
  store.deleteRange(del("a", "\0"));
  assert.deepEqual(lines(stream.take(all)), [
    "0@1 created",
    "1@1 created",
    "7@1 created",
    "0@4 a=1@2 a-@4",
    "1@4 a=1@2 a-@4",
    "7@4 b=2@3 b-@4",
  ]);
  assert.deepEqual([store.watches.watcherCount, stream.watcherCount], [3, 3]);
});

test("create() refuses a negative start, an empty range and a duplicate id", () => {
  const { store } = newFixture();
  const stream = store.watches.openStream(options);
  stream.create(watch("a", "", { startRevision: -1 }));
  stream.create(watch("b", "b"));
  stream.create(watch("b", "a"));
  stream.create(watch("a", "", { watchId: 3 }));
  stream.create(watch("a", "", { watchId: 3 }));
  stream.reject("no");
  assert.deepEqual(lines(stream.take(all)), [
    '-1@1 created canceled "etcdserver: mvcc: required revision has been compacted"',
    '-1@1 created canceled "mvcc: watcher range is empty"',
    '-1@1 created canceled "mvcc: watcher range is empty"',
    "3@1 created",
    '-1@1 created canceled "mvcc: duplicate watch ID provided on the WatchStream"',
    '-1@1 created canceled "no"',
  ]);
});

test("create() skips automatic ids that are taken", () => {
  const { store } = newFixture();
  const stream = store.watches.openStream(options);
  stream.create(watch("a", "", { watchId: 1 }));
  for (let i = 0; i < 3; i++) stream.create(watch("a"));
  assert.deepEqual(
    stream.take(all).map((r) => r.watchId),
    [1, 0, 2, 3],
  );
});

test("create() with no key watches the key of one zero byte, with range end 0 everything", () => {
  const { store } = newFixture();
  const stream = store.watches.openStream(options);
  stream.create(watch("", "\0"));
  stream.create(watch(""));
  store.put(put("\0", "z"));
  store.put(put("x"));
  assert.deepEqual(lines(stream.take(all)).slice(2), ["1@2 \0=z@2", "0@3 \0=z@2 x=@3"]);
});

test("an event is encoded once for all watchers", () => {
  const { store } = newFixture();
  const streams = [1, 2].map(() => store.watches.openStream(options));
  for (const stream of streams) {
    stream.create(watch("a"));
    stream.create(watch("a", "b"));
    stream.create(watch("a", "\0", { prevKv: true }));
    stream.create(watch("\0", "b", { prevKv: true }));
  }
  store.put(put("a", "1"));
  store.put(put("a", "2"));
  const events = streams
    .flatMap((s) => s.take(all))
    .filter((r) => !r.created)
    .map((r) => r.events[1]!);
  const plain = events.filter((e) => e.length === events[0]!.length);
  assert.equal(events.length, 8);
  assert.equal(new Set(plain).size, 1);
  assert.equal(new Set(events).size, 2);
});

test("a watcher that starts in the past gets the history first, then what is new", () => {
  const fixture = newFixture();
  const { store, rows } = fixture;
  store.put(put("a", "1"));
  store.put(put("a", "2"));
  store.deleteRange(del("a"));
  rows.hideAll();
  const stream = store.watches.openStream(options);
  stream.create(watch("a", "", { startRevision: 2, prevKv: true }));
  assert.equal(fixture.work, 1);
  store.put(put("a", "3"));
  assert.deepEqual(lines(stream.take(all)), ["0@4 created"]);
  settleWatches(fixture);
  store.put(put("a", "4"));
  assert.deepEqual(lines(stream.take(all)), ["0@5 a=1@2 a=2@3(1) a-@4(2) a=3@5", "0@6 a=4@6(3)"]);
});

test("a watcher with a future start gets nothing, no progress either, before it", () => {
  const { store } = newFixture();
  const stream = store.watches.openStream(options);
  stream.create(watch("a", "", { startRevision: 4, progressNotify: true }));
  store.put(put("a", "1"));
  store.put(put("a", "2"));
  stream.requestProgress();
  stream.progressTick();
  assert.deepEqual(lines(stream.take(all)), ["0@1 created"]);
  store.put(put("a", "3"));
  assert.deepEqual(lines(stream.take(all)), ["0@4 a=3@4"]);
});

test("a compacted start is acknowledged first, then cancelled with the compact revision", () => {
  const fixture = newFixture();
  const { store } = fixture;
  for (const v of ["1", "2", "3"]) store.put(put("a", v));
  store.compact(3);
  const stream = store.watches.openStream(options);
  stream.create(watch("a", "", { startRevision: 2 }));
  stream.create(watch("a", "", { startRevision: 3 }));
  settleWatches(fixture);
  assert.deepEqual(lines(stream.take(all)), [
    "0@4 created",
    "1@4 created",
    "0@0 canceled compacted=3",
    "1@4 a=2@3 a=3@4",
  ]);
  // Until the client has let go of it, the stream's progress is unknown, as in etcd.
  stream.requestProgress();
  stream.cancel(0);
  assert.deepEqual(lines(stream.take(all)), ["0@4 canceled"]);
  stream.requestProgress();
  assert.deepEqual(lines(stream.take(all)), ["-1@4"]);
});

test("cancel() acknowledges a known id and is silent about others", () => {
  const { store } = newFixture();
  const stream = store.watches.openStream(options);
  stream.create(watch("a"));
  stream.cancel(5);
  stream.cancel(0);
  stream.cancel(0);
  store.put(put("a"));
  assert.deepEqual(lines(stream.take(all)), ["0@1 created", "0@1 canceled"]);
  assert.equal(store.watches.watcherCount, 0);
});

test("requestProgress() answers once for the stream, and only when all watchers are synced", () => {
  const fixture = newFixture();
  const { store } = fixture;
  store.put(put("a"));
  const stream = store.watches.openStream(options);
  stream.requestProgress();
  stream.create(watch("a"));
  stream.create(watch("b", "", { startRevision: 1 }));
  stream.requestProgress();
  settleWatches(fixture);
  store.put(put("a", "1"));
  stream.requestProgress();
  store.put(put("a", "2"));
  assert.deepEqual(lines(stream.take(all)).slice(2), ["0@3 a=1@3", "-1@3", "0@4 a=2@4"]);
});

test("progressTick() notifies watchers that asked for it and had no events since", () => {
  const { store } = newFixture();
  const stream = store.watches.openStream(options);
  stream.create(watch("a", "", { progressNotify: true }));
  stream.create(watch("b", "", { progressNotify: true }));
  stream.create(watch("c"));
  stream.take(all);
  stream.progressTick();
  assert.deepEqual(lines(stream.take(all)), ["0@1", "1@1"]);
  store.put(put("a", "1"));
  stream.progressTick();
  assert.deepEqual(lines(stream.take(all)), ["0@2 a=1@2", "1@2"]);
  stream.progressTick();
  assert.deepEqual(lines(stream.take(all)), ["0@2", "1@2"]);
});

test("filters leave puts or deletes out, and what is left of nothing is not sent", () => {
  const { store } = newFixture();
  const stream = store.watches.openStream(options);
  stream.create(watch("a", "", { filters: [0] }));
  stream.create(watch("a", "", { filters: [1] }));
  stream.create(watch("a", "", { filters: [0, 1] }));
  stream.take(all);
  store.put(put("a"));
  store.deleteRange(del("a"));
  assert.deepEqual(lines(stream.take(all)), ["1@2 a=@2", "0@3 a-@3"]);
});

test("take() cuts large responses into fragments for watchers that allow it", () => {
  const { store } = newFixture();
  const stream = store.watches.openStream({ ...options, maxRequestBytes: 200 });
  stream.create(watch("a", "b", { fragment: true }));
  stream.create(watch("a", "b"));
  stream.take(all);
  const ops = [1, 2, 3, 4, 5].map((n) => op({ requestPut: put(`a${n}`, "x".repeat(40)) }));
  store.txn(txn([], ops));
  const records = stream.take(all);
  assert.deepEqual(
    records.map((r) => [r.watchId, r.events.length, r.fragment]),
    [
      [0, 2, true],
      [0, 2, true],
      [0, 1, false],
      [1, 5, false],
    ],
  );
});

test("a stream that is not read becomes unsynced at its budget and catches up when it is read", () => {
  const fixture = newFixture();
  const { store } = fixture;
  let readable = 0;
  const slow = store.watches.openStream({
    ...options,
    budgetBytes: 300,
    onReadable: () => readable++,
  });
  const quick = store.watches.openStream(options);
  slow.create(watch("a"));
  quick.create(watch("a"));
  for (let i = 0; i < 100; i++) store.put(put("a", `${i}`.padStart(20, "0")));
  assert.ok(slow.queuedBytes < 400);
  assert.deepEqual([store.watches.unsyncedCount, readable], [1, 1]);
  settleWatches(fixture);
  assert.equal(store.watches.unsyncedCount, 1, "nothing moves while the stream is full");
  const got: number[] = [];
  for (let i = 0; i < 50; i++) {
    for (const record of slow.take(100)) {
      for (const e of record.events) got.push(mvccpb.decodeEvent(e).kv!.modRevision);
    }
    settleWatches(fixture);
    assert.ok(slow.queuedBytes < 700);
  }
  assert.deepEqual(
    got,
    Array.from({ length: 100 }, (_, i) => i + 2),
  );
  assert.equal(quick.take(all).flatMap((r) => r.events).length, 100);
  assert.equal(store.watches.unsyncedCount, 0);
});

test("a value before that is not in memory never holds up the write", () => {
  const fixture = newFixture();
  const { store, rows } = fixture;
  store.put(put("a", "1"));
  const stream = store.watches.openStream(options);
  stream.create(watch("a", "z", { prevKv: true }));
  stream.create(watch("a", "z"));
  stream.take(all);
  rows.hideAll();
  const ops = [op({ requestPut: put("b", "x") }), op({ requestPut: put("a", "2") })];
  assert.equal(store.txn(txn([], ops)).kind, "txn");
  assert.deepEqual(lines(stream.take(all)), ["1@3 b=x@3 a=2@3"]);
  assert.ok(fixture.work > 0, "the owner is told that a watcher has to catch up");
  settleWatches(fixture);
  assert.deepEqual(lines(stream.take(all)), ["0@3 b=x@3 a=2@3(1)"]);
});

test("close() ends the watchers and empties the queue", () => {
  const { store } = newFixture();
  const stream = store.watches.openStream(options);
  stream.create(watch("a"));
  store.put(put("a"));
  stream.close();
  stream.create(watch("a"));
  store.put(put("a"));
  assert.deepEqual(stream.take(all), []);
  assert.deepEqual([store.watches.watcherCount, store.watches.streamCount], [0, 0]);
});
