import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type LeaseId, type Revision, revision, type Version } from "../../../src/core/types.ts";
import { type KeyRow, LivingKeys } from "../../../src/storage/snapshot/living-keys.ts";

/** Rows as a server writes them: each op puts or deletes one key at a revision of its own. */
function history(ops: readonly { key: number; isDelete: boolean }[]): KeyRow[] {
  const versions = new Map<number, number>();
  const rows: KeyRow[] = [];
  for (const { key, isDelete } of ops) {
    const version = versions.get(key) ?? 0;
    if (isDelete && version === 0) continue;
    versions.set(key, isDelete ? 0 : version + 1);
    rows.push(row(rows.length + 2, isDelete, `key${key}`, isDelete ? 0 : version + 1));
  }
  return rows;
}

const row = (main: number, tombstone: boolean, key: string, version: number): KeyRow => ({
  main,
  tombstone,
  kv: {
    key: Buffer.from(key),
    value: Buffer.alloc(0),
    createRevision: 0 as Revision,
    modRevision: revision(main),
    version: version as Version,
    lease: 0n as LeaseId,
  },
});

/** What a compaction at `at` leaves once it has come to `reached`; a tombstone at `at` may stay. */
function compacted(rows: readonly KeyRow[], at: number, reached: number): KeyRow[] {
  const newest = new Map<string, number>();
  for (const { main, kv } of rows) if (main <= at) newest.set(kv.key.toString(), main);
  return rows.filter(({ main, tombstone, kv }) => {
    if (main > reached) return true;
    const isNewest = newest.get(kv.key.toString()) === main;
    return isNewest && (!tombstone || main === at);
  });
}

/** etcdutl's way: the names of all keys. */
function named(rows: readonly KeyRow[]): number {
  const names = new Set<string>();
  for (const { tombstone, kv } of rows) {
    if (tombstone) names.delete(kv.key.toString());
    else names.add(kv.key.toString());
  }
  return names.size;
}

function counted(rows: readonly KeyRow[], finished: number, scheduled: number): number {
  const keys = new LivingKeys({ finished, scheduled });
  for (const each of rows) keys.take(each);
  return keys.count;
}

const ops = fc.array(fc.record({ key: fc.nat(6), isDelete: fc.boolean() }), { maxLength: 60 });

test("LivingKeys counts what etcdutl counts by name, whatever was compacted and how far", () => {
  fc.assert(
    fc.property(ops, fc.nat(70), fc.nat(70), fc.nat(70), (list, a, b, c) => {
      const [first = 0, reached = 0, second = 0] = [a, b, c].sort((x, y) => x - y);
      const rows = history(list);
      assert.equal(counted(rows, 0, 0), named(rows));
      const once = compacted(rows, first, first);
      assert.equal(counted(once, first, first), named(once));
      const half = compacted(once, second, reached);
      assert.equal(counted(half, first, second), named(half));
    }),
    { numRuns: 500 },
  );
});

test("LivingKeys counts the row that --bump-revision leaves once, as etcdutl does", () => {
  const rows = [row(2, false, "a", 1), row(102, false, "", 0), row(202, false, "", 0)];
  assert.equal(counted(rows, 0, 0), 2);
  assert.equal(counted(rows, 0, 202), named(rows));
});
