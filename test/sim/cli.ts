import { parseArgs } from "node:util";
import { type Outcome, type RunOptions, runSeed } from "./l1/run.ts";
import { type FaultClass, faultClasses } from "./l1/swarm.ts";
import { runMembers } from "./l2/run.ts";
import { type MemberFault, memberFaults } from "./l2/swarm.ts";
import { failureReport } from "./report.ts";
import {
  freshMemberSeeds,
  freshSeeds,
  huntMutant,
  huntServerMutant,
  mutantNames,
  serverMutantNames,
} from "./suite.ts";

const usage = `npm run sim -- [what]
  --level 2                                    worlds of full members instead of Raft alone
  --seed N [--until MS] [--without CLASS,...]  run one seed, stop at a virtual time, leave faults out
  --shrink N                                   leave out fault classes as long as the seed fails
  --level 2 --seed disk/N                      one whose disks fail under the log
  --seconds S [--from N]                       fresh seeds for S seconds
  --mutant NAME                                show how a mutant dies ("all": every one)
fault classes: ${faultClasses.join(", ")}
  of full members: ${memberFaults.join(", ")}
mutants: ${mutantNames().join(", ")}
  of full members: ${serverMutantNames().join(", ")}`;

const { values } = parseArgs({
  options: {
    level: { type: "string" },
    seed: { type: "string" },
    until: { type: "string" },
    without: { type: "string" },
    shrink: { type: "string" },
    seconds: { type: "string" },
    from: { type: "string" },
    mutant: { type: "string" },
    help: { type: "boolean" },
  },
});

const full = values.level === "2";

/** One seed of the level that was asked for. */
function run(seed: string, without: readonly string[]): Promise<Outcome> {
  const until = values.until === undefined ? {} : { untilMs: Number(values.until) };
  if (full) return runMembers(seed, { without: without as MemberFault[], ...until });
  const options: RunOptions = { without: without as FaultClass[], ...until };
  return Promise.resolve(runSeed(seed, options));
}

async function runOne(seed: string): Promise<boolean> {
  const without = values.without?.split(",") ?? [];
  const o = await run(seed, without);
  if (!o.ok) {
    console.log(failureReport(o, without.length > 0 ? ` --without ${without.join(",")}` : ""));
    return false;
  }
  const deeds = "deeds" in o ? `, ${JSON.stringify(o.deeds)}` : "";
  console.log(
    `seed ${seed}: ok, trace ${o.traceHash}, ${o.events} events in ${o.virtualMs} virtual ms, ${o.elections} elections, ${o.committed} entries, ${o.writes} writes, ${o.reads} reads${deeds}`,
  );
  return true;
}

/** Fewer kinds of faults make a shorter story; keeps a class only if the failure needs it. */
async function shrink(seed: string): Promise<boolean> {
  let without: string[] = [];
  if ((await run(seed, [])).ok) {
    console.log(`seed ${seed} does not fail`);
    return true;
  }
  for (const fault of full ? memberFaults : faultClasses) {
    if (!(await run(seed, [...without, fault])).ok) without = [...without, fault];
  }
  const o = await run(seed, without);
  console.log(failureReport(o, without.length > 0 ? ` --without ${without.join(",")}` : ""));
  return false;
}

async function fresh(seconds: number): Promise<boolean> {
  const base = values.from === undefined ? Date.now() : Number(values.from);
  const ms = seconds * 1000;
  const t = full ? await freshMemberSeeds(base, ms) : freshSeeds(base, ms);
  console.log(
    `${t.seeds} seeds from ${base}: ${t.events} events, ${t.elections} elections, ${t.writes} writes, ${t.reads} reads`,
  );
  if (t.failure !== undefined) console.log(failureReport(t.failure));
  return t.failure === undefined;
}

async function mutants(name: string): Promise<boolean> {
  let killed = true;
  const all = full ? serverMutantNames() : mutantNames();
  for (const mutant of name === "all" ? all : [name]) {
    const o = await (full ? huntServerMutant(mutant, 60) : huntMutant(mutant, 400));
    if (o === undefined) killed = false;
    const how =
      o === undefined ? "SURVIVES" : `killed by seed ${o.seed}: ${o.error?.split("\n")[0]}`;
    console.log(`${mutant.padEnd(40)} ${how}`);
  }
  return killed;
}

let ok = true;
if (values.seed !== undefined) ok = await runOne(values.seed);
else if (values.shrink !== undefined) ok = await shrink(values.shrink);
else if (values.mutant !== undefined) ok = await mutants(values.mutant);
else if (values.seconds !== undefined) ok = await fresh(Number(values.seconds));
else console.log(usage);
process.exitCode = ok ? 0 : 1;
