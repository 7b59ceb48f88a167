import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MemoryTier } from "../../../src/storage/backend/tier.ts";

const value = (main: number, sub: number, size: number): Uint8Array =>
  new Uint8Array(Buffer.alloc(size, `${main}_${sub},`));

test("MemoryTier answers as a map does, whatever is put, removed and evicted", () => {
  const op = fc.oneof(
    fc.record({ kind: fc.constant("put"), size: fc.nat(3000), dirty: fc.boolean() }),
    fc.record({ kind: fc.constant("big"), size: fc.integer({ min: 70_000, max: 300_000 }) }),
    fc.record({ kind: fc.constant("remove"), pick: fc.nat() }),
    fc.record({ kind: fc.constant("read"), pick: fc.nat() }),
    fc.record({ kind: fc.constant("evict") }),
  );
  fc.assert(
    fc.property(fc.array(op, { maxLength: 600 }), fc.nat(4), (ops, subs) => {
      const tier = new MemoryTier(600_000);
      const model = new Map<string, { main: number; sub: number; size: number; dirty: boolean }>();
      let next = 2 ** 31 - 5;
      for (const o of ops as { kind: string; size: number; dirty?: boolean; pick: number }[]) {
        const rows = [...model.values()];
        const picked = rows.length > 0 ? rows[o.pick % rows.length] : undefined;
        if (o.kind === "put" || o.kind === "big") {
          const sub = next % (subs + 1);
          const main = next++;
          const dirty = o.dirty === true;
          const row = tier.put(main, sub, false, value(main, sub, o.size), dirty ? 10 : 0);
          assert.equal(row.key.byteLength, 18);
          assert.deepEqual(row.value, value(main, sub, o.size));
          model.set(`${main}_${sub}`, { main, sub, size: o.size, dirty });
        } else if (o.kind === "remove" && picked) {
          tier.remove(picked.main, picked.sub);
          model.delete(`${picked.main}_${picked.sub}`);
          assert.equal(tier.get(picked.main, picked.sub), undefined);
        } else if (o.kind === "read" && picked) {
          tier.get(picked.main, picked.sub);
        } else if (o.kind === "evict") {
          tier.evict(9);
        }
      }
      let found = 0;
      for (const { main, sub, size, dirty } of model.values()) {
        const got = tier.get(main, sub);
        if (got === undefined) assert.equal(dirty, false, "a dirty row is never evicted");
        else {
          found++;
          assert.deepEqual(got, value(main, sub, size));
        }
      }
      assert.equal(tier.rowCount, found);
    }),
    { numRuns: 60 },
  );
});

test("MemoryTier keeps within its budget, and keeps what is read longer", () => {
  const tier = new MemoryTier(4 * 1024 * 1024);
  for (let i = 1; i <= 100_000; i++) {
    tier.put(i, 0, i % 10 === 0, value(i, 0, 100), i);
    if (i % 100 === 0) {
      tier.evict(i);
      for (let hot = 1; hot <= 50; hot++) assert.ok(tier.get(hot, 0), `row ${hot} at ${i}`);
    }
  }
  assert.ok(tier.bytes <= 4 * 1024 * 1024 + 300_000, `${tier.bytes}`);
  assert.ok(tier.rowCount > 20_000, `${tier.rowCount}`);
  assert.equal(tier.get(60, 0), undefined);
  assert.deepEqual(tier.get(99_999, 0), value(99_999, 0, 100));
});

test("MemoryTier values stay true after their slab was evicted", () => {
  const tier = new MemoryTier(1);
  tier.put(1, 0, false, value(1, 0, 1000), 0);
  const held = tier.get(1, 0);
  for (let i = 2; i < 2000; i++) {
    tier.put(i, 0, false, value(i, 0, 1000), 0);
    tier.evict(0);
    tier.evict(0);
  }
  assert.equal(tier.get(1, 0), undefined);
  assert.deepEqual(held, value(1, 0, 1000));
});
