/** `inspect` and `force-new`: a member's data folder, looked at and made the only one. */
import { writeFile } from "node:fs/promises";
import type { Command, Invocation } from "../command.ts";
import { badArgs, CommandError, exitCode } from "../exit.ts";
import type { FlagSpec } from "../flags.ts";
import { revisionBumpFlags, revisionBumpOf } from "./revision-bump.ts";

export interface ForceNew {
  readonly dataDir: string;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly initialClusterToken: string;
  readonly revisionBump: number;
}

/** Both resolve to what is printed as JSON; reject with Error, whose `code` tells programs why. */
export interface DataDirWork {
  inspect(dataDir: string): Promise<object>;
  forceNew(options: ForceNew): Promise<object>;
}

/** Loaded only when a command needs it: the storage engine comes with it. */
export type LoadDataDirWork = () => Promise<DataDirWork>;

const string = (name: string, usage: string): FlagSpec => ({
  name,
  type: "string",
  default: "",
  usage,
});

const dataDirFlag = string("data-dir", "folder of the member");
const reportFlag = string(
  "report",
  "file for the answer, or for why there is none; it ends with 0 in both cases (for Jobs)",
);

export function inspectCommand(load: LoadDataDirWork): Command {
  return {
    use: "inspect --data-dir {dir} [options]",
    flags: [dataDirFlag, reportFlag],
    run: (invocation) => answer(invocation, async (dataDir) => (await load()).inspect(dataDir)),
  };
}

export function forceNewCommand(load: LoadDataDirWork): Command {
  return {
    use: "force-new --data-dir {dir} --name {new name} [options]",
    flags: [
      dataDirFlag,
      string("name", "new name of the member"),
      string("initial-advertise-peer-urls", "new peer URLs of the member, separated by commas"),
      string("initial-cluster-token", "token of the new cluster"),
      ...revisionBumpFlags,
      string("initial-cluster", "may be given as for init: the new member alone"),
      reportFlag,
    ],
    run: (invocation) => {
      const { flags } = invocation;
      const required = ["name", "initial-advertise-peer-urls", "initial-cluster-token"];
      const missing = required.find((name) => flags.string(name) === "");
      if (missing !== undefined) throw badArgs(`give --${missing}`);
      refuseOthers(flags.string("initial-cluster"), flags.string("name"));
      const revisionBump = revisionBumpOf(flags);
      return answer(invocation, async (dataDir) =>
        (await load()).forceNew({
          dataDir,
          name: flags.string("name"),
          peerUrls: flags.string("initial-advertise-peer-urls").split(","),
          initialClusterToken: flags.string("initial-cluster-token"),
          revisionBump,
        }),
      );
    },
  };
}

function refuseOthers(initialCluster: string, name: string): void {
  const others = initialCluster.split(",").filter((m) => m !== "" && !m.startsWith(`${name}=`));
  if (others.length === 0) return;
  throw badArgs(`--initial-cluster names ${others.join(",")}: a forced cluster begins with one`);
}

async function answer(
  { args, flags, out }: Invocation,
  ask: (dataDir: string) => Promise<object>,
): Promise<void> {
  const dataDir = flags.string("data-dir");
  if (args.length > 0) throw badArgs("takes no arguments");
  if (dataDir === "") throw badArgs("give --data-dir");
  const report = flags.string("report");
  try {
    const text = JSON.stringify(await ask(dataDir));
    if (report !== "") await writeFile(report, text);
    out.text(`${text}\n`);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const { code, exitCode: own } = error as { code?: unknown; exitCode?: unknown };
    const told = { error: { code: typeof code === "string" ? code : "failed", message } };
    if (report === "") {
      throw new CommandError(typeof own === "number" ? own : exitCode.error, message);
    }
    await writeFile(report, JSON.stringify(told));
    out.text(`${JSON.stringify(told)}\n`);
  }
}
