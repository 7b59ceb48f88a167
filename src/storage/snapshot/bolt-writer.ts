import { assert } from "../../lib/assert.ts";
import type { Row } from "../../ports/index.ts";
import {
  bucketFlag,
  bucketHeaderBytes,
  defaultPageBytes,
  elementBytes,
  encodeMetaPage,
  PageFlag,
  pageHeaderBytes,
  writePageHeader,
  writeU64LE,
} from "./bolt-format.ts";

/** A bucket and its rows in key order; `rows` is called once for each pass. */
export interface BucketSource {
  readonly name: string;
  rows(): AsyncIterable<readonly Row[]>;
}

const pageBytes = defaultPageBytes;
const freelistPage = 2;
const firstFreePage = 3;
const chunkBytes = 64 * 1024;
const noBytes = new Uint8Array(0);

/** What the first pass finds out; the header needs it before anything else is written. */
export interface BoltPlan {
  readonly root: number;
  readonly highWater: number;
  readonly sizeBytes: number;
}

/** First pass: where everything will lie, without the bytes. */
export async function planBolt(buckets: readonly BucketSource[]): Promise<BoltPlan> {
  const pages = new PageCounter();
  const builder = new Builder(pages);
  for await (const _ of builder.build(buckets));
  return { root: builder.root, highWater: pages.next, sizeBytes: pages.next * pageBytes };
}

/**
 * Second pass: the file in order, in pieces of 64 KiB or a little more. The rows must be those of
 * the first pass. Pages are filled and closed bottom up, a branch page as soon as it is full, so
 * that only one page per level is held.
 */
export async function* writeBolt(
  buckets: readonly BucketSource[],
  plan: BoltPlan,
): AsyncGenerator<Uint8Array> {
  const head = Buffer.alloc(firstFreePage * pageBytes);
  const meta = { pageBytes, root: plan.root, freelist: freelistPage, highWater: plan.highWater };
  encodeMetaPage(head.subarray(0, pageBytes), 0, { ...meta, txid: 2 });
  encodeMetaPage(head.subarray(pageBytes, 2 * pageBytes), 1, { ...meta, txid: 1 });
  const freelist = { id: freelistPage, flags: PageFlag.freelist, count: 0, overflow: 0 };
  writePageHeader(head, freelistPage * pageBytes, freelist);
  yield head;
  const pages = new PageBytes();
  const builder = new Builder(pages);
  for await (const _ of builder.build(buckets)) yield* pages.take(chunkBytes);
  assert(builder.root === plan.root && pages.next === plan.highWater, "both passes saw one view");
  yield* pages.take(1);
}

/** Where pages go: ids are given in the order of their making. */
interface Pages {
  readonly next: number;
  /** Stores a page of these elements; its id. */
  add(flags: number, elements: readonly Element[], contentBytes: number): number;
}

/** A row (leaf) or a child (branch: the first key below it, and its page). */
interface Element {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly child: number;
  readonly isBucket: boolean;
}

class PageCounter implements Pages {
  next = firstFreePage;

  add(_flags: number, _elements: readonly Element[], contentBytes: number): number {
    const id = this.next;
    this.next += Math.ceil((pageHeaderBytes + contentBytes) / pageBytes);
    return id;
  }
}

class PageBytes implements Pages {
  next = firstFreePage;
  #bytes = 0;
  #made: Buffer[] = [];

  add(flags: number, elements: readonly Element[], contentBytes: number): number {
    const id = this.next;
    const count = Math.ceil((pageHeaderBytes + contentBytes) / pageBytes);
    this.next += count;
    const page = Buffer.alloc(count * pageBytes);
    writePageHeader(page, 0, { id, flags, count: elements.length, overflow: count - 1 });
    writeElements(page, flags, elements);
    this.#made.push(page);
    this.#bytes += page.byteLength;
    return id;
  }

  /** What was made, in pieces, once there are `atLeast` bytes. */
  *take(atLeast: number): Generator<Uint8Array> {
    if (this.#bytes < atLeast) return;
    const made = this.#made;
    this.#made = [];
    this.#bytes = 0;
    for (let from = 0, bytes = 0, i = 0; i < made.length; i++) {
      bytes += (made[i] as Buffer).byteLength;
      if (bytes < chunkBytes && i < made.length - 1) continue;
      yield Buffer.concat(made.slice(from, i + 1), bytes);
      from = i + 1;
      bytes = 0;
    }
  }
}

function writeElements(page: Buffer, flags: number, elements: readonly Element[]): void {
  let data = pageHeaderBytes + elements.length * elementBytes;
  for (let i = 0; i < elements.length; i++) {
    const { key, value, child, isBucket } = elements[i] as Element;
    const at = pageHeaderBytes + i * elementBytes;
    if (flags === PageFlag.leaf) {
      page.writeUInt32LE(isBucket ? bucketFlag : 0, at);
      page.writeUInt32LE(data - at, at + 4);
      page.writeUInt32LE(key.byteLength, at + 8);
      page.writeUInt32LE(value.byteLength, at + 12);
    } else {
      page.writeUInt32LE(data - at, at);
      page.writeUInt32LE(key.byteLength, at + 4);
      writeU64LE(page, at + 8, child);
    }
    page.set(key, data);
    page.set(value, data + key.byteLength);
    data += key.byteLength + value.byteLength;
  }
}

/** Writes all buckets and the root bucket behind them. */
class Builder {
  readonly #pages: Pages;
  /** The root bucket's page, once `build` has ended. */
  root = 0;

  constructor(pages: Pages) {
    this.#pages = pages;
  }

  /** Yields after every piece of work. */
  async *build(buckets: readonly BucketSource[]): AsyncGenerator<undefined> {
    const root = new Tree(this.#pages);
    for (const bucket of buckets) {
      const tree = new Tree(this.#pages);
      for await (const rows of bucket.rows()) {
        for (const [key, value] of rows) tree.add(key, value, false);
        yield;
      }
      root.add(Buffer.from(bucket.name), bucketValue(tree.finish()), true);
    }
    const id = root.finish();
    assert(id !== undefined, "there are buckets");
    this.root = id;
  }
}

/** A bucket's root page, or for an empty one the empty leaf page itself. */
function bucketValue(root: number | undefined): Buffer {
  if (root !== undefined) {
    const value = Buffer.alloc(bucketHeaderBytes);
    writeU64LE(value, 0, root);
    return value;
  }
  const inline = Buffer.alloc(bucketHeaderBytes + pageHeaderBytes);
  const header = { id: 0, flags: PageFlag.leaf, count: 0, overflow: 0 };
  writePageHeader(inline, bucketHeaderBytes, header);
  return inline;
}

/** Builds a B+tree from sorted rows: level 0 are the leaves, each level has one open page. */
class Tree {
  readonly #pages: Pages;
  readonly #levels: Level[] = [];

  constructor(pages: Pages) {
    this.#pages = pages;
  }

  add(key: Uint8Array, value: Uint8Array, isBucket: boolean): void {
    this.#push(0, { key, value, child: 0, isBucket });
  }

  /** Closes all pages; the root's id, or undefined for an empty tree. */
  finish(): number | undefined {
    for (let depth = 0; depth < this.#levels.length; depth++) {
      const level = this.#levels[depth] as Level;
      const only = level.elements[0] as Element;
      const isTop = depth === this.#levels.length - 1;
      if (isTop && depth > 0 && level.elements.length === 1) return only.child;
      const id = this.#close(depth);
      if (isTop) return id;
      this.#push(depth + 1, { key: only.key, value: noBytes, child: id, isBucket: false });
    }
    return undefined;
  }

  #push(depth: number, element: Element): void {
    let level = this.#levels[depth];
    if (level === undefined) {
      level = { elements: [], contentBytes: 0 };
      this.#levels.push(level);
    }
    const bytes = elementBytes + element.key.byteLength + element.value.byteLength;
    if (level.elements.length > 0 && pageHeaderBytes + level.contentBytes + bytes > pageBytes) {
      const first = level.elements[0] as Element;
      const id = this.#close(depth);
      this.#push(depth + 1, { key: first.key, value: noBytes, child: id, isBucket: false });
    }
    level.elements.push(element);
    level.contentBytes += bytes;
  }

  #close(depth: number): number {
    const level = this.#levels[depth] as Level;
    const flags = depth === 0 ? PageFlag.leaf : PageFlag.branch;
    const id = this.#pages.add(flags, level.elements, level.contentBytes);
    level.elements = [];
    level.contentBytes = 0;
    return id;
  }
}

interface Level {
  elements: Element[];
  contentBytes: number;
}
