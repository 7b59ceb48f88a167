/**
 * Items by deadline: a binary heap. What is put off stays where it is until it comes to the top, so
 * that a lease renewed a hundred times in its life is moved once.
 */

interface Entry<T> {
  readonly item: T;
  /** What the heap goes by: never after `dueMs`. */
  atMs: number;
  dueMs: number;
  /** Index in the heap. */
  place: number;
}

export class DeadlineQueue<T extends object> {
  readonly #heap: Entry<T>[] = [];
  readonly #entries = new Map<T, Entry<T>>();

  get size(): number {
    return this.#heap.length;
  }

  /** The earliest deadline; undefined when empty. */
  get nextMs(): number | undefined {
    return this.#first()?.dueMs;
  }

  /** Sets or changes the deadline of an item. */
  set(item: T, atMs: number): void {
    const entry = this.#entries.get(item);
    if (entry === undefined) {
      const added = { item, atMs, dueMs: atMs, place: this.#heap.length };
      this.#entries.set(item, added);
      this.#heap.push(added);
      this.#rise(added);
      return;
    }
    entry.dueMs = atMs;
    if (atMs >= entry.atMs) return;
    entry.atMs = atMs;
    this.#rise(entry);
  }

  delete(item: T): void {
    const entry = this.#entries.get(item);
    if (entry === undefined) return;
    this.#entries.delete(item);
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#put(entry.place, last);
    this.#rise(last);
    this.#sink(last);
  }

  /** The item with the earliest deadline, if that is not after `nowMs`; it stays. */
  due(nowMs: number): T | undefined {
    const first = this.#first();
    return first !== undefined && first.dueMs <= nowMs ? first.item : undefined;
  }

  clear(): void {
    this.#heap.length = 0;
    this.#entries.clear();
  }

  /** The entry with the earliest deadline, once those that were put off have gone where they belong. */
  #first(): Entry<T> | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.atMs === first.dueMs) return first;
      first.atMs = first.dueMs;
      this.#sink(first);
    }
  }

  #put(place: number, entry: Entry<T>): void {
    this.#heap[place] = entry;
    entry.place = place;
  }

  #rise(entry: Entry<T>): void {
    let { place } = entry;
    while (place > 0) {
      const above = (place - 1) >>> 1;
      if (this.#heap[above]!.atMs <= entry.atMs) break;
      this.#put(place, this.#heap[above]!);
      place = above;
    }
    this.#put(place, entry);
  }

  #sink(entry: Entry<T>): void {
    const size = this.#heap.length;
    let { place } = entry;
    for (;;) {
      let below = place * 2 + 1;
      if (below >= size) break;
      if (below + 1 < size && this.#heap[below + 1]!.atMs < this.#heap[below]!.atMs) below++;
      if (this.#heap[below]!.atMs >= entry.atMs) break;
      this.#put(place, this.#heap[below]!);
      place = below;
    }
    this.#put(place, entry);
  }
}
