import type { MemberId } from "../../core/types.ts";
import type { rpcpb } from "../../proto/client/index.ts";
import type { Command, Subcommand } from "../command.ts";
import { badArgs } from "../exit.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";

const everyone = 0n as MemberId;

const list: Subcommand = {
  use: "list",
  short: "Lists all alarms",
  run: async (invocation) => {
    if (invocation.args.length > 0) throw badArgs("alarm list command accepts no arguments");
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (client) =>
      client.maintenance.alarm({ action: 0, memberId: everyone, alarm: 0 }),
    );
    printer.alarm(answer);
  },
};

const disarm: Subcommand = {
  use: "disarm",
  short: "Disarms all alarms",
  run: async (invocation) => {
    if (invocation.args.length > 0) throw badArgs("alarm disarm command accepts no arguments");
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, async (client) => {
      const active = await client.maintenance.alarm({ action: 0, memberId: everyone, alarm: 0 });
      const gone: rpcpb.AlarmResponse = { header: undefined, alarms: [] };
      for (const { memberId, alarm } of active.alarms) {
        const one = await client.maintenance.alarm({ action: 2, memberId, alarm });
        gone.alarms.push(...one.alarms);
      }
      return gone;
    });
    printer.alarm(answer);
  },
};

export const alarm: Command = {
  use: "alarm <subcommand>",
  commands: [disarm, list],
};
