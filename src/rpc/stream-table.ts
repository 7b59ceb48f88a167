/** The streams of one connection: the open ones, and enough memory of the others to judge frames. */
import type { ServerCall } from "./call.ts";
import type { Ledger } from "./ledger.ts";

/**
 * "idle": not opened yet. "reset": we ended it while the client was sending, so that its frames may
 * still be on their way. "closed": both sides know that it is over. "forgotten": one or the other,
 * too long ago, or skipped by the client.
 */
export type StreamState = "idle" | "reset" | "closed" | "forgotten";

const rememberedClosed = 64;
const rememberedReset = 1024;

/** Ids are odd and grow, so that neighbours fall into neighbouring slots. Powers of two. */
const fewestSlots = 32;
const mostSlots = 4096;

export class StreamTable {
  /** The highest id a client has opened. */
  lastId = 0;
  /** How many streams became calls. */
  opened = 0;
  /** An open stream is in the slot of its id if that was free, else among #others. */
  #slots: (ServerCall | undefined)[] = new Array<undefined>(fewestSlots).fill(undefined);
  readonly #others = new Map<number, ServerCall>();
  #size = 0;
  readonly #closed = new Int32Array(rememberedClosed);
  readonly #reset = new Int32Array(rememberedReset);
  #closedNext = 0;
  #resetNext = 0;
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  get size(): number {
    return this.#size;
  }

  get(id: number): ServerCall | undefined {
    const call = this.#slots[(id >>> 1) & (this.#slots.length - 1)];
    if (call !== undefined && call.id === id) return call;
    return this.#others.size === 0 ? undefined : this.#others.get(id);
  }

  open(call: ServerCall): void {
    this.lastId = call.id;
    this.opened++;
    if (this.#others.size > this.#slots.length && this.#slots.length < mostSlots) this.#grow();
    this.#size++;
    this.#ledger.calls++;
    this.#place(call);
  }

  /** `byUs`: the client has not ended its side. */
  close(id: number, byUs: boolean): void {
    const slot = (id >>> 1) & (this.#slots.length - 1);
    if (this.#slots[slot]?.id === id) {
      this.#slots[slot] = undefined;
      this.#size--;
      this.#ledger.calls--;
    } else if (this.#others.delete(id)) {
      this.#size--;
      this.#ledger.calls--;
    }
    if (byUs) {
      this.#reset[this.#resetNext] = id;
      this.#resetNext = (this.#resetNext + 1) % rememberedReset;
    } else {
      this.#closed[this.#closedNext] = id;
      this.#closedNext = (this.#closedNext + 1) % rememberedClosed;
    }
  }

  /** Of a stream that is not open. */
  state(id: number): StreamState {
    if (id > this.lastId) return "idle";
    if (this.#reset.includes(id)) return "reset";
    return this.#closed.includes(id) ? "closed" : "forgotten";
  }

  /** The open streams, as of now. */
  all(): ServerCall[] {
    const placed = this.#slots.filter((call) => call !== undefined);
    return [...placed, ...this.#others.values()];
  }

  /** Empties the table and returns what was in it. */
  takeAll(): ServerCall[] {
    const calls = this.all();
    this.#slots.fill(undefined);
    this.#others.clear();
    this.#ledger.calls -= this.#size;
    this.#size = 0;
    return calls;
  }

  #place(call: ServerCall): void {
    const slot = (call.id >>> 1) & (this.#slots.length - 1);
    if (this.#slots[slot] === undefined) this.#slots[slot] = call;
    else this.#others.set(call.id, call);
  }

  #grow(): void {
    const calls = this.all();
    this.#slots = new Array<undefined>(this.#slots.length * 4).fill(undefined);
    this.#others.clear();
    for (const call of calls) this.#place(call);
  }
}
