import { spawn } from "node:child_process";
import { constants } from "node:os";

/** How a child ended: `text` as Go says it, "" when it was well. */
export interface ChildEnd {
  readonly code: number;
  readonly text: string;
}

/**
 * Runs a command with our stdout and stderr and without stdin, until it ends. Never rejects: a
 * command that cannot be started ended with code 1.
 */
export function runChild(
  [file, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
): Promise<ChildEnd> {
  return new Promise((resolve) => {
    // The cache of compiled code is for us alone.
    const { NODE_COMPILE_CACHE: _, ...rest } = env;
    const child = spawn(file, args, { env: rest, stdio: ["ignore", "inherit", "inherit"] });
    child.once("error", (error: NodeJS.ErrnoException) => {
      const missing = file.includes("/")
        ? `fork/exec ${file}: no such file or directory`
        : `exec: ${JSON.stringify(file)}: executable file not found in $PATH`;
      resolve({ code: 1, text: error.code === "ENOENT" ? missing : error.message });
    });
    child.once("exit", (code, signal) => {
      if (code === 0) resolve({ code: 0, text: "" });
      else if (code !== null) resolve({ code, text: `exit status ${code}` });
      else resolve({ code: 255, text: `signal: ${signalText(signal)}` });
    });
  });
}

/** The words of Linux for signals that end commands. */
function signalText(signal: NodeJS.Signals | null): string {
  const words: Partial<Record<NodeJS.Signals, string>> = {
    SIGABRT: "aborted",
    SIGHUP: "hangup",
    SIGINT: "interrupt",
    SIGKILL: "killed",
    SIGPIPE: "broken pipe",
    SIGQUIT: "quit",
    SIGSEGV: "segmentation fault",
    SIGTERM: "terminated",
  };
  return (signal && words[signal]) ?? `signal ${constants.signals[signal ?? "SIGKILL"]}`;
}
