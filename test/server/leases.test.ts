import assert from "node:assert/strict";
import { test } from "node:test";
import { createLessor } from "../../src/core/lease/index.ts";
import type { LeaseId, MemberId } from "../../src/core/types.ts";
import type { Clock } from "../../src/ports/index.ts";
import type { EtcdError } from "../../src/proto/index.ts";
import { Leases } from "../../src/server/leases.ts";
import type { Pending } from "../../src/server/requests.ts";
import type { StateMachine } from "../../src/server/state-machine.ts";

const id = 7n as LeaseId;
const self = 1n as MemberId;

const leaseOf = ({ request }: Pending): LeaseId => request.leaseRevoke?.id as LeaseId;

/** A leader's leases on a clock that is turned by hand. */
function world() {
  let now = 0;
  let timers: { readonly at: number; readonly f: () => void }[] = [];
  const clock: Clock = {
    nowMs: () => now,
    wallMs: () => now,
    soon: (f) => f(),
    after: (ms, f) => {
      const timer = { at: now + ms, f };
      timers.push(timer);
      return () => {
        timers = timers.filter((t) => t !== timer);
      };
    },
  };
  const lessor = createLessor({
    minTtlSeconds: 1,
    random: () => 1n,
    checkpointIntervalSeconds: 10,
  });
  const w = {
    leader: self,
    lessor,
    revoked: [] as LeaseId[],
    waiting: new Set<LeaseId>(),
    takenBack: [] as LeaseId[],
    checkpoints: [] as (readonly [lease: LeaseId, remainingTtl: number])[],
    confirms: [] as ((error: EtcdError | undefined) => void)[],
    applied: [] as ((error: EtcdError | undefined) => void)[],
    /** Time passes; without `ticking` as in a process that was stopped. */
    pass(ms: number, ticking = true): void {
      const end = now + ms;
      if (!ticking) now = end;
      for (;;) {
        const next = timers.sort((a, b) => a.at - b.at)[0];
        if (next === undefined || next.at > end) break;
        timers.shift();
        now = Math.max(now, next.at);
        if (ticking) leases.ticked();
        next.f();
      }
      now = end;
    },
    leases: undefined as unknown as Leases,
  };
  const leases = new Leases({
    state: { lessor } as unknown as StateMachine,
    clock,
    self,
    leader: () => w.leader,
    askPeer: () => Promise.reject(new Error("nobody there")),
    heartbeatMs: 250,
    electionMs: 1000,
    timeoutMs: 2000,
    revoke: (lease) => {
      w.revoked.push(lease);
      w.waiting.add(lease);
      return { request: { leaseRevoke: { id: lease } } } as Pending;
    },
    isWaiting: (revocation) => w.waiting.has(leaseOf(revocation)),
    takeBack: (list) => w.takenBack.push(...list.map(leaseOf)),
    checkpoint: (list) => {
      for (const c of list) w.checkpoints.push([c.id, c.remainingTtl]);
    },
    confirmLeadership: (reply) => w.confirms.push(reply),
    waitApplied: (reply) => w.applied.push(reply),
  });
  w.leases = leases;
  lessor.grant(id, 5, 0);
  leases.promote();
  leases.start();
  return w;
}

test("a leader that ticks revokes what has expired, without asking", () => {
  const w = world();
  w.pass(5900);
  assert.deepEqual([w.revoked, w.confirms.length], [[], 0]);
  w.pass(700);
  assert.deepEqual([w.revoked, w.confirms.length], [[id], 0]);
});

test("a leader that stood still asks before it revokes, also when a tick comes first", () => {
  const w = world();
  w.pass(1000);
  const before = w.leases;
  w.pass(20_000, false);
  before.ticked();
  w.pass(500);
  assert.deepEqual(w.revoked, []);
  assert.equal(w.confirms.length, 1);
  w.confirms[0]?.(undefined);
  assert.deepEqual(w.revoked, [id]);
});

test("one that leads no more when the answer comes revokes and renews nothing", () => {
  const w = world();
  w.pass(20_000, false);
  const answers: unknown[] = [];
  w.leases.renewHere(id, (error, ttl) => answers.push(error?.code ?? ttl));
  assert.ok(w.confirms.length > 0);
  w.leader = 2n as MemberId;
  for (const confirm of w.confirms) confirm(undefined);
  assert.deepEqual([w.revoked, answers], [[], ["LeaderChanged"]]);
});

test("a leader remembers in the log what long leases have left, and forgets it at a renewal", () => {
  const w = world();
  const long = 8n as LeaseId;
  w.lessor.grant(long, 30, 0);
  w.pass(10_500);
  assert.deepEqual(w.checkpoints, [[long, 20]]);
  w.lessor.checkpoint(long, 20, 10_500);
  w.leases.renewHere(long, () => undefined);
  assert.deepEqual(w.checkpoints.at(-1), [long, 0]);
  w.lessor.checkpoint(long, 20, 10_500);
  w.leases.demote();
  w.leases.promote();
  assert.equal(w.lessor.timeToLive(long, false, 10_500).ttl, 21, "and not thirty again");
});

test("demote() takes revocations back that are still queued", () => {
  const w = world();
  w.pass(6500);
  assert.deepEqual(w.revoked, [id]);
  w.leases.demote();
  assert.deepEqual(w.takenBack, [id]);
});

test("demote() takes back all that wait, also those of long ago, and none that are done", () => {
  const w = world();
  const ids = Array.from({ length: 5000 }, (_, i) => BigInt(100 + i) as LeaseId);
  for (const lease of ids) w.lessor.grant(lease, 5, 0);
  w.pass(5900);
  assert.equal(w.revoked.length, 1000, "500 every half second, as etcd");
  const done = w.revoked.slice(0, 300);
  for (const lease of done) {
    w.waiting.delete(lease);
    w.lessor.revoke(lease);
  }
  w.pass(1500);
  assert.equal(w.revoked.length, 2500);
  w.leases.demote();
  assert.deepEqual(w.takenBack, w.revoked.slice(300));
});

test("keepAlive() of a lease not known yet waits for what is committed to be applied", () => {
  const w = world();
  const answers: unknown[] = [];
  w.leases.keepAlive(9n as LeaseId, (error, ttl) => answers.push(error?.code ?? ttl));
  assert.deepEqual(answers, []);
  w.lessor.grant(9n as LeaseId, 30, 0);
  for (const reply of w.applied) reply(undefined);
  assert.deepEqual(answers, [30]);
});

test("keepAlive() gives up in the end where no leader comes", () => {
  const w = world();
  w.leader = 0n as MemberId;
  const answers: unknown[] = [];
  w.leases.keepAlive(id, (error, ttl) => answers.push(error?.code ?? ttl));
  w.pass(1900);
  assert.deepEqual(answers, []);
  w.pass(200);
  assert.deepEqual(answers, ["NoLeader"]);
});
