import { performance } from "node:perf_hooks";
import type { Cancel, Clock } from "../ports/index.ts";

/** The largest delay setTimeout takes; beyond it Node would fire at once. */
const longestTimeoutMs = 2 ** 31 - 1;

/** The machine's clock. A waiting `after` keeps the process alive, as a timer of Node's does. */
export function createClock(): Clock {
  return {
    nowMs: () => performance.now(),
    wallMs: () => Date.now(),
    after,
    soon: (f) => {
      setImmediate(f);
    },
  };
}

function after(ms: number, f: () => void): Cancel {
  let timer: NodeJS.Timeout;
  const arm = (leftMs: number): void => {
    timer =
      leftMs <= longestTimeoutMs
        ? setTimeout(f, Math.max(0, Math.ceil(leftMs)))
        : setTimeout(() => arm(leftMs - longestTimeoutMs), longestTimeoutMs);
  };
  arm(ms);
  return () => clearTimeout(timer);
}
