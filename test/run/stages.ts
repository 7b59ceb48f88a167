// The stages of a run, in order of their price. Test files are found by their folders.

import { globSync } from "node:fs";
import { join, relative } from "node:path";
import { raiseCluster, razeCluster } from "./cluster.ts";
import { buildTools, check, installPackages, isInPath, root } from "./commands.ts";
import { runEtcdSuite } from "./suite.ts";
import type { Tally } from "./tally.ts";
import { runTestFiles } from "./test-files.ts";

export interface Stage {
  name: string;
  run: (tally: Tally, signal: AbortSignal) => Promise<void>;
}

const minute = 60_000;
const slowFolders = ["sim", "compat", "process", "charts", "kube"].map((name) => `test/${name}/`);

function find(pattern: string): string[] {
  return globSync(pattern, { cwd: root })
    .filter((file) => !file.includes("node_modules"))
    .sort();
}

function absolute(files: string[]): string[] {
  return files.map((file) => join(root, file));
}

/** Counts every file as skipped, by its name. */
function skipAll(tally: Tally, files: string[], why: string): void {
  for (const file of files) tally.skip(relative(root, file), why);
}

async function runStatic(tally: Tally): Promise<void> {
  await check(tally, "types (tsc)", ["node_modules/.bin/tsc", "--noEmit"]);
  await check(tally, "lint and format (biome)", ["node_modules/.bin/biome", "check", "."]);
}

async function runUnit(tally: Tally, signal: AbortSignal): Promise<void> {
  const files = find("test/**/*.test.ts").filter(
    (file) => !slowFolders.some((folder) => file.startsWith(folder)),
  );
  await runTestFiles(tally, "unit", absolute(files), { timeoutMs: 5 * minute, signal });
}

async function runSim(tally: Tally, signal: AbortSignal): Promise<void> {
  const files = absolute(find("test/sim/**/*.test.ts"));
  await runTestFiles(tally, "sim", files, { timeoutMs: 10 * minute, signal });
}

/**
 * Stages that need programs built from Go; without Go each file is skipped. Debian's packages are
 * installed where that can be; a test that misses one is skipped.
 */
function withTools(folder: string, tools: string[], packages: string[] = []): Stage["run"] {
  return async (tally, signal) => {
    const files = find(`test/${folder}/**/*.test.ts`);
    if (files.length === 0) return;
    if (!isInPath("go")) {
      skipAll(tally, files, `needs Go to build ${tools.join(" and ")}; none in PATH`);
      return;
    }
    await buildTools(tools);
    if (packages.length > 0) await installPackages(packages);
    await runTestFiles(tally, folder, absolute(files), { timeoutMs: 10 * minute, signal });
  };
}

async function runE2e(tally: Tally, signal: AbortSignal): Promise<void> {
  const files = find("e2e/*.e2e.ts");
  if (files.length === 0) return;
  if (process.getuid?.() !== 0) {
    skipAll(tally, files, "a Kubernetes of our own needs root");
    return;
  }
  if (!isInPath("go")) {
    skipAll(tally, files, "needs Go to build Kubernetes; none in PATH");
    return;
  }
  const failedBefore = tally.counts.failed;
  try {
    Object.assign(process.env, await raiseCluster());
    const options = { concurrency: 1, timeoutMs: 20 * minute, signal };
    await runTestFiles(tally, "e2e", absolute(files), options);
  } finally {
    await razeCluster(tally.counts.failed > failedBefore);
  }
}

export const stages: Stage[] = [
  { name: "static", run: runStatic },
  { name: "unit", run: runUnit },
  { name: "sim", run: runSim },
  {
    name: "compat",
    run: withTools("compat", ["etcd", "versitygw", "h2spec", "clientv3"], ["zsh", "fish"]),
  },
  { name: "process", run: withTools("process", ["etcd", "porcupine"]) },
  { name: "suite", run: runEtcdSuite },
  { name: "charts", run: withTools("charts", ["helm", "promrules"]) },
  { name: "kube", run: withTools("kube", ["etcd", "k8s", "k8s-oldest", "cert-manager"]) },
  { name: "e2e", run: runE2e },
];
