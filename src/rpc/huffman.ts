/**
 * Huffman decoding of header strings (RFC 7541 section 5.2 and appendix B). The code is canonical:
 * code words are handed out in order of (length, symbol), so the lengths alone define it.
 */
import { assert } from "../lib/assert.ts";

/** Length of each symbol's code word as one base-36 digit; the last one is the end-of-string mark. */
const lengthDigits =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad677777777777777777777" +
  "77878djde6f56565666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmo" +
  "lmnnllmlnmnnkmmmnmmnqqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu";

const symbols = 257;
const endOfString = 256;

/** Of the code tree: children[2 * node + bit] is an inner node, or -1 - symbol for a leaf. */
let children: Int16Array | undefined;

/**
 * One row of 16 per inner node of the code tree: what four more bits lead to. Bits 0-7: symbol;
 * bit 8: a symbol is complete; bit 9: the input is invalid; bits 16-: the next node. 0: not yet
 * looked at, since a short-lived client meets few of them.
 */
let steps: Int32Array = new Int32Array(0);
const hasSymbol = 1 << 8;
const invalid = 1 << 9;

/** Per node: 1 if the input may end here, i.e. what was read of a word is under 8 bits, all ones. */
let mayEnd: Uint8Array = new Uint8Array(0);

let scratch: Buffer = Buffer.allocUnsafeSlow(4096);

/** The text as latin1, or undefined when the bytes are no valid Huffman string. */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number): string | undefined {
  const tree = children ?? build();
  const table = steps;
  const mostSymbols = Math.ceil(((to - from) * 8) / 5);
  if (scratch.length < mostSymbols) scratch = Buffer.allocUnsafeSlow(mostSymbols * 2);
  const out = scratch;
  let length = 0;
  let node = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!;
    let at = node * 16 + (byte >> 4);
    let step = table[at]! || walk(tree, at);
    if ((step & invalid) !== 0) return undefined;
    if ((step & hasSymbol) !== 0) out[length++] = step & 0xff;
    at = (step >> 16) * 16 + (byte & 15);
    step = table[at]! || walk(tree, at);
    if ((step & invalid) !== 0) return undefined;
    if ((step & hasSymbol) !== 0) out[length++] = step & 0xff;
    node = step >> 16;
  }
  return mayEnd[node] === 1 ? out.toString("latin1", 0, length) : undefined;
}

/** Builds the tree for the first string that needs it: our own server sends none. */
function build(): Int16Array {
  const lengths = Array.from(lengthDigits, (digit) => Number.parseInt(digit, 36));
  assert(lengths.length === symbols, "the Huffman code has 257 words");
  const order = lengths.map((_, symbol) => symbol);
  order.sort((a, b) => lengths[a]! - lengths[b]! || a - b);

  // A full binary tree: one inner node less than leaves.
  const tree = new Int16Array(2 * (symbols - 1));
  let nodes = 1;
  let code = 0;
  let length = lengths[order[0]!]!;
  for (const symbol of order) {
    code <<= lengths[symbol]! - length;
    length = lengths[symbol]!;
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const edge = 2 * node + ((code >> bit) & 1);
      if (tree[edge] === 0) tree[edge] = nodes++;
      node = tree[edge]!;
    }
    tree[2 * node + (code & 1)] = -1 - symbol;
    code++;
  }
  children = tree;
  steps = new Int32Array(nodes * 16);
  mayEnd = new Uint8Array(nodes);
  let node = 0;
  for (let ones = 0; ones < 8; ones++) {
    mayEnd[node] = 1;
    node = tree[2 * node + 1]!;
  }
  return tree;
}

/** Looks up a step, at node * 16 + four bits. At most one symbol ends within four bits, since the shortest word has five. */
function walk(tree: Int16Array, at: number): number {
  let node = at >> 4;
  let symbol = -1;
  for (let bit = 3; bit >= 0; bit--) {
    const next = tree[2 * node + ((at >> bit) & 1)]!;
    if (next >= 0) {
      node = next;
      continue;
    }
    symbol = -1 - next;
    if (symbol === endOfString) break;
    node = 0;
  }
  const found = symbol >= 0 ? hasSymbol | symbol : 0;
  steps[at] = symbol === endOfString ? invalid : (node << 16) | found;
  return steps[at]!;
}
