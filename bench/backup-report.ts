// The samples of bench/backup.ts as a page.

/** What one work took of one process. */
export interface Measured {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Highest resident set. */
  readonly peakBytes: number;
  /** Highest part of it that is no mapped file. */
  readonly anonymousBytes: number;
}

export interface BackupSample {
  readonly program: string;
  readonly status: Measured;
  readonly restore: Measured;
  /** The member, from its start to its first answer. */
  readonly boot: Measured;
  readonly save: Measured;
  /** The member while the snapshot is saved. */
  readonly member: Measured;
  readonly putsPerSecond: number;
  readonly savedBytes: number;
  /** What Quoin's Jobs do beside these: `quoin backup save`, the member meanwhile, `quoin backup restore`. */
  readonly jobs?: {
    readonly save: Measured;
    readonly member: Measured;
    readonly restore: Measured;
  };
}

export interface BackupAbout {
  readonly when: string;
  readonly machine: string;
  readonly loadBefore: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly fileBytes: number;
  readonly writers: number;
  readonly rounds: number;
}

const rows: readonly (readonly [key: keyof BackupSample & string, name: string])[] = [
  ["save", "`etcdctl snapshot save`"],
  ["member", "the member meanwhile"],
  ["status", "`etcdutl snapshot status`"],
  ["restore", "`etcdutl snapshot restore`"],
  ["boot", "boot of the restored member"],
];
const jobRows = [
  ["save", "`quoin backup save` (zstd, Checksum)"],
  ["member", "the member meanwhile"],
  ["restore", "`quoin backup restore` (bumped)"],
] as const;
const columns: readonly (readonly [
  key: keyof Measured,
  name: string,
  unit: number,
  digits: number,
])[] = [
  ["seconds", "seconds", 1, 1],
  ["cpuSeconds", "CPU seconds", 1, 1],
  ["peakBytes", "peak RSS MB", 1e6, 0],
  ["anonymousBytes", "of it anonymous", 1e6, 0],
];

const mean = (list: readonly number[]): number =>
  list.reduce((sum, n) => sum + n, 0) / Math.max(1, list.length);

const times = (ours: number, theirs: number): string =>
  theirs > 0 ? `${(ours / theirs).toFixed(2)}x` : "-";

/** Real etcd, ours, and ours by etcd's in each cell's row; means over the rounds. */
export function backupReport(about: BackupAbout, samples: readonly BackupSample[]): string {
  const names = [...new Set(samples.map((sample) => sample.program))];
  const of = (name: string, get: (sample: BackupSample) => number): number =>
    mean(samples.filter((sample) => sample.program === name).map(get));
  const lines: string[] = [];
  for (const [key, title] of rows) {
    const table = names.map((name) =>
      columns.map(([column]) => of(name, (s) => (s[key] as Measured)[column])),
    );
    table.forEach((cells, i) => {
      const shown = cells.map((n, c) => {
        const [, , unit, digits] = columns[c] as (typeof columns)[number];
        return (n / unit).toFixed(digits);
      });
      lines.push(`| ${i === 0 ? title : ""} | ${names[i]} | ${shown.join(" | ")} |`);
    });
    const [theirs = [], ours = []] = table;
    lines.push(`| | ratio | ${ours.map((n, c) => times(n, theirs[c] ?? 0)).join(" | ")} |`);
  }
  for (const { program, jobs } of samples) {
    if (jobs === undefined) continue;
    for (const [key, title] of jobRows) {
      const cells = columns.map(([column, , unit, digits]) =>
        (jobs[key][column] / unit).toFixed(digits),
      );
      lines.push(`| ${title} | ${program} | ${cells.join(" | ")} |`);
    }
  }
  const puts = names.map((n) => `${n} ${Math.round(of(n, (s) => s.putsPerSecond))} puts/s`);
  const sizes = names.map((n) => `${n} ${(of(n, (s) => s.savedBytes) / 1e9).toFixed(2)} GB`);
  return `# Backup and restore, measured

Written by \`npm run bench -- backup --docs\` (bench/backup.ts), which runs real etcd 3.7.3 and Quoin in turn on the same file.

${about.when}, ${about.machine}, load average before ${about.loadBefore.toFixed(1)}. A snapshot of
${(about.fileBytes / 1e9).toFixed(2)} GB (${about.keys} keys of ${about.valueBytes} bytes); ${about.rounds} round(s). The file is in the page cache for
both. While a snapshot was saved, ${about.writers} clients wrote: ${puts.join(", ")}. Saved files: ${sizes.join(", ")}.

| work | program | ${columns.map(([, name]) => name).join(" | ")} |
|---|---|${columns.map(() => "---:").join("|")}|
${lines.join("\n")}

Peak RSS counts mapped files: real etcd and its tools map the whole database, which the kernel can take back; "anonymous" is
what it cannot. Times of two runs compare only within one run, and only ratios mean something on a machine that others use.
`;
}
