import { assert } from "../../lib/assert.ts";
import { toLatin1 } from "../../lib/bytes.ts";
import type { mvccpb } from "../../proto/index.ts";

/** A row of bucket `key`, in the order of the file. */
export interface KeyRow {
  readonly main: number;
  readonly tombstone: boolean;
  readonly kv: mvccpb.KeyValue;
}

/**
 * Counts the keys that exist at the newest revision without holding them, so that memory does not
 * grow with the file. What stands in for etcdutl's set of names:
 *
 * - Up to a finished compaction a key has one row at most, or it does not exist: each put counts.
 * - Behind it the history is whole: a key comes to be with version 1 and goes with a tombstone.
 * - Between finished and scheduled compaction some rows may be gone: there, and only there, the
 *   names are held.
 * - A restore with --bump-revision leaves a row without a value; etcdutl counts it as the key "".
 */
export class LivingKeys {
  readonly #finished: number;
  readonly #scheduled: number;
  readonly #unsettled = new Set<string>();
  #count = 0;
  #isBumped = false;

  /** Both are revisions, 0 for none. */
  constructor(compacted: { readonly finished: number; readonly scheduled: number }) {
    this.#finished = compacted.finished;
    this.#scheduled = Math.max(compacted.scheduled, compacted.finished);
    assert(this.#finished >= 0, "a revision");
  }

  get count(): number {
    return this.#count + this.#unsettled.size + (this.#isBumped ? 1 : 0);
  }

  take({ main, tombstone, kv }: KeyRow): void {
    if (!tombstone && kv.version === 0 && kv.key.byteLength === 0) this.#isBumped = true;
    else if (main > this.#scheduled) this.#count += tombstone ? -1 : kv.version === 1 ? 1 : 0;
    else if (this.#finished === this.#scheduled) this.#count += tombstone ? 0 : 1;
    else if (tombstone) this.#unsettled.delete(toLatin1(kv.key));
    else this.#unsettled.add(toLatin1(kv.key));
  }
}
