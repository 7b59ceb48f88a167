import { setTimeout as sleep } from "node:timers/promises";
import { BackupError } from "./types.ts";

/** Ends the step when the Job was told to stop. Throws BackupError Interrupted. */
export function throwIfInterrupted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw interruption(signal);
}

/** What every step rejects with once the Job was told to stop: the signal's reason where it says more. */
export const interruption = (signal: AbortSignal): BackupError =>
  signal.reason instanceof BackupError
    ? signal.reason
    : new BackupError(
        "Interrupted",
        "The Job was told to stop (its deadline, a drain or its deletion). What was unfinished was taken " +
          "back and earlier backups are untouched; run it again.",
        true,
      );

/** Throws BackupError Interrupted when the signal ends it early. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal && { signal });
  } catch (error) {
    throw signal?.aborted ? interruption(signal) : error;
  }
}
