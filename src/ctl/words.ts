import { CommandError, exitCode } from "./exit.ts";

/**
 * Words of a line of txn or watch: bare, in single quotes (as they are) or in double quotes (with
 * Go's escapes). Throws CommandError.
 */
export function splitWords(line: string): string[] {
  const words = line.match(/"(?:[^"\\]|\\.)*"|'[^']*'|[^'"\s]\S*/g) ?? [];
  return words.map((word) => {
    if (word.startsWith("'")) return word.slice(1, -1);
    return word.startsWith('"') ? unquote(word).toString() : word;
  });
}

const simple: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  "\\": 92,
  '"': 34,
};
const escapes =
  /\\x([0-9a-fA-F]{2})|\\([0-7]{3})|\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|\\(.)|([^\\]+)/gs;

/** The bytes that a Go string literal in double quotes stands for. Throws CommandError. */
export function unquote(literal: string): Buffer {
  const parts: Buffer[] = [];
  for (const [, hex, octal, rune, wide, single, plain] of literal.slice(1, -1).matchAll(escapes)) {
    const code = rune ?? wide;
    if (plain !== undefined) parts.push(Buffer.from(plain));
    else if (hex !== undefined) parts.push(Buffer.from([Number.parseInt(hex, 16)]));
    else if (octal !== undefined) parts.push(Buffer.from([Number.parseInt(octal, 8)]));
    else if (code !== undefined) parts.push(runeBytes(Number.parseInt(code, 16)));
    else parts.push(Buffer.from([simple[single ?? ""] ?? refuse()]));
  }
  return Buffer.concat(parts);
}

const runeBytes = (code: number): Buffer =>
  code > 0x10ffff ? refuse() : Buffer.from(String.fromCodePoint(code));

function refuse(): never {
  throw new CommandError(exitCode.invalidInput, "invalid syntax");
}
