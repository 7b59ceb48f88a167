import assert from "node:assert/strict";
import { test } from "node:test";
import { index } from "../../src/core/types.ts";
import type { Clock } from "../../src/ports/index.ts";
import { ReadIndexRounds } from "../../src/server/read-index.ts";

test("who gives up waiting for an index leaves no timer and is not called back", () => {
  const timers = new Set<() => void>();
  const clock = {
    nowMs: () => 0,
    after: (_: number, f: () => void) => {
      timers.add(f);
      return () => timers.delete(f);
    },
  } as unknown as Clock;
  let applied = 5;
  const rounds = new ReadIndexRounds({
    clock,
    readIndex: () => assert.fail("nobody is asked"),
    appliedIndex: () => index(applied),
    timeoutMs: 1000,
    seed: 1n,
    onSlow: () => undefined,
    onFailed: () => undefined,
  });
  const told: string[] = [];
  const wait = (at: number, name: string) =>
    rounds.waitApplied(index(at), 1000, (error) => told.push(error?.code ?? name));
  wait(5, "there already")();
  const giveUp = wait(7, "seven");
  const late = wait(8, "eight");
  assert.equal(timers.size, 2);
  giveUp();
  giveUp();
  assert.equal(timers.size, 1);
  applied = 9;
  rounds.applied(index(applied));
  late();
  assert.deepEqual(told, ["there already", "eight"]);
  assert.equal(timers.size, 0);
});
