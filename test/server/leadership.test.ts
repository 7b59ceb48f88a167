import assert from "node:assert/strict";
import { test } from "node:test";
import { type MemberId, noMember } from "../../src/core/types.ts";
import type { Clock } from "../../src/ports/index.ts";
import { Leadership, type LeadershipOptions } from "../../src/server/leadership.ts";

test("leaderlessMs counts from the loss of the leader, or from the start", () => {
  let now = 1000;
  const clock: Pick<Clock, "nowMs"> = { nowMs: () => now };
  const parts: Partial<Record<keyof LeadershipOptions, unknown>> = {
    node: { leader: noMember },
    clock,
  };
  const leadership = new Leadership(parts as LeadershipOptions);
  now += 300;
  assert.equal(leadership.leaderlessMs, 300);
  leadership.changed(2n as MemberId);
  now += 5000;
  assert.equal(leadership.leaderlessMs, 0);
  leadership.changed(noMember);
  now += 70;
  leadership.changed(noMember);
  assert.equal(leadership.leaderlessMs, 70, "a campaign without a winner is no new loss");
});
