import { prefixEnd } from "../../client/index.ts";
import type { Command, Invocation, Subcommand } from "../command.ts";
import { badArgs } from "../exit.ts";
import type { FlagSpec, Flags } from "../flags.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";

const rangeFlags: readonly FlagSpec[] = [
  { name: "prefix", type: "bool", default: "false", usage: "all keys with this prefix" },
  { name: "from-key", type: "bool", default: "false", usage: "all keys from this one on" },
];

function roleArgument({ args }: Invocation, command: string): string {
  const [name] = args;
  if (name === undefined || args.length !== 1) {
    throw badArgs(`role ${command} command requires role name as its argument`);
  }
  return name;
}

const add: Subcommand = {
  use: "add <role name>",
  short: "Adds a new role",
  run: async (invocation) => {
    const name = roleArgument(invocation, "add");
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, ({ auth }) => auth.roleAdd(name));
    printer.changed(`Role ${name} created`, answer);
  },
};

const remove: Subcommand = {
  use: "delete <role name>",
  short: "Deletes a role",
  run: async (invocation) => {
    const name = roleArgument(invocation, "delete");
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, ({ auth }) => auth.roleDelete(name));
    printer.changed(`Role ${name} deleted`, answer);
  },
};

const get: Subcommand = {
  use: "get <role name>",
  short: "Shows a role's permissions",
  run: async (invocation) => {
    const name = roleArgument(invocation, "get");
    const printer = printerOf(invocation);
    printer.roleGet(name, await withClient(invocation, ({ auth }) => auth.roleGet(name)));
  },
};

const list: Subcommand = {
  use: "list",
  short: "Lists all roles",
  run: async (invocation) => {
    if (invocation.args.length > 0) throw badArgs("role list command requires no arguments");
    const printer = printerOf(invocation);
    printer.roleList(await withClient(invocation, ({ auth }) => auth.roleList()));
  },
};

const permissions: Readonly<Record<string, 0 | 1 | 2>> = { READ: 0, WRITE: 1, READWRITE: 2 };

const grantPermission: Subcommand = {
  use: "grant-permission [options] <role name> <permission type> <key> [endkey]",
  short: "Lets a role read, write or readwrite keys",
  flags: rangeFlags,
  run: async (invocation) => {
    const [name, type, key, end] = invocation.args;
    if (name === undefined || type === undefined || key === undefined) {
      throw badArgs(
        "role grant command requires role name, permission type, and key [endkey] as its argument",
      );
    }
    const permission = permissions[type.toUpperCase()];
    if (permission === undefined) throw badArgs(`invalid permission type: ${type}`);
    const range = permissionRange(key, end, invocation.flags);
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, ({ auth }) =>
      auth.roleGrantPermission(name, permission, range),
    );
    printer.changed(`Role ${name} updated`, answer);
  },
};

const revokePermission: Subcommand = {
  use: "revoke-permission <role name> <key> [endkey]",
  short: "Takes a permission back",
  flags: rangeFlags,
  run: async (invocation) => {
    const [name, key, end] = invocation.args;
    if (name === undefined || key === undefined) {
      throw badArgs(
        "role revoke-permission command requires role name and key [endkey] as its argument",
      );
    }
    const range = permissionRange(key, end, invocation.flags);
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, ({ auth }) =>
      auth.roleRevokePermission(name, range),
    );
    printer.changed(`${revoked(key, range.rangeEnd)} is revoked from role ${name}`, answer);
  },
};

const zero = Buffer.from([0]);

function revoked(key: string, rangeEnd: Uint8Array): string {
  if (rangeEnd.length === 0) return `Permission of key ${key}`;
  if (zero.equals(rangeEnd)) return `Permission of range [${key}, <open ended>`;
  return `Permission of range [${key}, ${Buffer.from(rangeEnd)})`;
}

/** An empty key stands for the lowest there is: permissions are ranges of bytes. */
function permissionRange(
  key: string,
  end: string | undefined,
  flags: Flags,
): { key: Uint8Array; rangeEnd: Uint8Array } {
  const [prefix, fromKey] = [flags.bool("prefix"), flags.bool("from-key")];
  const start = key === "" ? zero : Buffer.from(key);
  const none = Buffer.alloc(0);
  if (end !== undefined && key !== "") {
    if (prefix) throw badArgs("unexpected endkey argument with --prefix flag");
    if (fromKey) throw badArgs("unexpected endkey argument with --from-key flag");
    return { key: start, rangeEnd: Buffer.from(end) };
  }
  if (prefix && fromKey) throw badArgs("--from-key and --prefix flags are mutually exclusive");
  if (fromKey || (prefix && key === "")) return { key: start, rangeEnd: zero };
  return { key: start, rangeEnd: prefix ? prefixEnd(key) : none };
}

export const role: Command = {
  use: "role <subcommand>",
  commands: [add, remove, get, grantPermission, list, revokePermission],
};
