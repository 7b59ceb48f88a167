import { setTimeout as delay } from "node:timers/promises";
import { keyRange, methods } from "../../client/index.ts";
import { rpcpb } from "../../proto/client/index.ts";
import type { Command } from "../command.ts";
import { badArgs } from "../exit.ts";
import type { FlagSpec, Flags } from "../flags.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";
import { tooManyArguments } from "./get.ts";

const bool = (name: string, usage: string): FlagSpec => ({
  name,
  type: "bool",
  default: "false",
  usage,
});

export const delFlags: readonly FlagSpec[] = [
  bool("prefix", "all keys with this prefix"),
  bool("prev-kv", "show what was deleted"),
  bool("from-key", "all keys from this one on"),
  bool("range", "yes, delete the whole range"),
];

export const del: Command = {
  use: "del [options] <key> [range_end]",
  flags: delFlags,
  run: async (invocation) => {
    const { args, flags, out } = invocation;
    const request = deleteRequest(args, flags);
    const printer = printerOf(invocation);
    if (args.length > 1 && !flags.bool("range")) {
      const [from, to] = [JSON.stringify(args[0]), JSON.stringify(args[1])];
      out.error(
        `Warning: Keys between ${from} and ${to} will be deleted. Please interrupt the command within next 2 seconds to cancel. You can provide \`--range\` flag to avoid the delay.\n`,
      );
      await delay(2000);
    }
    const answer = await withClient(invocation, (c) => c.call(methods.deleteRange, request));
    printer.del(answer);
  },
};

export function deleteRequest(args: readonly string[], flags: Flags): rpcpb.DeleteRangeRequest {
  const [key, end] = args;
  if (key === undefined || args.length > 2) {
    throw badArgs("del command needs one argument as key and an optional argument as range_end");
  }
  const [prefix, fromKey] = [flags.bool("prefix"), flags.bool("from-key")];
  if (prefix && fromKey) {
    throw badArgs("`--prefix` and `--from-key` cannot be set at the same time, choose one");
  }
  if (end !== undefined && (prefix || fromKey)) throw tooManyArguments();
  return rpcpb.newDeleteRangeRequest({
    ...keyRange(key, { prefix, fromKey, rangeEnd: end ?? "" }),
    prevKv: flags.bool("prev-kv"),
  });
}
