// `npm test`: runs the stages (all, or those named as arguments) and closes with one line,
// `N passed, N failed, N skipped`. The exit code is 1 when something failed, 2 for a wrong argument.

import { join } from "node:path";
import { killRunning, root } from "./commands.ts";
import { watchProcessors } from "./processors.ts";
import { type Stage, stages } from "./stages.ts";
import { line, say, Tally } from "./tally.ts";

/** CI ends a run after 90 minutes without a word; ours says first what was still under way. */
const ciBudgetMinutes = 85;

async function runStage(stage: Stage, tally: Tally, signal: AbortSignal): Promise<void> {
  const before = { ...tally.counts };
  const started = performance.now();
  const processors = watchProcessors();
  try {
    await stage.run(tally, signal);
  } catch (error) {
    tally.fail(stage.name, error instanceof Error ? error.message : String(error));
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const counts = {
    passed: tally.counts.passed - before.passed,
    failed: tally.counts.failed - before.failed,
    skipped: tally.counts.skipped - before.skipped,
  };
  // A run that misses its deadlines says whether it had the processors at all.
  const { stolen, idle } = processors();
  const use = `processors idle ${percent(idle)}, lent to others ${percent(stolen)}`;
  say(`${stage.name}: ${line(counts)} in ${seconds} s; ${use}`);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

async function main(names: string[]): Promise<number> {
  const unknown = names.filter((name) => !stages.some((stage) => stage.name === name));
  if (unknown.length > 0) {
    console.error(
      `no stage called ${unknown.join(", ")}; there are: ${stages.map((s) => s.name).join(" ")}`,
    );
    return 2;
  }
  const stop = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.once(signal, () => {
      say(`stopping for ${signal}`);
      stop.abort();
      killRunning();
    });
  }
  // Hundreds of processes load the same modules: each is compiled once (a quarter of the unit stage's CPU).
  process.env["NODE_COMPILE_CACHE"] ??= join(root, ".out", "compile-cache");
  const tally = new Tally();
  let stageName = "";
  const giveUp = (): void => {
    const detail = `${ciBudgetMinutes} minutes are over in stage ${stageName}; the rest is not run`;
    tally.fail("the whole run", detail);
    stop.abort();
    killRunning();
  };
  const isCi = process.env["CI"] === "true";
  const budget = isCi ? setTimeout(giveUp, ciBudgetMinutes * 60_000) : undefined;
  for (const stage of stages) {
    if (names.length > 0 && !names.includes(stage.name)) continue;
    stageName = stage.name;
    if (stop.signal.aborted) tally.skip(stage.name, "stopped");
    else await runStage(stage, tally, stop.signal);
  }
  clearTimeout(budget);
  tally.report();
  return tally.counts.failed > 0 || stop.signal.aborted ? 1 : 0;
}

process.exitCode = await main(process.argv.slice(2));
