/**
 * One node of the key tree, leaf or branch (one shape for both keeps the hot loops monomorphic).
 *
 * A leaf (level 0) holds keys and the newest record of each. A branch holds children and between
 * them separators: child i has the keys k with keys[i-1] <= k < keys[i]. Every node sums up what
 * lies below it, so that counting, catching up and compacting touch only what they must.
 */
import type { RecordId, RevisionTable } from "./revision-table.ts";

/** Keys in a leaf, children in a branch. */
export const nodeCapacity = 64;

export interface TreeNode {
  readonly level: number;
  keys: string[];
  heads: RecordId[];
  children: TreeNode[];
  /** Keys below that are alive at the head. */
  live: number;
  /** Keys below that compaction may have to look at: more than one revision, or a tombstone. */
  dirty: number;
  /** No revision below is newer than this main revision. */
  newest: number;
}

const none: never[] = [];

export const newLeaf = (keys: string[], heads: RecordId[]): TreeNode => ({
  level: 0,
  keys,
  heads,
  children: none,
  live: 0,
  dirty: 0,
  newest: 0,
});

export const newBranch = (level: number, keys: string[], children: TreeNode[]): TreeNode => ({
  level,
  keys,
  heads: none,
  children,
  live: 0,
  dirty: 0,
  newest: 0,
});

export const isDirty = (table: RevisionTable, head: RecordId): boolean =>
  table.prev(head) !== 0 || table.tombstone(head);

/** Sums up again what lies below, after a split, a merge or a compaction. */
export function summarize(node: TreeNode, table: RevisionTable): void {
  let live = 0;
  let dirty = 0;
  let newest = 0;
  if (node.level === 0) {
    for (const head of node.heads) {
      if (!table.tombstone(head)) live++;
      if (isDirty(table, head)) dirty++;
      newest = Math.max(newest, table.main(head));
    }
  } else {
    for (const child of node.children) {
      live += child.live;
      dirty += child.dirty;
      newest = Math.max(newest, child.newest);
    }
  }
  node.live = live;
  node.dirty = dirty;
  node.newest = newest;
}

/** How many of `keys` are smaller than `key`. */
export function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (keys[mid]! < key) low = mid + 1;
    else high = mid;
  }
  return low;
}

/** How many of `keys` are smaller than or equal to `key`: the child that holds it. */
export function upperBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const mid = (low + high) >>> 1;
    if (keys[mid]! <= key) low = mid + 1;
    else high = mid;
  }
  return low;
}

/**
 * Moves the upper part of an overfull node into a new right sibling and returns it with the
 * separator. A node that grew at its end keeps all but the last entry: ordered inserts fill nodes.
 */
export function splitNode(
  node: TreeNode,
  grewAtEnd: boolean,
  table: RevisionTable,
): { right: TreeNode; separator: string } {
  const size = node.level === 0 ? node.keys.length : node.children.length;
  const at = grewAtEnd ? size - 1 : size >>> 1;
  let right: TreeNode;
  let separator: string;
  if (node.level === 0) {
    right = newLeaf(node.keys.splice(at), node.heads.splice(at));
    separator = right.keys[0]!;
  } else {
    right = newBranch(node.level, node.keys.splice(at), node.children.splice(at));
    separator = node.keys.pop()!;
  }
  summarize(node, table);
  summarize(right, table);
  return { right, separator };
}
