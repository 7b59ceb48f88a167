import { type Client, RpcError } from "../../client/index.ts";
import type { Revision } from "../../core/types.ts";
import { formatDuration } from "../../lib/duration.ts";
import type { Command, Invocation, Subcommand } from "../command.ts";
import { CommandError, exitCode } from "../exit.ts";
import { asCommandError, endpointsOf, openClient } from "../globals.ts";
import { printerOf } from "../print/index.ts";
import type { EndpointHashKv, EndpointHealth, EndpointStatus } from "../print/printer.ts";

export const clusterFlag = {
  name: "cluster",
  type: "bool",
  default: "false",
  usage: "ask all members of the cluster, not only --endpoints",
} as const;

/** The endpoints to ask: those of the flag, or with --cluster every member's client URLs. */
export async function askedEndpoints(invocation: Invocation): Promise<string[]> {
  if (!invocation.flags.bool("cluster")) return endpointsOf(invocation.flags);
  using client = openClient(invocation);
  try {
    const { members } = await client.cluster.memberList();
    return members.flatMap((m) => m.clientURLs);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const message = `failed to fetch endpoints from etcd cluster member list: ${why}`;
    throw new CommandError(exitCode.error, message);
  }
}

/** One question to one endpoint, with a client of its own. */
async function ask<T>(
  invocation: Invocation,
  endpoint: string,
  question: (client: Client, endpoint: string) => Promise<T>,
): Promise<T> {
  using client = openClient(invocation, [endpoint]);
  return await question(client, client.endpoints[0] as string);
}

/** Text of a failed request; anything else is a bug and ends the program. */
export function reason(error: unknown): string {
  if (error instanceof RpcError) return error.message;
  throw error;
}

async function checkHealth(invocation: Invocation, endpoint: string): Promise<EndpointHealth> {
  using client = openClient(invocation, [endpoint]);
  const began = process.hrtime.bigint();
  const took = (): string => formatDuration(Number(process.hrtime.bigint() - began));
  try {
    await client.kv.get("health");
  } catch (error) {
    // Permission denied has gone through consensus too.
    if (!(error instanceof RpcError && error.etcd === "PermissionDenied")) {
      return { endpoint, health: false, took: took(), error: reason(error) };
    }
  }
  const healthy = { endpoint, health: true, took: took(), error: "" };
  try {
    const { alarms } = await client.maintenance.alarm({
      action: 0,
      memberId: 0n as never,
      alarm: 0,
    });
    if (alarms.length === 0) return healthy;
    const names = alarms.map(({ alarm }) => `${["", "NOSPACE", "CORRUPT"][alarm] || "UNKNOWN"} `);
    return { ...healthy, health: false, error: `Active Alarm(s): ${names.join("")}` };
  } catch (error) {
    reason(error);
    return { ...healthy, health: false, error: "Unable to fetch the alarm list" };
  }
}

const health: Subcommand = {
  use: "health",
  short: "Checks the healthiness of endpoints specified in `--endpoints` flag",
  run: async (invocation) => {
    const printer = printerOf(invocation);
    const asked = await askedEndpoints(invocation);
    // As they answer, like etcdctl.
    const list: EndpointHealth[] = [];
    await Promise.all(asked.map(async (e) => list.push(await checkHealth(invocation, e))));
    printer.endpointHealth(list);
    if (list.some((h) => h.error !== "")) {
      throw new CommandError(exitCode.error, "unhealthy cluster");
    }
  },
};

const status: Subcommand = {
  use: "status",
  short: "Prints out the status of endpoints specified in `--endpoints` flag",
  run: async (invocation) => {
    const printer = printerOf(invocation);
    const list: EndpointStatus[] = [];
    let failed = false;
    for (const endpoint of await askedEndpoints(invocation)) {
      try {
        const answer = await ask(invocation, endpoint, (c, e) => c.maintenance.status(e));
        list.push({ endpoint, status: answer });
      } catch (error) {
        failed = true;
        const why = reason(error);
        invocation.out.error(`Failed to get the status of endpoint ${endpoint} (${why})\n`);
      }
    }
    printer.endpointStatus(list);
    if (failed) throw new CommandError(exitCode.error, "", false);
  },
};

const hashkv: Subcommand = {
  use: "hashkv",
  short: "Prints the KV history hash for each endpoint in --endpoints",
  flags: [
    { name: "rev", type: "int64", default: "0", usage: "hash up to this revision; 0 for all" },
  ],
  run: async (invocation) => {
    const printer = printerOf(invocation);
    const revision = Number(invocation.flags.int64("rev")) as Revision;
    const list: EndpointHashKv[] = [];
    let failure: unknown;
    for (const endpoint of await askedEndpoints(invocation)) {
      try {
        const answer = await ask(invocation, endpoint, (c, e) => c.maintenance.hashKv(e, revision));
        list.push({ endpoint, hashKv: answer });
      } catch (error) {
        failure = error;
        const why = reason(error);
        invocation.out.error(`Failed to get the hash of endpoint ${endpoint} (${why})\n`);
      }
    }
    printer.endpointHashKv(list);
    if (failure !== undefined) throw asCommandError(failure);
  },
};

export const endpoint: Command = {
  use: "endpoint <subcommand>",
  flags: [clusterFlag],
  commands: [hashkv, health, status],
};
