/** The store against a naive model: a list of every revision of every key. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeKeyValue, type OpResult, type RangeRequest } from "../../../src/core/mvcc/index.ts";
import { noLease } from "../../../src/core/types.ts";
import {
  bytes,
  compactAll,
  del,
  type Fixture,
  lease,
  newFixture,
  op,
  put,
  range,
  restored,
  settle,
  text,
  txn,
} from "./fixture.ts";

interface Kv {
  key: string;
  create: number;
  mod: number;
  version: number;
  value: string;
  lease: bigint;
}

/** Snapshots of the whole key space by revision: as simple as it gets. */
class Model {
  revision = 1;
  compacted = -1;
  readonly states = new Map<number, Map<string, Kv>>([[1, new Map()]]);
  #next: Map<string, Kv> | undefined;

  get head(): Map<string, Kv> {
    return this.#next ?? this.states.get(this.revision)!;
  }

  put(key: string, value: string, leaseId: bigint): void {
    this.#next ??= new Map(this.head);
    const old = this.#next.get(key);
    const mod = this.revision + 1;
    this.#next.set(key, {
      key,
      create: old?.create ?? mod,
      mod,
      version: (old?.version ?? 0) + 1,
      value,
      lease: leaseId,
    });
  }

  delete(start: string, end: string): Kv[] {
    const gone = this.select(this.head, start, end);
    if (gone.length > 0) this.#next ??= new Map(this.head);
    for (const kv of gone) this.#next!.delete(kv.key);
    return gone;
  }

  commit(): void {
    if (this.#next === undefined) return;
    this.revision++;
    this.states.set(this.revision, this.#next);
    this.#next = undefined;
  }

  select(state: Map<string, Kv>, start: string, end: string): Kv[] {
    return [...state.values()]
      .filter(({ key }) =>
        end === "" ? key === start : key >= start && (end === "\0" || key < end),
      )
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  range(r: RangeRequest): { kvs: Kv[]; count: number; more: boolean } | string {
    if (r.revision > this.revision) return "ErrFutureRev";
    const at = r.revision <= 0 ? this.revision : r.revision;
    if (at < this.compacted) return "ErrCompacted";
    let kvs = this.select(this.states.get(at)!, text(r.key), text(r.rangeEnd));
    const count = kvs.length;
    if (r.countOnly) return { kvs: [], count, more: false };
    const filtered =
      r.minModRevision + r.maxModRevision + r.minCreateRevision + r.maxCreateRevision > 0;
    if (r.sortOrder === 0 && !filtered && r.limit > 0) kvs = kvs.slice(0, r.limit + 1);
    kvs = kvs.filter(
      (kv) =>
        (r.maxModRevision === 0 || kv.mod <= r.maxModRevision) &&
        kv.mod >= r.minModRevision &&
        (r.maxCreateRevision === 0 || kv.create <= r.maxCreateRevision) &&
        kv.create >= r.minCreateRevision,
    );
    const rank = (kv: Kv): number | string =>
      [kv.key, kv.version, kv.create, kv.mod, kv.value][r.sortTarget]!;
    const sign = r.sortOrder === 2 ? -1 : 1;
    kvs.sort((a, b) => sign * (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
    const more = r.limit > 0 && kvs.length > r.limit;
    return { kvs: more ? kvs.slice(0, r.limit) : kvs, count, more };
  }
}

const decoded = (encoded: Uint8Array): Kv => {
  const kv = decodeKeyValue(encoded);
  return {
    key: text(kv.key),
    create: kv.createRevision,
    mod: kv.modRevision,
    version: kv.version,
    value: text(kv.value),
    lease: kv.lease,
  };
};

const key = fc.nat(12).map((n) => `k${n.toString(13)}`);
const end = fc.oneof(
  { weight: 4, arbitrary: fc.constant("") },
  { weight: 4, arbitrary: key },
  fc.constant("\0"),
  fc.constant("l"),
);
const value = fc.nat(3).map((n) => "v".repeat(n));
const write = fc.oneof(
  { weight: 4, arbitrary: fc.record({ put: key, value, lease: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ del: key, end }) },
);
const readOptions = fc.record({
  limit: fc.oneof(fc.constant(0), fc.nat(4)),
  revision: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.nat(60)),
  sortOrder: fc.nat(2),
  sortTarget: fc.nat(4),
  keysOnly: fc.boolean(),
  countOnly: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.constant(true)),
  minModRevision: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(40)),
  maxModRevision: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(40)),
  minCreateRevision: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(40)),
  maxCreateRevision: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.nat(40)),
});
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ write }) },
  { weight: 2, arbitrary: fc.record({ batch: fc.array(write, { maxLength: 5 }) }) },
  { weight: 5, arbitrary: fc.record({ read: fc.tuple(key, end, readOptions) }) },
  {
    weight: 1,
    arbitrary: fc.record({ compact: fc.integer({ min: 1, max: 60 }), physically: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ hide: fc.constant(true) }) },
  { weight: 1, arbitrary: fc.record({ restart: fc.constant(true) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;
type Write = typeof write extends fc.Arbitrary<infer T> ? T : never;

function checkWrite(fixture: Fixture, model: Model, w: Write): void {
  const { store } = fixture;
  if ("put" in w) {
    const old = model.head.get(w.put);
    const result = settle(fixture, () =>
      store.put(put(w.put, w.value, { lease: lease(w.lease), prevKv: true })),
    );
    model.put(w.put, w.value, BigInt(w.lease));
    model.commit();
    assert.ok(result.kind === "put");
    assert.deepEqual(result.prevKv && decoded(result.prevKv), old);
    assert.equal(result.revision, model.revision);
  } else {
    const result = settle(fixture, () => store.deleteRange(del(w.del, w.end, true)));
    const gone = model.delete(w.del, w.end);
    model.commit();
    assert.ok(result.kind === "deleteRange");
    assert.equal(result.deleted, gone.length);
    assert.deepEqual(result.prevKvs.map(decoded), gone);
    assert.equal(result.revision, model.revision);
  }
}

/** Writes of one txn, each followed by a read of everything, which must see what came before it. */
function checkBatch(fixture: Fixture, model: Model, batch: readonly Write[]): void {
  const ops = batch.flatMap((w) => [
    "put" in w
      ? op({ requestPut: put(w.put, w.value, { lease: lease(w.lease) }) })
      : op({ requestDeleteRange: del(w.del, w.end) }),
    op({ requestRange: range("k", "\0") }),
  ]);
  const result = settle(fixture, () => fixture.store.txn(txn([], ops)));
  assert.ok(result.kind === "txn" && result.succeeded);
  let written = false;
  for (const [i, w] of batch.entries()) {
    if ("put" in w) model.put(w.put, w.value, BigInt(w.lease));
    const gone = "put" in w ? [] : model.delete(w.del, w.end);
    written ||= "put" in w || gone.length > 0;
    const read: OpResult = result.responses[i * 2 + 1]!;
    assert.ok(read.kind === "range");
    assert.deepEqual(read.kvs.map(decoded), model.select(model.head, "k", "\0"));
    assert.equal(read.revision, model.revision + (written ? 1 : 0));
  }
  model.commit();
  assert.equal(result.revision, model.revision);
}

function checkRead(fixture: Fixture, model: Model, request: RangeRequest): void {
  const expected = model.range(request);
  const result = settle(fixture, () => fixture.store.range(request));
  if (typeof expected === "string") {
    assert.deepEqual(result, { kind: "error", code: expected });
    return;
  }
  assert.ok(result.kind === "range");
  const kvs = expected.kvs.map((kv) => {
    if (!request.keysOnly) return kv;
    return { ...kv, value: "", lease: request.sortTarget === 4 ? kv.lease : noLease };
  });
  assert.deepEqual(result.kvs.map(decoded), kvs);
  assert.equal(result.count, expected.count);
  assert.equal(result.more, expected.more);
  assert.equal(result.revision, model.revision);
}

function checkCompact(fixture: Fixture, model: Model, at: number, physically: boolean): void {
  const result = fixture.store.compact(at);
  if (at <= model.compacted) assert.deepEqual(result, { kind: "error", code: "ErrCompacted" });
  else if (at > model.revision) assert.deepEqual(result, { kind: "error", code: "ErrFutureRev" });
  else {
    assert.deepEqual(result, {
      kind: "compact",
      revision: model.revision,
      previous: model.compacted,
    });
    model.compacted = at;
    if (physically) assert.equal(compactAll(fixture), at);
  }
}

function run(actions: readonly Action[]): void {
  let fixture = newFixture();
  for (const n of [1, 2]) fixture.leases.known.add(lease(n));
  const model = new Model();
  let finished = -1;
  for (const a of actions) {
    if ("write" in a) checkWrite(fixture, model, a.write);
    else if ("batch" in a) checkBatch(fixture, model, a.batch);
    else if ("read" in a) checkRead(fixture, model, range(a.read[0], a.read[1], a.read[2]));
    else if ("compact" in a) {
      const before = model.compacted;
      checkCompact(fixture, model, a.compact, a.physically);
      if (a.physically && model.compacted > before) finished = model.compacted;
    } else if ("hide" in a) fixture.rows.hideAll();
    else {
      fixture = restored(fixture, {
        finishedCompactRevision: finished,
        scheduledCompactRevision: model.compacted,
      });
    }
    assert.equal(fixture.store.revision, model.revision);
    assert.equal(fixture.store.compactRevision, model.compacted);
    assert.equal(fixture.store.keyCount, model.head.size);
    for (const kv of model.head.values()) {
      assert.equal(fixture.leases.leaseOf(kv.key), kv.lease);
    }
  }
  assert.deepEqual(
    [...fixture.leases.keys.keys()].sort(),
    [...model.head.values()]
      .filter((kv) => kv.lease !== 0n)
      .map((kv) => kv.key)
      .sort(),
  );
}

test("KvStore answers like a list of all revisions, whatever is missing, compacted or restarted", () => {
  fc.assert(fc.property(fc.array(action, { minLength: 20, maxLength: 120 }), run), {
    numRuns: 300,
  });
});

test("KvStore.range() at a pin is not refused and not compacted away", () => {
  const fixture = newFixture();
  const { store } = fixture;
  for (const v of ["a", "b", "c"]) settle(fixture, () => store.put(put("k", v)));
  const pin = store.pin();
  settle(fixture, () => store.put(put("k", "d")));
  settle(fixture, () => store.deleteRange(del("k")));
  store.compact(6);
  assert.equal(compactAll(fixture), 4);
  assert.deepEqual(store.range(range("k", "", { revision: 4 })), {
    kind: "error",
    code: "ErrCompacted",
  });
  const result = settle(fixture, () => store.range(range("k"), { pin }));
  assert.ok(result.kind === "range");
  assert.equal(text(decodeKeyValue(result.kvs[0]!).value), "c");
  pin.release();
  assert.equal(compactAll(fixture), 6);
  assert.deepEqual(store.range(range("k"), { pin }), { kind: "error", code: "ErrCompacted" });
  assert.deepEqual(
    fixture.rows.inOrder().map((r) => [r.main, r.tombstone]),
    [[6, true]],
    "the tombstone at the compact revision stays",
  );
});

test("KvStore.put() refuses an unknown lease, and parts to keep of a key that is not there", () => {
  const { store } = newFixture();
  const unknown = store.put(put("k", "", { lease: lease(7) }));
  assert.deepEqual(unknown, { kind: "error", code: "ErrLeaseNotFound" });
  for (const more of [{ ignoreValue: true }, { ignoreLease: true }]) {
    assert.deepEqual(store.put(put("k", "", more)), { kind: "error", code: "ErrKeyNotFound" });
  }
  assert.equal(store.revision, 1);
});

test("KvStore.put() keeps value or lease when told to", () => {
  const fixture = newFixture();
  const { store, leases, rows } = fixture;
  for (const n of [1, 2]) leases.known.add(lease(n));
  store.put(put("k", "v", { lease: lease(1) }));
  rows.hideAll();
  settle(fixture, () => store.put(put("k", "", { ignoreValue: true, lease: lease(2) })));
  settle(fixture, () => store.put(put("k", "w", { ignoreLease: true })));
  assert.equal(leases.leaseOf("k"), 2n);
  assert.deepEqual(
    rows.inOrder().map((r) => decoded(r.bytes)),
    [
      { key: "k", create: 2, mod: 2, version: 1, value: "v", lease: 1n },
      { key: "k", create: 2, mod: 3, version: 2, value: "v", lease: 2n },
      { key: "k", create: 2, mod: 4, version: 3, value: "w", lease: 2n },
    ],
  );
});

test("KvStore.put() keeps the id of a lease that is gone, but hangs the key on nothing", () => {
  const fixture = newFixture();
  fixture.leases.known.add(lease(1));
  fixture.store.put(put("k", "v", { lease: lease(1) }));
  fixture.leases.known.clear();
  const next = restored(fixture);
  settle(next, () => next.store.put(put("k", "w", { ignoreLease: true })));
  assert.equal(decoded(next.rows.inOrder().at(-1)!.bytes).lease, 1n);
  assert.equal(next.leases.leaseOf("k"), 0n);
});

test("KvStore.deleteKeys() deletes in one revision, in order, what is alive", () => {
  const fixture = newFixture();
  const { store, rows } = fixture;
  for (const k of ["a", "b", "c"]) store.put(put(k));
  const result = store.deleteKeys(["c", "x", "a"]);
  assert.deepEqual([result.deleted, result.revision, store.revision], [2, 5, 5]);
  const last = rows.inOrder().slice(-2);
  assert.deepEqual(
    last.map((r) => [text(decodeKeyValue(r.bytes).key), r.sub, r.tombstone]),
    [
      ["c", 0, true],
      ["a", 1, true],
    ],
  );
  assert.equal(store.deleteKeys(["zz"]).revision, 5, "nothing to delete, no new revision");
  assert.equal(bytes("a").length, 1);
});
