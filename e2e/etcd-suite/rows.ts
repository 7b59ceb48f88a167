// Who plays which part. A row is a folder with programs called etcd, etcdctl and etcdutl.

import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { execute, root } from "../../test/run/commands.ts";

/** Quoin as it is installed: the launchers of bin/ before the image's bundle (`npm run bundle`). */
export async function packageQuoin(folder: string): Promise<string> {
  const bundled = await execute([
    "npm",
    "run",
    "-s",
    "bundle",
    "--",
    `--outdir=${folder}/dist/bin`,
  ]);
  if (bundled.code !== 0) throw new Error(`npm run bundle failed:\n${bundled.output}`);
  cpSync(join(root, "bin"), join(folder, "bin"), { recursive: true });
  cpSync(join(root, "package.json"), join(folder, "package.json"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return join(folder, "bin");
}

interface Row {
  /** Heading of its column. */
  title: string;
  server: "quoin" | "etcd";
  tools: "quoin" | "etcd";
}

/** By the name that the command line takes. `real` is the yardstick, not a claim. */
export const rows = {
  server: { title: "our etcd, real tools", server: "quoin", tools: "etcd" },
  tools: { title: "real etcd, our tools", server: "etcd", tools: "quoin" },
  all: { title: "all ours", server: "quoin", tools: "quoin" },
  real: { title: "all real", server: "etcd", tools: "etcd" },
} as const satisfies Record<string, Row>;

export type RowName = keyof typeof rows;

export function isRowName(name: string): name is RowName {
  return Object.hasOwn(rows, name);
}

/** Makes the row's folder of links below `folder`; `quoin` and `etcd` hold the programs. */
export function linkPrograms(
  folder: string,
  name: RowName,
  programs: { quoin: string; etcd: string },
): string {
  const row = rows[name];
  const target = join(folder, name);
  mkdirSync(target);
  symlinkSync(join(programs[row.server], "etcd"), join(target, "etcd"));
  for (const tool of ["etcdctl", "etcdutl"]) {
    symlinkSync(join(programs[row.tools], tool), join(target, tool));
  }
  return target;
}
