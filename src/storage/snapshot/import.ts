import type { Revision } from "../../core/types.ts";
import type { Disk, Engine, Row } from "../../ports/index.ts";
import {
  type BackendMeta,
  metaOfBucket,
  parseRevisionKey,
  RowImporter,
  type RowKind,
} from "../backend/index.ts";
import { BoltReader, useAnother } from "./bolt-reader.ts";
import { kindOfBucket } from "./export.ts";
import { type ImportResult, SnapshotError } from "./types.ts";

/** How a restore changes what it imports. */
export interface ImportChanges {
  /** Instead of the file's `members` and `members_removed`. */
  readonly members?: readonly Row[];
  /** Rows to put behind the last revision; gets its main part. */
  readonly moreRevisions?: (last: number) => readonly Row[];
  /** The meta to write instead of the file's. */
  readonly meta?: (meta: BackendMeta) => BackendMeta;
  /** Sees all rows before they are imported, and how far the file has been read; may throw. */
  readonly onRows?: (kind: RowKind, rows: readonly Row[], progress: Progress) => void;
}

/** Bytes of the file. */
interface Progress {
  readonly done: number;
  readonly total: number;
}

/**
 * Reads the bbolt file `path` into an empty engine and flushes it. Rejects with SnapshotError
 * when the file is damaged; the engine's folder is then of no use.
 */
export async function importSnapshot(
  disk: Disk,
  path: string,
  engine: Engine,
  changes: ImportChanges = {},
): Promise<ImportResult> {
  const reader = await BoltReader.open(disk, path);
  try {
    return await new Import(reader, engine, changes).run(path);
  } finally {
    await reader.close();
  }
}

class Import {
  readonly #reader: BoltReader;
  readonly #importer: RowImporter;
  readonly #changes: ImportChanges;
  #lastMain = 0;
  #logicalBytes = 0;

  constructor(reader: BoltReader, engine: Engine, changes: ImportChanges) {
    this.#reader = reader;
    this.#importer = new RowImporter(engine);
    this.#changes = changes;
  }

  async run(path: string): Promise<ImportResult> {
    const buckets = await this.#reader.buckets();
    for (const required of ["key", "meta"]) {
      if (!buckets.some((bucket) => bucket.name === required)) {
        throw new SnapshotError(
          "corrupt",
          `${path} is a bbolt file but no etcd database: bucket ${required} is missing. Use a file ` +
            "that `etcdctl snapshot save` wrote",
        );
      }
    }
    const metaRows: Row[] = [];
    for (const bucket of buckets) {
      const kind = kindOfBucket.get(bucket.name);
      if (kind === undefined || this.#replaces(kind)) continue;
      for await (const rows of this.#reader.rows(bucket)) {
        const progress = { done: this.#reader.bytesRead, total: this.#reader.sizeBytes };
        this.#changes.onRows?.(kind, rows, progress);
        if (kind === "meta") metaRows.push(...rows);
        else {
          if (kind === "rev") this.#count(path, rows);
          await this.#importer.add(kind, rows);
        }
      }
    }
    if (this.#changes.members !== undefined)
      await this.#importer.add("members", this.#changes.members);
    const more = this.#changes.moreRevisions?.(this.#lastMain) ?? [];
    this.#count(path, more);
    await this.#importer.add("rev", more);
    return this.#finish(metaRows);
  }

  /** The current revision as etcd finds it: a compaction may have removed the newest rows. */
  async #finish(metaRows: readonly Row[]): Promise<ImportResult> {
    const file = metaOfBucket(metaRows);
    const newest = Math.max(
      1,
      this.#lastMain,
      file.scheduledCompactRevision,
      file.finishedCompactRevision,
    );
    const own = { ...file, revision: newest as Revision, logicalBytes: this.#logicalBytes };
    const meta = this.#changes.meta?.(own) ?? own;
    await this.#importer.finish(meta);
    const { appliedIndex, appliedTerm, confState, revision } = meta;
    return { appliedIndex, appliedTerm, confState, revision };
  }

  #replaces(kind: RowKind): boolean {
    if (this.#changes.members === undefined) return false;
    return kind === "members" || kind === "members_removed";
  }

  #count(path: string, rows: readonly Row[]): void {
    for (const [key, value] of rows) {
      const id = parseRevisionKey(key);
      if (id === undefined) {
        const hex = Buffer.from(key).toString("hex");
        throw new SnapshotError(
          "corrupt",
          `${path} is damaged: ${hex} is no revision. ${useAnother}`,
        );
      }
      if (id.main > this.#lastMain) this.#lastMain = id.main;
      this.#logicalBytes += key.byteLength + value.byteLength;
    }
  }
}
