import {
  type Client,
  RpcError,
  WatchCanceledError,
  type WatchOptions,
  type WatchStream,
} from "../../client/index.ts";
import { rpcpb } from "../../proto/client/index.ts";
import { runChild } from "../child.ts";
import type { Command, Invocation } from "../command.ts";
import { badArgs, CommandError, exitCode } from "../exit.ts";
import { type FlagSpec, Flags, parseFlags } from "../flags.ts";
import { withClient } from "../globals.ts";
import { goQuote } from "../print/go-quote.ts";
import { type Printer, printerOf } from "../print/index.ts";
import { lines } from "../stdin.ts";
import { splitWords } from "../words.ts";

const watchFlags: readonly FlagSpec[] = [
  {
    name: "interactive",
    short: "i",
    type: "bool",
    default: "false",
    usage: "take watches from stdin, one per line",
  },
  { name: "prefix", type: "bool", default: "false", usage: "all keys with this prefix" },
  { name: "rev", type: "int64", default: "0", usage: "first revision to show" },
  { name: "prev-kv", type: "bool", default: "false", usage: "show what the key held before" },
  {
    name: "progress-notify",
    type: "bool",
    default: "false",
    usage: "tell now and then how far the watch has come",
  },
];

/** What to watch and, when there is one, the command to run for each event. */
interface Watched {
  readonly key: string;
  readonly options: WatchOptions;
  readonly command: readonly string[];
}

export const watch: Command = {
  use: "watch [options] [key or prefix] [range_end] [--] [exec-command arg1 arg2 ...]",
  flags: watchFlags,
  run: async (invocation) => {
    const { args, dashAt, flags, env } = invocation;
    if ((env["ETCDCTL_WATCH_KEY"] ?? "") === "" && (env["ETCDCTL_WATCH_RANGE_END"] ?? "") !== "") {
      const shown = goQuote(env["ETCDCTL_WATCH_RANGE_END"] as string);
      throw badArgs(`ETCDCTL_WATCH_KEY is empty but got ETCDCTL_WATCH_RANGE_END=${shown}`);
    }
    if (flags.bool("interactive")) {
      printerOf(invocation);
      await withClient(invocation, (client) => interactive(client, invocation));
      return;
    }
    const [keys, command] = split(args, dashAt, env);
    const watched = { ...watchOf(keys, flags, flags), command };
    printerOf(invocation);
    await withClient(invocation, (client) => follow(client, watched, invocation));
    throw new CommandError(exitCode.interrupted, "watch is canceled by the server");
  },
};

/** Keys, from the arguments or from ETCDCTL_WATCH_KEY and _RANGE_END, and the command behind `--`. */
function split(
  args: readonly string[],
  dashAt: number | undefined,
  env: NodeJS.ProcessEnv,
): [string[], string[]] {
  const keys = args.slice(0, dashAt ?? args.length);
  const command = args.slice(keys.length);
  if (dashAt !== undefined && command.length === 0) {
    throw badArgs("bad number of arguments (found separator --, but no commands)");
  }
  const fromEnv = [env["ETCDCTL_WATCH_KEY"] ?? "", env["ETCDCTL_WATCH_RANGE_END"] ?? ""];
  if (fromEnv[0] === "") return [keys, command];
  if (keys.length > 0) throw badArgs("bad number of arguments (found conflicting environment key)");
  return [fromEnv.filter((text) => text !== ""), command];
}

/** `always`: the command line's flags, some of which hold for every line of an interactive watch. */
function watchOf(
  [key, end, ...more]: readonly string[],
  flags: Flags,
  always: Flags,
): Omit<Watched, "command"> {
  if (key === undefined) throw badArgs("bad number of arguments");
  // etcdctl takes a third word for a slip and watches the first alone.
  const rangeEnd = more.length === 0 ? end : undefined;
  if (rangeEnd !== undefined && flags.bool("prefix")) {
    throw badArgs("`range_end` and `--prefix` are mutually exclusive");
  }
  return {
    key,
    options: {
      startRevision: Number(flags.int64("rev")),
      prefix: flags.bool("prefix"),
      prevKv: flags.bool("prev-kv"),
      progressNotify: always.bool("progress-notify"),
      requireLeader: true,
      ...(rangeEnd === undefined ? {} : { rangeEnd }),
    },
  };
}

/** Reads `watch ...` and `progress` from stdin until it ends, which is an error like any other. */
async function interactive(client: Client, invocation: Invocation): Promise<void> {
  const { flags, env, out } = invocation;
  const streams = new Set<WatchStream>();
  const failed = Promise.withResolvers<never>();
  // Whoever fails first ends the command, also while a line is waited for.
  failed.promise.catch(() => undefined);
  const begin = (line: string, words: readonly string[]): void => {
    const own = new Flags(watchFlags);
    const dash = words.indexOf("--");
    const head = dash < 0 ? words : words.slice(0, dash);
    const parsed = parseLine(head, own);
    const args = dash < 0 ? parsed : [...parsed, ...words.slice(dash + 1)];
    const [keys, command] = split(args, dash < 0 ? undefined : parsed.length, env);
    let watched: Omit<Watched, "command">;
    try {
      watched = watchOf(keys, own, flags);
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      out.error(`Invalid command ${line} (${error.message})\n`);
      return;
    }
    let stream: WatchStream | undefined;
    const onStream = (opened: WatchStream): void => {
      if (stream !== undefined) streams.delete(stream);
      stream = opened;
      streams.add(opened);
    };
    const options = { ...watched.options, onStream };
    follow(client, { ...watched, options, command }, invocation).catch(failed.reject);
  };
  const read = lines();
  for (;;) {
    const { value: line, done } = await Promise.race([read.next(), failed.promise]);
    if (done === true) {
      throw new CommandError(exitCode.invalidInput, "error reading watch request line: EOF");
    }
    const [verb, ...words] = splitWords(line);
    if (verb === undefined) {
      out.error(`Invalid command: ${line} (watch and progress supported)\n`);
    } else if (verb === "progress") {
      for (const stream of streams) stream.progress();
    } else if (verb !== "watch") {
      out.error(`Invalid command ${line} (only support watch)\n`);
    } else if (words.length === 0 && (env["ETCDCTL_WATCH_KEY"] ?? "") === "") {
      out.error(`Invalid command ${line} (command type or key is not provided)\n`);
    } else begin(line, words);
  }
}

function parseLine(words: readonly string[], flags: Flags): string[] {
  try {
    return parseFlags(words, flags).args;
  } catch (error) {
    throw error instanceof CommandError ? badArgs(error.message) : error;
  }
}

/** Shows one watch until the server cancels it. */
async function follow(client: Client, watched: Watched, invocation: Invocation): Promise<void> {
  const printer = printerOf(invocation);
  try {
    for await (const answer of client.watch.watch(watched.key, watched.options)) {
      show(answer, printer, invocation);
      await runForEach(answer, watched.command, invocation);
    }
  } catch (error) {
    const [why, answer] = cancellation(error);
    invocation.out.error(`watch was canceled (${why})\n`);
    printer.watch(answer);
  }
}

/** Why and with which answer a watch ended; other errors are thrown on. */
function cancellation(error: unknown): [string, rpcpb.WatchResponse] {
  // Of a watch that never began etcd's client tells nothing but that it was canceled.
  const header = rpcpb.newResponseHeader();
  const never = rpcpb.newWatchResponse({ canceled: true, header });
  if (error instanceof RpcError && error.etcd === "NoLeader") return [error.message, never];
  if (!(error instanceof WatchCanceledError)) throw error;
  const { response, message } = error;
  if (response.created) return [message, never];
  if (response.compactRevision > 0) return [message, response];
  const text = `rpc error: code = FailedPrecondition desc = ${message}`;
  return [new RpcError(9, message, "").etcd === undefined ? text : message, response];
}

function show(answer: rpcpb.WatchResponse, printer: Printer, { out }: Invocation): void {
  if (answer.created) return;
  if (answer.events.length === 0) {
    out.text(`progress notify: ${answer.header?.revision ?? 0}\n`);
  }
  printer.watch(answer);
}

/** Runs the command once per event, one after the other. */
async function runForEach(
  { header, events }: rpcpb.WatchResponse,
  [file, ...args]: readonly string[],
  { env, out }: Invocation,
): Promise<void> {
  if (file === undefined) return;
  for (const { type, kv } of events) {
    const { code, text } = await runChild([file, ...args], {
      ...env,
      ETCD_WATCH_REVISION: String(header?.revision ?? 0),
      ETCD_WATCH_EVENT_TYPE: type === 0 ? '"PUT"' : '"DELETE"',
      ETCD_WATCH_KEY: goQuote(kv?.key ?? ""),
      ETCD_WATCH_VALUE: goQuote(kv?.value ?? ""),
    });
    if (code === 0) continue;
    const command = [file, ...args].map(goQuote).join(" ");
    out.error(`command [${command}] error (${text})\n`);
    throw new CommandError(exitCode.error, "", false);
  }
}
