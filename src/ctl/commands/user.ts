import type { Command, Subcommand } from "../command.ts";
import { badArgs } from "../exit.ts";
import type { FlagSpec } from "../flags.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";
import { askNewPassword, readWord } from "../stdin.ts";

const interactiveFlag: FlagSpec = {
  name: "interactive",
  type: "bool",
  default: "true",
  usage: "ask for the password; false: take it from stdin without asking",
};

const add: Subcommand = {
  use: "add <user name or user:password> [options]",
  short: "Adds a new user",
  flags: [
    interactiveFlag,
    { name: "new-user-password", type: "string", default: "", usage: "the user's password" },
    {
      name: "no-password",
      type: "bool",
      default: "false",
      usage: "a user known by the CN of its client certificate alone",
    },
  ],
  run: async (invocation) => {
    const { args, flags, out } = invocation;
    if (args.length !== 1) throw badArgs("user add command requires user name as its argument");
    const noPassword = flags.bool("no-password");
    let name = args[0] as string;
    let password = "";
    const colon = name.indexOf(":");
    if (noPassword) password = "";
    else if (flags.string("new-user-password") !== "") password = flags.string("new-user-password");
    else if (colon >= 0) {
      password = name.slice(colon + 1);
      name = name.slice(0, colon);
      if (name === "") throw badArgs("empty user name is not allowed");
    } else password = flags.bool("interactive") ? askNewPassword(name, out) : readWord();
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, ({ auth }) =>
      auth.userAdd(name, password, { noPassword }),
    );
    printer.changed(`User ${name} created`, answer);
  },
};

const remove: Subcommand = {
  use: "delete <user name>",
  short: "Deletes a user",
  run: async (invocation) => {
    const [name] = invocation.args;
    if (name === undefined || invocation.args.length !== 1) {
      throw badArgs("user delete command requires user name as its argument");
    }
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, ({ auth }) => auth.userDelete(name));
    printer.changed(`User ${name} deleted`, answer);
  },
};

const get: Subcommand = {
  use: "get <user name> [options]",
  short: "Shows a user's roles",
  flags: [{ name: "detail", type: "bool", default: "false", usage: "the roles' permissions too" }],
  run: async (invocation) => {
    const { args, flags, out } = invocation;
    const [name] = args;
    if (name === undefined || args.length !== 1) {
      throw badArgs("user get command requires user name as its argument");
    }
    const printer = printerOf(invocation);
    await withClient(invocation, async ({ auth }) => {
      const answer = await auth.userGet(name);
      if (!flags.bool("detail")) {
        printer.userGet(name, answer);
        return;
      }
      out.text(`User: ${name}\n`);
      for (const role of answer.roles) {
        out.text("\n");
        printer.roleGet(role, await auth.roleGet(role));
      }
    });
  },
};

const list: Subcommand = {
  use: "list",
  short: "Lists all users",
  run: async (invocation) => {
    if (invocation.args.length > 0) throw badArgs("user list command requires no arguments");
    const printer = printerOf(invocation);
    printer.userList(await withClient(invocation, ({ auth }) => auth.userList()));
  },
};

const passwd: Subcommand = {
  use: "passwd <user name> [options]",
  short: "Changes a user's password",
  flags: [interactiveFlag],
  run: async (invocation) => {
    const { args, flags, out } = invocation;
    const [name] = args;
    if (name === undefined || args.length !== 1) {
      throw badArgs("user passwd command requires user name as its argument");
    }
    const password = flags.bool("interactive") ? askNewPassword(name, out) : readWord();
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, ({ auth }) =>
      auth.userChangePassword(name, password),
    );
    printer.changed("Password updated", answer);
  },
};

const grantRole: Subcommand = {
  use: "grant-role <user name> <role name>",
  short: "Grants a role to a user",
  run: async (invocation) => {
    const [name, role] = invocation.args;
    if (name === undefined || role === undefined || invocation.args.length !== 2) {
      throw badArgs("user grant command requires user name and role name as its argument");
    }
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, ({ auth }) => auth.userGrantRole(name, role));
    printer.changed(`Role ${role} is granted to user ${name}`, answer);
  },
};

const revokeRole: Subcommand = {
  use: "revoke-role <user name> <role name>",
  short: "Revokes a role from a user",
  run: async (invocation) => {
    const [name, role] = invocation.args;
    if (name === undefined || role === undefined || invocation.args.length !== 2) {
      throw badArgs("user revoke-role requires user name and role name as its argument");
    }
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, ({ auth }) => auth.userRevokeRole(name, role));
    printer.changed(`Role ${role} is revoked from user ${name}`, answer);
  },
};

export const user: Command = {
  use: "user <subcommand>",
  commands: [add, remove, get, grantRole, list, passwd, revokeRole],
};
