import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Outcome, type RunOptions, runSeed } from "./l1/run.ts";
import { mutatedServer, serverMutants } from "./l2/mutants.ts";
import { runMembers } from "./l2/run.ts";
import { diskMark } from "./l2/swarm.ts";
import { coreMutants, driverMutants, mutatedRoom } from "./mutants.ts";

/** What marks a seed of a world of full members, in regressions.txt and in reports. */
const memberMark = "l2/";

/** Seeds that once failed (or go through rare ground); `#` begins a remark. */
export const regressionSeeds = (): string[] =>
  seedLines().filter((line) => !line.startsWith(memberMark));

/** The same for worlds of full members. */
export const memberRegressionSeeds = (): string[] =>
  seedLines()
    .filter((line) => line.startsWith(memberMark))
    .map((line) => line.slice(memberMark.length));

function seedLines(): string[] {
  return readFileSync(join(import.meta.dirname, "regressions.txt"), "utf8")
    .split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "");
}

/** Counts over many seeds. */
export interface Tally {
  seeds: number;
  events: number;
  elections: number;
  writes: number;
  reads: number;
  /** The first seed that failed, if any. */
  failure: Outcome | undefined;
}

export const emptyTally = (): Tally => ({
  seeds: 0,
  events: 0,
  elections: 0,
  writes: 0,
  reads: 0,
  failure: undefined,
});

/** Runs one more seed; false once a seed has failed. */
export function tallySeed(tally: Tally, seed: string, options: RunOptions = {}): boolean {
  const o = runSeed(seed, options);
  tally.seeds++;
  tally.events += o.events;
  tally.elections += o.elections;
  tally.writes += o.writes;
  tally.reads += o.reads;
  if (!o.ok) tally.failure = o;
  return o.ok;
}

/** Fresh seeds for about `ms` of real time, beginning at `base`. */
export function freshSeeds(base: number, ms: number): Tally {
  const tally = emptyTally();
  const end = performance.now() + ms;
  for (let i = 0; performance.now() < end; i++) {
    if (!tallySeed(tally, String(base + i))) break;
  }
  return tally;
}

/** As `freshSeeds`, for full members. */
export async function freshMemberSeeds(base: number, ms: number): Promise<Tally> {
  const tally = emptyTally();
  const end = performance.now() + ms;
  for (let i = 0; performance.now() < end && tally.failure === undefined; i++) {
    // Every fourth has disks that fail.
    const o = await runMembers(`${i % 4 === 3 ? diskMark : ""}${base + i}`);
    tally.seeds++;
    tally.events += o.events;
    tally.elections += o.elections;
    tally.writes += o.writes;
    tally.reads += o.reads;
    if (!o.ok) tally.failure = o;
  }
  return tally;
}

/** The first seed that kills a mistake in the server, or undefined after `maxSeeds`. */
export async function huntServerMutant(
  name: string,
  maxSeeds: number,
): Promise<Outcome | undefined> {
  const mutant = serverMutants.find((m) => m.name === name);
  if (mutant === undefined) throw new Error(`there is no mutant "${name}"`);
  const mark = mutant.seed.startsWith(diskMark) ? diskMark : "";
  const { room, dispose } = await mutatedServer(mutant);
  try {
    for (let i = -1; i < maxSeeds; i++) {
      const o = await runMembers(i < 0 ? mutant.seed : `${mark}mutant/${i}`, { room });
      if (!o.ok) return o;
    }
    return undefined;
  } finally {
    dispose();
  }
}

export const serverMutantNames = (): string[] => serverMutants.map((m) => m.name);

export const mutantNames = (): string[] => [...driverMutants, ...coreMutants].map((m) => m.name);

/** The first seed that kills a mutant, or undefined after `maxSeeds`. */
export async function huntMutant(name: string, maxSeeds: number): Promise<Outcome | undefined> {
  const driver = driverMutants.find((m) => m.name === name);
  if (driver !== undefined) {
    return firstFailure({ mutant: driver.name }, maxSeeds, driver.seed);
  }
  const core = coreMutants.find((m) => m.name === name);
  if (core === undefined) throw new Error(`there is no mutant "${name}"`);
  const { room, dispose } = await mutatedRoom(core);
  try {
    return firstFailure({ room }, maxSeeds, core.seed);
  } finally {
    dispose();
  }
}

function firstFailure(
  options: RunOptions,
  maxSeeds: number,
  first: number | undefined,
): Outcome | undefined {
  for (let i = first === undefined ? 0 : -1; i < maxSeeds; i++) {
    const o = runSeed(`mutant/${i < 0 ? first : i}`, options);
    if (!o.ok) return o;
  }
  return undefined;
}
