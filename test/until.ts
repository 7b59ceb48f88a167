// Waiting for conditions, never for time.

import { setTimeout as pause } from "node:timers/promises";
import { stretchOf, watchProcessors } from "./run/processors.ts";

/** What a condition says while it does not hold: it is shown when the wait ends in vain. */
export class NotYet extends Error {}

/** Thrown by a condition that can never hold any more: the wait ends at once. */
export class Hopeless extends Error {}

const shortestPauseMs = 2;
const longestPauseMs = 50;
/** A deadline is at most so many times as long where the processors are lent to others. */
const stretchMax = 6;

/**
 * The first result of `look` that is neither undefined nor false. An error counts as "not yet"; the
 * last one is in the error thrown after `seconds`, which are seconds of a machine of its own: what the
 * hypervisor takes meanwhile lengthens them. The pauses grow, so that what comes at once is seen at
 * once and what takes long costs little.
 */
export async function until<T>(
  what: string,
  look: () => Promise<T | undefined | false> | T | undefined | false,
  seconds = 60,
): Promise<T> {
  const begun = performance.now();
  const processors = watchProcessors();
  const isOver = (): boolean => {
    const ms = performance.now() - begun;
    const over = ms > seconds * 1000;
    return over && ms > seconds * 1000 * Math.min(stretchMax, stretchOf(processors()));
  };
  let last: unknown;
  for (let pauseMs = shortestPauseMs; ; pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      last = undefined;
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      last = error;
    }
    if (isOver()) break;
    await pause(pauseMs);
  }
  const why = last instanceof Error ? `; last: ${last.message}` : "";
  throw new Error(`waited ${seconds} s for ${what}${why}`, { cause: last });
}
