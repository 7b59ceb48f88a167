/**
 * The memory tier: rows of `rev` by revision, off the JavaScript heap, under a byte budget.
 *
 * Rows lie behind one another in slabs:
 *
 *   | length of the value, u32 LE, top bit: tombstone | row key (18 or 19 bytes) | value |
 *
 * A slab is filled once and never written again; when it is evicted only the reference goes, so a
 * view of it that somebody still holds stays true. A hash table in shards (which grow one by one,
 * so that no turn of the loop rehashes everything) finds a row's slab and offset.
 * Eviction is first in, first out by slab, with a second chance for rows read since they came in.
 */
import { AssertionError } from "../../lib/assert.ts";
import { readU64, revKeyBytes, writeRevKey } from "./keys.ts";

const slabBytes = 256 * 1024;
/** Larger rows get a slab of their own. */
const ownSlabFrom = slabBytes / 4;
const shardCount = 256;
const headerBytes = 4;
const readMark = 0x80000000;
/** A slab into which one of the last so many prefetches put rows is not evicted. */
const freshPrefetches = 64;
/** Bounds the work of one `evict`. */
const slabsPerEviction = 16;
const slabsExamined = 256;

interface Slab {
  readonly id: number;
  readonly bytes: Buffer;
  used: number;
  /** Rows the table still points to. */
  live: number;
  /** Sequence number of the newest dirty row in it. */
  dirtySeq: number;
  /** Number of the last prefetch that put rows in. */
  prefetch: number;
}

/** A row as it lies in its slab: what the engine is given. */
export interface TierRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export class MemoryTier {
  readonly #bytesMax: number;
  readonly #shards: Shard[] = Array.from({ length: shardCount }, () => new Shard());
  /** In the order of their making. */
  readonly #slabs = new Map<number, Slab>();
  /** The same by id; ids of slabs that are gone are given again. */
  readonly #byId: (Slab | undefined)[] = [undefined];
  readonly #freeIds: number[] = [];
  #current: Slab;
  /** The slab of the last `put`. */
  #lastPut: Slab;
  #prefetches = 0;
  /** Bytes of all slabs. */
  bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#current = this.#newSlab(slabBytes);
    this.#lastPut = this.#current;
  }

  get rowCount(): number {
    return this.#shards.reduce((n, shard) => n + shard.count, 0);
  }

  /** The value, as a view that stays valid; undefined when the row is not here. */
  get(main: number, sub: number): Uint8Array | undefined {
    const hash = hashOf(main, sub);
    const shard = this.#shards[hash & (shardCount - 1)] as Shard;
    const slot = this.#find(shard, hash, main, sub);
    if (slot < 0) return undefined;
    const { words } = shard;
    const offset = (words[slot + 2] as number) & ~readMark;
    words[slot + 2] = offset | readMark;
    return valueAt((this.#byId[words[slot + 1] as number] as Slab).bytes, offset);
  }

  has(main: number, sub: number): boolean {
    const hash = hashOf(main, sub);
    return this.#find(this.#shards[hash & (shardCount - 1)] as Shard, hash, main, sub) >= 0;
  }

  /** Copies a row in that is not here yet; `seq` > 0 keeps it until `evict` is given as much. */
  put(main: number, sub: number, tombstone: boolean, value: Uint8Array, seq: number): TierRow {
    const keyBytes = revKeyBytes + (tombstone ? 1 : 0);
    const slab = this.#room(headerBytes + keyBytes + value.byteLength);
    const at = slab.used;
    const b = slab.bytes;
    b.writeUInt32LE((value.byteLength | (tombstone ? readMark : 0)) >>> 0, at);
    writeRevKey(b, at + headerBytes, main, sub, tombstone);
    const valueStart = at + headerBytes + keyBytes;
    b.set(value, valueStart);
    slab.used = valueStart + value.byteLength;
    if (seq > slab.dirtySeq) slab.dirtySeq = seq;
    this.#insert(slab, at, main, sub);
    // A slab is a whole ArrayBuffer; a plain view costs half of what Buffer.subarray does.
    return {
      key: new Uint8Array(b.buffer, at + headerBytes, keyBytes),
      value: new Uint8Array(b.buffer, valueStart, value.byteLength),
    };
  }

  /** The rows given to `putFetched` next belong together. */
  beginPrefetch(): void {
    this.#prefetches++;
  }

  /** Puts a clean row in, unless it is here already. */
  putFetched(main: number, sub: number, tombstone: boolean, value: Uint8Array): void {
    if (this.has(main, sub)) return;
    this.put(main, sub, tombstone, value, 0);
    this.#lastPut.prefetch = this.#prefetches;
  }

  /** Forgets a row. */
  remove(main: number, sub: number): void {
    const hash = hashOf(main, sub);
    const shard = this.#shards[hash & (shardCount - 1)] as Shard;
    const slot = this.#find(shard, hash, main, sub);
    if (slot < 0) return;
    const slab = this.#byId[shard.words[slot + 1] as number] as Slab;
    shard.remove(slot);
    if (--slab.live === 0 && slab !== this.#current) this.#drop(slab);
  }

  /** Brings the tier back under its budget as far as rows written up to `writtenSeq` allow. */
  evict(writtenSeq: number): void {
    if (this.bytes <= this.#bytesMax) return;
    let evicted = 0;
    let examined = 0;
    for (const slab of this.#slabs.values()) {
      if (this.bytes <= this.#bytesMax || evicted >= slabsPerEviction) return;
      if (++examined > slabsExamined || slab === this.#current) return;
      if (slab.dirtySeq > writtenSeq) continue;
      if (slab.prefetch > this.#prefetches - freshPrefetches && slab.prefetch > 0) continue;
      this.#evictSlab(slab);
      evicted++;
    }
  }

  #evictSlab(slab: Slab): void {
    const b = slab.bytes;
    for (let at = 0; at < slab.used; ) {
      const head = b.readUInt32LE(at);
      const tombstone = head >= readMark;
      const length = head & ~readMark;
      const keyAt = at + headerBytes;
      const valueStart = keyAt + revKeyBytes + (tombstone ? 1 : 0);
      const main = readU64(b, keyAt + 1);
      const sub = readU64(b, keyAt + 10);
      const hash = hashOf(main, sub);
      const shard = this.#shards[hash & (shardCount - 1)] as Shard;
      const slot = this.#find(shard, hash, main, sub);
      if (slot >= 0 && shard.words[slot + 1] === slab.id) {
        const wasRead = (shard.words[slot + 2] as number) >= readMark;
        shard.remove(slot);
        if (wasRead) this.put(main, sub, tombstone, b.subarray(valueStart, valueStart + length), 0);
      }
      at = valueStart + length;
    }
    this.#drop(slab);
  }

  #room(bytes: number): Slab {
    let slab = this.#current;
    if (bytes >= ownSlabFrom) slab = this.#newSlab(bytes);
    else if (slab.used + bytes > slab.bytes.byteLength) {
      if (slab.live === 0) this.#drop(slab);
      slab = this.#newSlab(slabBytes);
      this.#current = slab;
    }
    this.#lastPut = slab;
    return slab;
  }

  #newSlab(bytes: number): Slab {
    const slab: Slab = {
      id: this.#freeIds.pop() ?? this.#byId.length,
      bytes: Buffer.allocUnsafeSlow(bytes),
      used: 0,
      live: 0,
      dirtySeq: 0,
      prefetch: 0,
    };
    this.#slabs.set(slab.id, slab);
    this.#byId[slab.id] = slab;
    this.bytes += bytes;
    return slab;
  }

  #drop(slab: Slab): void {
    this.#slabs.delete(slab.id);
    this.#byId[slab.id] = undefined;
    this.#freeIds.push(slab.id);
    this.bytes -= slab.bytes.byteLength;
  }

  #insert(slab: Slab, offset: number, main: number, sub: number): void {
    const hash = hashOf(main, sub);
    const shard = this.#shards[hash & (shardCount - 1)] as Shard;
    // The words are put together only when they are needed: this runs for every row.
    if (this.#find(shard, hash, main, sub) >= 0) {
      throw new AssertionError(`revision ${main}_${sub} is put twice`);
    }
    shard.insert(hash, slab.id, offset);
    slab.live++;
  }

  /** Where the row's slot begins in the shard's words; -1 when it is not here. */
  #find(shard: Shard, hash: number, main: number, sub: number): number {
    const { mask, words } = shard;
    for (let n = (hash >>> 8) & mask; words[n * slotWords + 1] !== 0; n = (n + 1) & mask) {
      const slot = n * slotWords;
      if (words[slot] !== hash) continue;
      const b = (this.#byId[words[slot + 1] as number] as Slab).bytes;
      const keyAt = ((words[slot + 2] as number) & ~readMark) + headerBytes;
      if (readU64(b, keyAt + 1) === main && readU64(b, keyAt + 10) === sub) return slot;
    }
    return -1;
  }
}

/** Words of a slot: hash, slab, offset (its top bit: read since it came in). */
const slotWords = 3;

/**
 * Open addressing with linear probing; a slab id of 0 marks a free slot. The words of a slot lie side
 * by side: a look-up is a cache miss or two, and a list has one for each of its rows.
 */
class Shard {
  mask = 63;
  count = 0;
  words = new Uint32Array(64 * slotWords);

  insert(hash: number, slab: number, offset: number): void {
    if ((this.count + 1) * 4 > (this.mask + 1) * 3) this.#grow();
    this.#place(hash, slab, offset);
    this.count++;
  }

  /** Closes the gap, so that probing needs no tombstones (Knuth 6.4, algorithm R). */
  remove(slot: number): void {
    const { words, mask } = this;
    let gap = slot / slotWords;
    for (let i = (gap + 1) & mask; words[i * slotWords + 1] !== 0; i = (i + 1) & mask) {
      const home = ((words[i * slotWords] as number) >>> 8) & mask;
      if (((i - home) & mask) < ((i - gap) & mask)) continue;
      words.copyWithin(gap * slotWords, i * slotWords, (i + 1) * slotWords);
      gap = i;
    }
    words[gap * slotWords + 1] = 0;
    this.count--;
  }

  #place(hash: number, slab: number, offset: number): void {
    const { words, mask } = this;
    let n = (hash >>> 8) & mask;
    while (words[n * slotWords + 1] !== 0) n = (n + 1) & mask;
    const slot = n * slotWords;
    words[slot] = hash;
    words[slot + 1] = slab;
    words[slot + 2] = offset;
  }

  #grow(): void {
    const old = this.words;
    const size = (this.mask + 1) * 2;
    this.mask = size - 1;
    this.words = new Uint32Array(size * slotWords);
    for (let slot = 0; slot < old.length; slot += slotWords) {
      const slab = old[slot + 1] as number;
      if (slab !== 0) this.#place(old[slot] as number, slab, old[slot + 2] as number);
    }
  }
}

function valueAt(b: Buffer, offset: number): Uint8Array {
  const head = b.readUInt32LE(offset);
  const length = head & ~readMark;
  const start = offset + headerBytes + revKeyBytes + (head >= readMark ? 1 : 0);
  return new Uint8Array(b.buffer, start, length);
}

/** 32 well-mixed bits of a revision (the finalizer of MurmurHash3). */
function hashOf(main: number, sub: number): number {
  let h = (main >>> 0) ^ Math.imul(Math.floor(main / 2 ** 32), 0x9e3779b1);
  h = Math.imul(h ^ Math.imul(sub >>> 0, 0x85ebca6b), 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
