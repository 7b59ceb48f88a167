/**
 * HashKV: CRC-32C over the name of the key bucket, then over revision key and value of every row up
 * to a revision that counts (etcd's server/storage/mvcc/hash.go):
 *
 * - above the compact revision every row counts, superseded or not;
 * - at or below it only what compaction at the *hashed* revision keeps: the newest revision of its
 *   key, unless that is a tombstone. Rows a pending compaction has not removed yet do not matter;
 * - if that keeps nothing at all, etcd filters nothing: what the last compaction kept counts.
 *
 * The job pins the compact revision it began with, so rows above that one stay until it ends.
 */
import { toLatin1 } from "../../lib/bytes.ts";
import type { Revision } from "../types.ts";
import type { KeyTree } from "./key-tree.ts";
import { decodeKeyValue } from "./key-value.ts";
import { decodeRevisionKey } from "./revision-key.ts";
import type { Crc32c, HashJob, Pin } from "./types.ts";

/** etcd's name of the bucket, hashed first. */
const bucketName = Uint8Array.of(0x6b, 0x65, 0x79);

const everything = { start: "", end: undefined };

export function beginHash(options: {
  revision: Revision;
  compactRevision: number;
  currentRevision: Revision;
  tree: KeyTree;
  crc32c: Crc32c;
  pin: Pin;
  /** The hash of a compaction at `revision`: it keeps a tombstone at that very revision. */
  compaction: boolean;
}): HashJob {
  const { revision, compactRevision, currentRevision, tree, crc32c, pin } = options;
  const keepsSome =
    tree.count(everything, revision) > 0 || (options.compaction && deletesAt(tree, revision));
  const keptAt = keepsSome ? revision : compactRevision;
  let hash = crc32c(bucketName, 0);

  const counts = (revisionKey: Uint8Array, encoded: Uint8Array): boolean => {
    const { main, sub, tombstone } = decodeRevisionKey(revisionKey);
    if (main > revision) return false;
    if (main > compactRevision) return true;
    if (tombstone) return false;
    const head = tree.locate(toLatin1(decodeKeyValue(encoded).key));
    const newest = tree.table.at(head, keptAt);
    return newest !== 0 && tree.table.main(newest) === main && tree.table.sub(newest) === sub;
  };

  return {
    kind: "hash",
    revision,
    compactRevision,
    currentRevision,
    row(revisionKey, encoded) {
      if (!counts(revisionKey, encoded)) return;
      hash = crc32c(encoded, crc32c(revisionKey, hash));
    },
    digest() {
      pin.release();
      return hash;
    },
    abort: () => pin.release(),
  };
}

/** Whether some key was deleted at exactly that revision. */
function deletesAt(tree: KeyTree, revision: Revision): boolean {
  const { table } = tree;
  let found = false;
  tree.visit(everything, revision - 1, (_key, head) => {
    const record = table.at(head, revision);
    found = record !== 0 && table.main(record) === revision && table.tombstone(record);
    return !found;
  });
  return found;
}
