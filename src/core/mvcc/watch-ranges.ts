/**
 * Watchers by what they watch: single keys by hash, ranges in an interval tree (a treap ordered by
 * start and end, each node knowing the greatest end below it). Watchers of equal ranges share one
 * node, so ten thousand watchers of one prefix cost one lookup.
 */
import type { KeyRange } from "./key-tree.ts";

interface Node<W> {
  readonly start: string;
  /** Undefined: no end. */
  readonly end: string | undefined;
  readonly watchers: Set<W>;
  readonly priority: number;
  greatestEnd: string | undefined;
  left: Node<W> | undefined;
  right: Node<W> | undefined;
}

export interface Watching extends KeyRange {
  /** Watches the key `start` only. */
  readonly single: boolean;
}

export class WatchedRanges<W extends Watching> {
  readonly #keys = new Map<string, Set<W>>();
  #root: Node<W> | undefined;
  #seed = 0x9e3779b9;

  add(watcher: W): void {
    if (!watcher.single) {
      this.#root = this.#insert(this.#root, watcher);
      return;
    }
    const watchers = this.#keys.get(watcher.start);
    if (watchers === undefined) this.#keys.set(watcher.start, new Set([watcher]));
    else watchers.add(watcher);
  }

  remove(watcher: W): void {
    if (!watcher.single) {
      this.#root = remove(this.#root, watcher);
      return;
    }
    const watchers = this.#keys.get(watcher.start);
    watchers?.delete(watcher);
    if (watchers?.size === 0) this.#keys.delete(watcher.start);
  }

  /** Calls back with every group of watchers whose range holds the key. */
  forEach(key: string, callback: (watchers: ReadonlySet<W>) => void): void {
    const watchers = this.#keys.get(key);
    if (watchers !== undefined) callback(watchers);
    stab(this.#root, key, callback);
  }

  #insert(node: Node<W> | undefined, watcher: W): Node<W> {
    if (node === undefined) {
      return {
        start: watcher.start,
        end: watcher.end,
        watchers: new Set([watcher]),
        priority: this.#nextPriority(),
        greatestEnd: watcher.end,
        left: undefined,
        right: undefined,
      };
    }
    const order = compareRanges(watcher, node);
    if (order === 0) {
      node.watchers.add(watcher);
      return node;
    }
    if (order < 0) {
      node.left = this.#insert(node.left, watcher);
      if (node.left.priority > node.priority) return rotateRight(node);
    } else {
      node.right = this.#insert(node.right, watcher);
      if (node.right.priority > node.priority) return rotateLeft(node);
    }
    refresh(node);
    return node;
  }

  /** xorshift: any spread will do, and it must be the same in every run. */
  #nextPriority(): number {
    let x = this.#seed;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#seed = x;
    return x >>> 0;
  }
}

/** Ends compare with "none" as the greatest. */
function compareEnds(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return a < b ? -1 : 1;
}

function compareRanges(a: KeyRange, b: KeyRange): number {
  if (a.start !== b.start) return a.start < b.start ? -1 : 1;
  return compareEnds(a.end, b.end);
}

function refresh<W>(node: Node<W>): void {
  let greatest = node.end;
  for (const child of [node.left, node.right]) {
    if (child !== undefined && compareEnds(child.greatestEnd, greatest) > 0) {
      greatest = child.greatestEnd;
    }
  }
  node.greatestEnd = greatest;
}

function rotateRight<W>(node: Node<W>): Node<W> {
  const top = node.left!;
  node.left = top.right;
  top.right = node;
  refresh(node);
  refresh(top);
  return top;
}

function rotateLeft<W>(node: Node<W>): Node<W> {
  const top = node.right!;
  node.right = top.left;
  top.left = node;
  refresh(node);
  refresh(top);
  return top;
}

function remove<W extends Watching>(node: Node<W> | undefined, watcher: W): Node<W> | undefined {
  if (node === undefined) return undefined;
  const order = compareRanges(watcher, node);
  if (order === 0) {
    node.watchers.delete(watcher);
    return node.watchers.size > 0 ? node : join(node.left, node.right);
  }
  if (order < 0) node.left = remove(node.left, watcher);
  else node.right = remove(node.right, watcher);
  refresh(node);
  return node;
}

/** One treap of two, all of `left` before all of `right`. */
function join<W>(left: Node<W> | undefined, right: Node<W> | undefined): Node<W> | undefined {
  if (left === undefined) return right;
  if (right === undefined) return left;
  const top = left.priority > right.priority ? left : right;
  if (top === left) left.right = join(left.right, right);
  else right.left = join(left, right.left);
  refresh(top);
  return top;
}

function stab<W>(
  node: Node<W> | undefined,
  key: string,
  callback: (watchers: ReadonlySet<W>) => void,
): void {
  if (node === undefined) return;
  if (node.greatestEnd !== undefined && node.greatestEnd <= key) return;
  stab(node.left, key, callback);
  if (node.start > key) return;
  if (node.end === undefined || key < node.end) callback(node.watchers);
  stab(node.right, key, callback);
}
