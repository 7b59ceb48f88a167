/**
 * The key index: an ordered tree (B+) from key to its chain of revisions, with order statistics.
 * Keys are latin1 strings, whose order is the order of the bytes. About 80 bytes a key beside the
 * key itself, and 32 more for each further revision.
 *
 * `locate` remembers where a key is; `push` and `undo` work there, so that a put descends once.
 */
import { assert } from "../../lib/assert.ts";
import type { Revision, Version } from "../types.ts";
import type { RecordId, RevisionTable } from "./revision-table.ts";
import {
  isDirty,
  lowerBound,
  newBranch,
  newLeaf,
  nodeCapacity,
  splitNode,
  type TreeNode,
  upperBound,
} from "./tree-node.ts";

/** Keys from `start` up to but not including `end`; `end` undefined means to the last key. */
export interface KeyRange {
  readonly start: string;
  readonly end: string | undefined;
}

/** Sees a key and its newest record; answers false to stop. */
export type KeyVisitor = (key: string, head: RecordId) => boolean;

export class KeyTree {
  readonly table: RevisionTable;
  /** For compaction, which may replace it. */
  root: TreeNode = newLeaf([], []);
  /** Where `locate` went: branches by depth, the child taken in each, the leaf and the position. */
  readonly #path: TreeNode[] = [];
  readonly #taken: number[] = [];
  #depth = 0;
  #leaf: TreeNode = this.root;
  #position = 0;
  #key = "";
  #found = false;

  constructor(table: RevisionTable) {
    this.table = table;
  }

  /** Keys alive at the head. */
  get live(): number {
    return this.root.live;
  }

  /** The newest record of a key, 0 if there is none. Remembers the place. */
  locate(key: string): RecordId {
    let node = this.root;
    let depth = 0;
    while (node.level > 0) {
      const child = upperBound(node.keys, key);
      this.#path[depth] = node;
      this.#taken[depth] = child;
      depth++;
      node = node.children[child]!;
    }
    const position = lowerBound(node.keys, key);
    this.#depth = depth;
    this.#leaf = node;
    this.#position = position;
    this.#key = key;
    this.#found = position < node.keys.length && node.keys[position] === key;
    return this.#found ? node.heads[position]! : 0;
  }

  /** Adds a newest revision to the located key and returns its record. */
  push(
    main: Revision,
    sub: number,
    tombstone: boolean,
    create: Revision,
    version: Version,
  ): RecordId {
    const table = this.table;
    const leaf = this.#leaf;
    const old = this.#found ? leaf.heads[this.#position]! : 0;
    const head = table.push(main, sub, tombstone, create, version, old);
    const wasLive = old !== 0 && !table.tombstone(old);
    const wasDirty = old !== 0 && isDirty(table, old);
    const live = (tombstone ? 0 : 1) - (wasLive ? 1 : 0);
    const dirty = (old !== 0 || tombstone ? 1 : 0) - (wasDirty ? 1 : 0);
    this.#adjust(live, dirty, main);
    if (old !== 0) leaf.heads[this.#position] = head;
    else this.#insert(head);
    return head;
  }

  /** Takes the newest revision of a key back; `old` is what it replaced (0: the key was new). */
  undo(key: string, old: RecordId): void {
    const table = this.table;
    const head = this.locate(key);
    assert(head !== 0, "undo of a key that is not there");
    const live = (old !== 0 && !table.tombstone(old) ? 1 : 0) - (table.tombstone(head) ? 0 : 1);
    const dirty = (old !== 0 && isDirty(table, old) ? 1 : 0) - (isDirty(table, head) ? 1 : 0);
    this.#adjust(live, dirty, 0);
    table.release(head);
    if (old !== 0) {
      this.#leaf.heads[this.#position] = old;
    } else {
      this.#leaf.keys.splice(this.#position, 1);
      this.#leaf.heads.splice(this.#position, 1);
    }
    this.#found = false;
  }

  /** Keys alive at main revision `at` (Infinity: the head). O(log n) plus what changed since. */
  count(range: KeyRange, at: number): number {
    return this.#count(this.root, range.start, range.end, at);
  }

  /** Visits the keys of a range in order, leaving out parts without a revision above `newerThan`. */
  visit(range: KeyRange, newerThan: number, visitor: KeyVisitor): void {
    this.#visit(this.root, range.start, range.end, newerThan, visitor);
  }

  #adjust(live: number, dirty: number, newest: number): void {
    for (let i = this.#depth - 1; i >= 0; i--) adjustNode(this.#path[i]!, live, dirty, newest);
    adjustNode(this.#leaf, live, dirty, newest);
  }

  #insert(head: RecordId): void {
    const { keys, heads } = this.#leaf;
    const atEnd = this.#position === keys.length;
    if (atEnd) {
      keys.push(this.#key);
      heads.push(head);
    } else {
      keys.splice(this.#position, 0, this.#key);
      heads.splice(this.#position, 0, head);
    }
    if (keys.length > nodeCapacity) this.#split(atEnd);
    this.#found = false;
  }

  #split(grewAtEnd: boolean): void {
    let node = this.#leaf;
    for (let depth = this.#depth - 1; ; depth--) {
      const { right, separator } = splitNode(node, grewAtEnd, this.table);
      if (depth < 0) {
        const root = newBranch(node.level + 1, [separator], [node, right]);
        adjustNode(root, node.live + right.live, node.dirty + right.dirty, node.newest);
        root.newest = Math.max(node.newest, right.newest);
        this.root = root;
        return;
      }
      const parent = this.#path[depth]!;
      const taken = this.#taken[depth]!;
      parent.keys.splice(taken, 0, separator);
      parent.children.splice(taken + 1, 0, right);
      if (parent.children.length <= nodeCapacity) return;
      node = parent;
    }
  }

  #count(node: TreeNode, start: string | undefined, end: string | undefined, at: number): number {
    if (start === undefined && end === undefined && node.newest <= at) return node.live;
    if (node.level === 0) return this.#countLeaf(node, start, end, at);
    const first = start === undefined ? 0 : upperBound(node.keys, start);
    const last = end === undefined ? node.children.length - 1 : upperBound(node.keys, end);
    let count = 0;
    for (let i = first; i <= last; i++) {
      const lower = i === first ? start : undefined;
      const upper = i === last ? end : undefined;
      count += this.#count(node.children[i]!, lower, upper, at);
    }
    return count;
  }

  #countLeaf(
    leaf: TreeNode,
    start: string | undefined,
    end: string | undefined,
    at: number,
  ): number {
    const table = this.table;
    const first = start === undefined ? 0 : lowerBound(leaf.keys, start);
    const last = end === undefined ? leaf.keys.length : lowerBound(leaf.keys, end);
    let count = 0;
    for (let i = first; i < last; i++) {
      const id = table.at(leaf.heads[i]!, at);
      if (id !== 0 && !table.tombstone(id)) count++;
    }
    return count;
  }

  #visit(
    node: TreeNode,
    start: string | undefined,
    end: string | undefined,
    newerThan: number,
    visitor: KeyVisitor,
  ): boolean {
    if (node.newest <= newerThan) return true;
    if (node.level === 0) {
      const { keys, heads } = node;
      const first = start === undefined ? 0 : lowerBound(keys, start);
      const last = end === undefined ? keys.length : lowerBound(keys, end);
      for (let i = first; i < last; i++) if (!visitor(keys[i]!, heads[i]!)) return false;
      return true;
    }
    const first = start === undefined ? 0 : upperBound(node.keys, start);
    const last = end === undefined ? node.children.length - 1 : upperBound(node.keys, end);
    for (let i = first; i <= last; i++) {
      const lower = i === first ? start : undefined;
      const upper = i === last ? end : undefined;
      if (!this.#visit(node.children[i]!, lower, upper, newerThan, visitor)) return false;
    }
    return true;
  }
}

function adjustNode(node: TreeNode, live: number, dirty: number, newest: number): void {
  node.live += live;
  node.dirty += dirty;
  if (newest > node.newest) node.newest = newest;
}
