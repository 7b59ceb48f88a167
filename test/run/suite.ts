// The stage that runs etcd's own common suite against us: one row of docs/compatibility.md.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { skippedTests } from "../../e2e/etcd-suite/expected.ts";
import { linkPrograms, packageQuoin, type RowName } from "../../e2e/etcd-suite/rows.ts";
import { runRow } from "../../e2e/etcd-suite/run-row.ts";
import { listTests } from "../../e2e/etcd-suite/run-test.ts";
import { buildTools, isInPath, root } from "./commands.ts";
import { say, type Tally } from "./tally.ts";

const row: RowName = "server";
const progressEvery = 10;

/** Adds every test of the suite to the tally, but for those that a real etcd skips as well. */
export async function runEtcdSuite(tally: Tally, signal: AbortSignal): Promise<void> {
  if (!isInPath("go")) {
    tally.skip("suite", "needs Go to build etcd's tests; none in PATH");
    return;
  }
  const [programs, etcd] = (await buildTools(["etcd-suite", "etcd"])) as [string, string];
  const tests = (await listTests(programs)).filter((test) => !Object.hasOwn(skippedTests, test));
  const folder = mkdtempSync(join(tmpdir(), "etcd-suite-rows-"));
  try {
    const quoin = await packageQuoin(join(folder, "quoin"));
    const bin = linkPrograms(folder, row, { quoin, etcd });
    const logs = join(root, ".out", "etcd-suite", "stage");
    let done = 0;
    await runRow(
      { programs, bin, logs },
      {
        tests,
        signal,
        onResult: ({ test, outcome, detail }) => {
          done++;
          if (outcome === "passed") tally.pass();
          else tally.fail(`etcd's ${test}`, `${detail}\nwhole output: ${logs}/${test}.log`);
          if (done % progressEvery === 0) say(`suite: ${done} of ${tests.length} tests so far`);
        },
      },
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
