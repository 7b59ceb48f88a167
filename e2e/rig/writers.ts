// Writers through the client Service, and the promise they check: what was acknowledged stays.

import assert from "node:assert/strict";
import { Client } from "../../src/client/index.ts";
import { until } from "../../test/until.ts";
import type { Access } from "./access.ts";

/** Puts per second, all writers together; each on a connection of its own. */
const ratePerSecond = 100;
const writerCount = 4;
const inFlightMax = 50;
/** So short that a put lost with its leader does not hold up the next. */
const putMs = 2000;

interface Acknowledged {
  readonly key: string;
  readonly revision: number;
  readonly sentMs: number;
  readonly doneMs: number;
}

/**
 * Puts a new key every few milliseconds, whether or not the former ones are answered (so that an
 * outage is seen in its true length), until `stop`.
 */
export class Writers implements AsyncDisposable {
  readonly #access: Access;
  readonly #prefix: string;
  readonly #clients: Client[] = [];
  readonly #acknowledged: Acknowledged[] = [];
  readonly #timer: NodeJS.Timeout;
  #inFlight = 0;
  #sent = 0;
  #unknown = 0;

  /** Keys begin with `prefix`, which must be this object's own. */
  constructor(access: Access, prefix: string) {
    this.#access = access;
    this.#prefix = prefix;
    for (let i = 0; i < writerCount; i++) this.#clients.push(new Client(access));
    this.#timer = setInterval(() => this.#tick(), 1000 / ratePerSecond);
  }

  /** Once this many more puts are acknowledged. */
  async progress(count: number, seconds = 30): Promise<void> {
    const goal = this.#acknowledged.length + count;
    await until(`${count} writes`, () => this.#acknowledged.length >= goal, seconds);
  }

  /** The first put sent after `fromMs` (performance.now()) that was accepted; when, in ms from it. */
  async nextAccepted(fromMs: number, seconds = 60): Promise<number> {
    const isLater = (it: Acknowledged): boolean => it.sentMs >= fromMs;
    const first = await until("an accepted write", () => this.#acknowledged.find(isLater), seconds);
    return first.doneMs - fromMs;
  }

  /** Ends the load and says what it was. */
  async stop(): Promise<string> {
    clearInterval(this.#timer);
    await until("open puts to end", () => this.#inFlight === 0, 10);
    for (const client of this.#clients) client.close();
    return `${this.#acknowledged.length} writes acknowledged, ${this.#unknown} of unknown outcome, longest time without one ${this.#longestGapMs()} ms`;
  }

  /**
   * For a recovery that may give up the end of the log: up to the last revision that is there, every
   * acknowledged put is there as it was answered. How many were kept, and how many were given up.
   */
  async assertWholeUpToItsEnd(): Promise<{ kept: number; givenUp: number; revision: number }> {
    using client = new Client(this.#access);
    const { kvs } = await client.kv.get(this.#prefix, { prefix: true });
    const found = new Map(kvs.map((kv) => [Buffer.from(kv.key).toString(), kv]));
    const revision = Math.max(0, ...kvs.map((kv) => kv.modRevision));
    const due = this.#acknowledged.filter((it) => it.revision <= revision);
    const wrong = due.filter(({ key, revision: at }) => {
      const kv = found.get(key);
      return kv?.modRevision !== at || Buffer.from(kv.value).toString() !== valueFor(key);
    });
    assert.deepEqual(wrong, [], `${wrong.length} acknowledged writes before the end are lost`);
    return { kept: due.length, givenUp: this.#acknowledged.length - due.length, revision };
  }

  /** Every acknowledged put is there, as it was answered: value, revision, written once. */
  async assertNothingLost(): Promise<void> {
    assert.ok(this.#acknowledged.length > 0, "nothing was acknowledged");
    using client = new Client(this.#access);
    const { kvs } = await client.kv.get(this.#prefix, { prefix: true });
    const found = new Map(kvs.map((kv) => [Buffer.from(kv.key).toString(), kv]));
    const lost = this.#acknowledged.filter(({ key, revision }) => {
      const kv = found.get(key);
      const value = kv && Buffer.from(kv.value).toString();
      return value !== valueFor(key) || kv?.modRevision !== revision || kv.version !== 1;
    });
    assert.deepEqual(lost, [], `${lost.length} acknowledged writes are lost or changed`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #tick(): void {
    if (this.#inFlight >= inFlightMax) return;
    const number = this.#sent++;
    void this.#put(this.#clients[number % writerCount]!, `${this.#prefix}${number}`);
  }

  async #put(client: Client, key: string): Promise<void> {
    this.#inFlight++;
    const sentMs = performance.now();
    try {
      const { header } = await client.kv.put(key, valueFor(key), { timeoutMs: putMs });
      const revision = header?.revision ?? 0;
      this.#acknowledged.push({ key, revision, sentMs, doneMs: performance.now() });
    } catch {
      this.#unknown++; // refused, or taken and not told: either may be
    } finally {
      this.#inFlight--;
    }
  }

  #longestGapMs(): number {
    const times = this.#acknowledged.map((it) => it.doneMs);
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    return Math.round(Math.max(0, ...gaps));
  }
}

const valueFor = (key: string): string => `value of ${key}`;
