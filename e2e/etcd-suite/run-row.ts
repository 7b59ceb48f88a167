// A row of the suite: all its tests, a few at a time.

import { mkdirSync } from "node:fs";
import { unexpectedSkips } from "./expected.ts";
import type { Result } from "./go-test.ts";
import { canIsolate, runTest, type Suite } from "./run-test.ts";

/** Half of a test's time is waiting: two at a time leave two processors a fifth of theirs. */
const defaultJobs = 2;

/** These take longest; first, so that none of them is left alone at the end. */
const longest = [
  "TestAuthority",
  "TestMemberAdd",
  "TestVerifyHashKVAfterCompact",
  "TestMemberRemove",
  "TestVerifyHashKVAfterCompactOnLastTombstone",
  "TestUserAdd_Simple",
];

export interface RowOptions {
  tests: readonly string[];
  jobs?: number;
  signal?: AbortSignal;
  /** Called as each test ends. A skip that nobody knows of has been made a failure. */
  onResult: (result: Result) => void;
}

/** Runs the tests; stops taking new ones when the signal fires. */
export async function runRow(suite: Suite, options: RowOptions): Promise<void> {
  mkdirSync(suite.logs, { recursive: true });
  const rank = (test: string): number => longest.indexOf(test) + 1 || longest.length + 1;
  const queue = options.tests.toSorted((a, b) => rank(a) - rank(b));
  const isStopped = (): boolean => options.signal?.aborted === true;
  const work = async (): Promise<void> => {
    while (!isStopped()) {
      const test = queue.shift();
      if (test === undefined) return;
      const result = await runTest(suite, test);
      if (isStopped()) return;
      const holes = unexpectedSkips(result);
      if (holes.length > 0) {
        result.outcome = "failed";
        result.detail += `\nskipped, and a real etcd runs it:\n${holes.join("\n")}`;
      }
      options.onResult(result);
    }
  };
  const jobs = canIsolate ? (options.jobs ?? defaultJobs) : 1;
  await Promise.all(Array.from({ length: jobs }, work));
}
