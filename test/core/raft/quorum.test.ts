import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Configuration,
  changeConfiguration,
  configurationFault,
  fromConfState,
  isJoint,
  toConfState,
} from "../../../src/core/raft/conf-change.ts";
import { Inflights } from "../../../src/core/raft/inflights.ts";
import { jointVote, majorityReached, majorityVote } from "../../../src/core/raft/quorum.ts";
import { type ConfChangeSingle, ConfChangeType } from "../../../src/core/raft/types.ts";
import type { MemberId } from "../../../src/core/types.ts";
import { idOf } from "./network.ts";

describe("majorityReached()", () => {
  test("agrees with counting, for all small clusters", () => {
    for (let size = 1; size <= 5; size++) {
      for (let code = 0; code < 4 ** size; code++) {
        const values = Array.from({ length: size }, (_, i) => Math.floor(code / 4 ** i) % 4);
        let expected = 0;
        for (let v = 3; v > 0 && expected === 0; v--) {
          if (values.filter((x) => x >= v).length * 2 > size) expected = v;
        }
        assert.equal(majorityReached([...values]), expected, `[${values}]`);
      }
    }
  });
});

describe("majorityVote()", () => {
  test("is decided exactly when the missing votes cannot change it", () => {
    for (let size = 1; size <= 7; size++) {
      for (let yes = 0; yes <= size; yes++) {
        for (let no = 0; no + yes <= size; no++) {
          const won = yes * 2 > size;
          const lost = (size - no) * 2 <= size;
          const expected = won ? "won" : lost ? "lost" : "pending";
          assert.equal(majorityVote(size, yes, no), expected, `${size}: ${yes} yes, ${no} no`);
        }
      }
    }
  });

  test("jointVote() needs both halves", () => {
    assert.equal(jointVote("won", "won"), "won");
    assert.equal(jointVote("won", "pending"), "pending");
    assert.equal(jointVote("pending", "lost"), "lost");
    assert.equal(jointVote("won", "lost"), "lost");
  });
});

/** Every configuration reachable with ids 1 to 4 and these changes. */
describe("changeConfiguration()", () => {
  const singles: ConfChangeSingle[] = [];
  for (const type of [
    ConfChangeType.AddNode,
    ConfChangeType.RemoveNode,
    ConfChangeType.AddLearnerNode,
  ]) {
    for (let id = 1; id <= 3; id++) singles.push({ type, nodeId: idOf(id) });
  }
  const context = new Uint8Array(0);
  const changes = [
    ...singles.map((s) => ({ transition: 0 as const, changes: [s], context })),
    ...singles.flatMap((a) =>
      singles.map((b) => ({ transition: 2 as const, changes: [a, b], context })),
    ),
    { transition: 0 as const, changes: [], context },
  ];
  const key = (c: Configuration) =>
    JSON.stringify(toConfState(c), (_, v) => (typeof v === "bigint" ? Number(v) : v));
  const majority = (all: ReadonlySet<MemberId>, some: ReadonlySet<MemberId>) =>
    [...all].filter((id) => some.has(id)).length * 2 > all.size;
  /** Do all quorums of both configurations share a member? Tried with every set of ids. */
  const overlap = (a: Configuration, b: Configuration) => {
    for (let bits = 0; bits < 8; bits++) {
      const set = new Set([1, 2, 3].filter((i) => bits & (1 << (i - 1))).map(idOf));
      const rest = new Set([1, 2, 3].filter((i) => !(bits & (1 << (i - 1)))).map(idOf));
      const quorum = (c: Configuration, s: Set<MemberId>) =>
        majority(c.voters, s) && (!isJoint(c) || majority(c.outgoing, s));
      if (quorum(a, set) && quorum(b, rest)) return false;
    }
    return true;
  };

  test("leads from any reachable configuration only to well-formed ones whose quorums overlap", () => {
    const start = fromConfState({
      voters: [idOf(1)],
      learners: [],
      votersOutgoing: [],
      learnersNext: [],
      autoLeave: false,
    });
    const known = new Map([[key(start), start]]);
    let steps = 0;
    for (const config of known.values()) {
      for (const cc of changes) {
        const result = changeConfiguration(config, cc);
        if (!result.ok) continue;
        steps++;
        const next = result.config;
        const path = `${key(config)} -> ${key(next)}`;
        assert.equal(configurationFault(next), undefined, path);
        assert.ok(next.voters.size > 0, path);
        assert.ok(overlap(config, next), path);
        assert.equal(key(fromConfState(toConfState(next))), key(next));
        if (!known.has(key(next))) known.set(key(next), next);
      }
    }
    assert.ok(known.size > 50 && steps > 1000, `${known.size} configurations, ${steps} steps`);
  });
});

describe("Inflights", () => {
  test("freeUpTo() frees messages in order, around the ring", () => {
    const window = new Inflights(3, 1000);
    const counts: number[] = [];
    for (let i = 1; i <= 20; i++) {
      if (window.full()) window.freeUpTo(i - 2);
      window.add(i, 10);
      counts.push(window.count);
    }
    assert.ok(Math.max(...counts) === 3);
    window.freeUpTo(19);
    assert.equal(window.count, 1);
    window.freeUpTo(20);
    assert.equal(window.count, 0);
  });

  test("full() counts bytes as well, overshooting by one message at most", () => {
    const window = new Inflights(100, 25);
    window.add(1, 20);
    assert.equal(window.full(), false);
    window.add(2, 20);
    assert.equal(window.full(), true);
    window.freeUpTo(1);
    assert.equal(window.full(), false);
  });
});
