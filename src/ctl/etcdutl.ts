import type { Command, Entry, Program } from "./command.ts";
import type { DataDirWork } from "./commands/data-dir.ts";
import type { HashWork } from "./commands/hashkv.ts";
import { type NewMember, newMember, newMemberFlags } from "./commands/new-member.ts";
import type { SnapshotFileWork } from "./commands/snapshot-file.ts";
import { attempt, badArgs } from "./exit.ts";
import type { FlagSpec } from "./flags.ts";
import { processOutput } from "./output.ts";
import { runProgram } from "./run.ts";

/** The work itself, given by the program that puts the rooms together. Each rejects with Error. */
export interface UtilWork extends DataDirWork, SnapshotFileWork, HashWork {
  init(options: NewMember): Promise<void>;
}

/** Loaded only when a command needs it: storage and boot come with it. */
export type LoadUtilWork = () => Promise<UtilWork>;

const initCommand = (load: LoadUtilWork): Command => ({
  use: "init --data-dir {output dir} [options]",
  flags: newMemberFlags,
  run: async (invocation) => {
    if (invocation.args.length > 0) throw badArgs("init takes no arguments");
    const work = await load();
    await attempt(work.init(newMember(invocation)));
  },
});

const globalFlags: readonly FlagSpec[] = [
  {
    name: "timeout",
    type: "duration",
    default: "10s",
    usage: "accepted for compatibility; a lock in the way is an error at once",
  },
  {
    name: "write-out",
    short: "w",
    type: "string",
    default: "simple",
    usage: "form of the answer (fields, json, protobuf, simple, table)",
    values: ["fields", "json", "protobuf", "simple", "table"],
  },
];

/** etcdutl's commands, and `force-new`, `init` and `inspect`, which only we have. */
const commands = (load: LoadUtilWork): readonly Entry[] => [
  {
    name: "completion",
    short: "Prints a script that completes command lines in a shell",
    load: async () => (await import("./commands/completion.ts")).completionCommand("etcdutl"),
  },
  {
    name: "defrag",
    short: "Gives unused disk space back",
    load: async () => (await import("./commands/defrag-data-dir.ts")).defragCommand(load),
  },
  {
    name: "force-new",
    short: "Makes a survivor's data folder a new cluster of one that keeps its whole log",
    load: async () => (await import("./commands/data-dir.ts")).forceNewCommand(load),
  },
  {
    name: "hashkv",
    short: "Prints the hash of a snapshot file's keys and their history",
    load: async () => (await import("./commands/hashkv.ts")).hashKvCommand(load),
  },
  {
    name: "help",
    short: "Help about any command",
    load: async () => ({ use: "help [command]" }),
  },
  {
    name: "init",
    short: "Fills an empty data folder so that its member forms a new cluster when it boots",
    load: async () => initCommand(load),
  },
  {
    name: "inspect",
    short: "Tells who a data folder's member is and where its log ends; changes nothing",
    load: async () => (await import("./commands/data-dir.ts")).inspectCommand(load),
  },
  {
    name: "migrate",
    short: "Tells whether a data folder has the format of a release",
    load: async () => (await import("./commands/migrate.ts")).migrateCommand(load),
  },
  {
    name: "snapshot",
    short: "Snapshots: what they hold, and members made of them",
    load: async () => ({
      use: "snapshot <subcommand>",
      commands: (await import("./commands/snapshot-file.ts")).snapshotFileCommands(load),
    }),
  },
  {
    name: "version",
    short: "Prints the version of etcdutl",
    load: async () => (await import("./commands/version.ts")).versionCommand("etcdutl"),
  },
];

/** etcdutl: `argv` without the program's name; resolves to the exit code. */
export function runEtcdutl(
  argv: string[],
  env: NodeJS.ProcessEnv,
  load: LoadUtilWork,
): Promise<number> {
  const program: Program = {
    name: "etcdutl",
    short: "Work on snapshots and data folders of members that do not run",
    flags: globalFlags,
    commands: commands(load),
  };
  return runProgram(program, argv, env, processOutput);
}
