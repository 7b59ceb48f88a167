import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { entryBytes, LostEntries, RaftLog } from "../../../src/core/raft/log.ts";
import { EntryType } from "../../../src/core/raft/types.ts";
import { at, logOf, termOf } from "./network.ts";

const limits = { budget: 1 << 20, budgetDuringSnapshot: 4 << 20, maxApplyingBytes: 1 << 20 };
const empty = (change = {}) =>
  new RaftLog(
    { index: at(0), term: termOf(0) },
    [],
    { committed: at(0), applied: at(0) },
    { ...limits, ...change },
  );

function push(log: RaftLog, count: number, term = 1, size = 0): void {
  for (let i = 0; i < count; i++) {
    const index = at(log.lastIndex + 1);
    const data = new Uint8Array(size);
    log.push({ term: termOf(term), index, type: EntryType.Normal, data });
  }
}

/** Writes, commits and applies everything there is. */
function finish(log: RaftLog): void {
  log.take();
  log.settle();
  log.commitTo(log.lastIndex);
  for (;;) {
    const last = log.takeCommitted().at(-1);
    if (last === undefined) return;
    log.appliedTo(last.index);
  }
}

describe("RaftLog", () => {
  test("trim() lets go of the oldest applied entries until the log is within its bytes", () => {
    const log = empty({ budget: 10_000, budgetDuringSnapshot: 40_000 });
    push(log, 1000, 1, 36);
    log.trim(false);
    assert.equal(log.firstIndex, 1, "nothing is applied yet");
    finish(log);
    log.trim(true);
    assert.equal(log.bytes, 40_000, "a snapshot is on its way: more is kept");
    log.trim(false);
    assert.equal(log.bytes, 10_000);
    assert.equal(log.firstIndex, 901);
    assert.equal(log.termAt(at(900)), 1, "the term before the first entry is known");
    assert.equal(log.termAt(at(899)), -1);
    push(log, 500, 2, 36);
    assert.equal(log.slice(at(1001), at(1500), 1 << 20).length, 500);
    finish(log);
    log.trim(false);
    assert.equal(log.lastIndex, 1500);
    assert.equal(log.firstIndex, 1401);
  });

  test("compactTo() goes no further than what is applied and durable", () => {
    const log = empty();
    push(log, 10);
    log.take();
    log.settle();
    log.commitTo(at(6));
    log.takeCommitted();
    log.appliedTo(at(4));
    log.compactTo(at(9));
    assert.equal(log.firstIndex, 5);
  });

  test("takeCommitted() hands out nothing that is not durable here", () => {
    const log = empty();
    push(log, 3);
    log.take();
    log.commitTo(at(3));
    assert.equal(log.hasCommitted(), false);
    log.settle();
    assert.equal(log.takeCommitted().length, 3);
  });

  test("takeCommitted() stops at the bytes that may be in application", () => {
    const log = empty({ maxApplyingBytes: 250 });
    push(log, 10, 1, 36);
    log.take();
    log.settle();
    log.commitTo(at(10));
    assert.deepEqual(
      log.takeCommitted().map((e) => e.index),
      [1, 2],
    );
    assert.deepEqual(
      log.takeCommitted().map((e) => e.index),
      [3],
      "one more than fits gets in",
    );
    assert.equal(log.hasCommitted(), false);
    assert.equal(log.appliedTo(at(1)), 36);
    assert.equal(log.hasCommitted(), true);
  });

  test("commitTo() says that entries are lost when the leader counts on more than there is", () => {
    const log = empty();
    push(log, 3);
    assert.throws(() => log.commitTo(at(4)), LostEntries);
    log.commitTo(at(3));
  });

  test("settle() vouches for nothing that was replaced while it was being written", () => {
    const log = empty();
    push(log, 4, 1);
    log.take();
    assert.equal(log.maybeAppend(at(2), termOf(1), logOf([1, 1, 2]).slice(2)), 3);
    log.take();
    log.settle();
    assert.equal(log.stable, 2);
    log.settle();
    assert.equal(log.stable, 3);
  });

  test("slice() gives at least one entry and at most the bytes asked for", () => {
    const log = empty();
    push(log, 5, 1, 100);
    const [first] = log.slice(at(1), at(5), 0);
    assert.equal(log.slice(at(1), at(5), 0).length, 1);
    assert.equal(
      log.slice(at(1), at(5), 2 * entryBytes(first as NonNullable<typeof first>)).length,
      2,
    );
    assert.equal(log.slice(at(2), at(3), 1 << 20).length, 2);
  });

  test("findConflictByTerm() skips to the last entry of a term that may match", () => {
    const base = { index: at(0), term: termOf(0) };
    const log = new RaftLog(
      base,
      logOf([1, 3, 3, 3, 5, 5]),
      { committed: at(0), applied: at(0) },
      limits,
    );
    const find = (index: number, term: number) => {
      const found = log.findConflictByTerm(at(index), termOf(term));
      return [found.index, found.term];
    };
    assert.deepEqual(find(6, 2), [1, 1]);
    assert.deepEqual(find(6, 4), [4, 3]);
    assert.deepEqual(find(6, 5), [6, 5]);
    assert.deepEqual(find(6, 0), [0, 0]);
    assert.deepEqual(find(9, 4), [9, 0], "beyond the log: nothing is known");
  });
});
