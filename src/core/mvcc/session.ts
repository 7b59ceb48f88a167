/**
 * What one operation sees and changes. Writes go into the index at once, with the record of what
 * they replaced, while their values and lease changes wait; `commit` hands those on, `rollback`
 * takes the index back. So everything inside one operation sees its own writes, nobody else ever
 * sees half of them, and an operation that lacks values can be dropped and run again (STORE 9).
 */
import { assert } from "../../lib/assert.ts";
import { fromLatin1, toLatin1 } from "../../lib/bytes.ts";
import { type LeaseId, noLease, type Revision, type Version } from "../types.ts";
import type { KeyTree } from "./key-tree.ts";
import { encodeKeyValue } from "./key-value.ts";
import { MissingRows } from "./missing-rows.ts";
import type { RecordId } from "./revision-table.ts";
import type { LeaseTable, ValueStore } from "./types.ts";

/** One row that a write adds. */
export interface Change {
  readonly key: string;
  /** The key's newest record before; 0 if there was none. */
  readonly old: RecordId;
  readonly record: RecordId;
  readonly sub: number;
  readonly tombstone: boolean;
  /** The encoded KeyValue of the row. */
  readonly bytes: Uint8Array;
  readonly lease: LeaseId;
}

const noBytes = new Uint8Array(0);

export class Session {
  readonly tree: KeyTree;
  readonly #values: ValueStore;
  readonly #leases: LeaseTable;
  /** Revision before this operation. */
  #begin: Revision = 0 as Revision;
  #changes: Change[] = [];
  /** Rows that were asked for and are not in memory. */
  readonly missing = new MissingRows();

  constructor(tree: KeyTree, values: ValueStore, leases: LeaseTable) {
    this.tree = tree;
    this.#values = values;
    this.#leases = leases;
  }

  /** Starts an operation on top of `revision`. */
  begin(revision: Revision): void {
    assert(this.#changes.length === 0, "the previous operation neither committed nor rolled back");
    this.#begin = revision;
    this.missing.clear();
  }

  /** The revision reads see: one higher once this operation has written. */
  get revision(): Revision {
    return this.#changes.length === 0 ? this.#begin : this.#writeRevision;
  }

  /** The revision before this operation. */
  get beginRevision(): Revision {
    return this.#begin;
  }

  get changes(): readonly Change[] {
    return this.#changes;
  }

  hasLease(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  /** The newest live record of a key, 0 if there is none. */
  live(key: string): RecordId {
    const head = this.tree.locate(key);
    return head !== 0 && !this.tree.table.tombstone(head) ? head : 0;
  }

  /** The encoded KeyValue of a live record; notes it as missing, and answers undefined, if absent. */
  value(record: RecordId): Uint8Array | undefined {
    const main = this.tree.table.main(record);
    const sub = this.tree.table.sub(record);
    if (main > this.#begin) return this.#changes[sub]!.bytes;
    const bytes = this.#values.get(main, sub);
    if (bytes === undefined) this.missing.add({ main, sub });
    return bytes;
  }

  put(key: Uint8Array, value: Uint8Array, lease: LeaseId): void {
    const name = toLatin1(key);
    const { tree } = this;
    const old = tree.locate(name);
    const table = tree.table;
    const main = this.#writeRevision;
    const exists = old !== 0 && !table.tombstone(old);
    const create = exists ? table.create(old) : main;
    const version = ((exists ? table.version(old) : 0) + 1) as Version;
    const sub = this.#changes.length;
    const bytes = encodeKeyValue(key, create, main, version, value, lease);
    const record = tree.push(main, sub, false, create, version);
    this.#changes.push({ key: name, old, record, sub, tombstone: false, bytes, lease });
  }

  /** Deletes a key that is alive. */
  delete(name: string): void {
    const { tree } = this;
    const old = tree.locate(name);
    assert(old !== 0 && !tree.table.tombstone(old), "delete of a key that is not alive");
    const sub = this.#changes.length;
    const bytes = encodeKeyValue(fromLatin1(name), 0, 0, 0, noBytes, noLease);
    const record = tree.push(this.#writeRevision, sub, true, 0 as Revision, 0 as Version);
    this.#changes.push({ key: name, old, record, sub, tombstone: true, bytes, lease: noLease });
  }

  /** Hands rows and leases on; returns the changes, in order. */
  commit(): readonly Change[] {
    const changes = this.#changes;
    const main = this.#writeRevision;
    const leases = this.#leases;
    for (const { key, sub, tombstone, bytes, lease, old } of changes) {
      this.#values.put(main, sub, tombstone, bytes);
      if (lease === noLease && old === 0) continue;
      // A restored key may carry the id of a lease that no longer exists (put with ignoreLease).
      const attached = lease === noLease || leases.has(lease) ? lease : noLease;
      if (leases.leaseOf(key) !== attached) leases.attach(attached, key);
    }
    this.#changes = [];
    return changes;
  }

  /** Takes every write of this operation back, newest first. */
  rollback(): void {
    for (let i = this.#changes.length - 1; i >= 0; i--) {
      const { key, old } = this.#changes[i]!;
      this.tree.undo(key, old);
    }
    this.#changes = [];
  }

  get #writeRevision(): Revision {
    return (this.#begin + 1) as Revision;
  }
}
