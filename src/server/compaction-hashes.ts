/**
 * Hashes of the history as compactions found it. Members compact at the same revisions, so these tell
 * whether they hold the same, long after the rows are gone. Source: etcd server/storage/mvcc/hash.go.
 */
export interface CompactionHash {
  /** The compaction's. */
  readonly revision: number;
  /** Of the compaction before; -1 when there was none. */
  readonly compactRevision: number;
  readonly hash: number;
}

/** etcd's hashStorageMaxSize. */
const kept = 10;

export class CompactionHashes {
  #hashes: CompactionHash[] = [];

  /** The newest ten stay. */
  add(hash: CompactionHash): void {
    this.#hashes = [...this.#hashes, hash].sort((a, b) => a.revision - b.revision).slice(-kept);
  }

  at(revision: number): CompactionHash | undefined {
    return this.#hashes.find((h) => h.revision === revision);
  }

  /** Newest first. */
  above(revision: number): CompactionHash[] {
    return this.#hashes.filter((h) => h.revision > revision).reverse();
  }
}
