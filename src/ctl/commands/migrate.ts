import type { Command } from "../command.ts";
import { attempt, badArgs, CommandError, exitCode } from "../exit.ts";
import { apiVersion } from "../version.ts";
import type { LoadDataDirWork } from "./data-dir.ts";

/** etcdutl's `migrate`: our data folders have one format, so there is nothing to migrate to. */
export const migrateCommand = (load: LoadDataDirWork): Command => ({
  use: "migrate",
  flags: [
    {
      name: "data-dir",
      type: "string",
      default: "",
      usage: "folder of a member that does not run",
      required: true,
    },
    {
      name: "target-version",
      type: "string",
      default: "",
      usage: 'release whose format is wanted, as "X.Y"; 3.5 or later',
      required: true,
    },
    {
      name: "force",
      type: "bool",
      default: "false",
      usage: "accepted for compatibility; there is nothing to force",
    },
  ],
  run: async ({ flags, out }) => {
    const target = targetOf(flags.string("target-version"));
    const dataDir = flags.string("data-dir");
    const work = await load();
    await attempt(work.inspect(dataDir));
    if (target === apiVersion) {
      out.error(`nothing to do in ${dataDir}: storage version is ${apiVersion}\n`);
      return;
    }
    throw new CommandError(
      exitCode.error,
      `${dataDir} has Quoin's format, which is that of storage version ${apiVersion} alone; nothing was changed. ` +
        `For another release save a snapshot and restore it with that release's etcdutl`,
    );
  },
});

function targetOf(text: string): string {
  if (text.split(".").length !== 2) {
    throw badArgs(`wrong target version format, expected "X.Y", got ${JSON.stringify(text)}`);
  }
  const [, major, minor] = /^(0|[1-9]\d*)\.(0|[1-9]\d*)$/.exec(text) ?? [];
  if (major === undefined) {
    throw badArgs(`failed to parse target version: ${text}.0 is not in dotted-tri format`);
  }
  if (Number(major) < 3 || (major === "3" && Number(minor) < 5)) {
    throw badArgs(`target version "${text}" not supported. Minimal "3.5"`);
  }
  return text;
}
