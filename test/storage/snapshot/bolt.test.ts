import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Row } from "../../../src/ports/index.ts";
import { BoltReader } from "../../../src/storage/snapshot/bolt-reader.ts";
import {
  type BucketSource,
  planBolt,
  writeBolt,
} from "../../../src/storage/snapshot/bolt-writer.ts";
import { MemoryDisk } from "../memory-disk.ts";

type Buckets = ReadonlyMap<string, readonly Row[]>;

const sources = (buckets: Buckets): BucketSource[] =>
  [...buckets].map(([name, rows]) => ({
    name,
    async *rows() {
      for (let i = 0; i < rows.length; i += 100) yield rows.slice(i, i + 100);
    },
  }));

async function write(disk: MemoryDisk, path: string, buckets: Buckets): Promise<number> {
  const plan = await planBolt(sources(buckets));
  const file = await disk.open(path, { create: true });
  let at = 0;
  for await (const chunk of writeBolt(sources(buckets), plan)) {
    await file.write([chunk], at);
    at += chunk.byteLength;
  }
  assert.equal(at, plan.sizeBytes, "the size is the planned one");
  return at;
}

async function read(disk: MemoryDisk, path: string): Promise<Buckets> {
  const reader = await BoltReader.open(disk, path);
  const found = new Map<string, Row[]>();
  for (const bucket of await reader.buckets()) {
    const rows: Row[] = [];
    for await (const page of reader.rows(bucket)) rows.push(...page);
    found.set(bucket.name, rows);
  }
  await reader.close();
  return found;
}

const plain = (buckets: Buckets): unknown =>
  [...buckets].map(([name, rows]) => [
    name,
    rows.map(([k, v]) => [Buffer.from(k).toString("hex"), Buffer.from(v).toString("hex")]),
  ]);

function numbered(count: number, valueBytes: number): Row[] {
  return Array.from(
    { length: count },
    (_, i): Row => [Buffer.from(String(i).padStart(12, "0")), Buffer.alloc(valueBytes, i)],
  );
}

test("BoltReader reads back what writeBolt wrote, whatever the rows", async () => {
  const rows = fc
    .array(fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(9000)), {
      maxLength: 300,
    })
    .map((pairs): Row[] => {
      const unique = new Map(pairs.map(([k, n]) => [Buffer.from(k).toString("hex"), n]));
      return [...unique]
        .sort((a, b) => (a[0] < b[0] ? -1 : 1))
        .map(([hex, n]): Row => [Buffer.from(hex, "hex"), Buffer.alloc(n, hex)]);
    });
  await fc.assert(
    fc.asyncProperty(rows, rows, async (a, b) => {
      const buckets = new Map([
        ["alarm", []],
        ["key", a],
        ["meta", b],
      ]);
      const disk = new MemoryDisk();
      await write(disk, "/file", buckets);
      assert.deepEqual(plain(await read(disk, "/file")), plain(buckets));
    }),
    { numRuns: 60 },
  );
});

test("writeBolt builds several levels of branches and pages that overflow", async () => {
  const disk = new MemoryDisk();
  const buckets = new Map([
    ["key", numbered(60_000, 100)],
    ["lease", [[Buffer.from("one"), Buffer.alloc(300_000, 7)] as Row]],
  ]);
  await write(disk, "/file", buckets);
  const found = await read(disk, "/file");
  assert.equal(found.get("key")?.length, 60_000);
  assert.deepEqual(found.get("key")?.[59_999], buckets.get("key")?.[59_999]);
  assert.equal(found.get("lease")?.[0]?.[1].byteLength, 300_000);
});

test("writeBolt stops and closes its rows when the reader leaves early", async () => {
  let closed = 0;
  const bucket: BucketSource = {
    name: "key",
    async *rows() {
      try {
        const rows = numbered(20_000, 100);
        for (let i = 0; i < rows.length; i += 100) yield rows.slice(i, i + 100);
      } finally {
        closed++;
      }
    },
  };
  const plan = await planBolt([bucket]);
  assert.equal(closed, 1);
  for await (const chunk of writeBolt([bucket], plan)) {
    if (chunk.byteLength > 20_000) break;
  }
  assert.equal(closed, 2);
});

test("BoltReader refuses any file with a flipped byte or says the same as before", async () => {
  const disk = new MemoryDisk();
  const buckets = new Map([["key", numbered(400, 60)]]);
  const size = await write(disk, "/file", buckets);
  const want = plain(buckets);
  const bytes = disk.bytes("/file");
  const hits = fc.record({ at: fc.nat(size - 1), bit: fc.nat(7) });
  let refused = 0;
  await fc.assert(
    fc.asyncProperty(hits, async ({ at, bit }) => {
      const before = bytes[at] as number;
      bytes[at] = before ^ (1 << bit);
      try {
        const found = await read(disk, "/file");
        // Values and slack carry no check of their own; the structure must be whole.
        assert.equal(found.size, (want as unknown[]).length);
      } catch (error) {
        assert.equal((error as Error).name, "SnapshotError", String(error));
        refused++;
      } finally {
        bytes[at] = before;
      }
    }),
    { numRuns: 800 },
  );
  assert.ok(refused > 10);
  assert.deepEqual(plain(await read(disk, "/file")), want);
});

test("BoltReader refuses a file that is cut off, empty or of another kind", async () => {
  const disk = new MemoryDisk();
  await write(disk, "/file", new Map([["key", numbered(400, 60)]]));
  const file = await disk.open("/file");
  await file.truncate(20_000);
  await assert.rejects(read(disk, "/file"), {
    code: "corrupt",
    message: /was cut off: it has 20000/,
  });
  await (await disk.open("/other", { create: true })).write([Buffer.alloc(9000, "x")], 0);
  await assert.rejects(read(disk, "/other"), { code: "corrupt", message: /no bbolt file/ });
  await disk.open("/empty", { create: true });
  await assert.rejects(read(disk, "/empty"), { code: "corrupt", message: /is empty/ });
});
