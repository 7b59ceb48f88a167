import { isEtcdError } from "../../client/index.ts";
import type { Command, Subcommand } from "../command.ts";
import { badArgs } from "../exit.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";

function noArguments(args: readonly string[], what: string): void {
  if (args.length > 0) throw badArgs(`auth ${what} command does not accept any arguments`);
}

const enable: Subcommand = {
  use: "enable",
  short: "Turns authentication on; the user root must exist",
  run: async (invocation) => {
    noArguments(invocation.args, "enable");
    printerOf(invocation);
    await withClient(invocation, async ({ auth }) => {
      for (;;) {
        try {
          await auth.enable();
          return;
        } catch (error) {
          // A root user that has not been made root yet is made so, as etcdctl does.
          if (!isEtcdError(error, "RootRoleNotExist")) throw error;
          await auth.roleAdd("root");
          await auth.userGrantRole("root", "root");
        }
      }
    });
    invocation.out.text("Authentication Enabled\n");
  },
};

const disable: Subcommand = {
  use: "disable",
  short: "Turns authentication off",
  run: async (invocation) => {
    noArguments(invocation.args, "disable");
    printerOf(invocation);
    await withClient(invocation, ({ auth }) => auth.disable());
    invocation.out.text("Authentication Disabled\n");
  },
};

const status: Subcommand = {
  use: "status",
  short: "Tells whether authentication is on",
  run: async (invocation) => {
    noArguments(invocation.args, "status");
    const printer = printerOf(invocation);
    printer.authStatus(await withClient(invocation, ({ auth }) => auth.status()));
  },
};

export const auth: Command = {
  use: "auth <enable or disable>",
  commands: [disable, enable, status],
};
