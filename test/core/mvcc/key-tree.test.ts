import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CompactionPass } from "../../../src/core/mvcc/compaction.ts";
import { KeyTree } from "../../../src/core/mvcc/key-tree.ts";
import { RevisionTable } from "../../../src/core/mvcc/revision-table.ts";
import { nodeCapacity, type TreeNode } from "../../../src/core/mvcc/tree-node.ts";
import { type Revision, revision, version } from "../../../src/core/types.ts";

interface Rev {
  main: number;
  tombstone: boolean;
}
type Model = Map<string, Rev[]>;

const keyOf = (n: number): string => n.toString(4).padStart(5, "0");

function write(tree: KeyTree, model: Model, main: number, key: string, tombstone: boolean): void {
  const head = tree.locate(key);
  const alive = head !== 0 && !tree.table.tombstone(head);
  if (tombstone && !alive) return;
  tree.push(revision(main), 0, tombstone, revision(main), version(1));
  const revs = model.get(key) ?? [];
  revs.push({ main, tombstone });
  model.set(key, revs);
}

function aliveAt(model: Model, start: string, end: string | undefined, at: number): string[] {
  const keys: string[] = [];
  for (const [key, revs] of model) {
    if (key < start || (end !== undefined && key >= end)) continue;
    const last = revs.filter((r) => r.main <= at).at(-1);
    if (last !== undefined && !last.tombstone) keys.push(key);
  }
  return keys.sort();
}

function compactModel(model: Model, at: number): void {
  for (const [key, revs] of model) {
    const kept = revs.filter((r, i) => {
      if (r.main > at) return true;
      const next = revs[i + 1];
      if (next !== undefined && next.main <= at) return false;
      return !r.tombstone || r.main === at;
    });
    if (kept.length === 0) model.delete(key);
    else model.set(key, kept);
  }
}

/** Sizes, order and sums of every node. */
function checkNode(tree: KeyTree, node: TreeNode): { live: number; keys: string[] } {
  const { table } = tree;
  let live = 0;
  let dirty = 0;
  const keys: string[] = [];
  if (node.level === 0) {
    assert.ok(node.keys.length <= nodeCapacity && node.keys.length === node.heads.length);
    for (const head of node.heads) {
      if (!table.tombstone(head)) live++;
      if (table.tombstone(head) || table.prev(head) !== 0) dirty++;
      assert.ok(table.main(head) <= node.newest);
    }
    keys.push(...node.keys);
  } else {
    assert.ok(node.children.length <= nodeCapacity);
    assert.equal(node.children.length, node.keys.length + 1);
    for (const [i, child] of node.children.entries()) {
      const below = checkNode(tree, child);
      live += below.live;
      dirty += child.dirty;
      assert.ok(child.newest <= node.newest);
      if (i > 0 && below.keys.length > 0) assert.ok(node.keys[i - 1]! <= below.keys[0]!);
      if (i < node.keys.length && below.keys.length > 0) {
        assert.ok(below.keys.at(-1)! < node.keys[i]!);
      }
      keys.push(...below.keys);
    }
  }
  assert.equal(node.live, live);
  assert.equal(node.dirty, dirty);
  return { live, keys };
}

function checkTree(tree: KeyTree, model: Model): void {
  const { keys } = checkNode(tree, tree.root);
  assert.deepEqual(keys, [...model.keys()].sort());
  let records = 0;
  for (const revs of model.values()) records += revs.length;
  assert.equal(tree.table.size, records);
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ put: fc.nat(900) }) },
  { weight: 3, arbitrary: fc.record({ del: fc.nat(900) }) },
  { weight: 1, arbitrary: fc.record({ undo: fc.nat(900), tombstone: fc.boolean() }) },
);

test("KeyTree counts, visits and compacts like a list of all revisions", () => {
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 50, maxLength: 1500 }),
      fc.array(fc.tuple(fc.nat(900), fc.nat(900), fc.nat(1500)), { maxLength: 20 }),
      fc.array(fc.tuple(fc.nat(1500), fc.integer({ min: 1, max: 200 })), { maxLength: 3 }),
      (steps, questions, compactions) => {
        const tree = new KeyTree(new RevisionTable());
        const model: Model = new Map();
        let main = 1;
        for (const s of steps) {
          main++;
          if ("put" in s) write(tree, model, main, keyOf(s.put), false);
          else if ("del" in s) write(tree, model, main, keyOf(s.del), true);
          else {
            const old = tree.locate(keyOf(s.undo));
            tree.push(revision(main), 0, s.tombstone, revision(main), version(1));
            tree.undo(keyOf(s.undo), old);
          }
        }
        checkTree(tree, model);
        let compacted = 0;
        const ask = (): void => {
          for (const [a, b, at] of questions) {
            if (at < compacted) continue;
            const range = { start: keyOf(Math.min(a, b)), end: b % 7 === 0 ? undefined : keyOf(b) };
            const alive = aliveAt(model, range.start, range.end, at);
            assert.equal(tree.count(range, at), alive.length);
            const head = aliveAt(model, range.start, range.end, Infinity);
            assert.equal(tree.count(range, Infinity), head.length);
            const seen: string[] = [];
            tree.visit(range, at, (key, id) => {
              if (tree.table.main(id) > at) seen.push(key);
              return true;
            });
            const changed = [...model]
              .filter(([k]) => k >= range.start && (range.end === undefined || k < range.end))
              .filter(([, revs]) => revs.at(-1)!.main > at)
              .map(([k]) => k)
              .sort();
            assert.deepEqual(seen, changed);
          }
        };
        ask();
        for (const [at, budget] of compactions.sort((x, y) => x[0] - y[0])) {
          const pass = new CompactionPass(tree, at as Revision);
          const before = [...model].flatMap(([k, revs]) => revs.map((r) => `${k}@${r.main}`));
          let rows = 0;
          while (!pass.done) rows += pass.step(budget).length;
          compactModel(model, at);
          const after = [...model].flatMap(([k, revs]) => revs.map((r) => `${k}@${r.main}`));
          assert.equal(rows, before.length - after.length);
          compacted = at;
          checkTree(tree, model);
          ask();
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("KeyTree fills its nodes when keys come in order", () => {
  const tree = new KeyTree(new RevisionTable());
  const model: Model = new Map();
  for (let i = 0; i < 64 * 64 * 2; i++) {
    write(tree, model, i + 2, i.toString().padStart(8, "0"), false);
  }
  checkTree(tree, model);
  assert.ok(tree.root.level <= 2);
});

test("CompactionPass.step() hands a long chain out in slices", () => {
  const tree = new KeyTree(new RevisionTable());
  const model: Model = new Map();
  for (let main = 2; main < 1002; main++) write(tree, model, main, "k", false);
  const pass = new CompactionPass(tree, revision(1001));
  const sizes: number[] = [];
  while (!pass.done) sizes.push(pass.step(100).length);
  assert.equal(
    sizes.reduce((a, b) => a + b),
    999,
  );
  assert.ok(Math.max(...sizes) <= 101, `slices of ${sizes}`);
  assert.equal(tree.table.size, 1);
});
