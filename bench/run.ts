// Real etcd and ours, as one member and as three: fresh clusters side by side, then one workload after
// the other (bench/matrix.ts) by the same Go client, a window on the one and at once on the other. Reports
// ratios, not verdicts: load generator and servers share the machine, so rates compare only within one run.
//
//   npm run bench -- [--quick] [--only REGEXP] [--rounds N] [--seconds N] [--minutes N] [--docs]
//                                                            after so many minutes nothing is measured again
//   npm run bench -- --from .out/bench/latest.json --docs    the page again, from a run's figures

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { arch, cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { etcd, type Program, programNamed, toolFolder } from "../test/process/member.ts";
import { fullSizes, type MemberCount, quickSizes, type Row, rows, type Sizes } from "./matrix.ts";
import { writePage } from "./page.ts";
import { measureRows, messageOf, type Subject } from "./pair.ts";
import { type About, label, type Run, report, type Sample, type Start } from "./report.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string" },
    seconds: { type: "string" },
    minutes: { type: "string", default: "30" },
    subject: { type: "string", default: "quoin" },
    only: { type: "string", default: "" },
    from: { type: "string" },
    quick: { type: "boolean", default: false },
    docs: { type: "boolean", default: false },
  },
});
const root = join(import.meta.dirname, "..");
/** By its launcher, which sets what people run it with (libuv's threads); it becomes that process. */
const shipped: Program = { name: "quoin", command: [join(root, "bin", "quoin"), "server"] };
const out = join(root, ".out", "bench");
const rounds = Number(values.rounds ?? (values.quick ? 1 : 2));
const seconds = Number(values.seconds ?? (values.quick ? 2 : 4));
const warmupSeconds = Math.min(1.5, seconds / 2);
const sizes: Sizes = values.quick ? quickSizes : fullSizes;
const only = new RegExp(values.only);

function rowsOn(count: MemberCount): readonly Row[] {
  return rows.filter((row) => row.members.includes(count) && only.test(label(row.name, count)));
}

function aboutThisRun(oracle: Program, subject: Program): About {
  const text = (file: string, ...args: string[]): string =>
    execFileSync(file, args, { encoding: "utf8", cwd: root }).trim();
  const dirty = text("git", "status", "--porcelain", "--", "src") === "" ? "" : ", changed";
  return {
    when: new Date().toISOString(),
    a: oracle.name,
    b: subject.name,
    versions: [
      `etcd ${/Version: (\S+)/.exec(text(oracle.command[0], "--version"))?.[1]}`,
      `Quoin ${text("git", "rev-parse", "--short", "HEAD")}${dirty} on Node ${process.version}`,
    ],
    machine: `${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${arch()}, Linux ${release()}`,
    cores: cpus().length,
    disk: text("df", "--output=fstype,source", tmpdir()).split("\n").at(-1)?.trim() ?? "",
    loadBefore: loadavg()[0] ?? 0,
    sizes,
    seconds,
    rounds,
  };
}

async function runAll(): Promise<Run> {
  const folder = toolFolder("bench");
  const oracle = etcd();
  const subject = values.subject === "quoin" ? shipped : programNamed(values.subject);
  if (folder === undefined || oracle === undefined || subject === undefined) {
    console.error("bench: building the load generator and etcd needs Go");
    process.exit(2);
  }
  const about = aboutThisRun(oracle, subject);
  const subjects: Subject[] = [
    { program: oracle, label: "A" },
    { program: subject, label: "B" },
  ];
  const began = performance.now();
  const minutes = (): number => (performance.now() - began) / 60_000;
  const load = { tool: join(folder, "bench"), sizes, seconds, warmupSeconds };
  const plan = { load, rounds, isLate: () => minutes() > Number(values.minutes) };
  const samples: Sample[] = [];
  const starts: Start[] = [];
  for (const members of [1, 3] as const) {
    const list = rowsOn(members);
    if (list.length === 0) continue;
    console.error(`${members} member(s), after ${minutes().toFixed(1)} min`);
    try {
      const taken = await measureRows(subjects, members, list, plan);
      samples.push(...taken.samples);
      starts.push(...taken.starts);
    } catch (error) {
      const failure = messageOf(error);
      console.error(`  clusters of ${members}: FAILED: ${failure}`);
      const about = { program: "A", round: 1, members, failure } as const;
      samples.push(...list.map((row) => ({ ...about, name: row.name })));
    }
  }
  return { about: { ...about, minutes: minutes() }, samples, starts };
}

// A signal must end the members too: they are killed when the process exits.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const run =
  values.from === undefined
    ? await runAll()
    : (JSON.parse(readFileSync(values.from, "utf8")) as Run);
const text = report(run, rows);
if (values.from === undefined) {
  mkdirSync(out, { recursive: true });
  const json = `${JSON.stringify(run, null, 2)}\n`;
  const stamp = run.about.when.replaceAll(/[:.]/g, "-");
  for (const name of ["latest", `run-${stamp}`]) writeFileSync(join(out, `${name}.json`), json);
  writeFileSync(join(out, "latest.txt"), text);
}
console.log(text);
console.log(`raw figures: ${values.from ?? join(out, "latest.json")}`);
if (values.docs) {
  for (const file of writePage(join(root, "docs"), run, rows)) console.log(`written: ${file}`);
}
if (run.samples.some((sample) => sample.failure !== undefined)) process.exitCode = 1;
