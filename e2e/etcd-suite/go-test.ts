// What a compiled Go test prints with -test.v, read.

export type Outcome = "passed" | "failed" | "skipped";

export interface Case {
  /** Whole name: Test/case/... */
  name: string;
  outcome: Outcome;
  /** Why it was skipped, in its own words. */
  reason: string;
}

export interface Result {
  test: string;
  outcome: Outcome;
  seconds: number;
  /** Its cases, nested ones too, in the order in which they ended. */
  cases: Case[];
  /** What the test said itself, without the servers' and the framework's log. */
  detail: string;
}

const outcomes = { PASS: "passed", FAIL: "failed", SKIP: "skipped" } as const;
const verdict = /^\s*--- (PASS|FAIL|SKIP): (\S+) \(([\d.]+)s\)$/;
const begins = /^=== (?:RUN|CONT|NAME) +(\S+)$/;
/** zaptest's logger, which every cluster writes to. */
const logLine = /^\s+logger\.go:\d+: /;
const skipLine = /^\s+\w+_test\.go:\d+: (.+)$/;
/** Of a long detail both ends are kept: what failed first, and how it ended. */
const detailLines = { first: 40, last: 20 };

/**
 * The result of one top-level test. A program that ended without a verdict on it (a panic, its own
 * deadline, a goroutine left behind) has failed.
 */
export function readResult(test: string, output: string, exitCode: number): Result {
  const result: Result = { test, outcome: "failed", seconds: 0, cases: [], detail: "" };
  const said: string[] = [];
  const lastWords = new Map<string, string>();
  let current = test;
  let ended = false;
  for (const raw of output.split("\n")) {
    const line = raw.trimEnd();
    current = begins.exec(line)?.[1] ?? current;
    const words = skipLine.exec(line)?.[1];
    if (words !== undefined) lastWords.set(current, words);
    const [, word, name, seconds] = verdict.exec(line) ?? [];
    if (word !== undefined && name !== undefined) {
      const outcome = outcomes[word as keyof typeof outcomes];
      if (name !== test) {
        const reason = outcome === "skipped" ? (lastWords.get(name) ?? "") : "";
        result.cases.push({ name, outcome, reason });
      } else {
        Object.assign(result, { outcome, seconds: Number(seconds) });
        ended = true;
      }
    }
    if (!logLine.test(line) && !begins.test(line) && line !== "") said.push(line);
  }
  if (!ended || (exitCode !== 0 && result.outcome !== "failed")) {
    result.outcome = "failed";
    said.push(`the test program ended with code ${exitCode}`);
  }
  if (result.outcome === "failed") result.detail = shorten(said).join("\n");
  return result;
}

function shorten(lines: readonly string[]): readonly string[] {
  const { first, last } = detailLines;
  const left = lines.length - first - last;
  if (left <= 0) return lines;
  return [...lines.slice(0, first), `... ${left} lines ...`, ...lines.slice(-last)];
}
