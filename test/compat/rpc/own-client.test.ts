// Our client beside a real etcd and a member of ours: large answers both ways, streams, deadlines.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client, methods, RpcError } from "../../../src/client/index.ts";
import { rpcpb } from "../../../src/proto/index.ts";
import { createMembers, etcd, type Program, quoin } from "../../process/member.ts";

const folder = mkdtempSync(join(tmpdir(), "quoin-own-client-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** What the client sees of a server; the same of each. */
async function experience(program: Program, name: string): Promise<string[]> {
  const seen: string[] = [];
  await using member = (await createMembers(program, join(folder, name), 1))[0]!;
  member.start();
  await member.ready();
  using client = new Client({ endpoints: [member.endpoint], requestTimeoutMs: 60_000 });
  const failed = (what: string) => (error: unknown) => {
    assert.ok(error instanceof RpcError, String(error));
    seen.push(`${what}: ${error.code} ${error.message}`);
  };

  const value = Buffer.alloc(1_000_000, 1);
  for (let i = 0; i < 12; i++) await client.kv.put(`big/${i}`, value);
  const list = await client.kv.get("big/", { prefix: true });
  seen.push(`${list.count} large values, ${list.kvs.every((kv) => value.equals(kv.value))}`);
  const requests = Array.from({ length: 300 }, (_, i) => client.kv.put(`many/${i}`, `${i}`));
  const revisions = (await Promise.all(requests)).map(({ header }) => header?.revision);
  seen.push(`${new Set(revisions).size} puts at once`);

  const hash = createHash("sha256");
  let last: Buffer = Buffer.alloc(0);
  let bytes = 0;
  for await (const { blob } of client.maintenance.snapshot()) {
    const all = Buffer.concat([last, blob]);
    hash.update(all.subarray(0, -32));
    last = Buffer.from(all.subarray(-32));
    bytes += blob.length;
  }
  seen.push(`a snapshot of more than 12 MB ${bytes > 12e6}, whole ${hash.digest().equals(last)}`);

  const { id } = await client.lease.grant(100);
  seen.push(`renewed to ${(await client.lease.keepAliveOnce(id)).ttl}`);
  const from = Math.min(...revisions.map(Number)) - 12;
  let events = 0;
  for await (const answer of client.watch.watch("", { fromKey: true, startRevision: from })) {
    events += answer.events.length;
    if (events >= 312) break;
  }
  seen.push(`${events} events`);

  await client.kv.put("huge", Buffer.alloc(3_000_000)).catch(failed("huge"));
  await client.kv.get("a", { revision: 10_000 }).catch(failed("future"));
  const nothing = { ...methods.range, path: "/etcdserverpb.KV/Nothing" };
  await client.call(nothing, rpcpb.newRangeRequest()).catch(failed("nothing"));
  const slow = new AbortController();
  const stream = await client.watch.open({ signal: slow.signal });
  stream.create({ key: Buffer.from("nobody") });
  slow.abort(new Error("enough"));
  const read = async (): Promise<void> => {
    for await (const _ of stream);
  };
  await assert.rejects(read(), /enough/);

  await member.stop();
  const later = client.kv.get("big/1", { timeoutMs: 60_000 });
  member.start();
  await member.ready();
  seen.push(`after a restart: ${(await later).count}`);
  return seen;
}

test("our client finds the same at a real etcd as at a member of ours", async (t) => {
  const real = etcd();
  if (real === undefined) return t.skip("no etcd");
  const expected = await experience(real, "real");
  t.diagnostic(expected.join("; "));
  assert.deepEqual(await experience(quoin, "ours"), expected);
});
