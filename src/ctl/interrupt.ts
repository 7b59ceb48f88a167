import { constants } from "node:os";
import { CommandError, exitCode } from "./exit.ts";

/**
 * The kernel drops signals for the first process of a container that it does not handle itself (pid_namespaces(7)): a
 * watch in a pod would end by SIGKILL only, after the whole grace period. Ends the process as a shell
 * reports it, unless the command waits for the signal.
 */
export function heedSignalsAsFirstProcess(): void {
  if (process.pid !== 1) return;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(name, () => {
      if (process.listenerCount(name) === 1) process.exit(128 + constants.signals[name]);
    });
  }
}

/**
 * Runs work that leaves something to clear away: SIGINT and SIGTERM abort its signal instead of
 * ending the process, and the command ends when the work has. A second one ends it at once.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const names = ["SIGINT", "SIGTERM"] as const;
  const abort = (name: NodeJS.Signals): void => {
    for (const other of names) process.off(other, abort);
    const reason = `stopped by ${name}. Nothing was left behind`;
    stop.abort(new CommandError(exitCode.interrupted, reason));
  };
  for (const name of names) process.once(name, abort);
  try {
    return await work(stop.signal);
  } finally {
    for (const name of names) process.off(name, abort);
  }
}

/** SIGINT and SIGTERM as something to wait for, until it is disposed of. */
export interface UntilSignal extends Disposable {
  readonly signal: AbortSignal;
  readonly stopped: Promise<void>;
}

/** From now on SIGINT and SIGTERM do not end the process but abort `signal`. */
export function untilSignal(): UntilSignal {
  const stop = new AbortController();
  const names = ["SIGINT", "SIGTERM"] as const;
  const { promise, resolve } = Promise.withResolvers<void>();
  const abort = (): void => {
    stop.abort(new CommandError(exitCode.error, "context canceled"));
    resolve();
  };
  for (const name of names) process.on(name, abort);
  return {
    signal: stop.signal,
    stopped: promise,
    [Symbol.dispose]: () => {
      for (const name of names) process.off(name, abort);
    },
  };
}
