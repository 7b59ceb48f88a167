import type { Client } from "../../client/index.ts";
import type { Invocation } from "../command.ts";
import { CommandError, exitCode } from "../exit.ts";
import { asCommandError, endpointsOf } from "../globals.ts";
import { printerOf } from "../print/index.ts";
import { Progress } from "../progress.ts";
import { tlsOf } from "../tls-flags.ts";
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
import { residentBytes } from "./memory.ts";

/** How many keys, written by how many clients at once (etcdctl check.go). */
const loads: Readonly<Record<Size, { readonly keys: number; readonly clients: number }>> = {
  s: { keys: 10_000, clients: 50 },
  m: { keys: 100_000, clients: 200 },
  l: { keys: 1_000_000, clients: 500 },
  xl: { keys: 3_000_000, clients: 1000 },
};
const keyBytes = 512;
const value = Buffer.alloc(512);

/** `check datascale`: how much the first endpoint's server grows by so many keys. */
export async function checkDatascale(invocation: Invocation): Promise<void> {
  const { flags, out } = invocation;
  const load = loads[sizeOf(invocation)];
  const prefix = flags.string("prefix");
  printerOf(invocation);
  using clients = openClients(invocation, load.clients);
  const first = clients[0] as Client;
  try {
    await refuseKeysBelow(first, prefix, `etcdctl del --prefix ${prefix}`);
    const before = await memory(invocation, "before");
    const size = keyBytes + value.length;
    out.text(
      `Start data scale check for work load [${load.keys} key-value pairs, ${size} bytes per key-value, ${load.clients} concurrent clients].\n`,
    );
    const results = await write(clients, prefix, load.keys, invocation);
    const after = await memory(invocation, "after");
    const { header } = await first.kv.delete(prefix, { prefix: true, timeoutMs: 120_000 });
    await tidyUp(first, header?.revision ?? 0, invocation);
    const errors = errorLines(results);
    if (errors !== "") {
      out.text(errors);
      throw new CommandError(exitCode.error, "", false);
    }
    const used = ((after - before) / 2 ** 20).toFixed(2);
    out.text(`PASS: Approximate system memory used : ${used} MB.\n`);
  } catch (error) {
    throw asCommandError(error);
  }
}

async function write(
  clients: readonly Client[],
  prefix: string,
  keys: number,
  { out }: Invocation,
): Promise<Results> {
  const progress = new Progress(out);
  const results = new Results();
  let sent = 0;
  const writer = async (client: Client): Promise<void> => {
    for (; sent < keys; ) {
      sent++;
      await results.note(client.kv.put(randomKey(prefix, keyBytes), value));
      progress.count("writing", results.done, "keys", keys);
    }
  };
  await Promise.all(clients.map(writer));
  progress.end();
  return results;
}

async function memory({ flags, out }: Invocation, when: string): Promise<number> {
  const [endpoint] = endpointsOf(flags) as [string];
  const { bytes, failure } = await residentBytes(endpoint, tlsOf(flags));
  if (failure !== undefined) out.text(`${failure}\n`);
  if (bytes > 0) return bytes;
  out.text(`FAIL: Could not read process_resident_memory_bytes ${when} the put operations.\n`);
  throw new CommandError(exitCode.error, "", false);
}
