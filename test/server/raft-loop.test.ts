import assert from "node:assert/strict";
import { test } from "node:test";
import type { RawNode, Ready, SoftState } from "../../src/core/raft/index.ts";
import { memberId } from "../../src/core/types.ts";
import { noFaults } from "../../src/io/index.ts";
import type { Clock } from "../../src/ports/index.ts";
import { RaftLoop, type RaftLoopOptions } from "../../src/server/raft-loop.ts";

const [self, other] = [memberId(1n), memberId(2n)];

test("what is taken back when leadership goes does not reach the new leader first", () => {
  const ends: (() => void)[] = [];
  const given: Uint8Array[] = [];
  let softState: SoftState | undefined;
  const node = {
    id: self,
    isLeader: true,
    status: () => ({ leader: self }),
    step: () => {
      node.isLeader = false;
      softState = { leader: other, state: "follower" } as SoftState;
    },
    propose: (batch: readonly Uint8Array[]) => {
      given.push(...batch);
      return { kind: "proposed" };
    },
    hasReady: () => softState !== undefined,
    ready: () => {
      const lists = { committed: [], readStates: [], messages: [], entries: [], afterAppend: [] };
      const rd = { ...lists, softState } as unknown as Ready;
      softState = undefined;
      return rd;
    },
    appended: () => undefined,
  };
  const clock = { nowMs: () => 0, soon: (f: () => void) => ends.push(f), after: () => () => {} };
  const [revocation, put] = [Uint8Array.of(1), Uint8Array.of(2)];
  const options: Partial<RaftLoopOptions> = {
    node: node as unknown as RawNode,
    clock: clock as unknown as Clock,
    faults: noFaults,
    onSoftState: () => loop.dropProposals((data) => data !== revocation),
  };
  const loop = new RaftLoop(options as RaftLoopOptions);
  // A timer finds leases expired; in the same turn the new leader's message is read.
  loop.propose(revocation);
  loop.propose(put);
  loop.step([{} as never]);
  for (const end of ends.splice(0)) end();
  assert.deepEqual(given, [put]);
});
