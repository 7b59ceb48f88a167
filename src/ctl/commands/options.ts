import type { Command } from "../command.ts";
import { globalFlags } from "../global-flags.ts";
import { flagLines } from "../help.ts";

export const options: Command = {
  use: "options",
  run: async ({ out }) => {
    out.text(`The following options can be passed to any command:\n\n${flagLines(globalFlags)}`);
  },
};
