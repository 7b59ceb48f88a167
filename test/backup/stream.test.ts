import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { test } from "node:test";
import {
  checkedSnapshot,
  compressInto,
  compressionOf,
  gathered,
  HashedTail,
  readInto,
  type SnapshotPiece,
} from "../../src/backup/stream.ts";

const sha256 = (bytes: Uint8Array): Buffer => createHash("sha256").update(bytes).digest();

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size);
}

/** As a server sends it: what remains is of the database, its sha256 comes on top. */
async function* sent(bytes: Uint8Array, size: number): AsyncGenerator<SnapshotPiece> {
  let remaining = bytes.byteLength;
  for await (const blob of pieces(bytes, size)) {
    remaining -= blob.byteLength;
    yield { blob, remainingBytes: remaining };
  }
  yield { blob: sha256(bytes), remainingBytes: 0 };
}

async function all(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

const database = randomBytes(700_001);
const file = Buffer.concat([database, sha256(database)]);

test("checkedSnapshot() passes a whole snapshot on, whatever its pieces", async () => {
  for (const size of [32 << 10, 1000, 700_001, 31]) {
    const passed = { bytes: 0 };
    assert.deepEqual(await all(checkedSnapshot(sent(database, size), passed)), file);
    assert.equal(passed.bytes, file.byteLength);
  }
});

test("checkedSnapshot() refuses what ends early, and what was changed", async () => {
  const short = async function* () {
    for await (const piece of sent(database, 1 << 15)) {
      if (piece.remainingBytes > 0) yield piece;
    }
  };
  const mismatch = { code: "HashMismatch", transient: true };
  await assert.rejects(all(checkedSnapshot(short(), { bytes: 0 })), mismatch);
  const changed = async function* () {
    for await (const { blob, remainingBytes } of sent(database, 1 << 15)) {
      const other = Buffer.from(blob);
      if (remainingBytes > 300_000 && remainingBytes < 340_000) other[5] = (other[5] ?? 0) ^ 1;
      yield { blob: other, remainingBytes };
    }
  };
  await assert.rejects(all(checkedSnapshot(changed(), { bytes: 0 })), mismatch);
  const nothing = async function* (): AsyncGenerator<SnapshotPiece> {};
  await assert.rejects(all(checkedSnapshot(nothing(), { bytes: 0 })), mismatch);
});

test("HashedTail knows its hash at every cut", () => {
  const small = Buffer.concat([Buffer.from("abc"), sha256(Buffer.from("abc"))]);
  for (let cut = 0; cut <= small.byteLength; cut++) {
    const tail = new HashedTail();
    tail.update(small.subarray(0, cut));
    tail.update(small.subarray(cut));
    assert.ok(tail.matches(), `cut at ${cut}`);
  }
  assert.equal(new HashedTail().matches(), false);
});

test("gathered() changes no byte", async () => {
  for (const size of [1, 1000, 256 * 1024, 600_000]) {
    const some = size === 1 ? file.subarray(0, 3000) : file;
    assert.deepEqual(await all(gathered(pieces(some, size))), some);
  }
});

for (const compression of ["none", "gzip", "zstd"] as const) {
  test(`what is stored with ${compression} is read back, with size and sha256 of what was stored`, async () => {
    const chunks: Uint8Array[] = [];
    await compressInto(pieces(file, 1 << 15), compression, async (chunk) => {
      chunks.push(Buffer.from(chunk));
    });
    const stored = Buffer.concat(chunks);
    assert.equal(compressionOf(stored), compression);
    const plain: Uint8Array[] = [];
    const found = await readInto(pieces(stored, 65_537), async (chunk) => {
      plain.push(Buffer.from(chunk));
    });
    assert.deepEqual(Buffer.concat(plain), file);
    assert.deepEqual(found, {
      sizeBytes: stored.byteLength,
      sha256: sha256(stored).toString("hex"),
    });
  });
}

test("compressInto() waits for a slow sink: what is under way stays bounded", async () => {
  let given = 0;
  let taken = 0;
  let most = 0;
  const source = async function* () {
    for (let i = 0; i < 400; i++) {
      given += 1 << 16;
      yield randomBytes(1 << 16);
    }
  };
  await compressInto(source(), "zstd", async (chunk) => {
    await new Promise((resolve) => setImmediate(resolve));
    taken += chunk.byteLength;
    most = Math.max(most, given - taken);
  });
  assert.ok(most < 4 << 20, `${most} bytes were under way`);
});

test("readInto() says so when what is stored does not decompress", async () => {
  for (const magic of [
    [0x1f, 0x8b],
    [0x28, 0xb5, 0x2f, 0xfd],
  ]) {
    const stored = Buffer.concat([Buffer.from(magic), randomBytes(100)]);
    await assert.rejects(
      readInto(pieces(stored, 10), async () => undefined),
      { code: "InvalidSnapshot" },
    );
  }
});

test("an error of the sink ends the whole stream with that error", async () => {
  for (const compression of ["none", "gzip", "zstd"] as const) {
    const sink = async (): Promise<void> => {
      throw new Error("the volume is full");
    };
    const storing = compressInto(pieces(file, 1 << 15), compression, sink);
    await assert.rejects(storing, /the volume is full/);
  }
});
