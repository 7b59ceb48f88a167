// Runs files of tests with node:test, each in its own process, and counts their results.

import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { run } from "node:test";
import { inspect } from "node:util";
import { killChildrenWith, root } from "./commands.ts";
import { say, type Tally } from "./tally.ts";
import { UnderWay } from "./under-way.ts";

export interface TestFileOptions {
  /** Files that run at the same time; default: one for each processor. */
  concurrency?: number;
  /** A test that takes longer fails. */
  timeoutMs: number;
  signal: AbortSignal;
}

const progressEveryMs = 15_000;
/** A process whose test outlives its timeout by so much has a loop that never comes round. */
const overdueMs = 60_000;
/** At the end of a stage: so many of the tests that took so long. */
const [longestShown, longMs] = [12, 15_000];
/** Of a file's error output, what is kept to be shown when it fails. */
const outputChars = 3000;

/** Runs the files and adds every single test to the tally. */
export async function runTestFiles(
  tally: Tally,
  stage: string,
  files: string[],
  { concurrency = availableParallelism(), timeoutMs, signal }: TestFileOptions,
): Promise<void> {
  const events = run({
    ...{ files, concurrency, timeout: timeoutMs, signal, forceExit: true },
    execArgv: ["--import", join(import.meta.dirname, "blocking-stdout.ts")],
  });
  let done = 0;
  const errorOutput = new Map<string, string>();
  const underWay = new UnderWay();
  const durations: Duration[] = [];
  const timer = setInterval(() => {
    say(`${stage}: ${done} tests so far${underWay.longRunning()}`);
    for (const file of underWay.takeOverdue(timeoutMs + overdueMs)) {
      say(`${stage}: ${relative(root, file)} did not end its test in time; killing its process`);
      killChildrenWith(file);
    }
  }, progressEveryMs);
  try {
    for await (const event of events) {
      if (event.type === "test:dequeue") underWay.began(event.data);
      if (event.type === "test:complete") underWay.ended(event.data);
      if (event.type === "test:stderr") {
        const { file, message } = event.data;
        errorOutput.set(file, ((errorOutput.get(file) ?? "") + message).slice(-outputChars));
      }
      // What a test has measured or drawn; without a file it is the count that we make ourselves.
      if (event.type === "test:diagnostic" && event.data.file !== undefined) {
        say(`${stage}: ${relative(root, event.data.file)}: ${event.data.message}`);
      }
      if (event.type !== "test:pass" && event.type !== "test:fail") continue;
      const { data } = event;
      // A suite or a file passes with its tests; counted are tests, and files that failed to load.
      const isGroup = data.details.type === "suite" || data.file === undefined;
      const name = `${relative(root, data.file ?? "")}: ${data.name}`;
      if (!isGroup) durations.push({ name, ms: data.details.duration_ms });
      const isLeftOut = isSet(data.skip) || isSet(data.todo);
      if (event.type === "test:fail") {
        if (failsByItsTests(event.data.details.error)) continue;
        done++;
        const output = errorOutput.get(data.file ?? data.name);
        tally.fail(name, describe(event.data.details.error, output));
      } else if (isGroup) {
        // Its tests are counted.
      } else if (isLeftOut) {
        done++;
        tally.skip(
          name,
          [data.skip, data.todo].find((why) => typeof why === "string") ?? "so marked",
        );
      } else {
        done++;
        tally.pass();
      }
    }
  } finally {
    clearInterval(timer);
  }
  for (const { name, ms } of longest(durations)) {
    say(`${stage}: ${(ms / 1000).toFixed(0)} s for ${name}`);
  }
}

interface Duration {
  readonly name: string;
  readonly ms: number;
}

/** The tests that took most of the stage's time. */
function longest(durations: Duration[]): Duration[] {
  const long = durations.filter(({ ms }) => ms >= longMs);
  return long.sort((a, b) => b.ms - a.ms).slice(0, longestShown);
}

/** A suite or file that only reports that some of its tests failed, which are reported themselves. */
function failsByItsTests(error: Error & { failureType?: string }): boolean {
  return error.failureType === "subtestsFailed";
}

/** The fault, and where it lies outside any test (the file does not load, say) what was printed. */
function describe(error: Error & { failureType?: string }, output: string | undefined): string {
  const fault = inspect(error.cause ?? error, { depth: 6, maxStringLength: 4000 });
  const inTest = error.failureType === "testCodeFailure" && error.cause instanceof Error;
  return inTest || output === undefined ? fault : `${fault}\n${output.trim()}`;
}

function isSet(mark: string | boolean | undefined): boolean {
  return mark !== undefined && mark !== false;
}
