import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DeadlineQueue } from "../../../src/core/lease/deadline-queue.ts";
import { createLessor, type Lessor, maxTtlSeconds } from "../../../src/core/lease/index.ts";
import { type LeaseId, leaseId, noLease } from "../../../src/core/types.ts";

const id = (n: number): LeaseId => leaseId(BigInt(n));
const s = 1000;

function lessor(checkpointIntervalSeconds = 0): Lessor {
  let bits = 0xffff_ffff_ffff_fff0n;
  return createLessor({ minTtlSeconds: 2, random: () => bits++, checkpointIntervalSeconds });
}

function primary(checkpointIntervalSeconds = 0): Lessor {
  const le = lessor(checkpointIntervalSeconds);
  le.promote(0, 0);
  return le;
}

test("grant() raises short TTLs, refuses long ones, taken ids and id 0", () => {
  const le = lessor();
  assert.deepEqual(le.grant(id(1), 0, 0), {
    kind: "granted",
    lease: { id: 1n, ttl: 2, remainingTtl: 0 },
  });
  assert.deepEqual(le.grant(id(1), 5, 0), { kind: "error", code: "ErrLeaseExist" });
  assert.deepEqual(le.grant(noLease, 5, 0), { kind: "error", code: "ErrLeaseNotFound" });
  const tooLong = le.grant(id(2), maxTtlSeconds + 1, 0);
  assert.deepEqual(tooLong, { kind: "error", code: "ErrLeaseTTLTooLarge" });
  assert.equal(le.grant(id(2), maxTtlSeconds, 0).kind, "granted");
});

test("chooseId() gives free positive ids", () => {
  const le = lessor();
  const first = le.chooseId();
  assert.equal(first, 0x7fff_ffff_ffff_fff0n);
  le.grant(id(Number(first)), 5, 0);
  for (let i = 0; i < 20; i++) assert.ok(le.chooseId() > 0n);
});

test("renew() restarts the TTL on the primary only", () => {
  const le = lessor();
  le.grant(id(1), 10, 0);
  assert.deepEqual(le.renew(id(1), 0), { kind: "error", code: "ErrNotPrimary" });
  le.promote(0, 0);
  assert.deepEqual(le.renew(id(9), 0), { kind: "error", code: "ErrLeaseNotFound" });
  assert.deepEqual(le.renew(id(1), 9 * s), { kind: "renewed", ttl: 10, clearCheckpoint: false });
  assert.deepEqual(le.expired(18 * s, 10), []);
  assert.deepEqual(le.renew(id(1), 19 * s), { kind: "expiring" });
});

test("expired() offers each lease again until it is revoked", () => {
  const le = primary();
  for (const n of [1, 2, 3]) le.grant(id(n), 2 + n, 0);
  assert.equal(le.nextExpiryMs(), 3 * s);
  assert.deepEqual(le.expired(2 * s, 10), []);
  assert.deepEqual(le.expired(5 * s, 2), [1n, 2n]);
  assert.deepEqual(le.expired(5 * s, 2), [3n]);
  assert.deepEqual(le.expired(5 * s, 2), []);
  assert.equal(le.revoke(id(1)).kind, "revoked");
  assert.deepEqual(le.expired(8 * s, 10).sort(), [2n, 3n]);
});

test("revoke() returns the keys sorted as bytes; they hang on nothing once deleted", () => {
  const le = primary();
  le.grant(id(1), 10, 0);
  le.grant(id(2), 10, 0);
  for (const key of ["b", "\xff", "a", "B"]) le.attach(id(1), key);
  le.attach(id(2), "a");
  assert.deepEqual(
    le.timeToLive(id(1), true, 4500).keys.map((k) => k[0]),
    [66, 98, 255],
  );
  assert.deepEqual(le.revoke(id(1)), { kind: "revoked", keys: ["B", "b", "\xff"] });
  assert.deepEqual(le.revoke(id(1)), { kind: "error", code: "ErrLeaseNotFound" });
  assert.ok(!le.has(id(1)));
  for (const key of ["B", "b", "\xff"]) le.attach(noLease, key);
  assert.deepEqual(
    ["a", "b", "\xff"].map((key) => le.leaseOf(key)),
    [2n, 0n, 0n],
  );
});

test("timeToLive() counts down in whole seconds, -1 for an unknown lease", () => {
  const le = primary();
  le.grant(id(1), 10, 0);
  assert.deepEqual(le.timeToLive(id(1), false, 2500), { ttl: 7, grantedTtl: 10, keys: [] });
  assert.deepEqual(le.timeToLive(id(2), true, 0), { ttl: -1, grantedTtl: 0, keys: [] });
});

test("promote() gives every lease its whole time again, plus the extension", () => {
  const le = primary();
  le.grant(id(1), 10, 0);
  le.demote();
  assert.deepEqual(le.expired(1e12, 10), []);
  assert.equal(le.nextExpiryMs(), undefined);
  le.promote(3 * s, 100 * s);
  assert.equal(le.timeToLive(id(1), false, 100 * s).ttl, 13);
});

test("promote() spreads leases that would expire in the same second", () => {
  const le = lessor();
  for (let n = 1; n <= 3000; n++) le.grant(id(n), 10, 0);
  le.promote(0, 0);
  const perSecond: number[] = [];
  let seen = 0;
  for (let second = 0; seen < 3000 && second < 100; second++) {
    const ids = le.expired(second * s, 10_000);
    for (const expired of ids) le.revoke(expired);
    const n = ids.length;
    seen += n;
    if (n > 0) perSecond.push(n);
  }
  assert.equal(seen, 3000);
  assert.ok(Math.max(...perSecond) <= 1000, `${perSecond}`);
});

test("checkpoints shorten what a new primary gives, until the lease is renewed", () => {
  const le = primary(300);
  le.grant(id(1), 1000, 0);
  le.grant(id(2), 200, 0);
  assert.deepEqual(le.dueCheckpoints(299 * s, 10), []);
  assert.deepEqual(le.dueCheckpoints(300 * s, 10), [{ id: 1n, remainingTtl: 700 }]);
  const record = le.checkpoint(id(1), 700, 300 * s);
  assert.deepEqual(record, { id: 1n, ttl: 1000, remainingTtl: 700 });
  assert.deepEqual(le.dueCheckpoints(600 * s, 10), [{ id: 1n, remainingTtl: 400 }]);
  le.demote();
  le.promote(0, 600 * s);
  assert.equal(le.timeToLive(id(1), false, 600 * s).ttl, 700);
  assert.deepEqual(le.renew(id(1), 600 * s), { kind: "renewed", ttl: 1000, clearCheckpoint: true });
  assert.equal(le.timeToLive(id(1), false, 600 * s).ttl, 1000);
  assert.equal(le.checkpoint(id(1), 0, 600 * s)?.remainingTtl, 0);
  assert.equal(le.checkpoint(id(9), 0, 600 * s), undefined);
});

test("restoreLease() brings leases back without time; records() is what was persisted", () => {
  const le = lessor();
  le.restoreLease({ id: id(1), ttl: 1, remainingTtl: 0 });
  le.restoreLease({ id: id(2), ttl: 60, remainingTtl: 20 });
  le.attach(id(2), "k");
  assert.deepEqual(le.records(), [
    { id: 1n, ttl: 2, remainingTtl: 0 },
    { id: 2n, ttl: 60, remainingTtl: 20 },
  ]);
  le.promote(0, 0);
  assert.deepEqual(le.leases(), [1n, 2n]);
  assert.equal(le.nextExpiryMs(), 2 * s);
  le.reset();
  assert.deepEqual([le.count, le.leaseOf("k"), le.primary], [0, 0n, false]);
});

test("DeadlineQueue always offers the earliest, whatever was moved or deleted", () => {
  const change = fc.tuple(fc.nat(20), fc.option(fc.nat(50)));
  fc.assert(
    fc.property(fc.array(change, { maxLength: 120 }), (changes) => {
      const items = Array.from({ length: 21 }, (_, n) => ({ n }));
      const queue = new DeadlineQueue<{ n: number }>();
      const model = new Map<{ n: number }, number>();
      for (const [n, at] of changes) {
        const item = items[n]!;
        if (at === null) {
          queue.delete(item);
          model.delete(item);
        } else {
          queue.set(item, at);
          model.set(item, at);
        }
        const least = model.size === 0 ? undefined : Math.min(...model.values());
        assert.equal(queue.nextMs, least);
        assert.equal(queue.size, model.size);
        if (least !== undefined) assert.equal(model.get(queue.due(least)!), least);
      }
    }),
  );
});
