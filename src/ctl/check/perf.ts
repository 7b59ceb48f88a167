import { setTimeout as delay } from "node:timers/promises";
import { type Client, RpcError } from "../../client/index.ts";
import type { Invocation } from "../command.ts";
import { CommandError, exitCode } from "../exit.ts";
import { asCommandError, refusal } from "../globals.ts";
import { untilSignal } from "../interrupt.ts";
import { printerOf } from "../print/index.ts";
import { Progress } from "../progress.ts";
import {
  errorLines,
  openClients,
  Results,
  randomKey,
  refuseKeysBelow,
  type Size,
  sizeOf,
  tidyUp,
} from "./load.ts";

/** Writes per second that are asked for, and by how many clients at once (etcdctl check.go). */
const loads: Readonly<Record<Size, { readonly perSecond: number; readonly clients: number }>> = {
  s: { perSecond: 150, clients: 50 },
  m: { perSecond: 1000, clients: 200 },
  l: { perSecond: 8000, clients: 500 },
  xl: { perSecond: 15_000, clients: 1000 },
};
const durationMs = 60_000;
const keyBytes = 256;
const value = Buffer.alloc(1024);
const stepMs = 10;

/** `check perf`: a steady stream of writes for a minute, and a verdict. */
export async function checkPerf(invocation: Invocation): Promise<void> {
  const { flags, out } = invocation;
  const load = loads[sizeOf(invocation)];
  const prefix = flags.string("prefix");
  printerOf(invocation);
  using clients = openClients(invocation, load.clients);
  const first = clients[0] as Client;
  try {
    await refuseKeysBelow(first, prefix, `'etcdctl del --prefix ${prefix}'`);
    const results = await write(clients, prefix, load.perSecond, invocation);
    const revision = await cleanUp(first, prefix, invocation);
    if (revision !== undefined) await tidyUp(first, revision, invocation);
    const { text, passed } = verdict(results, load.perSecond);
    out.text(text);
    if (!passed) throw new CommandError(exitCode.error, "", false);
  } catch (error) {
    throw asCommandError(error);
  }
}

/** Every client has one write under way at most; what is due beyond that waits. ^C ends it early. */
async function write(
  clients: readonly Client[],
  prefix: string,
  perSecond: number,
  { out }: Invocation,
): Promise<Results> {
  using stop = untilSignal();
  const progress = new Progress(out);
  const results = new Results();
  const idle = [...clients];
  const underWay = new Set<Promise<void>>();
  const began = performance.now();
  let sent = 0;
  for (;;) {
    const passedMs = performance.now() - began;
    if (passedMs >= durationMs || stop.signal.aborted) break;
    for (; sent < (passedMs * perSecond) / 1000 && idle.length > 0; sent++) {
      const client = idle.pop() as Client;
      const request = client.kv.put(randomKey(prefix, keyBytes), value);
      const noted = results.note(request).finally(() => {
        idle.push(client);
        underWay.delete(noted);
      });
      underWay.add(noted);
    }
    progress.count("writing", results.done, "keys", (perSecond * durationMs) / 1000);
    await delay(stepMs);
  }
  await Promise.all(underWay);
  progress.end();
  return results;
}

/** Deletes what was written; returns the revision, or says why there is none. */
async function cleanUp(
  client: Client,
  prefix: string,
  { out }: Invocation,
): Promise<number | undefined> {
  try {
    const answer = await client.kv.delete(prefix, { prefix: true, timeoutMs: 30_000 });
    return answer.header?.revision;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    out.text(`FAIL: Cleanup failed during key deletion: ERROR(${refusal(error)})\n`);
    return undefined;
  }
}

/** As etcdctl judges: nine tenths of the writes, none over 500 ms, at most 100 ms of deviation. */
export function verdict(results: Results, wanted: number): { text: string; passed: boolean } {
  const errors = errorLines(results);
  const { perSecond, slowest, standardDeviation } = results;
  const checks: [boolean, string, string][] = [
    [
      perSecond / wanted > 0.9,
      `PASS: Throughput is ${Math.trunc(perSecond) + 1} writes/s`,
      `FAIL: Throughput too low: ${Math.trunc(perSecond) + 1} writes/s`,
    ],
    [
      slowest <= 0.5,
      `PASS: Slowest request took ${slowest.toFixed(6)}s`,
      `Slowest request took too long: ${slowest.toFixed(6)}s`,
    ],
    [
      standardDeviation <= 0.1,
      `PASS: Stddev is ${standardDeviation.toFixed(6)}s`,
      `Stddev too high: ${standardDeviation.toFixed(6)}s`,
    ],
  ];
  const passed = errors === "" && checks.every(([ok]) => ok);
  const lines = checks.map(([ok, yes, no]) => `${ok ? yes : no}\n`);
  return { text: `${errors}${lines.join("")}${passed ? "PASS" : "FAIL"}\n`, passed };
}
