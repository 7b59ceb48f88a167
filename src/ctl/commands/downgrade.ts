import type { Command, Subcommand } from "../command.ts";
import { badArgs } from "../exit.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";

function targetVersion(args: readonly string[]): string {
  const [version] = args;
  if (version === undefined) throw badArgs("TARGET_VERSION not provided");
  if (args.length > 1) throw badArgs("too many arguments");
  if (version === "") throw badArgs("target version not provided");
  return version;
}

const validate: Subcommand = {
  use: "validate <TARGET_VERSION>",
  short: "Tells whether the cluster could be downgraded; changes nothing",
  run: async (invocation) => {
    const version = targetVersion(invocation.args);
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (c) => c.maintenance.downgrade(0, version));
    printer.downgrade("validate", answer);
  },
};

const enable: Subcommand = {
  use: "enable <TARGET_VERSION>",
  short: "Begins a downgrade of the cluster",
  run: async (invocation) => {
    const version = targetVersion(invocation.args);
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (c) => c.maintenance.downgrade(1, version));
    printer.downgrade("enable", answer);
  },
};

const cancel: Subcommand = {
  use: "cancel",
  short: "Ends a downgrade that has begun",
  run: async (invocation) => {
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (c) => c.maintenance.downgrade(2, ""));
    printer.downgrade("cancel", answer);
  },
};

export const downgrade: Command = {
  use: "downgrade <TARGET_VERSION>",
  commands: [cancel, enable, validate],
};
