import type { Command } from "../command.ts";
import { CommandError, exitCode, messageOf } from "../exit.ts";
import type { LoadDataDirWork } from "./data-dir.ts";

/** etcdutl's `defrag`: our engine gives space back by itself, so there is nothing to be done. */
export const defragCommand = (load: LoadDataDirWork): Command => ({
  use: "defrag",
  flags: [
    {
      name: "data-dir",
      type: "string",
      default: "",
      usage: "folder of a member that does not run",
      required: true,
    },
  ],
  run: async ({ flags, out }) => {
    const dataDir = flags.string("data-dir");
    const work = await load();
    try {
      await work.inspect(dataDir);
    } catch (error) {
      const text = `Failed to defragment etcd data[${dataDir}] (${messageOf(error)})`;
      throw new CommandError(exitCode.error, text);
    }
    out.error(`nothing to do in ${dataDir}: space that is not used is given back by itself\n`);
  },
});
