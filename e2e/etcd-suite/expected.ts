// What is known about the suite before it runs: what skips itself with a real etcd, too.

import type { Result } from "./go-test.ts";

const notWritten = "its body is t.Skip(): etcd has not written it yet";

/** Whole tests, and why. */
export const skippedTests: Readonly<Record<string, string>> = Object.fromEntries(
  ["Downgrade", "MoveLeader", "Snapshot"].flatMap((command) =>
    ["No", "Invalid", "Root", "User"].map((auth) => [`Test${command}With${auth}Auth`, notWritten]),
  ),
);

/** Cases of tests, by the reason that they give. */
export const skippedCases: readonly string[] = [
  "Skipping test for single-member cluster",
  "options not supported by RangeStream",
];

/**
 * Skips that are not known: each is a hole that nobody would see (a test of failpoints skips itself when
 * there is no failpoint endpoint, say), so they count as failures.
 */
export function unexpectedSkips(result: Result): string[] {
  const holes = result.cases
    .filter(({ outcome, reason }) => outcome === "skipped" && !skippedCases.includes(reason))
    .map(({ name, reason }) => `${name} (${reason})`);
  if (result.outcome === "skipped" && !Object.hasOwn(skippedTests, result.test)) {
    holes.push(result.test);
  }
  return holes;
}
