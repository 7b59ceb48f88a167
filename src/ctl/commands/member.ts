import type { MemberId } from "../../core/types.ts";
import type { Command, Subcommand } from "../command.ts";
import { badArgs } from "../exit.ts";
import { parseHexId } from "../flags.ts";
import { withClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";
import { isSerializable } from "./get.ts";

const peerUrlsFlag = {
  name: "peer-urls",
  type: "string",
  default: "",
  usage: "the member's peer URLs, separated by commas",
} as const;

const add: Subcommand = {
  use: "add <memberName> [options]",
  short: "Adds a member into the cluster",
  flags: [
    peerUrlsFlag,
    { name: "learner", type: "bool", default: "false", usage: "add it without a vote" },
  ],
  run: async (invocation) => {
    const { args, flags, out } = invocation;
    const [name] = args;
    if (name === undefined) throw badArgs("member name not provided");
    if (args.length > 1) {
      const urls = args.filter((a) => a.toLowerCase().startsWith("http"));
      const hints = urls.map((url) => `, did you mean --peer-urls=${url}`).join("");
      throw badArgs(`too many arguments${hints}`);
    }
    const urls = flags.string("peer-urls");
    if (urls === "") throw badArgs("member peer urls not provided");
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (client) =>
      client.cluster.memberAdd(urls.split(","), { learner: flags.bool("learner") }),
    );
    printer.memberAdd(answer);
    if (printer.kind !== "simple") return;
    const cluster = answer.members.flatMap((m) =>
      m.peerURLs.map((url) => `${m.id === answer.member?.id ? name : m.name}=${url}`),
    );
    out.text(
      [
        "",
        `ETCD_NAME=${JSON.stringify(name)}`,
        `ETCD_INITIAL_CLUSTER=${JSON.stringify(cluster.join(","))}`,
        `ETCD_INITIAL_ADVERTISE_PEER_URLS=${JSON.stringify(urls)}`,
        'ETCD_INITIAL_CLUSTER_STATE="existing"',
        "",
      ].join("\n"),
    );
  },
};

function memberArgument(args: readonly string[]): MemberId {
  if (args.length !== 1) throw badArgs("member ID is not provided");
  try {
    return parseHexId(args[0] as string, false) as MemberId;
  } catch (error) {
    throw badArgs(`bad member ID arg (${(error as Error).message}), expecting ID in Hex`);
  }
}

const remove: Subcommand = {
  use: "remove <memberID>",
  short: "Removes a member from the cluster",
  run: async (invocation) => {
    const id = memberArgument(invocation.args);
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (client) => client.cluster.memberRemove(id));
    printer.memberRemove(id, answer);
  },
};

const update: Subcommand = {
  use: "update <memberID> [options]",
  short: "Updates a member in the cluster",
  flags: [peerUrlsFlag],
  run: async (invocation) => {
    const id = memberArgument(invocation.args);
    const urls = invocation.flags.string("peer-urls");
    if (urls === "") throw badArgs("member peer urls not provided");
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (client) =>
      client.cluster.memberUpdate(id, urls.split(",")),
    );
    printer.memberUpdate(id, answer);
  },
};

const list: Subcommand = {
  use: "list",
  short: "Lists all members in the cluster",
  flags: [
    {
      name: "consistency",
      type: "string",
      default: "l",
      usage: "l (linearizable) or s (serializable)",
    },
  ],
  run: async (invocation) => {
    const linearizable = !isSerializable(invocation.flags.string("consistency"));
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (c) => c.cluster.memberList({ linearizable }));
    printer.memberList(answer);
  },
};

const promote: Subcommand = {
  use: "promote <memberID>",
  short: "Promotes a non-voting member in the cluster",
  run: async (invocation) => {
    const id = memberArgument(invocation.args);
    const printer = printerOf(invocation);
    const answer = await withClient(invocation, (client) => client.cluster.memberPromote(id));
    printer.memberPromote(id, answer);
  },
};

export const member: Command = {
  use: "member <subcommand>",
  commands: [add, list, promote, remove, update],
};
