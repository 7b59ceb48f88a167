import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Message, MessageType, type RawNode } from "../../../src/core/raft/index.ts";
import { at, exchange, idOf, logOf, member, message, settle, termOf } from "./network.ts";

// Rules of the paper "In search of an understandable consensus algorithm", section by section.

const types = (messages: readonly Message[]) => messages.map((m) => m.type);

function elect(node: RawNode, others: readonly RawNode[]): void {
  node.campaign();
  exchange([node, ...others]);
  assert.ok(node.isLeader);
}

describe("5.1 terms", () => {
  test("a member of any role adopts a later term and follows", () => {
    for (const role of ["follower", "candidate", "leader"] as const) {
      const node = member(1, [1, 2, 3]);
      if (role !== "follower") {
        node.campaign();
        settle(node);
      }
      if (role === "leader") {
        node.step(
          message({ type: MessageType.MsgVoteResp, from: idOf(2), to: idOf(1), term: node.term }),
        );
        assert.ok(node.isLeader);
      }
      node.step(message({ type: MessageType.MsgApp, from: idOf(2), to: idOf(1), term: termOf(7) }));
      assert.equal(node.term, 7);
      assert.equal(node.status().state, "follower");
      assert.equal(node.leader, 2n);
    }
  });

  test("a message of an earlier term changes nothing", () => {
    const node = member(1, [1, 2], { terms: [3] });
    const entries = logOf([1, 1]);
    node.step(
      message({ type: MessageType.MsgApp, from: idOf(2), to: idOf(1), term: termOf(2), entries }),
    );
    assert.equal(node.status().lastIndex, 1);
    assert.equal(node.leader, 0n);
  });
});

describe("5.2 elections", () => {
  test("a follower that hears nothing campaigns after a random time in [timeout, 2 * timeout)", () => {
    const seen = new Set<number>();
    for (let luck = 0; luck < 10; luck++) {
      const node = member(1, [1, 2, 3], { random: { below: () => luck } });
      let ticks = 0;
      while (node.status().state === "follower") {
        node.tick();
        ticks++;
      }
      seen.add(ticks);
    }
    assert.deepEqual([...seen], [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  test("a candidate raises its term, votes for itself durably and asks the others", () => {
    const node = member(1, [1, 2, 3], { terms: [1] });
    node.campaign();
    const ready = node.ready();
    assert.deepEqual(ready.hardState, { term: 2, vote: 1n, commit: 0 });
    assert.ok(ready.mustSync);
    assert.deepEqual(ready.messages, [], "no request leaves before the vote is durable");
    assert.deepEqual(
      ready.afterAppend.map((m) => [m.type, m.to, m.term, m.index, m.logTerm]),
      [
        [MessageType.MsgVote, 2n, 2, 1, 1],
        [MessageType.MsgVote, 3n, 2, 1, 1],
      ],
    );
  });

  test("a majority of all voters elects, a majority of rejections ends the campaign", () => {
    const cases: [size: number, grants: number, rejects: number, state: string][] = [
      [1, 0, 0, "leader"],
      [3, 1, 1, "leader"],
      [3, 0, 2, "follower"],
      [5, 1, 2, "candidate"],
      [5, 2, 2, "leader"],
      [5, 0, 3, "follower"],
      [4, 1, 1, "candidate"],
      [4, 1, 2, "follower"],
    ];
    for (const [size, grants, rejects, state] of cases) {
      const voters = Array.from({ length: size }, (_, i) => i + 1);
      const node = member(1, voters);
      node.campaign();
      settle(node);
      for (let i = 0; i < grants + rejects; i++) {
        const reject = i >= grants;
        const type = MessageType.MsgVoteResp;
        node.step(message({ type, from: idOf(i + 2), to: idOf(1), term: termOf(1), reject }));
      }
      assert.equal(node.status().state, state, `${size} voters, ${grants} yes, ${rejects} no`);
    }
  });

  test("a member votes once a term, for the first who asks, and again for the same", () => {
    const ask = (node: RawNode, from: number) => {
      const type = MessageType.MsgVote;
      node.step(message({ type, from: idOf(from), to: idOf(1), term: termOf(1) }));
      return settle(node).map((m) => m.reject);
    };
    const node = member(1, [1, 2, 3]);
    assert.deepEqual([ask(node, 2), ask(node, 3), ask(node, 2)], [[false], [true], [false]]);
    const restarted = member(1, [1, 2, 3], { term: 1, vote: 2 });
    assert.deepEqual([ask(restarted, 3), ask(restarted, 2)], [[true], [false]]);
  });

  test("a candidate yields to a leader of its own term", () => {
    const node = member(1, [1, 2, 3]);
    node.campaign();
    node.step(
      message({ type: MessageType.MsgHeartbeat, from: idOf(2), to: idOf(1), term: termOf(1) }),
    );
    assert.equal(node.status().state, "follower");
    assert.equal(node.leader, 2n);
  });

  test("a leader sends heartbeats every heartbeat timeout", () => {
    const node = member(1, [1, 2, 3], { heartbeatTicks: 2 });
    elect(node, [member(2, [1, 2, 3])]);
    settle(node);
    node.tick();
    assert.deepEqual(types(settle(node)), []);
    node.tick();
    assert.deepEqual(types(settle(node)), [MessageType.MsgHeartbeat, MessageType.MsgHeartbeat]);
  });
});

describe("5.3 log replication", () => {
  test("a leader commits when a majority has stored an entry, itself included once durable", () => {
    const cases: [size: number, acks: number, commits: boolean][] = [
      [1, 0, true],
      [3, 0, false],
      [3, 1, true],
      [5, 1, false],
      [5, 2, true],
    ];
    for (const [size, acks, commits] of cases) {
      const voters = Array.from({ length: size }, (_, i) => i + 1);
      const others = voters.slice(1).map((id) => member(id, voters));
      const node = member(1, voters);
      elect(node, others);
      const before = node.commitIndex;
      node.propose([Buffer.from("x")]);
      settle(node);
      for (let i = 0; i < acks; i++) {
        const type = MessageType.MsgAppResp;
        const index = at(before + 1);
        node.step(message({ type, from: idOf(i + 2), to: idOf(1), term: node.term, index }));
      }
      assert.equal(node.commitIndex, commits ? before + 1 : before, `${size} voters, ${acks} acks`);
    }
  });

  test("a follower takes entries only behind one it shares, and says where to look", () => {
    const cases: [prev: number, prevTerm: number, reject: boolean, hint: number][] = [
      [0, 0, false, 0],
      [1, 1, false, 0],
      [2, 2, false, 0],
      [2, 1, true, 1],
      [3, 3, true, 2],
    ];
    for (const [prev, prevTerm, reject, hint] of cases) {
      const node = member(1, [1, 2, 3], { terms: [1, 2] });
      const type = MessageType.MsgApp;
      const where = { index: at(prev), logTerm: termOf(prevTerm), term: termOf(3) };
      node.step(message({ type, from: idOf(2), to: idOf(1), ...where }));
      const [answer] = settle(node);
      assert.deepEqual(
        [answer?.reject, answer?.rejectHint],
        [reject, hint],
        `at ${prev}/${prevTerm}`,
      );
    }
  });

  test("a follower replaces a conflicting tail, and keeps what an old message repeats", () => {
    const cases: [prev: number, prevTerm: number, sent: number[], result: number[]][] = [
      [2, 2, [3], [1, 2, 3]],
      [1, 1, [3, 4], [1, 3, 4]],
      [0, 0, [1], [1, 2]],
      [0, 0, [3], [3]],
      [0, 0, [1, 2], [1, 2]],
    ];
    for (const [prev, prevTerm, sent, result] of cases) {
      const node = member(1, [1, 2, 3], { terms: [1, 2] });
      const entries = logOf([...Array(prev).fill(0), ...sent]).slice(prev);
      const where = { index: at(prev), logTerm: termOf(prevTerm), term: termOf(5), entries };
      node.step(message({ type: MessageType.MsgApp, from: idOf(2), to: idOf(1), ...where }));
      const terms: (number | undefined)[] = [];
      for (let i = 1; i <= node.status().lastIndex; i++) terms.push(node.termAt(at(i)));
      assert.deepEqual(terms, result);
    }
  });

  test("a follower commits no further than the message it got vouches for", () => {
    const node = member(1, [1, 2, 3], { terms: [1, 1, 1] });
    const where = { index: at(1), logTerm: termOf(1), term: termOf(2), commit: at(3) };
    node.step(message({ type: MessageType.MsgApp, from: idOf(2), to: idOf(1), ...where }));
    assert.equal(node.commitIndex, 1);
  });

  test("a leader brings the logs of figure 7 into line with its own", () => {
    const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const followers = [
      [1, 1, 1, 4, 4, 5, 5, 6, 6],
      [1, 1, 1, 4],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      [1, 1, 1, 4, 4, 4, 4],
      [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ];
    for (const terms of followers) {
      const voters = [1, 2, 3];
      const one = member(1, voters, { terms: leader, term: 7 });
      const two = member(2, voters, { terms, term: 7 });
      const three = member(3, voters);
      elect(one, [two, three]);
      exchange([one, two, three]);
      assert.equal(two.commitIndex, leader.length + 1);
      for (let i = 1; i <= leader.length + 1; i++) {
        assert.equal(two.termAt(at(i)), one.termAt(at(i)), `entry ${i} of [${terms}]`);
      }
    }
  });
});

describe("5.4 safety", () => {
  test("a vote goes only to a log at least as complete as ours", () => {
    const cases: [ours: number[], index: number, logTerm: number, granted: boolean][] = [
      [[1], 1, 1, true],
      [[1], 2, 1, true],
      [[1, 1], 1, 1, false],
      [[1], 1, 2, true],
      [[1, 1], 1, 2, true],
      [[2], 1, 1, false],
      [[2], 2, 1, false],
    ];
    for (const [ours, index, logTerm, granted] of cases) {
      const node = member(1, [1, 2], { terms: ours });
      const last = { index: at(index), logTerm: termOf(logTerm), term: termOf(3) };
      node.step(message({ type: MessageType.MsgVote, from: idOf(2), to: idOf(1), ...last }));
      assert.equal(settle(node)[0]?.reject, !granted, `ours [${ours}], theirs ${index}/${logTerm}`);
    }
  });

  test("a leader commits entries of earlier terms only under one of its own (figure 8)", () => {
    const node = member(1, [1, 2, 3], { terms: [1, 2] });
    const yes = { type: MessageType.MsgVoteResp, from: idOf(2), to: idOf(1), term: termOf(3) };
    node.campaign();
    settle(node);
    node.step(message(yes));
    settle(node);
    const ack = (index: number) =>
      node.step(message({ ...yes, type: MessageType.MsgAppResp, index: at(index) }));
    ack(1);
    assert.equal(node.commitIndex, 0);
    ack(2);
    assert.equal(node.commitIndex, 0);
    ack(3);
    assert.equal(node.commitIndex, 3);
  });
});

describe("time", () => {
  test("propose() of a thousand entries copies no bytes and keeps their order", () => {
    const node = member(1, [1]);
    node.campaign();
    settle(node);
    const datas = Array.from({ length: 1000 }, (_, i) => Buffer.from(String(i)));
    assert.equal(node.propose(datas).kind, "appended");
    const ready = node.ready();
    assert.ok(ready.entries.every((e, i) => e.data === datas[i]));
    node.appended(ready);
    assert.equal(node.ready().committed.length, 1000, "committed within one append round");
  });
});
