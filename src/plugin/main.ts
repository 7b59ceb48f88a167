/** `quoin kubectl`, also as `kubectl-quoin`: hands the real clock, output and signals to the plugin. */
import { createClock } from "../io/index.ts";
import { runPlugin } from "./index.ts";

/** Resolves to the exit code. A second signal ends the process at once. */
export async function main(argv: string[]): Promise<number> {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(130);
      stop.abort(new Error(name));
    });
  }
  return runPlugin(argv, {
    clock: createClock(),
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    signal: stop.signal,
  });
}
