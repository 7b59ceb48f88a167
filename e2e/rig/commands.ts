// Programs that the tests run.

import { execFile } from "node:child_process";
import { join } from "node:path";

/** The checkout. */
export const root = join(import.meta.dirname, "..", "..");

/** A program that did not end with 0. */
export class CommandFailed extends Error {
  readonly stderr: string;

  constructor(command: readonly string[], stderr: string) {
    super(`${command.join(" ")}: ${stderr.trim()}`);
    this.name = "CommandFailed";
    this.stderr = stderr;
  }
}

/** Beyond what a command allows itself, and what raising a cluster takes on a busy machine. */
const commandMs = 600_000;

/** Runs a program from PATH and returns what it printed; `env` is added to ours. Throws CommandFailed. */
export function execute(
  command: readonly [string, ...string[]],
  input?: string,
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const [program, ...args] = command;
  return new Promise((resolve, reject) => {
    const options = {
      cwd: root,
      timeout: commandMs,
      maxBuffer: 64 << 20,
      env: { ...process.env, ...env },
    };
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new CommandFailed(command, stderr || error.message));
    });
    // A program that refuses its arguments does not read its input.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input ?? "");
  });
}
