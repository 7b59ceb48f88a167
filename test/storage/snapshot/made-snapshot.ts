// Snapshot files of any size made without a server, in bounded memory.

import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { type LeaseId, revision, type Version } from "../../../src/core/types.ts";
import type { Row } from "../../../src/ports/index.ts";
import { mvccpb } from "../../../src/proto/index.ts";
import { encodeRevisionKey } from "../../../src/storage/backend/index.ts";
import {
  type BucketSource,
  planBolt,
  writeBolt,
} from "../../../src/storage/snapshot/bolt-writer.ts";

/** `keys` keys written once each with `valueBytes` of hardly repeating text, and etcd's meta. */
export interface MadeSnapshot {
  readonly keys: number;
  readonly valueBytes: number;
}

/** Writes the file, with the sha256 behind it; its size in bytes. */
export async function makeSnapshot(path: string, made: MadeSnapshot): Promise<number> {
  const buckets = [
    bucket("alarm", []),
    bucket("auth", [[Buffer.from("authEnabled"), Buffer.from([0])]]),
    { name: "key", rows: () => keyRows(made) },
    bucket("lease", []),
    bucket("members", []),
    bucket("members_removed", []),
    bucket("meta", metaRows(made.keys)),
  ];
  const plan = await planBolt(buckets);
  const hash = createHash("sha256");
  const fd = openSync(path, "w");
  try {
    for await (const chunk of writeBolt(buckets, plan)) {
      hash.update(chunk);
      writeSync(fd, chunk);
    }
    writeSync(fd, hash.digest());
  } finally {
    closeSync(fd);
  }
  return plan.sizeBytes + 32;
}

/** A bbolt file of these buckets, in the order of their names; without a sha256. */
export async function makeBolt(
  buckets: readonly (readonly [name: string, rows: readonly Row[]])[],
): Promise<Buffer> {
  const sources = buckets.map(([name, rows]) => bucket(name, rows));
  const chunks: Uint8Array[] = [];
  for await (const chunk of writeBolt(sources, await planBolt(sources))) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const bucket = (name: string, rows: readonly Row[]): BucketSource => ({
  name,
  async *rows() {
    yield rows;
  },
});

function metaRows(index: number): Row[] {
  const u64 = (n: number): Buffer => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64BE(BigInt(n));
    return bytes;
  };
  return [
    [Buffer.from("confState"), Buffer.from('{"voters":[1],"auto_leave":false}')],
    [Buffer.from("consistent_index"), u64(index)],
    [Buffer.from("storageVersion"), Buffer.from("3.7.0")],
    [Buffer.from("term"), u64(2)],
  ];
}

async function* keyRows({ keys, valueBytes }: MadeSnapshot): AsyncGenerator<readonly Row[]> {
  const noise = Buffer.alloc(valueBytes + 4096, createHash("sha512").update("noise").digest());
  for (let from = 0; from < keys; from += 500) {
    const rows: Row[] = [];
    for (let i = from; i < Math.min(keys, from + 500); i++) {
      const kv = mvccpb.encodeKeyValue({
        key: Buffer.from(`/made/${String(i).padStart(10, "0")}`),
        value: noise.subarray(i % 4096, (i % 4096) + valueBytes),
        createRevision: revision(i + 2),
        modRevision: revision(i + 2),
        version: 1 as Version,
        lease: 0n as LeaseId,
      });
      rows.push([encodeRevisionKey(i + 2, 0, false), kv]);
    }
    yield rows;
  }
}
