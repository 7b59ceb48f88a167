import { serverVersion } from "../../core/membership/index.ts";
import { quoinVersion } from "../../lib/version.ts";
import { flagTable } from "./flag-table.ts";

export { quoinVersion };

/** What --version tells about the build; the caller knows, this room is pure. */
export interface BuildInfo {
  readonly gitSha: string;
  /** Stands where etcd prints its Go version. */
  readonly runtime: string;
  /** As Go names them, e.g. `linux/amd64`. */
  readonly osArch: string;
}

export const unknownBuild: BuildInfo = {
  gitSha: "unknown",
  runtime: "none",
  osArch: "unknown/unknown",
};

/** The lines of `etcd --version`, and one more. */
export function versionText(build: BuildInfo): string {
  return [
    `etcd Version: ${serverVersion}`,
    `Git SHA: ${build.gitSha}`,
    `Go Version: ${build.runtime}`,
    `Go OS/Arch: ${build.osArch}`,
    `Quoin Version: ${quoinVersion}`,
    "",
  ].join("\n");
}

/** What follows a flag that does not parse. */
export const usageText = `Usage:

  etcd [flags]        run a member
  etcd --version      print the version
  etcd -h | --help    print all flags

`;

/** The flags with their defaults, for -h. */
export function flagsText(): string {
  const groups = [
    ["Flags:", "used"],
    ["Accepted, without effect:", "harmless"],
    ["Not supported yet:", "refused"],
  ] as const;
  let text = "Every flag may also be given as a variable: --data-dir is ETCD_DATA_DIR.\n";
  for (const [title, support] of groups) {
    text += `\n${title}\n\n`;
    for (const f of flagTable.values()) {
      if (f.support !== support || f.type === "forgotten") continue;
      text += `  --${f.name} '${f.initial}'\n    ${f.help}\n`;
    }
  }
  return text;
}
