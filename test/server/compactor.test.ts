import assert from "node:assert/strict";
import { test } from "node:test";
import { revision } from "../../src/core/types.ts";
import type { Clock, Fields } from "../../src/ports/index.ts";
import { EtcdError } from "../../src/proto/index.ts";
import { type CompactionPolicy, Compactor } from "../../src/server/index.ts";
import { silent } from "./rig.ts";

/** A clock that stands still until told; one timer at a time is all a compactor sets. */
class HandClock implements Clock {
  #now = 0;
  #timers: { readonly at: number; readonly f: () => void }[] = [];
  nowMs = (): number => this.#now;
  wallMs = (): number => this.#now;
  soon = (f: () => void): void => f();
  after(ms: number, f: () => void): () => void {
    const timer = { at: this.#now + ms, f };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((t) => t !== timer);
    };
  }
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const next = this.#timers.sort((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#timers.shift();
      this.#now = next.at;
      next.f();
    }
    this.#now = end;
  }
}

/** Answers to proposals in their order; then all succeed. */
function run(policy: CompactionPolicy, isLeader = true, answers: (EtcdError | undefined)[] = []) {
  const clock = new HandClock();
  const compacted: number[] = [];
  const lines: string[] = [];
  const log = (msg: string, fields?: Fields): void => {
    lines.push(`${msg} ${JSON.stringify(fields)}`);
  };
  const kv = { revision: revision(1) };
  const member = {
    isLeader,
    kv,
    proposals: {
      compact: (
        at: number,
        _physical: boolean,
        reply: (error: EtcdError | undefined) => void,
      ): void => {
        compacted.push(at);
        reply(answers.shift());
      },
    },
  };
  const compactor = new Compactor(member, clock, { ...silent, info: log, warn: log }, policy);
  compactor.start();
  return { clock, kv, compacted, compactor, member, lines };
}

/** One revision a minute for so many minutes. */
function live(world: ReturnType<typeof run>, minutes: number): void {
  for (let i = 0; i < minutes; i++) {
    world.kv.revision = revision(world.kv.revision + 1);
    world.clock.advance(60_000);
  }
}

test("a periodic compactor keeps the history of its retention", () => {
  const world = run({ mode: "periodic", retentionMs: 600_000 });
  live(world, 9);
  assert.deepEqual(world.compacted, []);
  live(world, 31);
  // As etcd does: first to where it began, then every ten minutes to what was eleven minutes old.
  assert.deepEqual(world.compacted, [1, 10, 20, 30]);
});

test("a retention beyond an hour is waited for once, then history goes hourly", () => {
  const world = run({ mode: "periodic", retentionMs: 3 * 3_600_000 });
  live(world, 6 * 60);
  assert.deepEqual(world.compacted, [1, 55, 115, 175]);
});

test("an idle cluster is compacted once", () => {
  const world = run({ mode: "periodic", retentionMs: 600_000 });
  world.clock.advance(10 * 3_600_000);
  assert.deepEqual(world.compacted, [1]);
});

test("a compaction that fails is tried again soon, one that others have made is done", () => {
  const failures = [new EtcdError("Timeout"), new EtcdError("Compacted")];
  const world = run({ mode: "periodic", retentionMs: 600_000 }, true, failures);
  live(world, 12);
  assert.deepEqual(world.compacted, [1, 1]);
  const fields = (at: number): string => `{"revision":${at},"compact-period":"10m0s"`;
  assert.deepEqual(world.lines, [
    `starting auto periodic compaction ${fields(1)}}`,
    `failed auto periodic compaction ${fields(1)},"retry-interval":"1m0s","error":"etcdserver: request timed out"}`,
    `starting auto periodic compaction ${fields(1)}}`,
    `completed auto periodic compaction ${fields(1)},"took":"0s"}`,
  ]);
});

test("who comes to lead knows what is to be compacted", () => {
  const world = run({ mode: "periodic", retentionMs: 600_000 }, false);
  live(world, 25);
  assert.deepEqual(world.compacted, []);
  world.member.isLeader = true;
  live(world, 1);
  assert.deepEqual(world.compacted, [16]);
});

test("a revision compactor keeps that many revisions", () => {
  const world = run({ mode: "revision", revisions: 3 });
  live(world, 10);
  assert.deepEqual(world.compacted, [3, 8]);
});

test("a compactor proposes nothing on a follower, when off and after stop()", () => {
  const follower = run({ mode: "revision", revisions: 1 }, false);
  live(follower, 20);
  const off = run({ mode: "off" });
  live(off, 20);
  const stopped = run({ mode: "revision", revisions: 1 });
  stopped.compactor.stop();
  live(stopped, 20);
  assert.deepEqual([...follower.compacted, ...off.compacted, ...stopped.compacted], []);
});
