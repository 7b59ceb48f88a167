// docs/performance.md: the measured part between two markers, and the charts beside it. What stands
// outside the markers is written by hand and stays.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chart } from "./chart.ts";
import type { MemberCount, Row } from "./matrix.ts";
import {
  type Comparison,
  compare,
  type Figures,
  type Run,
  rateText,
  stolenText,
  times,
} from "./report.ts";

/** What the page's markers are named. */
export type Part = "results" | "figures";

const marker = (part: Part, at: "begin" | "end"): string => `<!-- ${part}: ${at} -->`;

const table = (header: readonly string[], lines: readonly (readonly string[])[]): string =>
  [
    `| ${header.join(" | ")} |`,
    `|${header.map((_, i) => (i === 0 ? "---" : "---:")).join("|")}|`,
    ...lines.map((cells) => `| ${cells.join(" | ")} |`),
  ].join("\n");

function aimText({ aim }: Row): string {
  if (aim === undefined) return "";
  return `>= ${aim.rate}x${aim.cpu === undefined ? "" : `, CPU <= ${aim.cpu}x`}`;
}

function span([low, high]: readonly [number, number]): string {
  return Math.abs(high - low) < 0.005 || !Number.isFinite(low)
    ? ""
    : ` (${low.toFixed(2)}-${high.toFixed(2)})`;
}

const isLoss = (c: Comparison): boolean => c.rate < 1 || c.p99 > 1 || c.cpu > 1;

function summary(list: readonly Comparison[]): string {
  return table(
    ["workload", "aim", "rate (rounds)", "ceiling", "CPU per op", "p99", "verdict"],
    list.map((c) => [
      c.row.name,
      aimText(c.row),
      `**${times(c.rate)}**${span(c.rateSpan)}`,
      Number.isFinite(c.ceiling) ? `${c.ceiling.toFixed(1)}x` : "-",
      times(c.cpu),
      times(c.p99),
      c.verdict === "no aim" ? "" : c.verdict,
    ]),
  );
}

function details(run: Run, list: readonly Comparison[]): string {
  const cells = (f: Figures): string[] => [
    rateText(f.rate),
    f.p50.toFixed(2),
    f.p99.toFixed(2),
    f.p999.toFixed(2),
    f.cpu.toFixed(0),
    f.ownCpu.toFixed(0),
    f.wrote >= 1024 ? (f.wrote / 1024).toFixed(1) : "",
    f.rssMiB.toFixed(0),
    (100 * f.stolen).toFixed(1),
  ];
  return table(
    [
      "workload",
      "",
      "op/s",
      "p50 ms",
      "p99 ms",
      "p99.9 ms",
      "CPU us/op",
      "client's",
      "KiB written/op",
      "RSS MiB",
      "stolen %",
    ],
    list.flatMap((c) => [
      [c.row.name, run.about.a, ...cells(c.a)],
      ["", run.about.b, ...cells(c.b)],
    ]),
  );
}

const micros = (n: number): string => n.toFixed(n < 20 ? 1 : 0);

/** Rows that miss their aim, are slower in some respect, or failed: each with what is known. */
function shortfalls(list: readonly Comparison[]): string {
  const lines = list.flatMap((c) => {
    if (c.verdict !== "falls short" && c.verdict !== "failed" && !isLoss(c)) return [];
    const worse = [
      ...(c.rate < 1 ? [`rate ${times(c.rate)}`] : []),
      ...(c.cpu > 1 ? [`CPU ${times(c.cpu)}`] : []),
      ...(c.p99 > 1 ? [`p99 ${times(c.p99)}`] : []),
    ];
    const members = `${c.members} member${c.members === 1 ? "" : "s"}`;
    const losses = worse.length > 0 ? `; worse than etcd: ${worse.join(", ")}` : "";
    const is = `is ${times(c.rate)}${c.row.aim?.cpu === undefined ? "" : ` at ${times(c.cpu)}`}`;
    const aim = c.verdict === "falls short" ? ` (aim ${aimText(c.row)}, ${is})` : "";
    const spent = `The load generator spends ${micros(c.b.ownCpu)} us an operation, etcd ${micros(c.a.cpu)}, Quoin ${micros(c.b.cpu)}`;
    const bound = `: no server passes ${times(c.ceiling)} here, and with the load elsewhere the CPU would make it ${times(1 / c.cpu)}`;
    const client = `${spent}${c.row.aim === undefined ? "" : bound}.`;
    const why = [...c.failures, client, ...(c.row.limit === undefined ? [] : [c.row.limit])].join(
      " ",
    );
    return [`- **${c.row.name}, ${members}**: ${c.verdict}${aim}${losses}. ${why}`.trimEnd()];
  });
  return lines.length === 0 ? "Nothing in this run." : lines.join("\n");
}

function starts(run: Run): string {
  const mean = (list: number[]): number => list.reduce((s, n) => s + n, 0) / (list.length || 1);
  const sizes = [...new Set(run.starts.map((s) => s.members))];
  return table(
    ["empty cluster", "", "ms to the first linearizable read", "RSS MiB then"],
    sizes.flatMap((members) =>
      (["A", "B"] as const).map((program) => {
        const those = run.starts.filter((s) => s.members === members && s.program === program);
        return [
          program === "A" ? `${members} member${members === 1 ? "" : "s"}` : "",
          program === "A" ? run.about.a : run.about.b,
          mean(those.map((s) => s.readyMs)).toFixed(0),
          (mean(those.map((s) => s.rssBytes)) / 2 ** 20).toFixed(0),
        ];
      }),
    ),
  );
}

const titles: Record<MemberCount, string> = { 1: "One member", 3: "Three members" };

/** The measured parts, without their markers: ratios and verdicts; all figures. */
export function measuredParts(run: Run, rows: readonly Row[]): Record<Part, string> {
  const { about } = run;
  const all = compare(run, rows);
  const aims = all.filter((c) => c.row.aim !== undefined);
  const held = aims.filter((c) => c.verdict === "holds").length;
  const minutes = about.minutes === undefined ? "" : `, ${about.minutes.toFixed(0)} minutes in all`;
  const results = [
    `${about.when}; ${about.machine}; data on ${about.disk}; ${about.versions.join("; ")}. ` +
      `Load average before: ${about.loadBefore.toFixed(1)}. ${about.rounds} round(s), ${about.seconds} s a workload${minutes}. ${stolenText(run)}`.trimEnd(),
    `**${held} of ${aims.length} aims hold.** Ratios are Quoin by etcd, means over the rounds (in brackets the ` +
      "lowest and the highest round); for CPU and p99 less is better. *Ceiling*: the rate ratio at which the load generator " +
      "alone would fill all cores, which no server can pass here. p99.9 and the rest are [below](#all-figures).",
  ];
  const figures: string[] = [];
  for (const members of [1, 3] as const) {
    const list = all.filter((c) => c.members === members);
    if (list.length === 0) continue;
    const alt = `${titles[members]}: rate, CPU and p99 beside etcd`;
    const image = `![${alt}](performance/${chartName(members)})`;
    results.push(`### ${titles[members]}`, image, summary(list));
    figures.push(`### ${titles[members]}`, details(run, list));
  }
  results.push("### Where it falls short or loses", shortfalls(all));
  figures.push("### Start and idle memory", starts(run));
  return { results: results.join("\n\n"), figures: figures.join("\n\n") };
}

const chartName = (members: MemberCount): string => `members-${members}.svg`;

/** Replaces what stands between a part's markers. Throws when the page has none. */
export function withPart(page: string, part: Part, text: string): string {
  const [begin, end] = [marker(part, "begin"), marker(part, "end")];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no lines "${begin}" and "${end}"`);
  return `${page.slice(0, from + begin.length)}\n\n${text}\n\n${page.slice(to)}`;
}

/** Writes the page and its charts under `docs`; returns the files' names. */
export function writePage(docs: string, run: Run, rows: readonly Row[]): string[] {
  const file = join(docs, "performance.md");
  const { results, figures } = measuredParts(run, rows);
  const page = withPart(readFileSync(file, "utf8"), "results", results);
  writeFileSync(file, withPart(page, "figures", figures));
  const folder = join(docs, "performance");
  mkdirSync(folder, { recursive: true });
  const all = compare(run, rows);
  const charts = ([1, 3] as const).flatMap((members) => {
    const list = all.filter((c) => c.members === members);
    if (list.length === 0) return [];
    const title = `${titles[members]}: times better than etcd (right of 1x is better)`;
    const name = join(folder, chartName(members));
    writeFileSync(name, chart(title, `${run.about.when.slice(0, 10)}; ${run.about.machine}`, list));
    return [name];
  });
  return [file, ...charts];
}
