import assert from "node:assert/strict";
import { test } from "node:test";
import { createClock } from "../../src/io/index.ts";

test("after() runs its function once, not early, and never once cancelled", async () => {
  const clock = createClock();
  const started = clock.nowMs();
  const cancel = clock.after(1, () => assert.fail("it was cancelled"));
  cancel();
  cancel();
  await new Promise<void>((resolve) => clock.after(20.2, resolve));
  assert(clock.nowMs() - started >= 20);
});

test("after() takes delays beyond what setTimeout takes", () => {
  const clock = createClock();
  clock.after(2 ** 33, () => assert.fail("98 days are not over"))();
});

test("soon() runs after the present turn, in order", async () => {
  const clock = createClock();
  const order: number[] = [];
  clock.soon(() => order.push(2));
  clock.soon(() => order.push(3));
  order.push(1);
  await new Promise<void>((resolve) => clock.soon(resolve));
  assert.deepEqual(order, [1, 2, 3]);
});
