// Other programs, run by the test run: a checker is one test, a set-up step must succeed.

import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { say, type Tally } from "./tally.ts";

/** The checkout. */
export const root = join(import.meta.dirname, "..", "..");

const running = new Set<ChildProcess>();

/** Ends what is still running; for signals. */
export function killRunning(): void {
  for (const child of running) child.kill("SIGTERM");
}

/** Kills the processes that we started with `argument` on their command line (Linux). */
export function killChildrenWith(argument: string): void {
  for (const pid of read(`/proc/self/task/${process.pid}/children`).split(" ").filter(Boolean)) {
    if (!read(`/proc/${pid}/cmdline`).split("\0").includes(argument)) continue;
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

/** Empty when there is no such file (any more). */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

interface Result {
  code: number;
  stdout: string;
  output: string;
}

/** Runs a program to its end; `show` passes its standard error through while it runs. */
export function execute(
  command: string[],
  env: NodeJS.ProcessEnv = {},
  show = false,
): Promise<Result> {
  const [program, ...args] = command as [string, ...string[]];
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, env: { ...process.env, ...env } });
    running.add(child);
    let stdout = "";
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      output += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (show) process.stdout.write(text);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      running.delete(child);
      resolve({ code: code ?? 1, stdout, output });
    });
  });
}

/** A checker that passes when it exits with 0; its last lines are shown when it does not. */
export async function check(tally: Tally, name: string, command: string[]): Promise<void> {
  const result = await execute(command);
  if (result.code === 0) {
    tally.pass();
    say(`${name}: ok`);
  } else {
    tally.fail(name, result.output.trim().split("\n").slice(-60).join("\n"));
  }
}

/** Builds the Go tools of these names (e2e/tools/build.sh) and returns their folders. */
export async function buildTools(names: string[]): Promise<string[]> {
  const result = await execute(["bash", "e2e/tools/build.sh", ...names], {}, true);
  if (result.code !== 0) throw new Error(`building ${names.join(", ")} failed:\n${result.output}`);
  return result.stdout.trim().split("\n");
}

/** Installs these packages of Debian's that are missing. Where that fails it says why. */
export async function installPackages(names: string[]): Promise<void> {
  const result = await execute(["bash", "e2e/cluster/prepare.sh", ...names], {}, true);
  if (result.code !== 0) say(`without ${names.join(", ")} from Debian's packages`);
}

/** Whether PATH holds the program. */
export function isInPath(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
