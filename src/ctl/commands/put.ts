import { methods } from "../../client/index.ts";
import type { LeaseId } from "../../core/types.ts";
import { rpcpb } from "../../proto/client/index.ts";
import type { Command } from "../command.ts";
import { badArgs } from "../exit.ts";
import { type FlagSpec, type Flags, parseHexId } from "../flags.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";
import { readAll } from "../stdin.ts";

export const putFlags: readonly FlagSpec[] = [
  { name: "lease", type: "string", default: "0", usage: "lease to attach, in hexadecimal" },
  { name: "prev-kv", type: "bool", default: "false", usage: "show what the key held before" },
  { name: "ignore-value", type: "bool", default: "false", usage: "keep the key's value" },
  { name: "ignore-lease", type: "bool", default: "false", usage: "keep the key's lease" },
];

export const put: Command = {
  use: "put [options] <key> <value> (<value> can also be given from stdin)",
  flags: putFlags,
  run: async (invocation) => {
    const request = putRequest(invocation.args, invocation.flags, readAll);
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (client) => client.call(methods.put, request));
    printer.put(answer);
  },
};

/** Without a value argument the value is what `stdin` holds. Throws CommandError. */
export function putRequest(
  args: readonly string[],
  flags: Flags,
  stdin: () => Uint8Array,
): rpcpb.PutRequest {
  const needs = "put command needs 1 argument and input from stdin or 2 arguments";
  const [key, value] = args;
  if (key === undefined) throw badArgs(needs);
  const ignoreValue = flags.bool("ignore-value");
  if (ignoreValue && args.length > 1) {
    throw badArgs("put command needs only 1 argument when 'ignore-value' is set");
  }
  let bytes: Uint8Array = Buffer.alloc(0);
  if (!ignoreValue) {
    bytes = value === undefined ? stdin() : Buffer.from(value);
    if (value === undefined && bytes.length === 0) throw badArgs(needs);
  }
  return rpcpb.newPutRequest({
    key: Buffer.from(key),
    value: bytes,
    lease: leaseArgument(flags.string("lease"), "lease ID"),
    prevKv: flags.bool("prev-kv"),
    ignoreValue,
    ignoreLease: flags.bool("ignore-lease"),
  });
}

/** A lease id of the command line. */
export function leaseArgument(text: string, what: string): LeaseId {
  try {
    return parseHexId(text, true) as LeaseId;
  } catch (error) {
    throw badArgs(`bad ${what} (${(error as Error).message}), expecting ID in Hex`);
  }
}
