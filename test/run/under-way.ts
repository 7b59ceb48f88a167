import { relative } from "node:path";
import { root } from "./commands.ts";

/** What takes longer is named by the progress lines, so that a run that hangs says where. */
const longMs = 60_000;

interface Named {
  file?: string;
  name: string;
}

/** Knows of each file the test that began last. */
export class UnderWay {
  readonly #latest = new Map<string, { name: string; since: number }>();

  began({ file = "", name }: Named): void {
    this.#latest.set(file, { name, since: performance.now() });
  }

  ended({ file = "", name }: Named): void {
    if (this.#latest.get(file)?.name === name) this.#latest.delete(file);
  }

  /** The tests that have been running for long, each after a semicolon; empty when none. */
  longRunning(): string {
    let text = "";
    for (const [file, { name, since }] of this.#latest) {
      const ms = performance.now() - since;
      if (ms >= longMs)
        text += `; ${relative(root, file)}: ${name} for ${(ms / 1000).toFixed(0)} s`;
    }
    return text;
  }

  /** The files whose test has been running for longer than `ms`; each is named once. */
  takeOverdue(ms: number): string[] {
    const files = [...this.#latest]
      .filter(([, { since }]) => performance.now() - since > ms)
      .map(([file]) => file);
    for (const file of files) this.#latest.delete(file);
    return files;
  }
}
