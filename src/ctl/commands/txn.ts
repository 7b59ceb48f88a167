import { methods } from "../../client/index.ts";
import type { LeaseId, Revision, Version } from "../../core/types.ts";
import { rpcpb } from "../../proto/client/index.ts";
import type { Command } from "../command.ts";
import { badArgs, CommandError, exitCode } from "../exit.ts";
import { type FlagSpec, Flags, parseFlags, parseInteger } from "../flags.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";
import { readLine } from "../stdin.ts";
import { splitWords, unquote } from "../words.ts";
import { deleteRequest, delFlags } from "./del.ts";
import { getFlags, rangeRequest } from "./get.ts";
import { putFlags, putRequest } from "./put.ts";

export const txn: Command = {
  use: "txn [options]",
  flags: [
    {
      name: "interactive",
      short: "i",
      type: "bool",
      default: "false",
      usage: "say what is expected next",
    },
  ],
  run: async (invocation) => {
    const { args, flags, out } = invocation;
    if (args.length > 0) throw badArgs("txn command does not accept argument");
    const printer = printerOf(invocation);
    const prompt = (text: string): void => {
      if (flags.bool("interactive")) out.text(`${text}\n`);
    };
    prompt("compares:");
    const compare = block(parseCompare);
    prompt("success requests (get, put, del):");
    const success = block(parseRequest);
    prompt("failure requests (get, put, del):");
    const failure = block(parseRequest);
    const request = rpcpb.newTxnRequest({ compare, success, failure });
    const answer = await withClient(invocation, (client) => client.call(methods.txn, request));
    printer.txn(answer);
  },
};

const invalidInput = (message: string): CommandError =>
  new CommandError(exitCode.invalidInput, message);

/** What stdin says up to the next empty line; a line is refused before the next one is read. */
function block<T>(parse: (line: string) => T): T[] {
  const taken: T[] = [];
  for (;;) {
    const line = readLine()?.trim();
    if (line === undefined) throw invalidInput("EOF");
    if (line === "") return taken;
    taken.push(parse(line));
  }
}

const results: Readonly<Record<string, rpcpb.CompareResult>> = { "=": 0, ">": 1, "<": 2, "!=": 3 };

/** `target("key") op "value"`. */
function parseCompare(line: string): rpcpb.Compare {
  const match = /^([^(]*)\(\s*("(?:[^"\\]|\\.)*")\s*\)\s*(\S+)\s+("(?:[^"\\]|\\.)*")/.exec(line);
  if (match === null) throw invalidInput(`malformed comparison: ${line}`);
  const [, target, key, operator, value] = match as unknown as string[];
  const result = results[operator as string];
  if (result === undefined) throw invalidInput(`malformed comparison: ${line}`);
  const text = unquote(value as string);
  const base = { key: unquote(key as string), result };
  const integer = (): number => {
    const n = parseInteger(text.toString(), -(2n ** 53n), 2n ** 53n);
    if (n === undefined) throw invalidInput(`invalid txn compare request: ${line}`);
    return Number(n);
  };
  switch (target) {
    case "ver":
    case "version":
      return rpcpb.newCompare({ ...base, target: 0, version: integer() as Version });
    case "c":
    case "create":
      return rpcpb.newCompare({ ...base, target: 1, createRevision: integer() as Revision });
    case "m":
    case "mod":
      return rpcpb.newCompare({ ...base, target: 2, modRevision: integer() as Revision });
    case "val":
    case "value":
      return rpcpb.newCompare({ ...base, target: 3, value: text });
    case "lease": {
      const id = parseInteger(text.toString(), -(2n ** 63n), 2n ** 63n - 1n);
      if (id === undefined) throw invalidInput(`invalid txn compare request: ${line}`);
      return rpcpb.newCompare({ ...base, target: 4, lease: id as LeaseId });
    }
    default:
      throw invalidInput(`malformed comparison: ${line} (unknown target ${target})`);
  }
}

/** `put|get|del ...` with the options of those commands. */
function parseRequest(line: string): rpcpb.RequestOp {
  const [name, ...words] = splitWords(line);
  if (words.length === 0) throw invalidInput(`invalid txn compare request: ${line}`);
  const parse = (specs: readonly FlagSpec[]): { args: string[]; flags: Flags } => {
    const flags = new Flags(specs);
    try {
      return { args: parseFlags(words, flags).args, flags };
    } catch {
      throw invalidInput(`invalid txn request: ${line}`);
    }
  };
  if (name === "put") {
    const { args, flags } = parse(putFlags);
    return rpcpb.newRequestOp({ requestPut: putRequest(args, flags, () => Buffer.alloc(0)) });
  }
  if (name === "get") {
    const { args, flags } = parse(getFlags);
    return rpcpb.newRequestOp({ requestRange: rangeRequest(args, flags) });
  }
  if (name === "del") {
    const { args, flags } = parse(delFlags);
    return rpcpb.newRequestOp({ requestDeleteRange: deleteRequest(args, flags) });
  }
  throw invalidInput(`invalid txn request: ${line}`);
}
