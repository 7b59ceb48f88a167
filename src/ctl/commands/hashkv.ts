import { stat } from "node:fs/promises";
import { type Command, exactArgs, type Invocation } from "../command.ts";
import { attempt, CommandError, exitCode } from "../exit.ts";
import { goJson } from "../print/go-json.ts";
import { table } from "../print/table.ts";
import { Progress } from "../progress.ts";

/** The hash of all keys and their history up to a revision; `compactRevision` -1 before any. */
export interface FileHash {
  readonly hash: number;
  readonly hashRevision: number;
  readonly compactRevision: number;
}

export interface HashWork {
  /** Of a snapshot file, at a revision or at its newest (0). Rejects with Error. */
  hash(
    path: string,
    revision: number,
    onProgress: (what: string, done: number, total: number) => void,
  ): Promise<FileHash>;
}

export const hashKvCommand = (load: () => Promise<HashWork>): Command => ({
  use: "hashkv <filename>",
  flags: [
    { name: "rev", type: "int64", default: "0", usage: "hash up to this revision; 0 for all" },
  ],
  checkArgs: exactArgs(1),
  run: async (invocation) => {
    const { args, flags, out } = invocation;
    const [path] = args as [string];
    const print = printerOf(invocation);
    const file = await attempt(stat(path));
    if (file.isDirectory()) {
      throw new CommandError(
        exitCode.error,
        `${path} is a folder. Give a snapshot file, or ask the member that runs on the folder: etcdctl endpoint hashkv`,
      );
    }
    const work = await load();
    const progress = new Progress(out);
    const show = progress.show.bind(progress);
    const hash = work.hash(path, Number(flags.int64("rev")), show).finally(() => progress.end());
    print(await attempt(hash));
  },
});

function printerOf({ flags, out }: Invocation): (hash: FileHash) => void {
  const cells = (h: FileHash): string[] => [h.hash, h.hashRevision, h.compactRevision].map(String);
  switch (flags.string("write-out")) {
    case "simple":
      return (h) => out.text(`${cells(h).join(", ")}\n`);
    case "json":
      return ({ hash, hashRevision, compactRevision }) =>
        out.text(`${goJson({ hash, hashRevision, compactRevision })}\n`);
    case "table": {
      const header = ["hash", "hash revision", "compact revision"];
      return (h) => out.text(table({ header, rows: [cells(h)] }));
    }
    case "fields":
      return (h) =>
        out.text(
          `"Hash" : ${h.hash}\n"Hash revision" : ${h.hashRevision}\n"Compact revision" : ${h.compactRevision}\n`,
        );
    case "protobuf":
      return () => {
        throw new CommandError(exitCode.badFeature, "protobuf not supported as output format");
      };
    default:
      throw new CommandError(exitCode.badFeature, "unsupported output format");
  }
}
