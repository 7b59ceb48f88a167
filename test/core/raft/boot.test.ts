import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyBoot, RawNode } from "../../../src/core/raft/index.ts";
import { at, idOf, logOf, termOf } from "./network.ts";
import { decodeConfChange } from "./story-text.ts";

test("where the engine is ahead of the commit that the log knows, the first Ready tells the log", () => {
  const hardState = { term: termOf(3), vote: idOf(2), commit: at(2) };
  const node = new RawNode({
    id: idOf(1),
    electionTicks: 10,
    heartbeatTicks: 1,
    preVote: true,
    checkQuorum: true,
    random: { below: () => 0 },
    decodeConfChange,
    boot: {
      ...emptyBoot,
      hardState,
      confState: { ...emptyBoot.confState, voters: [1, 2, 3].map(idOf) },
      entries: logOf([1, 1, 3, 3]),
      applied: at(4),
    },
  });
  assert.deepEqual(node.ready().hardState, { ...hardState, commit: 4 });
  assert.equal(node.hasReady(), false);
});
