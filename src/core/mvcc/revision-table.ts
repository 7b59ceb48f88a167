/**
 * Every revision of every key in packed columns outside the JavaScript heap: 32 bytes a revision.
 * The revisions of one key form a chain from newest to oldest; the key tree holds the newest.
 * A record carries creation and version, so generations need no structure of their own: they are
 * delimited by tombstones, whose version is 0.
 */
import { assert } from "../../lib/assert.ts";
import type { Revision, Version } from "../types.ts";

/** A record's number; 0 is none. */
export type RecordId = number;

const chunkBits = 14;
const chunkSize = 1 << chunkBits;
const chunkMask = chunkSize - 1;
const maxSub = 0x7fff_ffff;

export class RevisionTable {
  /** Per record: main, create revision, version. */
  readonly #counters: Float64Array[] = [];
  /** Per record: sub times two plus the tombstone bit, and the previous (older) record. */
  readonly #links: Uint32Array[] = [];
  #used = 1;
  /** Freed records, chained through their previous link. */
  #free: RecordId = 0;
  #size = 0;

  /** Records in use. */
  get size(): number {
    return this.#size;
  }

  /** A new newest record on top of `prev`. */
  push(
    main: Revision,
    sub: number,
    tombstone: boolean,
    create: Revision,
    version: Version,
    prev: RecordId,
  ): RecordId {
    assert(sub <= maxSub, "too many changes in one revision");
    const id = this.#take();
    const chunk = id >>> chunkBits;
    const counters = this.#counters[chunk]!;
    const at = (id & chunkMask) * 3;
    counters[at] = main;
    counters[at + 1] = create;
    counters[at + 2] = version;
    const links = this.#links[chunk]!;
    const link = (id & chunkMask) * 2;
    links[link] = sub * 2 + (tombstone ? 1 : 0);
    links[link + 1] = prev;
    return id;
  }

  main(id: RecordId): Revision {
    return this.#counters[id >>> chunkBits]![(id & chunkMask) * 3] as Revision;
  }

  create(id: RecordId): Revision {
    return this.#counters[id >>> chunkBits]![(id & chunkMask) * 3 + 1] as Revision;
  }

  version(id: RecordId): Version {
    return this.#counters[id >>> chunkBits]![(id & chunkMask) * 3 + 2] as Version;
  }

  sub(id: RecordId): number {
    return this.#links[id >>> chunkBits]![(id & chunkMask) * 2]! >>> 1;
  }

  tombstone(id: RecordId): boolean {
    return (this.#links[id >>> chunkBits]![(id & chunkMask) * 2]! & 1) === 1;
  }

  prev(id: RecordId): RecordId {
    return this.#links[id >>> chunkBits]![(id & chunkMask) * 2 + 1]!;
  }

  /** Cuts the chain below `id`; the caller takes care of the rest. */
  cut(id: RecordId): void {
    this.#links[id >>> chunkBits]![(id & chunkMask) * 2 + 1] = 0;
  }

  /** The newest record of the chain at or below main revision `at`, tombstone or not; 0 if none. */
  at(head: RecordId, at: number): RecordId {
    let id = head;
    while (id !== 0 && this.main(id) > at) id = this.prev(id);
    return id;
  }

  release(id: RecordId): void {
    const links = this.#links[id >>> chunkBits]!;
    links[(id & chunkMask) * 2 + 1] = this.#free;
    this.#free = id;
    this.#size--;
  }

  #take(): RecordId {
    this.#size++;
    if (this.#free !== 0) {
      const id = this.#free;
      this.#free = this.prev(id);
      return id;
    }
    const id = this.#used++;
    assert(id < 0x7fff_ffff, "the revision table is full");
    if (id >>> chunkBits === this.#counters.length) {
      this.#counters.push(new Float64Array(chunkSize * 3));
      this.#links.push(new Uint32Array(chunkSize * 2));
    }
    return id;
  }
}
