// Snapshots that are damaged, cut off, empty or no snapshots at all: one error that names the file
// and what to do, and nothing left behind.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, test } from "node:test";
import { createDisk } from "../../../src/io/index.ts";
import { openRocksEngine } from "../../../src/storage/backend/index.ts";
import {
  type RestoreOptions,
  restoreSnapshot,
  SnapshotError,
  snapshotStatus,
} from "../../../src/storage/snapshot/index.ts";
import { makeBolt, makeSnapshot } from "../../storage/snapshot/made-snapshot.ts";
import { temporaryFolder } from "./real-etcd.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const disk = createDisk();
const pageBytes = 4096;

const restoring = (path: string, dataDir: string, more: Partial<RestoreOptions> = {}) =>
  restoreSnapshot({
    disk,
    logger: quiet,
    faults: { hit: () => undefined },
    openEngine: openRocksEngine,
    path,
    dataDir,
    name: "m1",
    initialCluster: "m1=http://127.0.0.1:1",
    initialClusterToken: "t",
    peerUrls: ["http://127.0.0.1:1"],
    ...more,
  });

/** Several levels of pages, and a value that spans pages. */
let whole: Buffer;
before(async () => {
  const dir = mkdtempSync(join(tmpdir(), "quoin-storage-"));
  await makeSnapshot(join(dir, "whole.db"), { keys: 3000, valueBytes: 300 });
  whole = readFileSync(join(dir, "whole.db"));
  rmSync(dir, { recursive: true });
});

/** A copy with the bit at `at` flipped. */
function flipped(at: number): Buffer {
  const copy = Buffer.from(whole);
  copy[at] = (copy[at] as number) ^ 0x10;
  return copy;
}

const refused = async (work: Promise<unknown>, file: string): Promise<SnapshotError> => {
  const error = await work.then(
    () => assert.fail(`${file} was taken`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof SnapshotError, String(error));
  assert.ok(error.message.includes(file), `names the file: ${error.message}`);
  return error;
};

test("a bit flipped anywhere is refused by the hash, and nothing is left", async (t) => {
  const dir = temporaryFolder(t);
  const file = join(dir, "flipped.db");
  const last = whole.byteLength - 1;
  for (const at of [16, pageBytes + 20, 2 * pageBytes, 100_000, whole.byteLength >> 1, last]) {
    writeFileSync(file, flipped(at));
    const error = await refused(restoring(file, join(dir, "a", "b")), file);
    assert.equal(error.code, "hash", `byte ${at}`);
    assert.match(
      error.message,
      /^expected sha256 .*\. Use another copy of it, or another snapshot$/,
    );
    assert.deepEqual(readdirSync(dir), ["flipped.db"]);
  }
});

test("without the hash a flipped bit is refused or gives a member that is whole", async (t) => {
  const dir = temporaryFolder(t);
  const file = join(dir, "flipped.db");
  let taken = 0;
  let count = 0;
  // Each kind of place: metas, page headers, elements, keys, values; the last page is the root.
  const root = whole.byteLength - 32 - pageBytes;
  const places = [
    16,
    100,
    pageBytes + 16,
    2 * pageBytes + 10,
    3 * pageBytes + 8,
    root + 9,
    root + 17,
  ];
  for (let at = 3 * pageBytes; at < whole.byteLength - 32; at += 40_961) places.push(at);
  for (const at of places) {
    writeFileSync(file, flipped(at));
    count++;
    const dataDir = join(dir, "data");
    try {
      await restoring(file, dataDir, { skipHashCheck: true });
      taken++;
      assert.deepEqual(readdirSync(dataDir), ["member"]);
      await disk.removeAll(dataDir);
    } catch (error) {
      assert.ok(error instanceof SnapshotError, `byte ${at}: ${(error as Error).stack}`);
      assert.deepEqual(readdirSync(dir), ["flipped.db"], `byte ${at}`);
    }
  }
  // A flip within a value, or in bytes without meaning, cannot be noticed.
  assert.ok(taken < count, "some were refused");
});

test("a cut-off file is told by its size", async (t) => {
  const dir = temporaryFolder(t);
  const file = join(dir, "cut.db");
  for (const size of [1, 4096, 8192, 20_000, 100_032, whole.byteLength - 33]) {
    writeFileSync(file, whole.subarray(0, size));
    const status = await refused(snapshotStatus(disk, file), file);
    assert.equal(status.code, "corrupt");
    for (const skipHashCheck of [false, true]) {
      const error = await refused(restoring(file, join(dir, "data"), { skipHashCheck }), file);
      assert.equal(error.message, status.message);
      if (size >= 4096)
        assert.match(error.message, new RegExp(`was cut off: it has ${size} bytes`));
    }
    assert.equal(existsSync(join(dir, "data")), false);
  }
  writeFileSync(file, whole.subarray(0, whole.byteLength - 32));
  assert.match(
    (await refused(restoring(file, join(dir, "data")), file)).message,
    /^snapshot missing hash but --skip-hash-check=false: .* add --skip-hash-check$/,
  );
  await restoring(file, join(dir, "data"), { skipHashCheck: true });
});

const withHash = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, createHash("sha256").update(bytes).digest()]);

test("what is no snapshot is refused by name, with a right hash too", async (t) => {
  const dir = temporaryFolder(t);
  const random = createHash("sha512").update("random").digest();
  const sqlite = Buffer.alloc(16_384);
  sqlite.write("SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20", "latin1");
  const files: [string, Buffer, RegExp][] = [
    ["empty.db", Buffer.alloc(0), /empty\.db is empty\. Use another copy/],
    ["random.db", Buffer.alloc(65_536, random), /random\.db is no snapshot of etcd/],
    ["sqlite.db", sqlite, /sqlite\.db is no snapshot of etcd.*`etcdctl snapshot save` wrote$/],
    ["zero.db", Buffer.alloc(65_536), /zero\.db is no snapshot of etcd/],
    ["gzip.db", Buffer.from("1f8b0800000000000003", "hex"), /gzip\.db is no snapshot of etcd/],
    [
      "other.db",
      await makeBolt([["people", [[Buffer.from("ann"), Buffer.from("1")]]]]),
      /other\.db is a bbolt file but no etcd database: bucket key is missing\. Use a file/,
    ],
  ];
  for (const [name, bytes, message] of files) {
    const file = join(dir, name);
    writeFileSync(file, bytes);
    if (name !== "other.db")
      assert.match((await refused(snapshotStatus(disk, file), file)).message, message);
    const error = await refused(restoring(file, join(dir, "data"), { skipHashCheck: true }), file);
    assert.match(error.message, message);
    if (bytes.byteLength > 0) {
      writeFileSync(file, withHash(bytes));
      assert.match((await refused(restoring(file, join(dir, "data")), file)).message, message);
    }
    assert.equal(existsSync(join(dir, "data")), false, name);
  }
  mkdirSync(join(dir, "folder.db"));
  await assert.rejects(restoring(join(dir, "folder.db"), join(dir, "data")), /EISDIR/);
});
