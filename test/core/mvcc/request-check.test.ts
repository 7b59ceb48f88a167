import assert from "node:assert/strict";
import { test } from "node:test";
import {
  checkDeleteRange,
  checkPut,
  checkRange,
  checkTxn,
  isTxnReadonly,
  isTxnSerializable,
  type RequestOp,
} from "../../../src/core/mvcc/index.ts";
import { bytes, compare, del, lease, op, put, range, txn } from "./fixture.ts";

const p = (key: string): RequestOp => op({ requestPut: put(key) });
const d = (key: string, end = ""): RequestOp => op({ requestDeleteRange: del(key, end) });
const r = (key: string): RequestOp => op({ requestRange: range(key) });
const t = (success: readonly RequestOp[], failure: readonly RequestOp[] = []): RequestOp =>
  op({ requestTxn: txn([], success, failure) });

test("checkRange() refuses empty keys and unknown orders", () => {
  assert.equal(checkRange(range("k")), undefined);
  assert.equal(checkRange(range("")), "ErrEmptyKey");
  assert.equal(checkRange(range("k", "", { sortOrder: 3 })), "ErrInvalidSortOption");
  assert.equal(checkRange(range("k", "", { sortTarget: -1 })), "ErrInvalidSortOption");
});

test("checkPut() refuses to keep what is also given", () => {
  assert.equal(checkPut(put("k", "v", { ignoreLease: true })), undefined);
  assert.equal(checkPut(put("")), "ErrEmptyKey");
  assert.equal(checkPut(put("k", "v", { ignoreValue: true })), "ErrValueProvided");
  assert.equal(checkPut(put("k", "", { ignoreLease: true, lease: lease(1) })), "ErrLeaseProvided");
  assert.equal(checkDeleteRange(del("")), "ErrEmptyKey");
});

test("checkTxn() counts the longest list, and gives nested txns what is left", () => {
  const ops = (n: number): RequestOp[] => Array.from({ length: n }, () => r("k"));
  assert.equal(checkTxn(txn([], ops(128), ops(128)), 128), undefined);
  assert.equal(checkTxn(txn([], ops(129)), 128), "ErrTooManyOps");
  assert.equal(checkTxn(txn([], [t(ops(127))]), 128), undefined);
  assert.equal(checkTxn(txn([], [t(ops(128))]), 128), "ErrTooManyOps");
  assert.equal(checkTxn(txn([compare("", {})], []), 128), "ErrEmptyKey");
  assert.equal(checkTxn(txn([], [], [p("")]), 128), "ErrEmptyKey");
  assert.equal(checkTxn(txn([], [op({})]), 128), "ErrKeyNotFound");
});

test("checkTxn() refuses to write a key twice, as etcd's checkIntervals does", () => {
  const duplicate: readonly (readonly RequestOp[])[] = [
    [p("a"), p("a")],
    [p("b"), d("a", "c")],
    [d("b"), p("b")],
    [t([p("a")]), p("a")],
    [t([p("a")]), t([p("a")])],
    [d("a", "c"), t([], [p("b")])],
    [t([d("a", "c")]), p("b")],
    [t([d("a", "c")]), t([p("b")])],
    [t([p("a")], [p("b")]), t([], [p("b")])],
    [t([t([p("x")])]), p("x")],
  ];
  for (const ops of duplicate) {
    assert.equal(checkTxn(txn([], ops), 128), "ErrDuplicateKey");
    assert.equal(checkTxn(txn([], [], ops), 128), "ErrDuplicateKey");
  }
  const fine: readonly (readonly RequestOp[])[] = [
    [p("a"), p("b")],
    [d("a", "c"), d("b", "d"), d("a")],
    [p("c"), d("a", "c")],
    [t([p("a")], [p("a")])],
    [t([p("b")]), t([d("a", "c")])],
    [p("z"), p("a"), d("a", "\0")],
    [p("b"), d("b", "a")],
    [t([p("a")], [d("a")])],
  ];
  for (const ops of fine) assert.equal(checkTxn(txn([], ops), 128), undefined);
  assert.equal(checkTxn(txn([], [p("a")], [p("a")]), 128), undefined);
});

test("isTxnReadonly() and isTxnSerializable() look at both branches, nested txns count as writes", () => {
  assert.equal(isTxnReadonly(txn([], [r("a")], [r("b")])), true);
  assert.equal(isTxnReadonly(txn([], [r("a")], [p("b")])), false);
  assert.equal(isTxnReadonly(txn([], [t([r("a")])])), false);
  const local = op({ requestRange: range("a", "", { serializable: true }) });
  assert.equal(isTxnSerializable(txn([], [local])), true);
  assert.equal(isTxnSerializable(txn([], [local], [r("a")])), false);
  assert.equal(bytes("a").length, 1);
});
