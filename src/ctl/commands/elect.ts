import { type Client, Election, Session } from "../../client/index.ts";
import { rpcpb } from "../../proto/client/index.ts";
import type { Command, Invocation } from "../command.ts";
import { badArgs, CommandError, exitCode } from "../exit.ts";
import { withClient } from "../globals.ts";
import { untilSignal } from "../interrupt.ts";
import { printerOf } from "../print/index.ts";
import { aborted } from "./lock.ts";

export const elect: Command = {
  use: "elect <election-name> [proposal]",
  flags: [
    { name: "listen", short: "l", type: "bool", default: "false", usage: "only tell who leads" },
  ],
  run: async (invocation) => {
    const { args, flags } = invocation;
    const [name, proposal] = args;
    if (name === undefined || args.length > 2) {
      throw badArgs("elect takes one election name argument and an optional proposal argument");
    }
    const listen = flags.bool("listen");
    if (proposal === undefined && !listen) throw badArgs("no proposal argument but -l not set");
    if (proposal !== undefined && listen) throw badArgs("proposal given but -l is set");
    printerOf(invocation);
    await withClient(invocation, (client) =>
      proposal === undefined
        ? observe(client, name, invocation)
        : campaign(client, name, proposal, invocation),
    );
  },
};

async function observe(client: Client, name: string, invocation: Invocation): Promise<void> {
  const session = await Session.open(client);
  const printer = printerOf(invocation);
  using stop = untilSignal();
  for await (const { header, kv } of new Election(session, name).observe(stop.signal)) {
    printer.get(rpcpb.newRangeResponse({ header, kvs: [kv] }), false);
  }
}

async function campaign(
  client: Client,
  name: string,
  proposal: string,
  invocation: Invocation,
): Promise<void> {
  const session = await Session.open(client);
  const election = new Election(session, name);
  using stop = untilSignal();
  await election.campaign(proposal, stop.signal);
  printerOf(invocation).get(await client.kv.get(election.key), false);
  await Promise.race([stop.stopped, aborted(session.ended)]);
  if (!stop.signal.aborted) throw new CommandError(exitCode.error, "elect: session expired");
  await election.resign();
}
