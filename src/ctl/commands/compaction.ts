import type { Command } from "../command.ts";
import { badArgs, CommandError, exitCode } from "../exit.ts";
import { parseInteger } from "../flags.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";

export const compaction: Command = {
  use: "compaction [options] <revision>",
  flags: [
    {
      name: "physical",
      type: "bool",
      default: "false",
      usage: "answer when the old revisions are gone from the disk",
    },
  ],
  run: async (invocation) => {
    const { args, flags, out } = invocation;
    if (args.length !== 1) throw badArgs("compaction command needs 1 argument");
    const text = args[0] as string;
    const revision = parseInteger(text, -(2n ** 63n), 2n ** 63n - 1n);
    if (revision === undefined) {
      const message = `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`;
      throw new CommandError(exitCode.error, message);
    }
    printerOf(invocation); // an unknown format is refused before anything is done
    await withClient(invocation, (client) =>
      client.kv.compact(Number(revision), { physical: flags.bool("physical") }),
    );
    out.text(`compacted revision ${revision}\n`);
  },
};
