import assert from "node:assert/strict";
import { test } from "node:test";
import {
  artifactKey,
  artifactOfManifest,
  assertKey,
  assertPrefix,
  manifestKey,
  parseArtifactKey,
} from "../../src/backup/keys.ts";

const name = {
  namespace: "shop",
  cluster: "orders",
  timeMs: Date.parse("2026-12-31T23:59:59.999Z"),
} as const;

test("artifactKey() has the UTC second, eight random digits and the compression's ending", () => {
  const key = artifactKey({ ...name, compression: "zstd" });
  assert.match(key, /^shop\/orders\/20261231T235959Z-[0-9a-f]{8}\.db\.zst$/);
  assert.match(artifactKey({ ...name, compression: "none" }), /\.db$/);
  assert.match(artifactKey({ ...name, compression: "gzip" }), /\.db\.gz$/);
  const keys = new Set(
    Array.from({ length: 100 }, () => artifactKey({ ...name, compression: "none" })),
  );
  assert.equal(keys.size, 100, "two runs in one second differ");
});

test("parseArtifactKey() reads what artifactKey() wrote", () => {
  for (const compression of ["none", "gzip", "zstd"] as const) {
    const timeMs = Date.parse("2026-12-31T23:59:59Z");
    const key = artifactKey({ ...name, compression });
    assert.deepEqual(parseArtifactKey(key), { ...name, timeMs, compression });
  }
});

test("parseArtifactKey() knows nothing else", () => {
  for (const key of [
    "",
    "shop/orders/20261231T235959Z-0000000a.db.manifest.json",
    "shop/orders/20261231T235959Z-0000000a.db.xz",
    "shop/orders/20261231T235959Z-0000000A.db",
    "shop/orders/20261331T235959Z-0000000a.db",
    "orders/20261231T235959Z-0000000a.db",
    "a/shop/orders/20261231T235959Z-0000000a.db",
    "shop/orders/20261231T235959Z-0000000a.db\n",
  ]) {
    assert.equal(parseArtifactKey(key), undefined, key);
  }
});

test("a manifest's key leads back to its artefact", () => {
  assert.equal(artifactOfManifest(manifestKey("a/b.db")), "a/b.db");
  assert.equal(artifactOfManifest("a/b.db"), undefined);
});

test("assertKey() refuses what leaves the folder, hides a file or fits no storage", () => {
  for (const key of [
    "",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a/./b",
    "a//b",
    "a/",
    "a\0b",
    "a\nb",
    "a/.quoin-part-0123456789abcdef",
    "x".repeat(256),
    `${"x".repeat(200)}/`.repeat(6),
  ]) {
    assert.throws(() => assertKey(key), { name: "BackupError", code: "InvalidConfig" }, key);
  }
  for (const key of ["a", "a/b c/ü.db", "..a/b..", `${"x".repeat(255)}/y`]) assertKey(key);
});

test("assertPrefix() takes the start of any key", () => {
  for (const prefix of ["", "shop/", "shop/orders/", "shop/ord"]) assertPrefix(prefix);
  for (const prefix of ["/", "../", "shop//", "shop/../x/"]) {
    assert.throws(() => assertPrefix(prefix), { code: "InvalidConfig" }, prefix);
  }
});
