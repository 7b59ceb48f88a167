import { formatDuration } from "../../lib/duration.ts";
import type { Command } from "../command.ts";
import { CommandError, exitCode } from "../exit.ts";
import { openClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";
import { askedEndpoints, clusterFlag, reason } from "./endpoint.ts";

export const defrag: Command = {
  use: "defrag",
  flags: [clusterFlag],
  run: async (invocation) => {
    printerOf(invocation);
    let failed = false;
    for (const endpoint of await askedEndpoints(invocation)) {
      using client = openClient(invocation, [endpoint]);
      const began = process.hrtime.bigint();
      const took = (): string => formatDuration(Number(process.hrtime.bigint() - began));
      try {
        await client.maintenance.defragment(client.endpoints[0] as string);
        invocation.out.text(`Finished defragmenting etcd member[${endpoint}]. took ${took()}\n`);
      } catch (error) {
        failed = true;
        const why = reason(error);
        invocation.out.error(
          `Failed to defragment etcd member[${endpoint}]. took ${took()}. (${why})\n`,
        );
      }
    }
    if (failed) throw new CommandError(exitCode.error, "", false);
  },
};
