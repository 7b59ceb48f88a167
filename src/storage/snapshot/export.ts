import { createHash } from "node:crypto";
import type { Row } from "../../ports/index.ts";
import { type BackendView, ownMetaPrefix, type RowKind } from "../backend/index.ts";
import { type BucketSource, planBolt, writeBolt } from "./bolt-writer.ts";

export interface SnapshotExport {
  /** Bytes of the database file; the trailing sha256 (32 bytes) comes on top when asked for. */
  readonly sizeBytes: number;
  /** The file in order, in pieces of about 64 KiB; to be read once. */
  chunks(options?: ChunkOptions): AsyncIterable<Uint8Array>;
}

export interface ChunkOptions {
  /** The file's SHA-256 behind it. */
  readonly withSha256?: boolean;
  /** Sees the rows of the bucket `key` as they are written, in order. */
  readonly onRevisions?: (rows: readonly Row[]) => void;
}

/** Of etcd 3.7, whose buckets and rows these are. */
const defaultStorageVersion = "3.7.0";

/** etcd's buckets in the order of their names, and the kind of row each holds. */
const bucketKinds: readonly (readonly [name: string, kind: RowKind])[] = [
  ["alarm", "alarm"],
  ["auth", "auth"],
  ["authRoles", "authRoles"],
  ["authUsers", "authUsers"],
  ["cluster", "cluster"],
  ["key", "rev"],
  ["lease", "lease"],
  ["members", "members"],
  ["members_removed", "members_removed"],
  ["meta", "meta"],
];

export const kindOfBucket: ReadonlyMap<string, RowKind> = new Map(bucketKinds);

/**
 * The bbolt file of a pinned view, for Maintenance.Snapshot (with sha256) and for members that
 * fall behind (without). Two passes over the view (sizes first, since the file's header and the
 * protocol need the total), so neither disk nor memory grows with the data. The caller releases
 * the view.
 */
export async function exportSnapshot(
  view: BackendView,
  options: { readonly storageVersion?: string } = {},
): Promise<SnapshotExport> {
  const buckets = bucketsOf(view, options.storageVersion);
  const plan = await planBolt(buckets);
  return {
    sizeBytes: plan.sizeBytes,
    chunks: ({ withSha256: hashed = false, onRevisions } = {}) => {
      const seen = ({ name, rows }: BucketSource): BucketSource =>
        name !== "key" || onRevisions === undefined
          ? { name, rows }
          : { name, rows: () => shown(rows(), onRevisions) };
      const chunks = writeBolt(buckets.map(seen), plan);
      return hashed ? withSha256(chunks) : chunks;
    },
  };
}

/** etcd's buckets with the view's rows, in the order in which they stand in a file. */
export const bucketsOf = (
  view: BackendView,
  storageVersion = defaultStorageVersion,
): BucketSource[] =>
  bucketKinds.map(([name, kind]): BucketSource => {
    const rows = (): AsyncIterable<readonly Row[]> =>
      kind === "meta" ? metaRows(view, storageVersion) : view.scan(kind);
    return { name, rows };
  });

async function* shown(
  chunks: AsyncIterable<readonly Row[]>,
  to: (rows: readonly Row[]) => void,
): AsyncGenerator<readonly Row[]> {
  for await (const rows of chunks) {
    to(rows);
    yield rows;
  }
}

/** etcd's own rows, with the storage version among them. */
async function* metaRows(view: BackendView, version: string): AsyncGenerator<readonly Row[]> {
  const rows: Row[] = [[Buffer.from("storageVersion"), Buffer.from(version)]];
  for await (const chunk of view.scan("meta")) {
    for (const row of chunk) {
      const name = Buffer.from(row[0]).toString("latin1");
      if (!name.startsWith(ownMetaPrefix) && name !== "storageVersion") rows.push(row);
    }
  }
  yield rows.sort((a, b) => Buffer.compare(a[0], b[0]));
}

/** The chunks, and behind them their SHA-256, as `etcdctl snapshot save` leaves it. */
async function* withSha256(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const chunk of chunks) {
    hash.update(chunk);
    yield chunk;
  }
  yield hash.digest();
}
