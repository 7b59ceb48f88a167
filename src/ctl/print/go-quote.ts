const named: Readonly<Record<number, string>> = {
  7: "\\a",
  8: "\\b",
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

/** What Go calls printable: visible characters and the plain blank. */
const isPrintable = (rune: string): boolean => {
  // Made when first asked for: most commands print no such text, and its classes take a while to put together.
  printable ??= /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
  return printable.test(rune);
};
let printable: RegExp | undefined;

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, "0");

/** Bytes as a string literal of Go (its %q): UTF-8 where it is valid and visible, escapes elsewhere. */
export function goQuote(value: string | Uint8Array): string {
  const bytes = Buffer.from(value as Uint8Array);
  let text = '"';
  for (let at = 0; at < bytes.length; ) {
    const length = runeLength(bytes, at);
    if (length === 0) {
      text += `\\x${hex(bytes[at] as number, 2)}`;
      at++;
      continue;
    }
    text += quoteRune(bytes.toString("utf8", at, at + length));
    at += length;
  }
  return `${text}"`;
}

function quoteRune(rune: string): string {
  const code = rune.codePointAt(0) as number;
  const name = named[code];
  if (name !== undefined) return name;
  if (isPrintable(rune)) return rune;
  if (code < 32 || code === 127) return `\\x${hex(code, 2)}`;
  return code > 0xffff ? `\\U${hex(code, 8)}` : `\\u${hex(code, 4)}`;
}

/** Bytes of the UTF-8 sequence at `at`; 0 where there is none. */
function runeLength(bytes: Buffer, at: number): number {
  const first = bytes[at] as number;
  const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const sequence = bytes.subarray(at, at + length);
  // Decoding replaces what is no UTF-8, which then is not what it was.
  return Buffer.from(sequence.toString("utf8")).equals(sequence) ? length : 0;
}
