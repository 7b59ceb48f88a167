import { prefixEnd } from "../../client/index.ts";
import type { authpb } from "../../proto/client/index.ts";

const read = 0;
const write = 1;

/** Byte for byte, whatever they are: keys need not be text. */
const latin1 = (bytes: string | Uint8Array): string =>
  Buffer.from(bytes as Uint8Array).toString("latin1");

/** A role's permissions as lines for people; each character stands for a byte. */
export function roleLines(role: string, permissions: readonly authpb.Permission[]): string[] {
  const everything = role === "root" && permissions.length === 0;
  const granted = (other: number): string[] =>
    everything
      ? ["\t[, <open ended>"]
      : permissions.filter(({ permType }) => permType !== other).map(keysOf);
  return [`Role ${latin1(role)}`, "KV Read:", ...granted(write), "KV Write:", ...granted(read)];
}

function keysOf({ key, rangeEnd }: authpb.Permission): string {
  const from = latin1(key);
  if (rangeEnd.length === 0) return `\t${from}`;
  const open = rangeEnd.length === 1 && rangeEnd[0] === 0;
  const to = latin1(rangeEnd);
  const range = open ? `\t[${from}, <open ended>` : `\t[${from}, ${to})`;
  const isPrefix = key.length > 0 && Buffer.compare(prefixEnd(key), rangeEnd) === 0;
  return isPrefix ? `${range} (prefix ${from})` : range;
}
