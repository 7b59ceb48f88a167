// What the stages have counted so far, and how it is told.

/** Counts of one stage or of all. */
export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const started = performance.now();

/** Prints a line with the time since the start of the run. */
export function say(line: string): void {
  const seconds = (performance.now() - started) / 1000;
  console.log(`${seconds.toFixed(1).padStart(7)}s  ${line}`);
}

/** Adds up results and remembers the names of what failed or was skipped. */
export class Tally {
  readonly counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  readonly failures: string[] = [];
  readonly skips: string[] = [];

  pass(): void {
    this.counts.passed++;
  }

  /** `detail` is shown at once, `name` again at the end. */
  fail(name: string, detail: string): void {
    this.counts.failed++;
    this.failures.push(name);
    console.log(`\nFAILED  ${name}\n${detail.replace(/^/gm, "    ")}\n`);
  }

  /** With CI=true nothing may be left out, so a skip counts as a failure there. */
  skip(name: string, why: string): void {
    if (process.env["CI"] === "true") {
      this.fail(name, `skipped, where nothing may be: ${why}`);
      return;
    }
    this.skips.push(`${name}: ${why}`);
    this.counts.skipped++;
  }

  /** The names of what did not pass, then the one line that closes the run. */
  report(): void {
    for (const name of this.skips) console.log(`skipped: ${name}`);
    for (const name of this.failures) console.log(`failed:  ${name}`);
    console.log(line(this.counts));
  }
}

/** `N passed, N failed, N skipped`. */
export function line({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}
