// A run's samples as comparisons, and those as a table for the terminal.

import type { Aim, MemberCount, Row, Sizes } from "./matrix.ts";

/** What e2e/tools/bench prints. */
export interface Measurement {
  readonly rate: number;
  readonly ops: number;
  /** Keys or events that the operations held. */
  readonly items?: number;
  readonly seconds: number;
  readonly errors: number;
  readonly lastError?: string;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly cpuMicrosPerOp?: number;
  /** Of the load generator itself. */
  readonly ownCpuMicrosPerOp?: number;
  readonly cpuShare?: number;
  readonly wroteBytesPerOp?: number;
  readonly rssBytes?: number;
  readonly peakBytes?: number;
  /** Part of all processors' time that the hypervisor gave to other machines in the window. */
  readonly stolenShare: number;
}

export interface Sample {
  /** "A" (real etcd) or "B". */
  readonly program: "A" | "B";
  readonly round: number;
  readonly members: MemberCount;
  /** Of the row. */
  readonly name: string;
  readonly result?: Measurement;
  /** How many were measured to find one that was left alone. */
  readonly windows?: number;
  /** Why there is no result. */
  readonly failure?: string;
}

/** An empty cluster, from the start of its processes to the first linearizable read of each. */
export interface Start {
  readonly program: "A" | "B";
  readonly members: MemberCount;
  readonly readyMs: number;
  /** Right then, of all members together. */
  readonly rssBytes: number;
}

export interface About {
  readonly when: string;
  readonly a: string;
  readonly b: string;
  readonly versions: readonly string[];
  readonly machine: string;
  readonly cores: number;
  /** File system and device of the data directories. */
  readonly disk: string;
  /** Load average before the run: above a few tenths others share the machine. */
  readonly loadBefore: number;
  readonly sizes: Sizes;
  /** Length of a window. */
  readonly seconds: number;
  readonly rounds: number;
  readonly minutes?: number;
}

export interface Run {
  readonly about: About;
  readonly samples: readonly Sample[];
  readonly starts: readonly Start[];
}

/** One program at one row: means over the rounds. */
export interface Figures {
  readonly rate: number;
  readonly itemsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly cpu: number;
  /** CPU of the load generator, like `cpu` in microseconds an operation. */
  readonly ownCpu: number;
  readonly wrote: number;
  readonly rssMiB: number;
  /** Part of the processors' time that other machines had. */
  readonly stolen: number;
  readonly errors: number;
}

export type Verdict = "holds" | "falls short" | "no aim" | "failed";

/** A row on clusters of one size: real etcd (a), ours (b), and b by a. */
export interface Comparison {
  readonly row: Row;
  readonly members: MemberCount;
  readonly a: Figures;
  readonly b: Figures;
  readonly rate: number;
  /** The lowest and the highest rate ratio of a single round. */
  readonly rateSpan: readonly [number, number];
  readonly cpu: number;
  readonly p99: number;
  /**
   * The rate ratio that no server can pass, as the load generator alone would then fill all cores.
   * An upper bound: connections, kernel and disk are not in it.
   */
  readonly ceiling: number;
  readonly verdict: Verdict;
  readonly failures: readonly string[];
}

export function label(name: string, members: MemberCount): string {
  return `${name}, ${members} member${members === 1 ? "" : "s"}`;
}

const mean = (list: readonly number[]): number =>
  list.reduce((sum, n) => sum + n, 0) / Math.max(1, list.length);

function figures(samples: readonly Sample[]): Figures {
  const results = samples.flatMap((s) => s.result ?? []);
  const of = (get: (m: Measurement) => number): number => mean(results.map(get));
  return {
    rate: of((m) => m.rate),
    itemsPerSecond: of((m) => (m.items ?? 0) / m.seconds),
    p50: of((m) => m.p50Ms),
    p99: of((m) => m.p99Ms),
    p999: of((m) => m.p999Ms),
    cpu: of((m) => m.cpuMicrosPerOp ?? 0),
    ownCpu: of((m) => m.ownCpuMicrosPerOp ?? 0),
    wrote: of((m) => m.wroteBytesPerOp ?? 0),
    rssMiB: of((m) => (m.rssBytes ?? 0) / 2 ** 20),
    stolen: of((m) => m.stolenShare),
    errors: results.reduce((sum, m) => sum + m.errors, 0),
  };
}

/** NaN where there is nothing to divide by. */
const by = (b: number, a: number): number => (a > 0 ? b / a : Number.NaN);

function verdictOf(aim: Aim | undefined, rate: number, cpu: number, isWhole: boolean): Verdict {
  if (!isWhole) return "failed";
  if (aim === undefined) return "no aim";
  return rate >= aim.rate && (aim.cpu === undefined || cpu <= aim.cpu) ? "holds" : "falls short";
}

/** In the order of the rows, one member first; rows that were not run are left out. */
export function compare(run: Run, rows: readonly Row[]): Comparison[] {
  return ([1, 3] as const).flatMap((members) =>
    rows.flatMap((row) => {
      const samples = run.samples.filter((s) => s.name === row.name && s.members === members);
      if (samples.length === 0) return [];
      const [a, b] = (["A", "B"] as const).map((program) =>
        figures(samples.filter((s) => s.program === program)),
      ) as [Figures, Figures];
      const rounds = [...new Set(samples.map((s) => s.round))].flatMap((round) => {
        const of = (program: "A" | "B"): number =>
          samples.find((s) => s.program === program && s.round === round)?.result?.rate ?? 0;
        const ratio = by(of("B"), of("A"));
        return Number.isNaN(ratio) ? [] : [ratio];
      });
      const failures = samples.flatMap((s) =>
        s.failure === undefined
          ? []
          : [`${s.program === "A" ? run.about.a : run.about.b}: ${s.failure}`],
      );
      const [rate, cpu] = [by(b.rate, a.rate), by(b.cpu, a.cpu)];
      const isWhole = failures.length === 0 && a.rate > 0 && b.rate > 0 && b.errors === 0;
      const ceiling = by((1e6 * run.about.cores) / b.ownCpu, a.rate);
      const verdict = verdictOf(row.aim, rate, cpu, isWhole);
      const rateSpan = [Math.min(...rounds), Math.max(...rounds)] as const;
      return [
        {
          row,
          members,
          a,
          b,
          rate,
          rateSpan,
          cpu,
          p99: by(b.p99, a.p99),
          ceiling,
          verdict,
          failures,
        },
      ];
    }),
  );
}

export const times = (ratio: number): string =>
  Number.isFinite(ratio) ? `${ratio.toFixed(2)}x` : "-";

export const rateText = (rate: number): string => rate.toFixed(rate < 20 ? 2 : rate < 200 ? 1 : 0);

/** What the hypervisor took from the pairs kept: a rate under it is not the program's. */
export function stolenText(run: Run): string {
  const known = run.samples.filter((s) => s.result !== undefined);
  if (known.length === 0) return "";
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const shares = known.map((s) => s.result?.stolenShare ?? 0);
  const again = known.filter((s) => (s.windows ?? 1) > 1).length;
  return (
    `Other machines had ${percent(mean(shares))} of the processors' time while it was measured, at most ` +
    `${percent(Math.max(...shares))}; ${again} of ${known.length} were measured again for it.`
  );
}

/** For the terminal. */
export function report(run: Run, rows: readonly Row[]): string {
  const { about } = run;
  const header = ["workload", "", "ops/s", "p50 ms", "p99 ms", "p99.9 ms"];
  header.push("CPU us/op", "RSS MiB", "errors");
  const lines: string[][] = [header];
  for (const c of compare(run, rows)) {
    for (const [who, f] of [
      [about.a, c.a],
      [about.b, c.b],
    ] as const) {
      const cells = [f.p50.toFixed(2), f.p99.toFixed(2), f.p999.toFixed(2), f.cpu.toFixed(1)];
      const name = f === c.a ? label(c.row.name, c.members) : "";
      lines.push([name, who, rateText(f.rate), ...cells, f.rssMiB.toFixed(0), `${f.errors}`]);
    }
    const ratios = (["p50", "p99", "p999", "cpu", "rssMiB"] as const).map((key) =>
      times(by(c.b[key], c.a[key])),
    );
    lines.push(["", "ratio", times(c.rate), ...ratios, c.verdict]);
    for (const failure of c.failures) lines.push(["", failure]);
  }
  const widths = header.map((_, i) =>
    Math.max(...lines.filter((l) => l.length > 2).map((l) => (l[i] ?? "").length)),
  );
  const table = lines
    .map((l) => l.map((c, i) => (i < 2 ? c.padEnd(widths[i]!) : c.padStart(widths[i]!))).join("  "))
    .join("\n");
  return `${headline(about)}\n${stolenText(run)}\n\n${table}\n`;
}

/** When, where and how, in two lines. */
export function headline(about: About): string {
  return (
    `${about.when}  ${about.machine}, data on ${about.disk}\n` +
    `${about.versions.join("; ")}; ${about.rounds} round(s) of ${about.seconds} s a workload, ` +
    `load generator and servers on the same CPUs, load average before ${about.loadBefore.toFixed(1)}`
  );
}
