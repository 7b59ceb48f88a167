/** `quoin operator`: hands the real clock, randomness, log and signals to the operator. */
import { createClock, createLogger, createRandom } from "../io/index.ts";
import { runOperator } from "./index.ts";

/** Resolves to the exit code. A second signal ends the process at once. */
export async function main(argv: string[], env: NodeJS.ProcessEnv): Promise<number> {
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    process.on(name, () => {
      if (stop.signal.aborted) process.exit(1);
      stop.abort(new Error(name));
    });
  }
  return runOperator(argv, env, {
    clock: createClock(),
    random: createRandom(),
    createLogger: (level) => createLogger({ level }),
    stdout: (text) => process.stdout.write(text),
    stderr: (text) => process.stderr.write(text),
    signal: stop.signal,
  });
}
