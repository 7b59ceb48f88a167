import { toLatin1 } from "../../lib/bytes.ts";
import type { Disk, Row } from "../../ports/index.ts";
import { type BackendMeta, metaOfBucket, parseRevisionKey } from "../backend/index.ts";
import { crc32c } from "../wal/index.ts";
import { BoltReader, useAnother } from "./bolt-reader.ts";
import { keyValueOf } from "./key-value.ts";
import { LivingKeys } from "./living-keys.ts";
import { SnapshotError, type SnapshotStatus, type StatusOptions } from "./types.ts";

/**
 * Reads the whole file, checking it; rejects with SnapshotError when it is damaged. As etcdutl
 * (etcdutl/snapshot/v3_snapshot.go Status), but in memory that does not grow with the file.
 */
export async function snapshotStatus(
  disk: Disk,
  path: string,
  options: StatusOptions = {},
): Promise<SnapshotStatus> {
  const reader = await BoltReader.open(disk, path);
  try {
    const buckets = await reader.buckets();
    const metaBucket = buckets.find((bucket) => bucket.name === "meta");
    const metaRows: Row[] = [];
    if (metaBucket !== undefined) {
      for await (const rows of reader.rows(metaBucket)) metaRows.push(...rows);
    }
    const keys = livingKeys(metaOfBucket(metaRows));
    let hash = 0;
    let revision = 0;
    for (const bucket of buckets) {
      hash = crc32c(Buffer.from(bucket.name, "latin1"), hash);
      for await (const rows of reader.rows(bucket)) {
        for (const [key, value] of rows) {
          hash = crc32c(value, crc32c(key, hash));
          if (bucket.name === "key") revision = takeRow(keys, path, key, value);
        }
        options.progress?.("reading", reader.bytesRead, reader.sizeBytes);
      }
    }
    const version = versionOf(metaRows);
    return { hash, revision, totalKey: keys.count, totalSize: reader.sizeBytes, version };
  } finally {
    await reader.close();
  }
}

const livingKeys = (meta: BackendMeta): LivingKeys =>
  new LivingKeys({
    finished: meta.finishedCompactRevision,
    scheduled: meta.scheduledCompactRevision,
  });

/** The row's main revision. */
function takeRow(keys: LivingKeys, path: string, key: Uint8Array, value: Uint8Array): number {
  const id = parseRevisionKey(key);
  if (id === undefined) {
    const hex = Buffer.from(key).toString("hex");
    throw new SnapshotError("corrupt", `${path} is damaged: ${hex} is no revision. ${useAnother}`);
  }
  keys.take({ main: id.main, tombstone: id.tombstone, kv: keyValueOf(path, value) });
  return id.main;
}

/** "" in snapshots of etcd before 3.6. */
function versionOf(metaRows: readonly Row[]): string {
  const row = metaRows.find(([key]) => toLatin1(key) === "storageVersion");
  return row === undefined ? "" : toLatin1(row[1]);
}
