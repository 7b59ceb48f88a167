import assert from "node:assert/strict";
import { test } from "node:test";
import { WorkQueue } from "../../src/operator/runtime/index.ts";
import { ManualClock } from "./manual-clock.ts";

const create = () => {
  const clock = new ManualClock();
  return { clock, queue: new WorkQueue({ clock, backoffMs: 100, backoffMsMax: 1_000 }) };
};

test("WorkQueue hands out a key once however often it is added", async () => {
  const { queue } = create();
  queue.add("a");
  queue.add("b");
  queue.add("a");
  assert.equal(queue.depth, 2);
  assert.equal(await queue.take(), "a");
  assert.equal(await queue.take(), "b");
  assert.equal(queue.depth, 0);
});

test("WorkQueue never has a key worked on twice at once and does not lose what came meanwhile", async () => {
  const { queue } = create();
  queue.add("a");
  assert.equal(await queue.take(), "a");
  queue.add("a");
  queue.add("a");
  assert.equal(queue.depth, 0);
  queue.done("a");
  assert.equal(queue.depth, 1);
  assert.equal(await queue.take(), "a");
  queue.done("a");
  assert.equal(queue.depth, 0);
});

test("WorkQueue.take() waits for a key and ends when the queue closes", async () => {
  const { queue } = create();
  const first = queue.take();
  const second = queue.take();
  queue.add("a");
  assert.equal(await first, "a");
  queue.close();
  assert.equal(await second, undefined);
  assert.equal(await queue.take(), undefined);
  queue.add("b");
  assert.equal(queue.depth, 0);
});

test("WorkQueue.addAfter() keeps the earliest of several times", () => {
  const { queue, clock } = create();
  queue.addAfter("a", 500);
  queue.addAfter("a", 100);
  queue.addAfter("a", 300);
  clock.advance(99);
  assert.equal(queue.depth, 0);
  clock.advance(1);
  assert.equal(queue.depth, 1);
  clock.advance(1_000);
  assert.equal(queue.depth, 1);
});

test("WorkQueue.retry() waits ever longer up to a bound, and forget() starts anew", async () => {
  const { queue, clock } = create();
  const waits: number[] = [];
  const measure = async (): Promise<void> => {
    queue.retry("a");
    let waited = 0;
    while (queue.depth === 0) {
      clock.advance(50);
      waited += 50;
    }
    waits.push(waited);
    queue.done((await queue.take()) ?? "");
  };
  for (let i = 0; i < 6; i++) await measure();
  queue.forget("a");
  await measure();
  assert.deepEqual(waits, [100, 200, 400, 800, 1_000, 1_000, 100]);
});
