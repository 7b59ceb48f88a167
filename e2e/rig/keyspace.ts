// A keyspace with all that a backup has to bring back: versions, tombstones, leases; and its comparison.

import assert from "node:assert/strict";
import { Client } from "../../src/client/index.ts";
import type { LeaseId } from "../../src/core/types.ts";
import { until } from "../../test/until.ts";
import type { TestCluster } from "./cluster.ts";

const perTxn = 100;

/** `count` keys in transactions; every tenth of them hangs on one of the leases. */
export async function fill(
  client: Client,
  count: number,
  leases: readonly LeaseId[],
): Promise<void> {
  const batches = Array.from({ length: count / perTxn }, (_, i) => i);
  const put = (i: number, round: number) => ({
    requestPut: {
      key: Buffer.from(`key-${String(i).padStart(6, "0")}`),
      value: Buffer.from(`value ${i} of round ${round}`),
      lease: i % 10 === 0 ? (leases[(i / 10) % leases.length] ?? 0n) : 0n,
    },
  });
  const write = async (batch: number, round: number): Promise<void> => {
    const success = Array.from({ length: perTxn }, (_, k) => put(batch * perTxn + k, round));
    // So much at once may cost a busy machine an election, and with it the answer.
    await until("a batch to be written", () =>
      client.kv.txn({ success } as never, { timeoutMs: 20_000 }),
    );
  };
  const workers = Array.from({ length: 8 }, async () => {
    for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
      await write(batch, 1);
    }
  });
  await Promise.all(workers);
  await write(0, 2); // Versions above 1,
  await until("a key to be deleted", () => client.kv.delete("key-000001")); // and a tombstone.
}

/** All there is to know of every key and lease. */
export async function contents(
  client: Client,
): Promise<{ keys: Map<string, string>; leases: string[] }> {
  const keys = new Map<string, string>();
  let from = "";
  for (;;) {
    const options = { fromKey: true, limit: 10_000 };
    const { kvs, more } = await client.kv.get(from, options);
    for (const kv of kvs) {
      const { createRevision, modRevision, version, lease } = kv;
      const value = Buffer.from(kv.value).toString();
      const key = Buffer.from(kv.key).toString();
      keys.set(key, `${value} @${createRevision} @${modRevision} v${version} lease ${lease}`);
    }
    if (!more) break;
    from = `${Buffer.from(kvs.at(-1)?.key ?? []).toString()}\0`;
  }
  const ids = (await client.lease.leases()).leases.map((it) => it.id);
  const texts = ids.map(async (id) => {
    const { grantedTtl, keys: attached } = await client.lease.timeToLive(id, { keys: true });
    return `${id} ${grantedTtl} ${attached.length}`;
  });
  return { keys, leases: (await Promise.all(texts)).sort() };
}

export function assertSame(actual: Map<string, string>, expected: Map<string, string>): void {
  const differ = [...expected].filter(([key, text]) => actual.get(key) !== text);
  assert.deepEqual(differ.slice(0, 5), [], `${differ.length} keys differ`);
  assert.equal(actual.size, expected.size);
}

/** HashKV of every member at the newest revision that all of them have. */
export async function hashes(cluster: TestCluster): Promise<Set<number>> {
  using client = new Client(await cluster.access());
  const { header } = await client.kv.get("a", { limit: 1 });
  const each = (await cluster.pods()).map(async (pod) => {
    const access = await cluster.accessToPod(pod);
    const [endpoint = ""] = access.endpoints;
    using member = new Client(access);
    return await until(`the hash of ${endpoint}`, () =>
      member.maintenance.hashKv(endpoint, header?.revision),
    );
  });
  return new Set((await Promise.all(each)).map((it) => it.hash));
}
