import assert from "node:assert/strict";
import { test } from "node:test";
import { manifestKey } from "../../src/backup/keys.ts";
import {
  encodeManifest,
  parseManifest,
  readManifest,
  writeClaim,
  writeManifest,
} from "../../src/backup/manifest.ts";
import type { Manifest } from "../../src/backup/types.ts";
import { madeManifest, unverified } from "./made-manifest.ts";
import { MemoryDestination } from "./memory-destination.ts";

const made = madeManifest("2026-05-01T02:03:04Z");

test("a manifest comes back as it was written, with and without its optional fields", async () => {
  const { schedule: _, ...byHand } = unverified(made);
  for (const manifest of [made, byHand]) {
    const destination = new MemoryDestination();
    await writeManifest(destination, manifest);
    assert.deepEqual([...destination.objects.keys()], [manifestKey(made.key)]);
    const found = await readManifest(destination, made.key);
    assert.deepEqual(found, { kind: "manifest", manifest, hasMore: false });
  }
});

test("a missing manifest is absent, and one of over 64 KiB unreadable", async () => {
  const destination = new MemoryDestination();
  assert.deepEqual(await readManifest(destination, made.key), { kind: "absent" });
  await destination.writeSmall(manifestKey(made.key), Buffer.alloc(64 * 1024 + 1, " "));
  const found = await readManifest(destination, made.key);
  assert.equal(found.kind, "unreadable");
});

test("a claim says whose key it is and promises nothing", async () => {
  const destination = new MemoryDestination();
  const claim = { key: made.key, state: "storing", lineage: "x" } as const;
  await writeClaim(destination, claim, Date.parse("2026-05-01T00:00:00Z"));
  assert.deepEqual(await readManifest(destination, made.key), {
    kind: "claim",
    claim: { format: "quoin-backup-claim/v1", ...claim, since: "2026-05-01T00:00:00.000Z" },
  });
});

test("a manifest with fields of a later Quoin is read, and marked", () => {
  const bytes = encodeManifest({ ...made, hold: true } as Manifest);
  const found = parseManifest(bytes, made.key);
  assert.equal(found.kind === "manifest" && found.hasMore, true);
});

const wrong: Record<string, Partial<Record<keyof Manifest, unknown>>> = {
  format: { format: "quoin-backup/v2" },
  key: { key: "shop/orders/other.db" },
  cluster: { cluster: { namespace: "shop", name: "orders" } },
  lineage: { lineage: "" },
  backup: { backup: "no-namespace" },
  schedule: { schedule: 7 },
  compression: { compression: "lz4" },
  sizeBytes: { sizeBytes: -1 },
  sha256: { sha256: "ABC" },
  snapshotBytes: { snapshotBytes: "20512" },
  revision: { revision: 2 ** 53 },
  compactRevision: { compactRevision: 0.5 },
  hashKV: { hashKV: 2 ** 32 },
  quoinVersion: { quoinVersion: undefined },
  possiblyStale: { possiblyStale: "false" },
  startTime: { startTime: "2026-05-01" },
  completionTime: { completionTime: "2026-02-30T99:00:00Z" },
  verified: { verified: { kind: "Hope", time: made.startTime } },
};

for (const [field, change] of Object.entries(wrong)) {
  test(`a manifest whose ${field} is odd is unreadable, and the reason names it`, () => {
    const found = parseManifest(encodeManifest({ ...made, ...change } as Manifest), made.key);
    assert.equal(found.kind, "unreadable");
    assert.match(found.kind === "unreadable" ? found.why : "", new RegExp(field));
  });
}
