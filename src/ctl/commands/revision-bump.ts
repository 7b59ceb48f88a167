import { badArgs } from "../exit.ts";
import type { FlagSpec, Flags } from "../flags.ts";

/** Revisions stay far below 2^53 behind it, for centuries of writes. */
const revisionBumpMax = 2 ** 50;

/** Of commands after which watchers must not go on as if nothing had been lost. */
export const revisionBumpFlags: readonly FlagSpec[] = [
  {
    name: "bump-revision",
    type: "uint64",
    default: "0",
    usage: "added to the newest revision",
  },
  {
    name: "mark-compacted",
    type: "bool",
    default: "false",
    usage: "count everything as compacted (together with --bump-revision)",
  },
];

/** 0: as it is. Everything is marked as compacted if and only if it is above. Throws CommandError. */
export function revisionBumpOf(flags: Flags): number {
  const bump = Number(flags.uint64("bump-revision"));
  if (bump > revisionBumpMax) {
    throw badArgs(`--bump-revision=${bump} is more than ${revisionBumpMax}`);
  }
  if (bump > 0 !== flags.bool("mark-compacted")) {
    throw badArgs("--mark-compacted required if --revision-bump > 0");
  }
  return bump;
}
