// run.sh [--rows server,tools,all] [--tests REGEXP] [--shard I/N] [--jobs N] [--write] [--bin FOLDER]
//
// Runs etcd's common suite against Quoin and keeps the results of each test in .out/etcd-suite; what is not
// run keeps its former result. --write makes the table of docs/compatibility.md from them.

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildTools, killRunning, root } from "../../test/run/commands.ts";
import type { Result } from "./go-test.ts";
import { loadResults, saveResults, writeTable } from "./report.ts";
import { isRowName, linkPrograms, packageQuoin, type RowName } from "./rows.ts";
import { runRow } from "./run-row.ts";
import { listTests } from "./run-test.ts";

const { values: flags } = parseArgs({
  options: {
    rows: { type: "string", default: "server,tools,all" },
    tests: { type: "string", default: "." },
    shard: { type: "string", default: "1/1" },
    jobs: { type: "string" },
    write: { type: "boolean", default: false },
    bin: { type: "string" },
  },
});

function chosenRows(): RowName[] {
  return flags.rows
    .split(",")
    .filter((name) => name !== "")
    .map((name) => {
      if (isRowName(name)) return name;
      throw new Error(`no row called "${name}"; there are: server tools all real`);
    });
}

/** Every N-th test, from the I-th on. */
function chosenTests(all: readonly string[]): string[] {
  const [, index, count] = /^(\d+)\/(\d+)$/.exec(flags.shard) ?? [];
  if (index === undefined) throw new Error(`--shard wants I/N, not "${flags.shard}"`);
  return all
    .filter((test) => new RegExp(flags.tests).test(test))
    .filter((_, at) => at % Number(count) === Number(index) - 1);
}

function tell(row: RowName, result: Result): void {
  console.log(`${row}  ${result.outcome.padEnd(7)} ${result.seconds.toFixed(1)}s  ${result.test}`);
  if (result.outcome === "failed") console.log(result.detail.replace(/^/gm, "    "));
}

async function runRows(signal: AbortSignal): Promise<boolean> {
  const [programs, etcd] = (await buildTools(["etcd-suite", "etcd"])) as [string, string];
  const all = await listTests(programs);
  const tests = chosenTests(all);
  const folder = mkdtempSync(join(tmpdir(), "etcd-suite-rows-"));
  let failed = false;
  try {
    const quoin = flags.bin ?? (await packageQuoin(join(folder, "quoin")));
    for (const row of chosenRows()) {
      const logs = join(root, ".out", "etcd-suite", row);
      mkdirSync(logs, { recursive: true });
      const bin = linkPrograms(folder, row, { quoin, etcd });
      const results = { ...loadResults(row) };
      await runRow(
        { programs, bin, logs },
        {
          tests,
          ...(flags.jobs === undefined ? {} : { jobs: Number(flags.jobs) }),
          signal,
          onResult: (result) => {
            tell(row, result);
            results[result.test] = result;
            saveResults(row, results);
            failed ||= result.outcome === "failed";
          },
        },
      );
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (flags.write) writeTable(all);
  return !failed;
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(name, () => {
    stop.abort();
    killRunning();
  });
}
process.exitCode = (await runRows(stop.signal)) ? 0 : 1;
