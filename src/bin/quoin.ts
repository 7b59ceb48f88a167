// The one program: `quoin server|operator|ctl|util|backup ARGUMENTS`. Composition root only: each program
// is a room's `main`, loaded when it is asked for, so that etcdctl does not pay for the server.

import { enableCompileCache } from "node:module";
import { basename, dirname, join } from "node:path";

/** A program: takes its own arguments (without its name), resolves to the exit code. */
type Main = (argv: string[], env: NodeJS.ProcessEnv) => Promise<number>;

const programs: Record<string, () => Promise<Main>> = {
  server: async () => (await import("./server.ts")).main,
  operator: async () => (await import("../operator/main.ts")).main,
  ctl: async () => (await import("./etcdctl.ts")).main,
  backup: async () => (await import("../backup/main.ts")).main,
  kubectl: async () => (await import("../plugin/main.ts")).main,
  util: async () => (await import("./etcdutl.ts")).main,
};

/** Names under which the image links to this file; the launchers in bin/ pass the program's name. */
const aliases: Record<string, string> = {
  etcd: "server",
  etcdctl: "ctl",
  etcdutl: "util",
  "kubectl-quoin": "kubectl",
};

const usage = `usage: quoin <program> [arguments]

  server     one member of a cluster (also as: etcd)
  ctl        the client's command line (also as: etcdctl)
  util       work on data directories and snapshots (also as: etcdutl)
  backup     what the Jobs of backups and restores run
  operator   the Kubernetes operator
  kubectl    its plugin for kubectl (also as: kubectl quoin)
`;

function cacheCompiledCode(): void {
  // Compiled code kept beside the program, not in a shared /tmp where others could plant some.
  // Where the folder is read-only or absent Node goes on without a word.
  enableCompileCache(
    join(dirname(dirname(import.meta.dirname)), "node_modules", ".cache", "quoin"),
  );
}

async function run(): Promise<number> {
  const args = process.argv.slice(2);
  const name = aliases[basename(process.argv[1] ?? "")] ?? args.shift();
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    process.stdout.write(usage);
    return name === undefined ? 2 : 0;
  }
  const load = programs[name];
  if (load === undefined) {
    process.stderr.write(`quoin: no program called "${name}"\n\n${usage}`);
    return 2;
  }
  cacheCompiledCode();
  const main = await load();
  return main(args, process.env);
}

// Writes to pipes are synchronous on Linux, so nothing is lost, and no forgotten handle can hold
// the process back after its program has ended.
process.exit(await run());
