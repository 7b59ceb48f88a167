/** Rows an operation asked for in vain; each is noted once however often it was read. */
import type { Missing, RowRef } from "./types.ts";

export class MissingRows {
  readonly #rows = new Map<string, RowRef>();

  get none(): boolean {
    return this.#rows.size === 0;
  }

  add(row: RowRef): void {
    this.#rows.set(`${row.main}.${row.sub}`, row);
  }

  clear(): void {
    if (this.#rows.size > 0) this.#rows.clear();
  }

  answer(): Missing {
    return { kind: "missing", rows: [...this.#rows.values()] };
  }
}
