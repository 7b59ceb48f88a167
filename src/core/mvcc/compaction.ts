/**
 * Physical compaction of the key tree, in slices. What it removes from each key's chain, for
 * compaction at revision C (etcd's server/storage/mvcc/key_index.go):
 *
 * - every revision older than the newest one at or below C;
 * - that newest one too, if it is a tombstone older than C. The tombstone at C itself stays, so that
 *   hashes agree between members that have and have not compacted yet.
 */
import type { Revision } from "../types.ts";
import type { KeyTree } from "./key-tree.ts";
import type { RecordId } from "./revision-table.ts";
import { lowerBound, nodeCapacity, summarize, type TreeNode, upperBound } from "./tree-node.ts";
import type { CompactedRow } from "./types.ts";

/** Neighbours that together fill no more than this are merged. */
const mergeBelow = nodeCapacity / 2;

/** One pass over the tree at a fixed revision. */
export class CompactionPass {
  readonly target: Revision;
  readonly #tree: KeyTree;
  /** Where the next slice begins; undefined once the tree has been walked. */
  #from: string | undefined = "";
  #budget = 0;
  /** Chains already cut off whose rows were not handed out yet. */
  readonly #detached: RecordId[] = [];

  constructor(tree: KeyTree, target: Revision) {
    this.#tree = tree;
    this.target = target;
  }

  get done(): boolean {
    return this.#from === undefined && this.#detached.length === 0;
  }

  /** Visits at most about `budget` keys and rows; returns the rows to delete. */
  step(budget: number): CompactedRow[] {
    this.#budget = Math.max(1, budget);
    const rows: CompactedRow[] = [];
    this.#emit(rows);
    if (this.#from !== undefined && this.#budget > 0) {
      const from = this.#from;
      this.#from = undefined;
      const tree = this.#tree;
      this.#compactNode(tree.root, from);
      while (tree.root.level > 0 && tree.root.children.length === 1) {
        tree.root = tree.root.children[0]!;
      }
      this.#budget = Math.max(1, this.#budget);
      this.#emit(rows);
    }
    return rows;
  }

  #emit(rows: CompactedRow[]): void {
    const table = this.#tree.table;
    while (this.#budget > 0 && this.#detached.length > 0) {
      let id = this.#detached.pop()!;
      while (id !== 0 && this.#budget > 0) {
        rows.push({ main: table.main(id), sub: table.sub(id), tombstone: table.tombstone(id) });
        const prev = table.prev(id);
        table.release(id);
        id = prev;
        this.#budget--;
      }
      if (id !== 0) this.#detached.push(id);
    }
  }

  #compactNode(node: TreeNode, from: string): void {
    if (node.level === 0) {
      this.#compactLeaf(node, from);
    } else {
      for (let i = upperBound(node.keys, from); i < node.children.length; i++) {
        const child = node.children[i]!;
        if (child.dirty > 0 || child.keys.length === 0) this.#compactNode(child, from);
        else this.#budget--;
        if (this.#from !== undefined) break;
        if (this.#budget <= 0 && i < node.keys.length) {
          this.#from = node.keys[i]!;
          break;
        }
      }
      mergeChildren(node, this.#tree);
    }
    summarize(node, this.#tree.table);
  }

  #compactLeaf(leaf: TreeNode, from: string): void {
    const { keys, heads } = leaf;
    let kept = lowerBound(keys, from);
    let i = kept;
    for (; i < keys.length; i++) {
      if (this.#budget <= 0) {
        this.#from = keys[i]!;
        break;
      }
      this.#budget--;
      if (!this.#compactKey(heads[i]!)) continue;
      keys[kept] = keys[i]!;
      heads[kept] = heads[i]!;
      kept++;
    }
    if (kept < i) {
      keys.splice(kept, i - kept);
      heads.splice(kept, i - kept);
    }
  }

  /** Shortens one chain; false when nothing is left of the key. */
  #compactKey(head: RecordId): boolean {
    const table = this.#tree.table;
    let newer = 0;
    let id = head;
    while (id !== 0 && table.main(id) > this.target) {
      newer = id;
      id = table.prev(id);
    }
    if (id === 0) return true;
    if (table.tombstone(id) && table.main(id) < this.target) {
      this.#detached.push(id);
      if (newer === 0) return false;
      table.cut(newer);
      return true;
    }
    const older = table.prev(id);
    if (older !== 0) {
      this.#detached.push(older);
      table.cut(id);
    }
    return true;
  }
}

/** Drops empty children and merges small neighbours; at least one child stays. */
function mergeChildren(node: TreeNode, tree: KeyTree): void {
  const { keys, children } = node;
  for (let i = 0; i + 1 < children.length; ) {
    const left = children[i]!;
    const right = children[i + 1]!;
    const small = sizeOf(left) + sizeOf(right) <= mergeBelow;
    if (!small && sizeOf(left) > 0 && sizeOf(right) > 0) {
      i++;
      continue;
    }
    if (left.level === 0) {
      left.keys.push(...right.keys);
      left.heads.push(...right.heads);
    } else {
      left.keys.push(keys[i]!, ...right.keys);
      left.children.push(...right.children);
    }
    summarize(left, tree.table);
    keys.splice(i, 1);
    children.splice(i + 1, 1);
  }
}

const sizeOf = (node: TreeNode): number =>
  node.level === 0 ? node.keys.length : node.children.length;
