import assert from "node:assert/strict";
import { test } from "node:test";
import { artifactOfManifest, manifestKey, parseArtifactKey } from "../../src/backup/keys.ts";
import { encodeManifest, parseManifest, writeClaim } from "../../src/backup/manifest.ts";
import { deleteArtifact, prune } from "../../src/backup/prune.ts";
import { BackupError, type Manifest } from "../../src/backup/types.ts";
import { lineage, madeManifest, prefix, schedule, store, unverified } from "./made-manifest.ts";
import { Killed, MemoryDestination } from "./memory-destination.ts";

const scope = { prefix, lineage, schedule };
const dayMs = 86_400_000;
const firstMs = Date.parse("2026-05-01T00:00:00Z");
const nowMs = firstMs + 20 * dayMs;

/** A storage with one artefact a day, and their manifests, oldest first. */
async function stocked(days: number, change: Partial<Manifest> = {}) {
  const destination = new MemoryDestination();
  const manifests: Manifest[] = [];
  for (let day = 0; day < days; day++) {
    const manifest = madeManifest(firstMs + day * dayMs, change);
    await store(destination, manifest);
    manifests.push(manifest);
  }
  return { destination, manifests };
}

const keysOf = (manifests: readonly Manifest[]): string[] =>
  manifests.flatMap(({ key }) => [key, manifestKey(key)]).sort();

const allKeys = (destination: MemoryDestination): string[] =>
  [...destination.objects.keys()].sort();

test("prune() deletes artefacts and manifests that no rule wants, and counts", async () => {
  const { destination, manifests } = await stocked(5);
  assert.deepEqual(await prune(destination, scope, { keepLast: 2 }, nowMs), {
    deleted: 3,
    kept: 2,
    untouched: 0,
  });
  assert.deepEqual(allKeys(destination), keysOf(manifests.slice(3)));
});

test("prune() without rules deletes nothing", async () => {
  const { destination } = await stocked(5);
  const before = allKeys(destination);
  const report = await prune(destination, scope, {}, nowMs);
  assert.deepEqual(report, { deleted: 0, kept: 5, untouched: 0 });
  assert.deepEqual(allKeys(destination), before);
});

test("prune() keeps this run's artefact, although a wrong clock made it the oldest", async () => {
  const { destination } = await stocked(3);
  const present = unverified(madeManifest("2020-01-01T00:00:00Z"));
  await store(destination, present);
  const report = await prune(
    destination,
    { ...scope, present: present.key },
    { keepLast: 1 },
    nowMs,
  );
  assert.deepEqual(report, { deleted: 2, kept: 2, untouched: 0 });
  assert(destination.objects.has(present.key));
});

test("prune() never touches another lineage, another schedule, or a backup made by hand", async () => {
  for (const change of [{ lineage: "other" }, { schedule: "shop/weekly" }]) {
    const { destination } = await stocked(3, change);
    const before = allKeys(destination);
    const report = await prune(destination, scope, { keepLast: 1 }, nowMs);
    assert.deepEqual(report, { deleted: 0, kept: 0, untouched: 3 });
    assert.deepEqual(allKeys(destination), before);
  }
  const { destination, manifests } = await stocked(2);
  const { schedule: _, ...byHand } = manifests[0]!;
  await store(destination, byHand);
  assert.equal((await prune(destination, scope, { keepLast: 1 }, nowMs)).deleted, 0);
});

test("prune() leaves what is beside artefacts alone", async () => {
  const { destination, manifests } = await stocked(3);
  const foreign = [
    `${prefix}notes.txt`,
    `${prefix}notes.txt.manifest.json`,
    `${prefix}20260501T000000Z-0000000g.db`,
    `shop/orders-2/20260501T000000Z-00000000.db`,
  ];
  for (const key of foreign) {
    await destination.writeSmall(key, encodeManifest({ ...manifests[0]!, key }));
  }
  const report = await prune(destination, scope, { keepLast: 1 }, nowMs);
  assert.deepEqual(report, { deleted: 2, kept: 1, untouched: 0 });
  for (const key of foreign) assert(destination.objects.has(key), key);
});

const damaged: Record<string, (manifest: Manifest) => Uint8Array> = {
  "no JSON": () => Buffer.from("<html>"),
  "no UTF-8": (it) => Buffer.concat([encodeManifest(it), Buffer.from([0xff])]),
  "cut off": (it) => encodeManifest(it).subarray(0, 200),
  empty: () => Buffer.alloc(0),
  huge: (it) => Buffer.concat([encodeManifest(it), Buffer.alloc(1 << 20, " ")]),
  "of a newer format": (it) => encodeManifest({ ...it, format: "quoin-backup/v2" as never }),
  "with a field of a newer Quoin": (it) => encodeManifest({ ...it, hold: true } as never),
  "of another artefact": (it) => encodeManifest({ ...it, key: `${it.key}x` }),
  "without a lineage": (it) => encodeManifest({ ...it, lineage: undefined as never }),
  "with a time that is none": (it) => encodeManifest({ ...it, startTime: "2026-13-01T00:00:00Z" }),
};

for (const [what, bytesOf] of Object.entries(damaged)) {
  test(`prune() protects an artefact whose manifest is ${what}, and its manifest`, async () => {
    const { destination, manifests } = await stocked(4);
    const [first] = manifests as [Manifest];
    await destination.writeSmall(manifestKey(first.key), bytesOf(first));
    const report = await prune(destination, scope, { keepLast: 1 }, nowMs);
    assert.equal(report.deleted, 2);
    assert.equal(report.untouched, 1);
    assert(destination.objects.has(first.key));
    assert(destination.objects.has(manifestKey(first.key)));
  });
}

test("prune() counts no artefact that is gone or cut off as kept, and tells of it", async () => {
  const { destination, manifests } = await stocked(4);
  const [, second, third, fourth] = manifests as [Manifest, Manifest, Manifest, Manifest];
  destination.objects.delete(fourth.key);
  await destination.writeSmall(third.key, new Uint8Array(1));
  const report = await prune(destination, scope, { keepLast: 1 }, nowMs);
  assert.equal(report.kept, 1);
  assert(destination.objects.has(second.key), "the newest whole one");
  assert.match(report.problem ?? "", /has 1 bytes and not 3: it cannot be restored/);
});

test("prune() leaves an artefact without a manifest alone: nobody knows whose it is", async () => {
  const { destination, manifests } = await stocked(3);
  destination.objects.delete(manifestKey(manifests[0]!.key));
  const report = await prune(destination, scope, { keepLast: 1 }, nowMs);
  assert.deepEqual(report, { deleted: 1, kept: 1, untouched: 1 });
  assert(destination.objects.has(manifests[0]!.key));
});

test("prune() killed anywhere leaves no promise of a missing artefact, and the next run no orphan", async () => {
  const { destination: undisturbed } = await stocked(6);
  const before = undisturbed.changes;
  await prune(undisturbed, scope, { keepLast: 2 }, nowMs);
  const changes = undisturbed.changes - before;
  assert.equal(changes, 4 * 3);
  for (let done = 0; done < changes; done++) {
    const { destination } = await stocked(6);
    destination.changesLeft = done;
    await assert.rejects(prune(destination, scope, { keepLast: 2 }, nowMs), Killed);
    for (const [key, { bytes }] of destination.objects) {
      const artifact = artifactOfManifest(key);
      if (artifact === undefined || parseManifest(bytes, artifact).kind !== "manifest") continue;
      assert(
        destination.objects.has(artifact),
        `killed after ${done} changes: ${artifact} is gone`,
      );
    }
    destination.changesLeft = Number.POSITIVE_INFINITY;
    await prune(destination, scope, { keepLast: 2 }, nowMs);
    assert.deepEqual(allKeys(destination), allKeys(undisturbed), `killed after ${done} changes`);
  }
});

test("prune() without the right to delete leaves artefacts and manifests as they were, and says so", async () => {
  const { destination } = await stocked(3);
  const before = new Map(destination.objects);
  const problem = "Bucket b could not delete it: AccessDenied.";
  destination.delete = () => Promise.reject(new BackupError("AccessDenied", problem));
  const report = await prune(destination, scope, { keepLast: 1 }, nowMs);
  assert.deepEqual(report, { deleted: 0, kept: 3, untouched: 0, problem });
  const bytesOf = (objects: typeof before) =>
    [...objects].map(([key, { bytes }]) => [key, Buffer.from(bytes).toString()]);
  assert.deepEqual(bytesOf(destination.objects), bytesOf(before));
});

test("prune() promises nothing more of an artefact that a storage may have deleted before it failed", async () => {
  const { destination, manifests } = await stocked(3);
  const [{ key }] = manifests as [Manifest];
  destination.delete = async (it) => {
    destination.objects.delete(it);
    throw new BackupError("DestinationUnreachable", "the answer was lost", true);
  };
  const report = await prune(destination, scope, { keepLast: 1 }, nowMs);
  assert.equal(report.problem, "the answer was lost");
  const beside = destination.objects.get(manifestKey(key));
  assert.equal(parseManifest(beside?.bytes ?? Buffer.alloc(0), key).kind, "claim");
});

test("prune() clears up after a run that died while storing, a week later and not before", async () => {
  const { destination, manifests } = await stocked(1);
  const dead = madeManifest("2026-05-02T00:00:00Z");
  await destination.writeSmall(dead.key, new Uint8Array(5));
  await writeClaim(destination, { key: dead.key, state: "storing", lineage }, firstMs + dayMs);
  await prune(destination, scope, { keepLast: 1 }, firstMs + 2 * dayMs);
  assert.deepEqual(allKeys(destination), keysOf([manifests[0]!, dead]), "it may be alive");
  await prune(destination, { ...scope, lineage: "other" }, { keepLast: 1 }, nowMs);
  assert.deepEqual(allKeys(destination), keysOf([manifests[0]!, dead]), "not ours to say");
  await prune(destination, scope, { keepLast: 1 }, nowMs);
  assert.deepEqual(allKeys(destination), keysOf([manifests[0]!]));
});

test("deleteArtifact() deletes an artefact of this lineage once, and goes on after a kill", async () => {
  for (const done of [0, 1, 2]) {
    const { destination, manifests } = await stocked(2);
    const [{ key }, other] = manifests as [Manifest, Manifest];
    destination.changesLeft = done;
    await assert.rejects(deleteArtifact(destination, key, lineage, nowMs), Killed);
    destination.changesLeft = Number.POSITIVE_INFINITY;
    assert.equal(await deleteArtifact(destination, key, lineage, nowMs), true);
    assert.equal(await deleteArtifact(destination, key, lineage, nowMs), false);
    assert.deepEqual(allKeys(destination), keysOf([other]));
  }
});

test("deleteArtifact() refuses what is not provably of this lineage", async () => {
  const { destination, manifests } = await stocked(2);
  const [first, second] = manifests as [Manifest, Manifest];
  destination.objects.delete(manifestKey(second.key));
  const before = allKeys(destination);
  const isRefusal = (pattern: RegExp) => (error: unknown) =>
    error instanceof BackupError && error.code === "InvalidConfig" && pattern.test(error.message);
  await assert.rejects(
    deleteArtifact(destination, first.key, "other", nowMs),
    isRefusal(/it is of lineage 4f1c9d2e, not other/),
  );
  await assert.rejects(
    deleteArtifact(destination, second.key, lineage, nowMs),
    isRefusal(/it has no manifest/),
  );
  assert.deepEqual(allKeys(destination), before);
});

test("keys of made manifests are keys of artefacts", () => {
  assert.notEqual(parseArtifactKey(madeManifest(firstMs).key), undefined);
});
