import assert from "node:assert/strict";
import { test } from "node:test";
import type { RawNode } from "../../src/core/raft/index.ts";
import { type MemberId, memberId, noMember } from "../../src/core/types.ts";
import { advanceElection } from "../../src/server/election-advance.ts";
import { memberPorts } from "./rig.ts";

/** Runs it over made-up time; `activeFrom` is when the other members are connected. */
function ticksOf(activeFrom: number, leader: MemberId = noMember): number {
  let now = 0;
  let ticks = 0;
  let next: (() => void) | undefined;
  const { clock, logger } = memberPorts();
  const node = { status: () => ({ leader }), tick: () => ticks++ } as unknown as RawNode;
  advanceElection({
    node,
    clock: {
      ...clock,
      nowMs: () => now,
      after: (ms, f) => {
        next = () => {
          now += ms;
          f();
        };
        return () => undefined;
      },
    },
    logger,
    electionTicks: 10,
    others: () => [memberId(2n), memberId(3n)],
    isActive: () => now >= activeFrom,
  });
  for (let f = next; f !== undefined; f = next) {
    next = undefined;
    f();
  }
  return ticks;
}

test("advanceElection() leaves two ticks once the others are there, and none is taken otherwise", () => {
  assert.equal(ticksOf(0), 8);
  assert.equal(ticksOf(1000), 8);
  assert.equal(ticksOf(Number.POSITIVE_INFINITY), 0);
  assert.equal(ticksOf(0, memberId(2n)), 0);
});
