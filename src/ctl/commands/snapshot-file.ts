/** `snapshot status` and `snapshot restore`: etcdutl's, and etcdctl's as it had them up to 3.5. */
import { stat } from "node:fs/promises";
import type { Invocation, Subcommand } from "../command.ts";
import { attempt, badArgs, CommandError, exitCode } from "../exit.ts";
import type { FlagSpec } from "../flags.ts";
import { interruptible } from "../interrupt.ts";
import { goJson } from "../print/go-json.ts";
import { humanBytes } from "../print/rows.ts";
import { table } from "../print/table.ts";
import { Progress } from "../progress.ts";
import { type NewMember, newMember, newMemberFlags } from "./new-member.ts";
import { revisionBumpFlags, revisionBumpOf } from "./revision-bump.ts";

/** What `snapshot status` tells; sizes in bytes. */
export interface FileStatus {
  readonly hash: number;
  readonly revision: number;
  readonly totalKey: number;
  readonly totalSize: number;
  readonly version: string;
}

export interface Restore extends NewMember {
  readonly path: string;
  readonly walDir: string | undefined;
  readonly skipHashCheck: boolean;
  readonly revisionBump: number;
  readonly markCompacted: boolean;
}

/** Told often: what is being done, and bytes so far and in all. */
export type OnProgress = (what: string, done: number, total: number) => void;

/** The work itself; both reject with Error. */
export interface SnapshotFileWork {
  status(path: string, onProgress: OnProgress): Promise<FileStatus>;
  /** Resolves to the newest revision; rejects with the signal's reason when that ended it. */
  restore(options: Restore, onProgress: OnProgress, signal: AbortSignal): Promise<number>;
}

/** Loaded only when a command needs it: the storage engine comes with it. */
export type LoadWork = () => Promise<SnapshotFileWork>;

/** `deprecated`: etcdctl's, which say so first. */
export const snapshotFileCommands = (load: LoadWork, deprecated = false): Subcommand[] => [
  restoreCommand(load, deprecated),
  statusCommand(load, deprecated),
];

const warn = ({ out }: Invocation, command: string): void =>
  out.error(`Deprecated: Use \`etcdutl snapshot ${command}\` instead.\n\n`);

/** Runs work with a progress line, which is gone before anything is said. */
async function withProgress<T>(
  { out }: Invocation,
  work: (onProgress: OnProgress) => Promise<T>,
): Promise<T> {
  const progress = new Progress(out);
  try {
    return await work((what, done, total) => progress.show(what, done, total));
  } finally {
    progress.end();
  }
}

function statusCommand(load: LoadWork, deprecated: boolean): Subcommand {
  return {
    use: "status <filename>",
    short: `${deprecated ? "[deprecated] " : ""}Gets backend snapshot status of a given file`,
    run: async (invocation) => {
      if (deprecated) warn(invocation, "status");
      const [path] = invocation.args;
      if (path === undefined || invocation.args.length !== 1) {
        throw badArgs("snapshot status requires exactly one argument");
      }
      await attempt(stat(path));
      const work = await load();
      const print = statusPrinter(invocation);
      print(await attempt(withProgress(invocation, (onProgress) => work.status(path, onProgress))));
    },
  };
}

/** Shows a status as --write-out says. */
function statusPrinter({ flags, out }: Invocation): (status: FileStatus) => void {
  const cells = (s: FileStatus): string[] => [
    s.hash.toString(16),
    String(s.revision),
    String(s.totalKey),
    humanBytes(s.totalSize),
    s.version,
  ];
  switch (flags.string("write-out")) {
    case "simple":
      return (s) => out.text(`${cells(s).join(", ")}\n`);
    case "json":
      return ({ hash, revision, totalKey, totalSize, version }) =>
        out.text(`${goJson({ hash, revision, totalKey, totalSize, version })}\n`);
    case "table": {
      const header = ["hash", "revision", "total keys", "total size", "version"];
      return (s) => out.text(table({ header, rows: [cells(s)] }));
    }
    case "fields":
      return (s) =>
        out.text(
          `"Hash" : ${s.hash}\n"Revision" : ${s.revision}\n"Keys" : ${s.totalKey}\n"Size" : ${s.totalSize}\n"Version" : ${s.version}\n`,
        );
    case "protobuf":
      throw new CommandError(exitCode.badFeature, "protobuf not supported as output format");
    default:
      throw new CommandError(exitCode.badFeature, "unsupported output format");
  }
}

const restoreFlags: readonly FlagSpec[] = [
  ...newMemberFlags,
  {
    name: "wal-dir",
    type: "string",
    default: "",
    usage: "folder of the log; below the data folder unless given",
  },
  {
    name: "skip-hash-check",
    type: "bool",
    default: "false",
    usage: "take a file without checksum",
  },
  ...revisionBumpFlags,
  {
    name: "initial-memory-map-size",
    type: "uint64",
    default: "10737418240",
    usage: "accepted for compatibility; nothing is mapped here",
  },
];

function restoreCommand(load: LoadWork, deprecated: boolean): Subcommand {
  return {
    use: `restore <filename> ${deprecated ? "" : "--data-dir {output dir} "}[options]`,
    short: `${deprecated ? "[deprecated] " : ""}Restores an etcd member snapshot to an etcd directory`,
    flags: restoreFlags,
    run: async (invocation) => {
      if (deprecated) warn(invocation, "restore");
      const restore = restoreOf(invocation);
      const work = await load();
      const revision = await attempt(
        interruptible((signal) =>
          withProgress(invocation, (onProgress) => work.restore(restore, onProgress, signal)),
        ),
      );
      const { path, dataDir, name } = restore;
      invocation.out.error(
        `restored ${path} as member ${name} in ${dataDir}, revision ${revision}\n`,
      );
    },
  };
}

function restoreOf(invocation: Invocation): Restore {
  const { args, flags } = invocation;
  const [path] = args;
  if (path === undefined || args.length !== 1) {
    throw badArgs("snapshot restore requires exactly one argument");
  }
  const revisionBump = revisionBumpOf(flags);
  return {
    ...newMember(invocation),
    path,
    walDir: flags.string("wal-dir") || undefined,
    skipHashCheck: flags.bool("skip-hash-check"),
    revisionBump,
    markCompacted: revisionBump > 0,
  };
}
