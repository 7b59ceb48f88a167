import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../src/ports/index.ts";
import { TimerWheel, type WheelEntry } from "../../src/rpc/timer-wheel.ts";

/** Time that moves by hand. */
function handClock(): Clock & { advance(ms: number, stepMs?: number): void } {
  let now = 1000.5;
  let timers: { at: number; f: () => void }[] = [];
  return {
    nowMs: () => now,
    wallMs: () => now,
    after: (ms, f) => {
      const timer = { at: now + ms, f };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    soon: (f) => f(),
    advance: (ms, stepMs = 1) => {
      const until = now + ms;
      while (now < until) {
        now = Math.min(until, now + stepMs);
        const due = timers.filter((timer) => timer.at <= now);
        timers = timers.filter((timer) => timer.at > now);
        for (const timer of due) timer.f();
      }
    },
  };
}

function entry(deadlineMs: number, onDue: () => void): WheelEntry {
  return { deadlineMs, wheelNext: undefined, wheelPrevious: undefined, onDue };
}

test("TimerWheel fires at or after the deadline, within two ticks, near and far", () => {
  const clock = handClock();
  const wheel = new TimerWheel(clock);
  const start = clock.nowMs();
  const delays = [0, 1, 15, 16, 17, 100, 5000, 8192, 8200, 20_000, 70_000];
  const fired = new Map<number, number>();
  for (const ms of delays) wheel.add(entry(start + ms, () => fired.set(ms, clock.nowMs() - start)));
  clock.advance(80_000);
  for (const ms of delays) {
    const at = fired.get(ms)!;
    assert(at >= ms && at <= ms + 40, `${ms} ms fired after ${at}`);
  }
  assert.equal(wheel.waiting, 0);
});

test("TimerWheel fires everything once after a long pause, and nothing that was removed", () => {
  const clock = handClock();
  const wheel = new TimerWheel(clock);
  let fired = 0;
  const kept = Array.from({ length: 1000 }, (_, i) => entry(clock.nowMs() + i * 37, () => fired++));
  const removed = Array.from({ length: 1000 }, (_, i) =>
    entry(clock.nowMs() + i * 31, () => fired--),
  );
  for (const e of [...kept, ...removed]) wheel.add(e);
  // One entry removes another that is due at the same time.
  const late = entry(clock.nowMs() + 500, () => assert.fail("it was removed"));
  wheel.add(entry(clock.nowMs() + 400, () => wheel.remove(late)));
  wheel.add(late);
  for (const e of removed) wheel.remove(e);
  for (const e of removed) wheel.remove(e);
  clock.advance(100_000, 50_000);
  assert.equal(fired, 1000);
  assert.equal(wheel.waiting, 0);
});
