/**
 * Watchers against a naive model: a list of all events. Whatever the order of writes, reads of the
 * streams, catch-up rounds, missing values and compactions, every watcher gets exactly the events
 * after its start, in order and whole revisions at a time, or is cancelled by a compaction.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { WatchCreateRequest, WatchRecord, WatchStream } from "../../../src/core/mvcc/index.ts";
import { revision } from "../../../src/core/types.ts";
import { mvccpb } from "../../../src/proto/index.ts";
import {
  compactAll,
  del,
  type Fixture,
  newFixture,
  op,
  put,
  range,
  restored,
  settle,
  text,
  txn,
  watch,
} from "./fixture.ts";

interface Event {
  rev: number;
  key: string;
  deleted: boolean;
  value: string;
  prev: string | undefined;
}

interface Watching {
  readonly request: WatchCreateRequest;
  readonly from: number;
  readonly stream: number;
  readonly id: number;
  readonly got: Event[];
  /** The revision of a response that announced more fragments. */
  fragmentOf: number;
  created: boolean;
  canceledAt: number;
  progress: number;
}

const key = fc.nat(5).map((n) => `k${n}`);
const end = fc.oneof(fc.constant(""), key, fc.constant("\0"), fc.constant("l"));
const create = fc.record({
  stream: fc.nat(1),
  key,
  end,
  back: fc.nat(12),
  prevKv: fc.boolean(),
  fragment: fc.boolean(),
  filters: fc.constantFrom([], [], [], [0], [1]),
});
const action = fc.oneof(
  { weight: 8, arbitrary: fc.record({ put: key, value: fc.nat(40) }) },
  { weight: 3, arbitrary: fc.record({ del: key, end }) },
  { weight: 2, arbitrary: fc.record({ multi: fc.uniqueArray(key, { minLength: 1 }) }) },
  { weight: 3, arbitrary: fc.record({ create }) },
  { weight: 6, arbitrary: fc.record({ take: fc.nat(1), bytes: fc.nat(300) }) },
  { weight: 6, arbitrary: fc.record({ sync: fc.integer({ min: 1, max: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ progress: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ hide: fc.constant(true) }) },
  { weight: 1, arbitrary: fc.record({ compact: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ reload: fc.constant(true) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

class World {
  readonly fixture = newFixture();
  readonly events: Event[] = [];
  readonly watchers: Watching[] = [];
  readonly streams: WatchStream[];
  compacted = -1;

  constructor() {
    const options = { maxRequestBytes: 200, budgetBytes: 250, onReadable: () => undefined };
    this.streams = [0, 1].map(() => this.fixture.store.watches.openStream(options));
  }

  write(
    w: { put: string; value: number } | { del: string; end: string } | { multi: string[] },
  ): void {
    const { store } = this.fixture;
    const before = this.#state();
    if ("put" in w) settle(this.fixture, () => store.put(put(w.put, "v".repeat(w.value))));
    else if ("del" in w) settle(this.fixture, () => store.deleteRange(del(w.del, w.end)));
    else {
      const ops = w.multi.map((k, i) => {
        if (i % 3 === 2 && before.has(k)) return op({ requestDeleteRange: del(k) });
        return op({ requestPut: put(k, `m${i}`) });
      });
      settle(this.fixture, () => store.txn(txn([], ops)));
    }
    const after = this.#state();
    const rows = this.fixture.rows.inOrder().filter((r) => r.main === store.revision);
    if (rows.length === 0 || this.events.at(-1)?.rev === store.revision) return;
    for (const row of rows) {
      const name = text(mvccpb.decodeKeyValue(row.bytes).key);
      this.events.push({
        rev: row.main,
        key: name,
        deleted: row.tombstone,
        value: row.tombstone ? "" : after.get(name)!,
        prev: before.get(name),
      });
    }
  }

  #state(): Map<string, string> {
    const all = settle(this.fixture, () => this.fixture.store.range(range("\0", "\0")));
    assert.ok(all.kind === "range");
    const kvs = all.kvs.map((b) => mvccpb.decodeKeyValue(b));
    return new Map(kvs.map((kv) => [text(kv.key), text(kv.value)]));
  }

  create(c: typeof create extends fc.Arbitrary<infer T> ? T : never): void {
    if (c.end !== "" && c.end !== "\0" && c.end <= c.key) return;
    const { store } = this.fixture;
    const startRevision = c.back === 0 ? 0 : Math.max(1, store.revision + 3 - c.back);
    const id = this.watchers.length + 1;
    const { prevKv, fragment, filters } = c;
    const more = { startRevision, prevKv, fragment, filters, watchId: id };
    const request = watch(c.key, c.end, more);
    this.watchers.push({
      request,
      from: startRevision === 0 ? store.revision + 1 : startRevision,
      stream: c.stream,
      id,
      got: [],
      fragmentOf: 0,
      created: false,
      canceledAt: 0,
      progress: 0,
    });
    this.streams[c.stream]!.create(request);
  }

  take(stream: number, bytes: number): void {
    for (const record of this.streams[stream]!.take(bytes)) this.#receive(stream, record);
  }

  #receive(stream: number, record: WatchRecord): void {
    if (record.watchId === -1) {
      assert.ok(!record.created && record.events.length === 0);
      for (const w of this.watchers) {
        if (w.stream === stream && w.created) w.progress = record.revision;
      }
      return;
    }
    const w = this.watchers.find((x) => x.id === record.watchId)!;
    assert.equal(w.stream, stream);
    w.created ||= record.created;
    if (record.created) return;
    assert.ok(w.created);
    assert.equal(w.canceledAt, 0, "nothing follows a cancellation");
    if (record.canceled) {
      assert.ok(record.compactRevision > 0);
      w.canceledAt = record.compactRevision;
      return;
    }
    assert.ok(record.events.length > 0);
    for (const [i, bytes] of record.events.entries()) {
      const event = mvccpb.decodeEvent(bytes);
      const rev = event.kv!.modRevision;
      const last = w.got.at(-1)?.rev ?? 0;
      assert.ok(rev > w.progress, "progress does not overtake events");
      if (i > 0 || w.fragmentOf > 0) assert.ok(rev >= last);
      else assert.ok(rev > last, "a revision is not split over responses");
      w.got.push({
        rev,
        key: text(event.kv!.key),
        deleted: event.type === 1,
        value: text(event.kv!.value),
        prev: event.prevKv && text(event.prevKv.value),
      });
      if (event.type === 1) assert.equal(event.kv!.createRevision + event.kv!.version, 0);
      assert.ok(record.revision >= rev || w.request.fragment);
    }
    w.fragmentOf = record.fragment ? record.revision : 0;
    if (record.fragment) assert.ok(w.request.fragment);
  }

  sync(budget: number): boolean {
    const { store, rows } = this.fixture;
    const result = store.watches.syncUnsynced(budget);
    if (result.kind === "missing") rows.fetch(result.rows);
    return result.kind !== "idle";
  }

  /** Until nothing waits anywhere. */
  drain(): void {
    for (let round = 0; round < 1000; round++) {
      const busy = this.sync(50);
      for (const stream of [0, 1]) this.take(stream, 1000);
      if (busy || this.fixture.store.watches.unsyncedCount > 0) continue;
      if (this.streams.every((s) => s.queuedBytes === 0)) return;
    }
    assert.fail("the watchers never catch up");
  }

  check(): void {
    const { store } = this.fixture;
    assert.equal(store.watches.unsyncedCount, 0);
    for (const w of this.watchers) {
      const { request } = w;
      const [start, rangeEnd] = [text(request.key), text(request.rangeEnd)];
      const expected = this.events.filter(
        (e) =>
          e.rev >= w.from &&
          (rangeEnd === "" ? e.key === start : e.key >= start) &&
          (rangeEnd === "" || rangeEnd === "\0" || e.key < rangeEnd) &&
          !request.filters.includes(e.deleted ? 1 : 0),
      );
      if (w.canceledAt > 0) {
        assert.ok((w.got.at(-1)?.rev ?? w.from - 1) < w.canceledAt);
        expected.length = w.got.length;
      }
      const bare = (e: Event): Event => ({ ...e, prev: undefined });
      assert.deepEqual(w.got.map(bare), expected.map(bare));
      for (const [i, e] of w.got.entries()) {
        if (!request.prevKv) assert.equal(e.prev, undefined);
        else if (e.prev !== undefined || e.rev - 1 >= this.compacted) {
          assert.equal(e.prev, expected[i]!.prev);
        }
      }
    }
  }
}

/** A snapshot is installed: same history, the index is built anew. */
function reload(fixture: Fixture, compacted: number): void {
  const { store, rows } = fixture;
  const source = restored(fixture);
  store.reset();
  assert.equal(store.watches.syncUnsynced(10).kind, "idle");
  for (const { main, sub, tombstone, bytes } of rows.inOrder()) {
    store.restoreRow(revision(main), sub, tombstone, bytes);
  }
  const [finished, scheduled] = [compacted, compacted];
  store.finishRestore({
    finishedCompactRevision: finished,
    scheduledCompactRevision: scheduled,
    currentRevision: 0,
  });
  assert.ok(store.revision >= source.store.revision);
}

function run(actions: readonly Action[]): void {
  const world = new World();
  for (const a of actions) {
    if ("put" in a || "del" in a || "multi" in a) world.write(a);
    else if ("create" in a) world.create(a.create);
    else if ("take" in a) world.take(a.take, a.bytes);
    else if ("sync" in a) world.sync(a.sync);
    else if ("progress" in a) world.streams[a.progress]!.requestProgress();
    else if ("hide" in a) world.fixture.rows.hideAll();
    else if ("reload" in a) reload(world.fixture, world.compacted);
    else {
      const at = Math.max(1, world.fixture.store.revision - a.compact);
      if (world.fixture.store.compact(at).kind === "error") continue;
      compactAll(world.fixture);
      world.compacted = at;
    }
  }
  world.drain();
  world.check();
}

test("every watcher gets exactly its events, whatever else happens", () => {
  fc.assert(fc.property(fc.array(action, { minLength: 10, maxLength: 120 }), run), {
    numRuns: 500,
  });
});
