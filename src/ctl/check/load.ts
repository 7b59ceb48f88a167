import { randomBytes } from "node:crypto";
import type { Client } from "../../client/index.ts";
import { RpcError } from "../../client/index.ts";
import type { Invocation } from "../command.ts";
import { CommandError, exitCode } from "../exit.ts";
import { openClient } from "../globals.ts";
import { goQuote } from "../print/go-quote.ts";

/** The size of a check: s, m, l, xl. */
export type Size = "s" | "m" | "l" | "xl";

const sizes: Readonly<Record<string, Size>> = {
  s: "s",
  small: "s",
  m: "m",
  medium: "m",
  l: "l",
  large: "l",
  xl: "xl",
  xLarge: "xl",
};

export function sizeOf({ flags }: Invocation): Size {
  const load = flags.string("load");
  const size = sizes[load];
  if (size !== undefined) return size;
  throw new CommandError(exitCode.badFeature, `unknown load option ${load}`);
}

/** So many clients with a connection each, closed together. */
export function openClients(invocation: Invocation, count: number): Client[] & Disposable {
  const clients = Array.from({ length: count }, () => openClient(invocation));
  const close = (): void => {
    for (const client of clients) client.close();
  };
  return Object.assign(clients, { [Symbol.dispose]: close });
}

/** Keys of an earlier check, or of someone else, are not deleted with ours. */
export async function refuseKeysBelow(
  client: Client,
  prefix: string,
  advice: string,
): Promise<void> {
  const { kvs } = await client.kv.get(prefix, { prefix: true, limit: 1 });
  if (kvs.length === 0) return;
  throw new CommandError(
    exitCode.invalidInput,
    `prefix ${goQuote(prefix)} has keys. Delete with ${advice} first`,
  );
}

/** A random key below the prefix, `bytes` long without it. */
export function randomKey(prefix: string, bytes: number): Buffer {
  const rest = Buffer.alloc(bytes);
  randomBytes(9).copy(rest);
  return Buffer.concat([Buffer.from(prefix), rest]);
}

/** What came of the requests; times in seconds. */
export class Results {
  readonly #seconds: number[] = [];
  readonly errors = new Map<string, number>();
  readonly #beganMs = performance.now();

  /** Waits for one request and notes how it went. Rejects with what is no RpcError. */
  async note(request: Promise<unknown>): Promise<void> {
    const began = performance.now();
    try {
      await request;
      this.#seconds.push((performance.now() - began) / 1000);
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      this.errors.set(error.message, (this.errors.get(error.message) ?? 0) + 1);
    }
  }

  get done(): number {
    return this.#seconds.length;
  }

  /** Requests that went well, per second since the beginning. */
  get perSecond(): number {
    return (this.done * 1000) / (performance.now() - this.#beganMs);
  }

  get slowest(): number {
    return this.#seconds.reduce((a, b) => Math.max(a, b), 0);
  }

  get standardDeviation(): number {
    const mean = this.#seconds.reduce((a, b) => a + b, 0) / this.done;
    const squares = this.#seconds.reduce((sum, s) => sum + (s - mean) ** 2, 0);
    return this.done === 0 ? 0 : Math.sqrt(squares / this.done);
  }
}

/** Lines that say that something failed, if it did. */
export function errorLines({ errors }: Results): string {
  if (errors.size === 0) return "";
  const lines = [...errors].map(([text, count]) => `FAIL: ERROR(${text}) -> ${count}\n`);
  return `FAIL: too many errors\n${lines.join("")}`;
}

const cleanupMs = 30_000;

/** Compacts and defragments where the flags say so. */
export async function tidyUp(
  client: Client,
  revision: number,
  invocation: Invocation,
): Promise<void> {
  const { flags, out } = invocation;
  const timeoutMs = cleanupMs;
  if (flags.bool("auto-compact")) {
    out.text(`Compacting with revision ${revision}\n`);
    await client.kv.compact(revision, { physical: true, timeoutMs });
    out.text(`Compacted with revision ${revision}\n`);
  }
  if (!flags.bool("auto-defrag")) return;
  for (const endpoint of client.endpoints) {
    out.text(`Defragmenting ${goQuote(endpoint)}\n`);
    await client.maintenance.defragment(endpoint, { timeoutMs });
    out.text(`Defragmented ${goQuote(endpoint)}\n`);
  }
}
