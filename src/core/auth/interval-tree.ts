/**
 * etcd's tree of permissions, for the one question whose answer depends on its shape: may somebody
 * ask for a range that ends before it begins? Such a range has no keys, but within a txn a member that
 * refuses where another does not would end with other data. Source: etcd pkg/adt/interval_tree.go
 * (Cormen et al., Introduction to Algorithms, 13.3 and 14.3).
 */

/** [begin, end) of latin1 strings; `end` undefined: to the last key. */
export interface KeyRange {
  readonly begin: string;
  readonly end: string | undefined;
}

type Side = "left" | "right";
const other = { left: "right", right: "left" } as const;

interface Node extends KeyRange {
  left: Node | undefined;
  right: Node | undefined;
  parent: Node | undefined;
  isRed: boolean;
}

/** Negative, zero or positive; undefined is behind all others. */
function compareEnds(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return 1;
  if (b === undefined) return -1;
  return a < b ? -1 : 1;
}

/**
 * Whether etcd finds one of the ranges at `begin` when it asks for [begin, end) with end <= begin. The
 * ranges are in the order in which etcd inserts them.
 */
export function findsBackwards(ranges: readonly KeyRange[], begin: string, end: string): boolean {
  const tree = new Tree();
  for (const range of ranges) tree.insert(range);
  const visit = (node: Node | undefined): boolean => {
    if (node === undefined) return false;
    if (begin < node.begin) return visit(node.left);
    if (node.end === undefined || begin < node.end) return true;
    // etcd goes on only where the subtree seems to overlap the range.
    if (node.begin >= end || compareEnds(lastEnd(node), begin) <= 0) return false;
    return visit(node.left) || visit(node.right);
  };
  return visit(tree.root);
}

/** The last end in the subtree. */
function lastEnd(node: Node): string | undefined {
  let last = node.end;
  for (const child of [node.left, node.right]) {
    if (child === undefined) continue;
    const end = lastEnd(child);
    if (compareEnds(end, last) > 0) last = end;
  }
  return last;
}

/** A red-black tree by begin, then end. */
class Tree {
  root: Node | undefined;

  insert({ begin, end }: KeyRange): void {
    const node: Node = {
      begin,
      end,
      left: undefined,
      right: undefined,
      parent: undefined,
      isRed: true,
    };
    let at = this.root;
    let side: Side = "left";
    while (at !== undefined) {
      node.parent = at;
      const isBefore = begin < at.begin || (begin === at.begin && compareEnds(end, at.end) < 0);
      side = isBefore ? "left" : "right";
      at = at[side];
    }
    if (node.parent === undefined) this.root = node;
    else node.parent[side] = node;
    this.#balance(node);
  }

  #balance(inserted: Node): void {
    let node = inserted;
    while (node.parent?.isRed === true) {
      let parent: Node = node.parent;
      const grandparent = parent.parent as Node;
      const side: Side = parent === grandparent.left ? "left" : "right";
      const uncle = grandparent[other[side]];
      if (uncle?.isRed === true) {
        uncle.isRed = false;
        parent.isRed = false;
        grandparent.isRed = true;
        node = grandparent;
        continue;
      }
      if (node === parent[other[side]]) {
        node = parent;
        this.#rotate(node, side);
        parent = node.parent as Node;
      }
      parent.isRed = false;
      grandparent.isRed = true;
      this.#rotate(grandparent, other[side]);
    }
    (this.root as Node).isRed = false;
  }

  /** Moves a node down to this side; its child of the other side takes its place. */
  #rotate(node: Node, side: Side): void {
    const up = node[other[side]] as Node;
    node[other[side]] = up[side];
    if (up[side] !== undefined) (up[side] as Node).parent = node;
    up.parent = node.parent;
    if (node.parent === undefined) this.root = up;
    else if (node === node.parent.left) node.parent.left = up;
    else node.parent.right = up;
    up[side] = node;
    node.parent = up;
  }
}
