// One test of the suite in a process, and on Linux as root in a network, of its own: all tests listen on the
// same ports, so that only namespaces let two run at once. When the test ends, so does every process that it
// started.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execute, isInPath } from "../../test/run/commands.ts";
import { type Result, readResult } from "./go-test.ts";

export interface Suite {
  /** Folder with common/common.test and fixtures (e2e/tools/build.sh etcd-suite). */
  programs: string;
  /** Folder with the etcd, etcdctl and etcdutl to test. */
  bin: string;
  /** Where the whole output of each test is kept. */
  logs: string;
}

/** The longest takes 130 s with a real etcd; ours has time to show that it is slower. */
const deadlineSeconds = 600;

/** Whether several tests can run at the same time. */
export const canIsolate = process.getuid?.() === 0 && isInPath("unshare") && isInPath("ip");

/** The command, run in the folder and, where that is possible, in namespaces of its own. */
function placed(folder: string, command: string[]): string[] {
  const inFolder = (script: string) => ["sh", "-c", `cd "$0" && ${script}`, folder, ...command];
  if (!canIsolate) return inFolder('exec "$@"');
  const namespaces = ["--net", "--pid", "--mount-proc", "--fork", "--kill-child"];
  return ["unshare", ...namespaces, ...inFolder('ip link set lo up && exec "$@"')];
}

/** The suite's programs pass on every ETCD_ variable that they find to the programs under test. */
function withoutEtcdVariables(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {};
  for (const name of Object.keys(process.env)) {
    if (/^(ETCD|ETCDCTL|EXPECT)_/.test(name)) env[name] = undefined;
  }
  return env;
}

/** Names of all tests, in the order of their files. */
export async function listTests(programs: string): Promise<string[]> {
  const result = await execute([join(programs, "common/common.test"), "-test.list", "."]);
  if (result.code !== 0) throw new Error(`listing the tests failed:\n${result.output}`);
  return result.stdout.split("\n").filter((line) => line.startsWith("Test"));
}

/** Runs one test by its exact name. */
export async function runTest(suite: Suite, test: string): Promise<Result> {
  // Where it runs it makes unix sockets, and it looks for ../fixtures.
  const folder = mkdtempSync(join(tmpdir(), "etcd-suite-"));
  try {
    const work = join(folder, "common");
    mkdirSync(work);
    mkdirSync(join(folder, "tmp"));
    symlinkSync(join(suite.programs, "fixtures"), join(folder, "fixtures"));
    const command = placed(work, [
      join(suite.programs, "common/common.test"),
      `--bin-dir=${suite.bin}`,
      "-test.v",
      `-test.timeout=${deadlineSeconds}s`,
      `-test.run=^${test}$`,
    ]);
    const env = { ...withoutEtcdVariables(), TMPDIR: join(folder, "tmp") };
    const { code, output } = await execute(command, env);
    writeFileSync(join(suite.logs, `${test}.log`), output);
    return readResult(test, output, code);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
