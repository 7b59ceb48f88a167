import { createKvStore } from "../../core/mvcc/index.ts";
import { type LeaseId, noLease, type Revision } from "../../core/types.ts";
import type { Disk, Row } from "../../ports/index.ts";
import { metaOfBucket, parseRevisionKey } from "../backend/index.ts";
import { crc32c } from "../wal/index.ts";
import { BoltReader } from "./bolt-reader.ts";
import { SnapshotError, type SnapshotProgress } from "./types.ts";

/** What a restored member shows, computed from the file alone. */
export interface FileFacts {
  readonly revision: number;
  /** 0 when never compacted. */
  readonly compactRevision: number;
  /** HashKV at `revision`. */
  readonly hashKv: number;
}

/** HashKV of a file at a revision. */
export interface FileHash {
  readonly hash: number;
  readonly hashRevision: number;
  /** -1 when never compacted. */
  readonly compactRevision: number;
}

export interface HashOptions {
  /** 0: the newest. */
  readonly revision?: number;
  readonly progress?: SnapshotProgress;
}

/**
 * Revision, compact revision and HashKV of a snapshot file, for servers that do not say them. Reads the file
 * twice, and holds the key index as a member does. Rejects with SnapshotError.
 */
export async function snapshotFacts(disk: Disk, path: string): Promise<FileFacts> {
  const { hash, hashRevision, compactRevision } = await snapshotHash(disk, path);
  return { revision: hashRevision, compactRevision: Math.max(0, compactRevision), hashKv: hash };
}

/**
 * HashKV of a snapshot file, as a member restored from it would answer. Rejects with SnapshotError,
 * or Error with etcd's text for a revision that is compacted or not there yet.
 */
export async function snapshotHash(
  disk: Disk,
  path: string,
  options: HashOptions = {},
): Promise<FileHash> {
  const reader = await BoltReader.open(disk, path);
  try {
    const kv = createKvStore({
      values: { get: () => undefined, put: () => undefined },
      leases: { has: () => false, leaseOf: (): LeaseId => noLease, attach: () => undefined },
      crc32c,
    });
    for await (const [key, value] of rowsOf(reader, "key", options.progress)) {
      const id = parseRevisionKey(key);
      if (id === undefined)
        throw damaged(path, `${Buffer.from(key).toString("hex")} is no revision`);
      try {
        kv.restoreRow(id.main as Revision, id.sub, id.tombstone, value);
      } catch (error) {
        throw damaged(path, (error as Error).message);
      }
    }
    const metaRows: Row[] = [];
    for await (const row of rowsOf(reader, "meta")) metaRows.push(row);
    const meta = metaOfBucket(metaRows);
    kv.finishRestore({ ...meta, currentRevision: meta.revision });
    const job = kv.hashKv(options.revision ?? 0);
    if (job.kind === "error") throw new Error(refusals[job.code] ?? job.code);
    for await (const [key, value] of rowsOf(reader, "key", options.progress)) job.row(key, value);
    return {
      hash: job.digest(),
      hashRevision: job.revision,
      compactRevision: job.compactRevision,
    };
  } finally {
    await reader.close();
  }
}

/** In the words of etcd's mvcc. */
const refusals: Readonly<Record<string, string>> = {
  ErrCompacted: "mvcc: required revision has been compacted",
  ErrFutureRev: "mvcc: required revision is a future revision",
};

const damaged = (path: string, what: string): SnapshotError =>
  new SnapshotError("corrupt", `${path} is damaged: ${what}`);

async function* rowsOf(
  reader: BoltReader,
  name: string,
  progress?: SnapshotProgress,
): AsyncGenerator<Row> {
  for (const bucket of await reader.buckets()) {
    if (bucket.name !== name) continue;
    for await (const rows of reader.rows(bucket)) {
      yield* rows;
      progress?.("reading", reader.bytesRead, reader.sizeBytes);
    }
  }
}
