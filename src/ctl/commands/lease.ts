import type { Command, Subcommand } from "../command.ts";
import { badArgs, CommandError, exitCode } from "../exit.ts";
import { parseInteger } from "../flags.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";
import { leaseArgument } from "./put.ts";

/** The refusal of a lease request with what was tried in front. */
function failedTo(what: string): (error: unknown) => never {
  return (error) => {
    throw new CommandError(exitCode.error, `failed to ${what} lease (${(error as Error).message})`);
  };
}

const grant: Subcommand = {
  use: "grant <ttl>",
  short: "Creates leases",
  run: async (invocation) => {
    const { args } = invocation;
    if (args.length !== 1) throw badArgs("lease grant command needs TTL argument");
    const text = args[0] as string;
    const ttl = parseInteger(text, -(2n ** 63n), 2n ** 63n - 1n);
    if (ttl === undefined) {
      const why = `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`;
      throw badArgs(`bad TTL (${why})`);
    }
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (c) =>
      c.lease.grant(Number(ttl)).catch(failedTo("grant")),
    );
    printer.grant(answer);
  },
};

const revoke: Subcommand = {
  use: "revoke <leaseID>",
  short: "Revokes leases",
  run: async (invocation) => {
    const { args } = invocation;
    if (args.length !== 1) throw badArgs("lease revoke command needs 1 argument");
    const id = leaseArgument(args[0] as string, "lease ID arg");
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (c) =>
      c.lease.revoke(id).catch(failedTo("revoke")),
    );
    printer.revoke(id, answer);
  },
};

const timeToLive: Subcommand = {
  use: "timetolive <leaseID> [options]",
  short: "Get lease information",
  flags: [{ name: "keys", type: "bool", default: "false", usage: "show the lease's keys" }],
  run: async (invocation) => {
    const { args, flags } = invocation;
    if (args.length !== 1) throw badArgs("lease timetolive command needs lease ID as argument");
    const id = leaseArgument(args[0] as string, "lease ID arg");
    const keys = flags.bool("keys");
    const printer = printerOf(invocation);
    const answer = await withClient(
      invocation,
      (c) => c.lease.timeToLive(id, { keys }),
      exitCode.badConnection,
    );
    printer.timeToLive(answer, keys);
  },
};

const list: Subcommand = {
  use: "list",
  short: "List all active leases",
  run: async (invocation) => {
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (c) => c.lease.leases(), exitCode.badConnection);
    printer.leases(answer);
  },
};

const keepAlive: Subcommand = {
  use: "keep-alive [options] <leaseID>",
  short: "Keeps leases alive (renew)",
  flags: [{ name: "once", type: "bool", default: "false", usage: "renew once and end" }],
  run: async (invocation) => {
    const { args, flags, out } = invocation;
    if (args.length !== 1) throw badArgs("lease keep-alive command needs lease ID as argument");
    const id = leaseArgument(args[0] as string, "lease ID arg");
    const printer = printerOf(invocation);
    const body = async (): Promise<void> =>
      withClient(
        invocation,
        async (client) => {
          if (flags.bool("once")) {
            const answer = await client.lease.keepAliveOnce(id);
            if (answer.ttl <= 0) {
              const text = "etcdserver: requested lease not found";
              throw new CommandError(exitCode.badConnection, text);
            }
            printer.keepAlive(answer);
            return;
          }
          for await (const answer of client.lease.keepAlive(id)) {
            if (answer.ttl > 0) printer.keepAlive(answer);
          }
          if (printer.kind === "simple") {
            out.text(`lease ${id.toString(16).padStart(16, "0")} expired or revoked.\n`);
          }
        },
        exitCode.badConnection,
      );
    await body();
  },
};

export const lease: Command = {
  use: "lease <subcommand>",
  commands: [grant, keepAlive, list, revoke, timeToLive],
};
