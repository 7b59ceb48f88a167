/**
 * JSON as Go's encoding/json writes it: 64-bit integers as bare numbers, bytes as base64, `<`, `>`
 * and `&` escaped, members in the order of the record.
 */
export type Json =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Uint8Array
  | readonly Json[]
  | { readonly [name: string]: Json };

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\b": "\\b",
  "\f": "\\f",
};

const hex4 = (c: string): string => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;

const goString = (text: string): string =>
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is escaped
  `"${text.replace(/["\\\u0000-\u001f<>&\u2028\u2029]/g, (c) => escapes[c] ?? hex4(c))}"`;

/** Members that are undefined are left out. */
export function goJson(value: Json): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return goString(value);
  if (value instanceof Uint8Array) return `"${Buffer.from(value).toString("base64")}"`;
  if (isArray(value)) return `[${value.map(goJson).join(",")}]`;
  if (typeof value === "object") {
    const members = Object.entries(value).filter(([, v]) => v !== undefined);
    return `{${members.map(([k, v]) => `${goString(k)}:${goJson(v)}`).join(",")}}`;
  }
  return String(value);
}

const isArray = (value: Json): value is readonly Json[] => Array.isArray(value);

/** The record without its zero members: Go's omitempty. A record that is there stays, even empty. */
export function omitEmpty(record: { readonly [name: string]: Json }): Json {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => !isEmpty(value)));
}

function isEmpty(value: Json): boolean {
  if (value === undefined || value === null || value === "" || value === false) return true;
  if (value === 0 || value === 0n) return true;
  return (value instanceof Uint8Array || Array.isArray(value)) && value.length === 0;
}
