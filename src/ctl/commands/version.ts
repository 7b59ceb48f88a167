import type { Command } from "../command.ts";
import { apiVersion, etcdVersion } from "../version.ts";

/** `etcdctl version`, `etcdutl version`. */
export const versionCommand = (program: string): Command => ({
  use: "version",
  run: async ({ out }) => {
    out.text(`${program} version: ${etcdVersion}\nAPI version: ${apiVersion}\n`);
  },
});
