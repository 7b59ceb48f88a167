import type { Command, Entry, Program } from "./command.ts";
import type { LoadWork } from "./commands/snapshot-file.ts";
import { exitCode } from "./exit.ts";
import { globalFlags, readEnvironment, refusedApi } from "./global-flags.ts";
import { processOutput } from "./output.ts";
import { runProgram } from "./run.ts";

/** Makes the entries of one group of etcdctl's help. */
const groupOf =
  (group: string) =>
  (name: string, short: string, load: () => Promise<Command>): Entry => ({
    name,
    short,
    group,
    load,
  });
const keyValue = groupOf("Key-value commands");
const maintenance = groupOf("Cluster maintenance commands");
const concurrency = groupOf("Concurrency commands");
const authentication = groupOf("Authentication commands");
const utility = groupOf("Utility commands");

/** It talks to no server, and so reads no ETCDCTL_* variables. */
const offline = (entry: Entry): Entry => ({ ...entry, offline: true });

/** The commands; each one's file is loaded when it is asked for, so that a call starts fast. */
const commands = (load: LoadWork): readonly Entry[] => [
  keyValue(
    "compaction",
    "Forgets the history of keys up to a revision",
    async () => (await import("./commands/compaction.ts")).compaction,
  ),
  keyValue(
    "del",
    "Deletes a key or a range of keys [key, range_end)",
    async () => (await import("./commands/del.ts")).del,
  ),
  keyValue(
    "get",
    "Shows a key or a range of keys",
    async () => (await import("./commands/get.ts")).get,
  ),
  keyValue(
    "lease",
    "Leases: keys that live as long as their owner",
    async () => (await import("./commands/lease.ts")).lease,
  ),
  keyValue("put", "Writes a key", async () => (await import("./commands/put.ts")).put),
  keyValue(
    "txn",
    "Compares, and does one or the other, as one transaction",
    async () => (await import("./commands/txn.ts")).txn,
  ),
  keyValue(
    "watch",
    "Shows changes of keys as they happen",
    async () => (await import("./commands/watch.ts")).watch,
  ),
  maintenance(
    "alarm",
    "Alarms: what stops a member from serving",
    async () => (await import("./commands/alarm.ts")).alarm,
  ),
  maintenance(
    "defrag",
    "Gives a member's unused disk space back",
    async () => (await import("./commands/defrag.ts")).defrag,
  ),
  maintenance(
    "downgrade",
    "Back to an older release's format",
    async () => (await import("./commands/downgrade.ts")).downgrade,
  ),
  maintenance(
    "endpoint",
    "Health, status and hash of the members behind --endpoints",
    async () => (await import("./commands/endpoint.ts")).endpoint,
  ),
  maintenance(
    "member",
    "The cluster's members",
    async () => (await import("./commands/member.ts")).member,
  ),
  maintenance(
    "move-leader",
    "Makes another member the leader",
    async () => (await import("./commands/move-leader.ts")).moveLeader,
  ),
  maintenance("snapshot", "Snapshots of a member's data", async () =>
    (await import("./commands/snapshot.ts")).snapshot(load),
  ),
  concurrency(
    "elect",
    "Stands for election, or tells who leads",
    async () => (await import("./commands/elect.ts")).elect,
  ),
  concurrency("lock", "Holds a lock", async () => (await import("./commands/lock.ts")).lock),
  authentication(
    "auth",
    "Authentication on, off, and which it is",
    async () => (await import("./commands/auth.ts")).auth,
  ),
  authentication(
    "role",
    "Roles and what they permit",
    async () => (await import("./commands/role.ts")).role,
  ),
  authentication(
    "user",
    "Users, their passwords and roles",
    async () => (await import("./commands/user.ts")).user,
  ),
  utility(
    "check",
    "Measures what a cluster can bear",
    async () => (await import("./commands/check.ts")).check,
  ),
  offline(
    utility("completion", "Prints a script that completes command lines in a shell", async () =>
      (await import("./commands/completion.ts")).completionCommand("etcdctl"),
    ),
  ),
  offline(utility("help", "Help about any command", async () => ({ use: "help [command]" }))),
  utility(
    "make-mirror",
    "Copies keys to another cluster, and their changes as they happen",
    async () => (await import("./commands/make-mirror.ts")).makeMirror,
  ),
  offline(
    utility(
      "options",
      "Lists the flags that every command takes",
      async () => (await import("./commands/options.ts")).options,
    ),
  ),
  offline(
    utility("version", "Prints the version of etcdctl", async () =>
      (await import("./commands/version.ts")).versionCommand("etcdctl"),
    ),
  ),
];

/** etcdctl: `argv` without the program's name; resolves to the exit code. */
export async function runEtcdctl(
  argv: string[],
  env: NodeJS.ProcessEnv,
  load: LoadWork,
): Promise<number> {
  const refused = refusedApi(env);
  if (refused !== undefined) {
    processOutput.error(`Error: ${refused}\n`);
    return exitCode.error;
  }
  const program: Program = {
    name: "etcdctl",
    short: "A client of etcd and Quoin for the command line",
    flags: globalFlags,
    commands: commands(load),
    optionsCommand: "options",
    prepare: async (invocation) => {
      readEnvironment(invocation);
      if (invocation.flags.string("discovery-srv") === "") return;
      const { discoverEndpoints } = await import("./discovery.ts");
      await discoverEndpoints(invocation);
    },
  };
  return runProgram(program, argv, env, processOutput);
}
