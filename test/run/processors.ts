// What the machine's processors did for a while: worked, idled, or were lent to other machines.

import { readFileSync } from "node:fs";

/** Time of all processors since boot, in ticks (proc_stat(5)). */
interface Ticks {
  readonly all: number;
  readonly idle: number;
  readonly stolen: number;
}

/** Parts of all processors' time, each 0 to 1. */
export interface ProcessorUse {
  /** Given by the hypervisor to other machines. */
  readonly stolen: number;
  /** With nothing to do, or waiting for a disk. */
  readonly idle: number;
}

/** How many times as long as on a machine of its own what needs a processor took; at least 1. */
export function stretchOf({ stolen, idle }: ProcessorUse): number {
  const wanted = 1 - idle;
  return Math.max(1, wanted / Math.max(0.01, wanted - stolen));
}

/** Measures from now on; each call of what it returns tells of the time since. Zeros where /proc does not tell. */
export function watchProcessors(): () => ProcessorUse {
  const before = readTicks();
  return () => {
    const after = readTicks();
    const all = Math.max(1, after.all - before.all);
    return { stolen: (after.stolen - before.stolen) / all, idle: (after.idle - before.idle) / all };
  };
}

function readTicks(): Ticks {
  let line: string;
  try {
    line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0] ?? "";
  } catch {
    return { all: 0, idle: 0, stolen: 0 };
  }
  // Guests' time, behind the eighth field, is in the user's already.
  const ticks = line.split(/ +/).slice(1, 9).map(Number);
  const all = ticks.reduce((sum, n) => sum + n, 0);
  return { all, idle: (ticks[3] ?? 0) + (ticks[4] ?? 0), stolen: ticks[7] ?? 0 };
}
