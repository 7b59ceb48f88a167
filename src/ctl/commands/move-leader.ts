import type { MemberId } from "../../core/types.ts";
import type { Command } from "../command.ts";
import { badArgs } from "../exit.ts";
import { parseHexId } from "../flags.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";

export const moveLeader: Command = {
  use: "move-leader <transferee-member-id>",
  run: async (invocation) => {
    const { args } = invocation;
    if (args.length !== 1) throw badArgs("move-leader command needs 1 argument");
    const target = parseTarget(args[0] as string);
    const printer = printerOf(invocation);
    await withClient(invocation, async (client) => {
      for (const endpoint of client.endpoints) {
        const { header, leader } = await client.maintenance.status(endpoint);
        if (header?.memberId !== leader) continue;
        const answer = await client.maintenance.moveLeader(target, { endpoint });
        printer.moveLeader(leader, target, answer);
        return;
      }
      throw badArgs(`no leader endpoint given at [${client.endpoints.join(" ")}]`);
    });
  },
};

function parseTarget(text: string): MemberId {
  try {
    return parseHexId(text, false) as MemberId;
  } catch (error) {
    throw badArgs((error as Error).message);
  }
}
