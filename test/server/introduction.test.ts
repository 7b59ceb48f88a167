import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyCluster } from "../../src/core/membership/index.ts";
import { memberId } from "../../src/core/types.ts";
import { EtcdError } from "../../src/proto/index.ts";
import { Introduction } from "../../src/server/introduction.ts";
import { memberOptions, memberPorts } from "./rig.ts";

/** An introduction whose proposals and timers the test answers and fires. */
function introduce() {
  const proposed: ((error: EtcdError | undefined) => void)[] = [];
  const timers: { readonly ms: number; readonly f: () => void; isOver: boolean }[] = [];
  const { clock, logger, faults } = memberPorts();
  const introduction = new Introduction({
    ...{ logger, faults },
    self: memberId(1n),
    options: memberOptions("none"),
    cluster: emptyCluster(),
    clock: {
      ...clock,
      after: (ms, f) => {
        const timer = { ms, f, isOver: false };
        timers.push(timer);
        return () => {
          timer.isOver = true;
        };
      },
    },
    propose: (_, reply) => proposed.push(reply),
  });
  return { introduction, proposed, timers };
}

test("whenReady() calls back once the member is published, at once if it is", () => {
  const { introduction, proposed, timers } = introduce();
  const called: string[] = [];
  introduction.whenReady(() => called.push("early"));
  introduction.publish();
  proposed.shift()?.(new EtcdError("Timeout"));
  assert.equal(called.join(), "");
  timers.shift()?.f();
  proposed.shift()?.(undefined);
  assert.equal(called.join(), "early");
  introduction.whenReady(() => called.push("late"));
  assert.equal(called.join(), "early,late");
});

test("publish() says it again when the first word may be lost, and stops once one is known", () => {
  const { introduction, proposed, timers } = introduce();
  introduction.publish();
  introduction.publish();
  assert.equal(proposed.length, 1);
  timers[0]?.f();
  timers[1]?.f();
  assert.equal(proposed.length, 3);
  assert.deepEqual(
    timers.map((timer) => timer.ms),
    [500, 1000, 2000],
  );
  proposed[1]?.(undefined);
  assert.ok(introduction.isReady);
  assert.ok(timers[2]?.isOver);
  introduction.publish();
  assert.equal(proposed.length, 3);
});
