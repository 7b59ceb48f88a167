import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type RetentionRules, retain } from "../../src/backup/retention.ts";
import type { Manifest } from "../../src/backup/types.ts";
import { madeManifest, unverified } from "./made-manifest.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** Start times, to the hour, of what is kept; oldest first. */
function keptOf(manifests: readonly Manifest[], rules: RetentionRules, now: string): string[] {
  return retain(manifests, rules, Date.parse(now))
    .kept.map(({ manifest }) => manifest.startTime.slice(0, 13))
    .sort();
}

/** One at this time of each day between the two, both included. */
function daily(first: string, last: string, hour = "03"): Manifest[] {
  const made: Manifest[] = [];
  for (let ms = Date.parse(`${first}T${hour}:00:00Z`); ms <= Date.parse(`${last}T23:59:59Z`); ) {
    made.push(madeManifest(ms));
    ms += dayMs;
  }
  return made;
}

test("retain() keeps everything when no rule is given, or all are 0", () => {
  const all = daily("2026-01-01", "2026-01-09");
  assert.equal(retain(all, {}, 0).dropped.length, 0);
  assert.equal(retain(all, { keepLast: 0, maxAgeMs: 0, keepDaily: 0 }, 0).dropped.length, 0);
  assert.deepEqual(retain([], { keepLast: 1 }, 0), { kept: [], dropped: [] });
});

test("retain() keeps the last N and drops the oldest first", () => {
  const all = daily("2026-01-01", "2026-01-05");
  assert.deepEqual(keptOf(all, { keepLast: 2 }, "2026-01-06T00:00:00Z"), [
    "2026-01-04T03",
    "2026-01-05T03",
  ]);
  const { dropped } = retain(all, { keepLast: 2 }, 0);
  assert.deepEqual(
    dropped.map((it) => it.startTime.slice(8, 10)),
    ["01", "02", "03"],
  );
});

test("retain() keeps what is as old as maxAge and drops what is a millisecond older", () => {
  const now = Date.parse("2026-01-10T00:00:00Z");
  const all = [
    madeManifest(now - 1),
    madeManifest(now - 7 * dayMs),
    madeManifest(now - 7 * dayMs - 1),
  ];
  const { dropped } = retain(all, { maxAgeMs: 7 * dayMs }, now);
  assert.deepEqual(dropped, [all[2]]);
});

test("retain() keeps an artefact from the future", () => {
  const future = madeManifest("2030-01-01T00:00:00Z");
  const present = madeManifest("2026-01-01T00:00:00Z");
  const { kept } = retain(
    [present, future],
    { maxAgeMs: dayMs },
    Date.parse("2026-01-01T01:00:00Z"),
  );
  assert.equal(kept.length, 2);
});

test("retain() keeps the newest of each of the last N days that have any", () => {
  const all = [
    ...daily("2026-02-25", "2026-02-27", "01"),
    ...daily("2026-02-25", "2026-02-27", "22"),
    // Two days without a backup do not count.
    ...daily("2026-03-02", "2026-03-02", "01"),
  ];
  assert.deepEqual(keptOf(all, { keepDaily: 3 }, "2026-03-02T05:00:00Z"), [
    "2026-02-26T22",
    "2026-02-27T22",
    "2026-03-02T01",
  ]);
});

test("retain() cuts days at midnight UTC, whatever the zone of the process", () => {
  const all = [madeManifest("2026-03-28T23:59:59Z"), madeManifest("2026-03-29T00:00:00Z")];
  // The night in which Europe's clocks jump.
  assert.deepEqual(keptOf(all, { keepDaily: 2 }, "2026-03-29T12:00:00Z"), [
    "2026-03-28T23",
    "2026-03-29T00",
  ]);
});

test("retain() counts ISO weeks, Monday to Sunday, across the end of a year", () => {
  // ISO week 53 of 2026 is 28 December to 3 January; week 1 of 2027 begins on Monday the 4th.
  const all = daily("2026-12-20", "2027-01-05");
  assert.deepEqual(keptOf(all, { keepWeekly: 4 }, "2027-01-05T12:00:00Z"), [
    "2026-12-20T03",
    "2026-12-27T03",
    "2027-01-03T03",
    "2027-01-05T03",
  ]);
});

test("retain() counts months across the end of a year and a leap day", () => {
  const all = daily("2027-11-01", "2028-03-02");
  assert.deepEqual(keptOf(all, { keepMonthly: 5 }, "2028-03-02T12:00:00Z"), [
    "2027-11-30T03",
    "2027-12-31T03",
    "2028-01-31T03",
    "2028-02-29T03",
    "2028-03-02T03",
  ]);
});

test("retain() keeps what any of the rules wants, and says which", () => {
  const all = daily("2026-01-01", "2026-03-10");
  const rules = { keepLast: 2, keepDaily: 3, keepWeekly: 2, keepMonthly: 3, maxAgeMs: 30 * hourMs };
  const { kept } = retain(all, rules, Date.parse("2026-03-10T04:00:00Z"));
  assert.deepEqual(
    kept.map(({ manifest, why }) => [manifest.startTime.slice(5, 10), why.join(", ")]),
    [
      ["03-10", "newest, newest verified, last, age, day, week, month"],
      ["03-09", "last, age, day"],
      ["03-08", "day, week"],
      ["02-28", "month"],
      ["01-31", "month"],
    ],
  );
});

test("retain() always keeps the newest verified one, however old", () => {
  const old = madeManifest("2025-01-01T00:00:00Z");
  const newer = daily("2026-01-01", "2026-01-09").map(unverified);
  assert.deepEqual(keptOf([old, ...newer], { keepLast: 1 }, "2026-01-10T00:00:00Z"), [
    "2025-01-01T00",
    "2026-01-09T03",
  ]);
});

test("retain() also keeps the newest verified one that a quorum vouched for", () => {
  const whole = madeManifest("2026-01-01T00:00:00Z");
  const stale = daily("2026-01-02", "2026-01-05").map((it) => ({ ...it, possiblyStale: true }));
  assert.deepEqual(keptOf([whole, ...stale], { keepLast: 1 }, "2026-01-10T00:00:00Z"), [
    "2026-01-01T00",
    "2026-01-05T03",
  ]);
});

test("retain() prefers a verified artefact for a day, week or month", () => {
  const verified = madeManifest("2026-01-01T01:00:00Z");
  const later = unverified(madeManifest("2026-01-01T23:00:00Z"));
  const today = madeManifest("2026-01-02T01:00:00Z");
  assert.deepEqual(keptOf([verified, later, today], { keepDaily: 2 }, "2026-01-02T02:00:00Z"), [
    "2026-01-01T01",
    "2026-01-02T01",
  ]);
});

const someRules = fc.record(
  {
    keepLast: fc.nat(5),
    maxAgeMs: fc.nat(40).map((days) => days * dayMs),
    keepDaily: fc.nat(5),
    keepWeekly: fc.nat(5),
    keepMonthly: fc.nat(5),
  },
  { requiredKeys: [] },
);
const firstMs = Date.parse("2026-11-20T00:00:00Z");
/** Up to 60 artefacts within four months, oldest first. */
const someArtifacts = fc
  .uniqueArray(
    fc.record({
      hour: fc.nat(24 * 120),
      isVerified: fc.boolean(),
      isStale: fc.boolean(),
    }),
    { selector: ({ hour }) => hour, maxLength: 60 },
  )
  .map((them) =>
    them
      .sort((a, b) => a.hour - b.hour)
      .map(({ hour, isVerified, isStale }) => {
        const made = madeManifest(firstMs + hour * hourMs, { possiblyStale: isStale });
        return isVerified ? made : unverified(made);
      }),
  );

test("retain() neither loses nor doubles an artefact, whatever their order", () => {
  fc.assert(
    fc.property(someArtifacts, someRules, fc.nat(24 * 130), (all, rules, hours) => {
      const nowMs = firstMs + hours * hourMs;
      const { kept, dropped } = retain(all, rules, nowMs);
      const together = [...kept.map(({ manifest }) => manifest), ...dropped];
      assert.deepEqual(new Set(together), new Set(all));
      assert.equal(together.length, all.length);
      assert.deepEqual(retain([...all].reverse(), rules, nowMs), { kept, dropped });
    }),
  );
});

test("retain() never drops the newest, nor the newest verified, nor anything one rule alone keeps", () => {
  fc.assert(
    fc.property(someArtifacts, someRules, (all, rules) => {
      const nowMs = firstMs + 121 * dayMs;
      const kept = new Set(retain(all, rules, nowMs).kept.map(({ manifest }) => manifest.key));
      const newest = all.at(-1);
      const verified = all.findLast((it) => it.verified !== undefined);
      for (const it of [newest, verified]) if (it !== undefined) assert(kept.has(it.key));
      for (const [name, value] of Object.entries(rules)) {
        if (value === 0) continue;
        for (const { manifest } of retain(all, { [name]: value }, nowMs).kept) {
          assert(kept.has(manifest.key), `${name} alone keeps ${manifest.startTime}`);
        }
      }
    }),
  );
});

test("retain() run after every backup keeps in the end what a single run at the end keeps", () => {
  fc.assert(
    fc.property(someArtifacts, someRules, (all, rules) => {
      let present: Manifest[] = [];
      for (const manifest of all) {
        const nowMs = Date.parse(manifest.startTime);
        present = retain([...present, manifest], rules, nowMs).kept.map((it) => it.manifest);
      }
      const nowMs = Date.parse(all.at(-1)?.startTime ?? "2026-01-01T00:00:00Z");
      const atOnce = retain(all, rules, nowMs).kept.map((it) => it.manifest.key);
      assert.deepEqual(
        present.map((it) => it.key),
        present.length === 0 ? [] : atOnce,
      );
    }),
  );
});

test("retain() refuses a negative rule", () => {
  assert.throws(() => retain([], { keepLast: -1 }, 0), /no negative number/);
});
