// The table in docs/compatibility.md.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../test/run/commands.ts";
import { skippedCases, skippedTests } from "./expected.ts";
import type { Outcome, Result } from "./go-test.ts";
import { type RowName, rows } from "./rows.ts";

/** Results of a row by test. */
export type RowResults = Readonly<Record<string, Result>>;

const page = join(root, "docs", "compatibility.md");
const opening = "<!-- etcd-suite: written by e2e/etcd-suite/run.sh --write -->";
const closing = "<!-- /etcd-suite -->";

function resultsFile(row: RowName): string {
  return join(root, ".out", "etcd-suite", `${row}.json`);
}

export function loadResults(row: RowName): RowResults {
  const file = resultsFile(row);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
}

export function saveResults(row: RowName, results: RowResults): void {
  writeFileSync(resultsFile(row), JSON.stringify(results, undefined, 1));
}

/** Writes the table between its marks; what stands around them stays. */
export function writeTable(tests: readonly string[]): void {
  const before = readFileSync(page, "utf8");
  const start = before.indexOf(opening);
  const end = before.indexOf(closing);
  if (start < 0 || end < start) throw new Error(`${page} lacks the marks around its table`);
  const table = `${opening}\n\n${buildTable(tests)}\n\n`;
  writeFileSync(page, before.slice(0, start) + table + before.slice(end));
}

function buildTable(tests: readonly string[]): string {
  const names = Object.keys(rows) as RowName[];
  const columns = names.map((name) => ({ title: rows[name].title, results: loadResults(name) }));
  const line = (cells: string[]): string => `| ${cells.join(" | ")} |`;
  const out = [
    line(["", ...columns.map(({ title }) => title)]),
    line(["---", ...columns.map(() => "---")]),
    ...(["passed", "failed", "skipped"] as const).map((outcome) =>
      line([`**${outcome}**`, ...columns.map(({ results }) => count(tests, results, outcome))]),
    ),
    line(["seconds, added up", ...columns.map(({ results }) => seconds(tests, results))]),
    ...tests
      .filter((test) => !Object.hasOwn(skippedTests, test))
      .map((test) => line([test, ...columns.map(({ results }) => cell(results[test]))])),
  ];
  return [...out, "", ...describeSkips()].join("\n");
}

function count(tests: readonly string[], results: RowResults, outcome: Outcome): string {
  const found = tests.filter((test) => results[test]?.outcome === outcome);
  return `**${found.length}**`;
}

function seconds(tests: readonly string[], results: RowResults): string {
  return String(Math.round(tests.reduce((sum, test) => sum + (results[test]?.seconds ?? 0), 0)));
}

function cell(result: Result | undefined): string {
  if (result === undefined) return "not run";
  if (result.outcome !== "failed") return result.outcome;
  const failed = result.cases.filter((one) => one.outcome === "failed").length;
  return failed === 0 ? "**failed**" : `**failed** (${failed} of ${result.cases.length} cases)`;
}

function describeSkips(): string[] {
  const reasons = [...new Set(Object.values(skippedTests))];
  return [
    "Skipped in every column:",
    "",
    ...reasons.map((reason) => {
      const names = Object.keys(skippedTests).filter((test) => skippedTests[test] === reason);
      return `- ${names.join(", ")}: ${reason}.`;
    }),
    `- single cases of passed tests that say: ${skippedCases.map((one) => `"${one}"`).join("; ")}.`,
  ];
}
