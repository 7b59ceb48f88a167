import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32c } from "@node-rs/crc32";
import fc from "fast-check";
import { decodeKeyValue, encodeRevisionKey, type HashJob } from "../../../src/core/mvcc/index.ts";
import {
  compactAll,
  del,
  type Fixture,
  newFixture,
  put,
  type Row,
  settle,
  text,
} from "./fixture.ts";

const key = fc.nat(4).map((n) => `k${n}`);
const write = fc.record({ key, tombstone: fc.boolean() });

function apply(fixture: Fixture, writes: readonly { key: string; tombstone: boolean }[]): void {
  for (const w of writes) {
    if (w.tombstone) settle(fixture, () => fixture.store.deleteRange(del(w.key)));
    else settle(fixture, () => fixture.store.put(put(w.key, "v")));
  }
}

function feed(job: HashJob, rows: readonly Row[]): number {
  for (const { main, sub, tombstone, bytes } of rows) {
    job.row(encodeRevisionKey(main, sub, tombstone), bytes);
  }
  return job.digest();
}

function hashOf(rows: readonly Row[]): number {
  let hash = crc32c("key");
  for (const { main, sub, tombstone, bytes } of rows) {
    hash = crc32c(bytes, crc32c(encodeRevisionKey(main, sub, tombstone), hash));
  }
  return hash;
}

/** The rule as etcd states it, on a list of all rows ever written. */
function hashed(all: readonly Row[], at: number, compacted: number): Row[] {
  const newest = new Map<string, Row>();
  const note = (until: number): void => {
    for (const row of all) {
      if (row.main <= until) newest.set(text(decodeKeyValue(row.bytes).key), row);
    }
  };
  note(at);
  if ([...newest.values()].every((row) => row.tombstone)) {
    newest.clear();
    note(compacted);
  }
  return all.filter((row) => {
    if (row.main > at) return false;
    if (row.main === compacted && row.tombstone) return false;
    if (row.main > compacted) return true;
    const kept = newest.get(text(decodeKeyValue(row.bytes).key)) === row;
    return kept && !row.tombstone;
  });
}

test("hashKv() is the same before and after physical compaction, and follows etcd's rule", () => {
  fc.assert(
    fc.property(
      fc.array(write, { minLength: 1, maxLength: 25 }),
      fc.nat(),
      fc.array(write, { maxLength: 10 }),
      fc.nat(),
      (before, c, after, h) => {
        const fixture = newFixture();
        apply(fixture, before);
        const { store, rows } = fixture;
        const all = (): Row[] => rows.inOrder();
        const compactAt = 1 + (c % store.revision);
        store.compact(compactAt);
        apply(fixture, after);
        const history = all();
        const at = compactAt + (h % (store.revision - compactAt + 1));
        const expected = hashOf(hashed(history, at, compactAt));
        const pending = store.hashKv(at);
        assert.ok(pending.kind === "hash");
        assert.deepEqual([pending.revision, pending.compactRevision], [at, compactAt]);
        assert.equal(feed(pending, history), expected);
        compactAll(fixture);
        const done = store.hashKv(at);
        assert.ok(done.kind === "hash");
        assert.equal(feed(done, all()), expected);
      },
    ),
    { numRuns: 300 },
  );
});

test("hashKv() holds physical compaction back while it reads", () => {
  const fixture = newFixture();
  const { store, rows } = fixture;
  apply(
    fixture,
    [1, 2, 3, 4].map(() => ({ key: "k", tombstone: false })),
  );
  const job = store.hashKv(0);
  assert.ok(job.kind === "hash");
  store.compact(5);
  assert.equal(store.compactStep(100).rows.length, 0);
  assert.equal(feed(job, rows.inOrder()), hashOf(rows.inOrder()));
  assert.equal(compactAll(fixture), 5);
  assert.equal(rows.rows.size, 1);
});

test("hashKv() refuses compacted and future revisions", () => {
  const fixture = newFixture();
  const { store } = fixture;
  apply(
    fixture,
    [1, 2, 3].map(() => ({ key: "k", tombstone: false })),
  );
  store.compact(3);
  assert.deepEqual(store.hashKv(2), { kind: "error", code: "ErrCompacted" });
  assert.deepEqual(store.hashKv(5), { kind: "error", code: "ErrFutureRev" });
  assert.equal(store.hashKv(3).kind, "hash");
});

test("hashCompaction() covers what the compaction finds, with the compact revision before", () => {
  const fixture = newFixture();
  const { store, rows } = fixture;
  apply(
    fixture,
    [0, 1, 2, 3, 4].map((n) => ({ key: `k${n % 2}`, tombstone: n === 3 })),
  );
  const result = store.compact(4);
  assert.ok(result.kind === "compact");
  const job = store.hashCompaction(result.previous);
  assert.ok(job !== undefined);
  assert.deepEqual([job.revision, job.compactRevision], [4, -1]);
  assert.equal(feed(job, rows.inOrder()), hashOf(rows.inOrder().filter((r) => r.main <= 4)));
  compactAll(fixture);
  store.compact(5);
  store.compact(6);
  assert.equal(store.hashCompaction(5), undefined, "the compaction before is not finished");
  assert.equal(store.hashCompaction(4, 5)?.revision, 5);
});
