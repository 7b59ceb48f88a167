import { type Client, keyRange, methods } from "../../client/index.ts";
import type { Revision } from "../../core/types.ts";
import { type mvccpb, rpcpb } from "../../proto/client/index.ts";
import type { Command } from "../command.ts";
import { badArgs, CommandError, exitCode } from "../exit.ts";
import type { FlagSpec, Flags } from "../flags.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";

const bool = (name: string, usage: string): FlagSpec => ({
  name,
  type: "bool",
  default: "false",
  usage,
});
const number = (name: string, usage: string): FlagSpec => ({
  name,
  type: "int64",
  default: "0",
  usage,
});

export const getFlags: readonly FlagSpec[] = [
  {
    name: "consistency",
    type: "string",
    default: "l",
    usage: "l (linearizable) or s (serializable)",
  },
  { name: "order", type: "string", default: "", usage: "ASCEND or DESCEND" },
  {
    name: "sort-by",
    type: "string",
    default: "",
    usage: "CREATE, KEY, MODIFY, VALUE or VERSION",
  },
  number("limit", "most keys to show; 0 for all"),
  bool("prefix", "all keys with this prefix"),
  bool("from-key", "all keys from this one on"),
  number("rev", "revision to read at"),
  bool("keys-only", "without values"),
  bool("count-only", "only how many there are"),
  bool("print-value-only", "only values (simple output)"),
  number("min-create-rev", "only keys created at this revision or later"),
  number("max-create-rev", "only keys created at this revision or earlier"),
  number("min-mod-rev", "only keys written at this revision or later"),
  number("max-mod-rev", "only keys written at this revision or earlier"),
  bool("stream", "let the server send the answer in pieces"),
];

export const get: Command = {
  use: "get [options] <key> [range_end]",
  flags: getFlags,
  run: async (invocation) => {
    const { flags } = invocation;
    const request = rangeRequest(invocation.args, flags);
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (client) =>
      flags.bool("stream") ? streamed(client, request, flags) : client.call(methods.range, request),
    );
    if (flags.bool("count-only") && printer.kind !== "fields") {
      throw badArgs("--count-only is only for `--write-out=fields`");
    }
    const valueOnly = flags.bool("print-value-only");
    if (valueOnly && printer.kind !== "simple") {
      throw badArgs("print-value-only is only for `--write-out=simple`");
    }
    printer.get(answer, valueOnly);
  },
};

/** The pieces of a stream as one answer. */
async function streamed(
  client: Client,
  request: rpcpb.RangeRequest,
  flags: Flags,
): Promise<rpcpb.RangeResponse> {
  const timeoutMs = flags.duration("command-timeout");
  const kvs: mvccpb.KeyValue[] = [];
  let last = rpcpb.newRangeResponse();
  for await (const piece of client.kv.rangeStream(request, { timeoutMs })) {
    for (const kv of piece.kvs) kvs.push(kv);
    last = piece;
  }
  return { ...last, kvs };
}

/** A client asks for no more than fits a counter; larger limits mean the same as the largest. */
const counter = (n: bigint): number => Number(BigInt.asIntN(53, n) === n ? n : 2n ** 53n - 1n);

export function rangeRequest(args: readonly string[], flags: Flags): rpcpb.RangeRequest {
  const [key, end] = args;
  if (key === undefined) {
    throw badArgs("get command needs one argument as key and an optional argument as range_end");
  }
  const [prefix, fromKey] = [flags.bool("prefix"), flags.bool("from-key")];
  if (prefix && fromKey) throw exclusive("--prefix", "--from-key");
  const [keysOnly, countOnly] = [flags.bool("keys-only"), flags.bool("count-only")];
  if (keysOnly && countOnly) throw exclusive("--keys-only", "--count-only");
  const serializable = isSerializable(flags.string("consistency"));
  if (end !== undefined && (prefix || fromKey)) throw tooManyArguments();
  const revision = (name: string): Revision => {
    const value = flags.int64(name);
    return (value > 0n ? counter(value) : 0) as Revision;
  };
  const request = rpcpb.newRangeRequest({
    ...keyRange(key, { prefix, fromKey, rangeEnd: end ?? "" }),
    limit: counter(flags.int64("limit")),
    revision: revision("rev"),
    serializable,
    keysOnly,
    countOnly,
    ...sorting(flags),
    minCreateRevision: revision("min-create-rev"),
    maxCreateRevision: revision("max-create-rev"),
    minModRevision: revision("min-mod-rev"),
    maxModRevision: revision("max-mod-rev"),
  });
  ordered("Create", request.minCreateRevision, request.maxCreateRevision);
  ordered("Mod", request.minModRevision, request.maxModRevision);
  return request;
}

const exclusive = (a: string, b: string): CommandError =>
  badArgs(`\`${a}\` and \`${b}\` cannot be set at the same time, choose one`);

export const tooManyArguments = (): CommandError =>
  badArgs("too many arguments, only accept one argument when `--prefix` or `--from-key` is set");

function ordered(what: string, min: number, max: number): void {
  if (max > 0 && min > max) {
    const message = `getMin${what}Rev(=${min}) > getMax${what}Rev(=${max})`;
    throw new CommandError(exitCode.badFeature, message);
  }
}

/** The values of --consistency. */
export function isSerializable(consistency: string): boolean {
  if (consistency === "s") return true;
  if (consistency === "l") return false;
  throw new CommandError(
    exitCode.badFeature,
    `unknown consistency flag ${JSON.stringify(consistency)}`,
  );
}

function sorting(flags: Flags): { sortOrder: rpcpb.SortOrder; sortTarget: rpcpb.SortTarget } {
  const orders: Record<string, rpcpb.SortOrder> = { "": 0, ASCEND: 1, DESCEND: 2 };
  const targets: Record<string, rpcpb.SortTarget> = {
    "": 0,
    KEY: 0,
    VERSION: 1,
    CREATE: 2,
    MODIFY: 3,
    VALUE: 4,
  };
  const order = flags.string("order");
  const target = flags.string("sort-by");
  const sortOrder = orders[order.toUpperCase()];
  const sortTarget = targets[target.toUpperCase()];
  if (sortOrder === undefined) {
    throw new CommandError(exitCode.badFeature, `bad sort order ${order}`);
  }
  if (sortTarget === undefined) {
    throw new CommandError(exitCode.badFeature, `bad sort target ${target}`);
  }
  // etcd's client leaves the default order of keys unsaid.
  return { sortOrder: sortTarget === 0 && sortOrder === 1 ? 0 : sortOrder, sortTarget };
}
