import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Pin,
  type RangeRequest,
  type RankedKey,
  type RankedSlice,
  SortTarget,
} from "../../../src/core/mvcc/index.ts";
import { compactAll, del, type Fixture, newFixture, put, range, settle } from "./fixture.ts";

function slices(fixture: Fixture, request: RangeRequest, pin: Pin, budget: number): RankedKey[][] {
  const found: RankedKey[][] = [];
  let from: string | undefined;
  do {
    const slice = fixture.store.rank(request, pin, from, budget) as RankedSlice;
    assert.equal(slice.kind, "ranked");
    found.push([...slice.keys]);
    from = slice.next;
  } while (from !== undefined);
  return found;
}

test("rank() and rows() tell what a range at the pin tells, whatever is written and compacted meanwhile", () => {
  const fixture = newFixture();
  const { store } = fixture;
  for (let i = 0; i < 30; i++) settle(fixture, () => store.put(put(`k${(i * 7) % 30}`, `${i}`)));
  settle(fixture, () => store.deleteRange(del("k3")));
  for (let i = 0; i < 9; i++) settle(fixture, () => store.put(put(`k${i * 3}`, "again")));
  const pin = store.pin();
  const whole = {
    ...range("k", "l"),
    sortTarget: SortTarget.Mod,
    maxModRevision: pin.revision - 4,
  };
  const before = settle(fixture, () => store.range({ ...whole, sortTarget: SortTarget.Key }));
  assert.equal(before.kind, "range");
  const first = slices(fixture, whole, pin, 7);
  settle(fixture, () => store.deleteRange(del("k", "l")));
  store.compact(store.revision);
  compactAll(fixture);
  settle(fixture, () => store.put(put("k1", "another")));
  const keys = slices(fixture, whole, pin, 7);
  assert.deepEqual(keys.flat(), first.flat());
  fixture.rows.hideAll();
  const after = settle(fixture, () => store.rows(whole, pin, keys.flat()));
  assert.deepEqual(after.kind === "range" && after.kvs, before.kind === "range" && before.kvs);

  pin.release();
  const refused = { kind: "error", code: "ErrCompacted" };
  assert.deepEqual(store.rank(whole, pin, undefined, 7), refused);
  assert.deepEqual(store.rows(whole, pin, keys.flat()), refused);
});
