// etcdutl of either kind.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { type Program, quoin } from "../../process/member.ts";
import { tool } from "../storage/real-etcd.ts";

const root = join(import.meta.dirname, "..", "..", "..");

/** Runs the etcdutl that makes data folders for this program. Throws with its errors. */
export function etcdutl(program: Program, args: readonly string[]): string {
  if (program !== quoin) return tool("etcdutl", args);
  return execFileSync(
    join(root, "node_modules", ".bin", "node"),
    [join(root, "src", "bin", "quoin.ts"), "util", ...args],
    { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] },
  );
}
