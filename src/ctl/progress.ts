import type { Output } from "./output.ts";
import { humanBytes } from "./print/rows.ts";

const everyMs = 200;
/** Back to the line's start; what is written then replaces it, and the rest is erased. */
const start = "\r";
const eraseRest = "\x1b[K";

/**
 * One line on a terminal that tells how far a long work is, written over at most five times a
 * second and gone when it ends. Writes nothing where stderr is no terminal.
 */
export class Progress {
  readonly #out: Output;
  readonly #nowMs: () => number;
  #what = "";
  #sinceMs = 0;
  #shownMs = Number.NEGATIVE_INFINITY;
  #isShown = false;

  constructor(out: Output, nowMs: () => number = () => performance.now()) {
    this.#out = out;
    this.#nowMs = nowMs;
  }

  /** `what` is being done; bytes so far and in all. */
  show(what: string, done: number, total: number): void {
    this.#write(what, (now) => {
      const have = Math.min(done, total);
      const percent = total === 0 ? 0 : Math.floor((100 * have) / total);
      const sizes = `${humanBytes(have)} of ${humanBytes(total)}`;
      return `${percent}% (${sizes}${this.#pace(have, total, now)})`;
    });
  }

  /** `what` is being done; how many `things` so far, and in all where that is known. */
  count(what: string, done: number, things: string, total?: number): void {
    this.#write(what, (now) => {
      const seconds = (now - this.#sinceMs) / 1000;
      const pace = seconds < 1 ? "" : `, ${Math.round(done / seconds)}/s`;
      const of = total === undefined ? "" : ` of ${total}`;
      return `${done}${of} ${things}${pace}`;
    });
  }

  #write(what: string, text: (now: number) => string): void {
    if (!this.#out.errorIsTerminal) return;
    const now = this.#nowMs();
    if (what !== this.#what) {
      this.#what = what;
      this.#sinceMs = now;
    }
    if (now - this.#shownMs < everyMs) return;
    this.#shownMs = now;
    this.#isShown = true;
    this.#out.error(`${start}${what}: ${text(now)}${eraseRest}`);
  }

  /** Takes the line away. To be called before anything else is written. */
  end(): void {
    if (this.#isShown) this.#out.error(`${start}${eraseRest}`);
    this.#isShown = false;
  }

  /** Nothing until there is something to go by. */
  #pace(have: number, total: number, now: number): string {
    const seconds = (now - this.#sinceMs) / 1000;
    if (seconds < 1 || have === 0) return "";
    const rate = have / seconds;
    const left = Math.ceil((total - have) / rate);
    return `, ${humanBytes(Math.round(rate))}/s, ${left} s left`;
  }
}
