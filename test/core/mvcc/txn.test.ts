import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Compare,
  CompareResult,
  CompareTarget,
  decodeKeyValue,
} from "../../../src/core/mvcc/index.ts";
import {
  bytes,
  compare,
  del,
  type Fixture,
  lease,
  newFixture,
  op,
  put,
  range,
  settle,
  text,
  txn,
} from "./fixture.ts";

function holds(fixture: Fixture, ...compares: Compare[]): boolean {
  const result = settle(fixture, () => fixture.store.txn(txn(compares, [])));
  assert.ok(result.kind === "txn");
  return result.succeeded;
}

function prepared(): Fixture {
  const fixture = newFixture();
  for (const n of [-5, 5]) fixture.leases.known.add(lease(n));
  fixture.store.put(put("a", "1", { lease: lease(-5) }));
  fixture.store.put(put("b", "2"));
  fixture.store.put(put("b", "3"));
  fixture.rows.hideAll();
  return fixture;
}

test("txn() compares every target with every result", () => {
  const fixture = prepared();
  const cases: [Partial<Compare>, number][] = [
    [{ target: CompareTarget.Version, version: 2 }, 0],
    [{ target: CompareTarget.Version, version: 1 }, 1],
    [{ target: CompareTarget.Create, createRevision: 4 }, -1],
    [{ target: CompareTarget.Mod, modRevision: 4 }, 0],
    [{ target: CompareTarget.Mod, modRevision: Number.MAX_SAFE_INTEGER }, -1],
    [{ target: CompareTarget.Value, value: bytes("2") }, 1],
    [{ target: CompareTarget.Value, value: undefined }, 1],
    [{ target: CompareTarget.Lease, lease: lease(0) }, 0],
    [{ target: CompareTarget.Lease, lease: lease(-5) }, 1],
    [{ target: CompareTarget.Lease, lease: lease(5) }, -1],
  ];
  for (const [what, sign] of cases) {
    const on = (result: number): boolean => holds(fixture, compare("b", { ...what, result }));
    assert.deepEqual(
      [CompareResult.Equal, CompareResult.NotEqual, CompareResult.Greater, CompareResult.Less].map(
        on,
      ),
      [sign === 0, sign !== 0, sign > 0, sign < 0],
      JSON.stringify(what, (_, v) => (typeof v === "bigint" ? `${v}` : v)),
    );
  }
});

test("txn() compares a missing key as all zeros, but its value never holds", () => {
  const fixture = prepared();
  assert.ok(holds(fixture, compare("x", { target: CompareTarget.Create, createRevision: 0 })));
  assert.ok(holds(fixture, compare("x", { target: CompareTarget.Lease })));
  for (const result of [0, 1, 2, 3]) {
    assert.ok(!holds(fixture, compare("x", { target: CompareTarget.Value, result })));
  }
  const range = { rangeEnd: bytes("z"), target: CompareTarget.Version, version: 0 };
  assert.ok(holds(fixture, compare("x", range)));
});

test("txn() compares every key of a range", () => {
  const fixture = prepared();
  const above = (version: number): Compare =>
    compare("a", {
      rangeEnd: bytes("\0"),
      target: CompareTarget.Version,
      version,
      result: CompareResult.Greater,
    });
  assert.ok(holds(fixture, above(0)));
  assert.ok(!holds(fixture, above(1)));
});

test("txn() chooses nested branches before anything is written", () => {
  const fixture = newFixture();
  const { store } = fixture;
  const exists = compare("k", { target: CompareTarget.Version, result: CompareResult.Greater });
  const result = settle(fixture, () =>
    store.txn(
      txn(
        [],
        [
          op({ requestPut: put("k", "v") }),
          op({
            requestTxn: txn(
              [exists],
              [op({ requestPut: put("seen") })],
              [op({ requestRange: range("k") }), op({ requestPut: put("unseen") })],
            ),
          }),
          op({ requestDeleteRange: del("zz") }),
        ],
      ),
    ),
  );
  assert.ok(result.kind === "txn");
  const [first, nested, last] = result.responses;
  assert.ok(first?.kind === "put" && nested?.kind === "txn" && last?.kind === "deleteRange");
  assert.deepEqual([nested.succeeded, nested.revision], [false, 0]);
  const [read] = nested.responses;
  assert.ok(read?.kind === "range");
  const kv = decodeKeyValue(read.kvs[0]!);
  assert.deepEqual([text(kv.value), kv.modRevision], ["v", 2]);
  assert.deepEqual([last.deleted, last.revision, result.revision, store.revision], [0, 2, 2, 2]);
  assert.deepEqual(
    fixture.rows.inOrder().map((r) => [r.main, r.sub]),
    [
      [2, 0],
      [2, 1],
    ],
  );
});

test("txn() checks the chosen operations before it writes any", () => {
  const fixture = prepared();
  const { store } = fixture;
  const tries = [
    [op({ requestRange: range("a", "", { revision: 5 }) }), "ErrFutureRev"],
    [op({ requestPut: put("x", "", { lease: lease(9) }) }), "ErrLeaseNotFound"],
    [op({ requestPut: put("x", "", { ignoreValue: true }) }), "ErrKeyNotFound"],
    [
      op({ requestTxn: txn([], [op({ requestPut: put("x", "", { lease: lease(9) }) })]) }),
      "ErrLeaseNotFound",
    ],
  ] as const;
  for (const [bad, code] of tries) {
    const request = txn([], [op({ requestPut: put("n") }), bad]);
    assert.deepEqual(store.txn(request), { kind: "error", code });
    assert.equal(store.txn(txn([], [], [bad])).kind, "txn", "the other branch does not matter");
  }
  store.compact(4);
  const old = txn([], [op({ requestRange: range("a", "", { revision: 3 }) })]);
  assert.deepEqual(store.txn(old), { kind: "error", code: "ErrCompacted" });
  assert.equal(store.revision, 4);
});

test("txn() needs no values for ranges that nobody waits for", () => {
  const fixture = prepared();
  const request = txn(
    [],
    [op({ requestRange: range("a", "\0") }), op({ requestPut: put("a", "x", { prevKv: true }) })],
  );
  assert.equal(fixture.store.txn(request).kind, "missing");
  const result = fixture.store.txn(request, { skipRanges: true });
  assert.ok(result.kind === "txn");
  assert.deepEqual([result.revision, fixture.store.revision], [5, 5]);
});
