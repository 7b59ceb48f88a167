// Leases, question by question as etcd's server/lease/lessor.go and v3rpc/lease.go raise them.

import assert from "node:assert/strict";
import type { Client } from "../../../src/client/index.ts";
import { methods, RpcError } from "../../../src/client/index.ts";
import type { LeaseId } from "../../../src/core/types.ts";
import { rpcpb } from "../../../src/proto/index.ts";
import { until } from "../../until.ts";
import { type Asked, pairOf } from "./pair.ts";

const same = pairOf(["--feature-gates=LeaseCheckpoint=true"]);

const id = (n: number | bigint): LeaseId => BigInt(n) as LeaseId;
const bytes = (text: string): Uint8Array => Buffer.from(text);

/** The answer, or the error's code and text. */
async function told<T>(answer: Promise<T>, tell: (answer: T) => unknown): Promise<unknown> {
  try {
    return tell(await answer);
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return { code: error.code, text: error.message };
  }
}

const grant = (client: Client, ttl: number, n: number | bigint = 0): Promise<unknown> =>
  told(client.lease.grant(ttl, { id: id(n) }), (r) => ({
    ttl: r.ttl,
    id: n === 0 ? r.id > 0n : String(r.id),
    error: r.error,
  }));

/** Time passes while one asks: what is left is told as "whole", "some" or "none". */
const left = (ttl: number, granted: number): string =>
  ttl <= 0 ? String(ttl) : ttl >= granted - 60 ? "whole" : "some";

const timeToLive = (client: Client, n: number | bigint, keys = true): Promise<unknown> =>
  told(client.lease.timeToLive(id(n), { keys }), (r) => ({
    id: String(r.id),
    granted: r.grantedTtl,
    left: left(r.ttl, r.grantedTtl),
    keys: r.keys.map((k) => Buffer.from(k).toString()).sort(),
  }));

const keepAlive = (client: Client, n: number | bigint): Promise<unknown> =>
  told(client.lease.keepAliveOnce(id(n)), (r) => [String(r.id), r.ttl]);

const revoke = ({ client, base }: Asked, n: number | bigint): Promise<unknown> =>
  told(client.lease.revoke(id(n)), (r) => (r.header?.revision ?? 0) - base);

const ids = async (client: Client): Promise<string[]> =>
  (await client.lease.leases()).leases.map((l) => String(l.id)).sort();

const maxInt64 = (1n << 63n) - 1n;

same("ids that are given, taken, negative or extreme", async (server) => {
  const { client } = server;
  const seen: unknown[] = [];
  for (const n of [0, 0, 5, 5, -5, -5, maxInt64, -maxInt64 - 1n, 1n << 53n]) {
    seen.push(await grant(client, 600, n));
  }
  for (const n of [5, -5, maxInt64, -maxInt64 - 1n, 77, 0, -1]) {
    seen.push(await timeToLive(client, n), await keepAlive(client, n));
  }
  const known = (await ids(client)).filter((n) => BigInt(n) <= 5n || BigInt(n) >= maxInt64).length;
  for (const n of [5, 5, -5, maxInt64, -maxInt64 - 1n, 0, 1n << 53n]) {
    seen.push(await revoke(server, n));
  }
  return [seen, known];
});

same("TTLs below the least and above the greatest", async ({ client }) => {
  const seen: unknown[] = [];
  const max = 9_000_000_000;
  for (const [i, ttl] of [2, 1, 0, -1, -max, max, max + 1, Number.MAX_SAFE_INTEGER].entries()) {
    const n = 100 + i;
    const answers = await until(`the answers about a TTL of ${ttl}`, async () => {
      const begun = performance.now();
      const granted = [await grant(client, ttl, n), await keepAlive(client, n)];
      const known = await told(client.lease.timeToLive(id(n)), (r) => r.grantedTtl);
      await told(client.lease.revoke(id(n)), () => 0);
      // The least are two seconds: after a pause as long the lease may have run out, so it is asked anew.
      return performance.now() - begun < 1500 && [...granted, known];
    });
    seen.push(...answers);
  }
  return seen;
});

same("keys hang on the lease that a put or a txn names last", async (server) => {
  const { client, base } = server;
  for (const n of [10, 11]) await grant(client, 600, n);
  const seen: unknown[] = [];
  const put = (key: string, lease: number, more: Partial<rpcpb.PutRequest> = {}) =>
    rpcpb.newPutRequest({ key: bytes(key), value: bytes("v"), lease: id(lease), ...more });
  const look = async (): Promise<void> => {
    seen.push(await timeToLive(client, 10), await timeToLive(client, 11));
  };
  const noValue = { value: bytes(""), ignoreValue: true };
  for (const request of [
    put("keys/a", 10),
    put("keys/b", 10),
    put("keys/b", 11),
    put("keys/a", 0),
    put("keys/c", 10),
    put("keys/c", 0, { ignoreLease: true }),
    put("keys/c", 11, noValue),
    put("keys/d", 12),
    put("keys/c", 12, noValue),
  ]) {
    seen.push(await told(client.call(methods.put, request), () => "put"));
    await look();
  }
  const op = (request: rpcpb.PutRequest) => rpcpb.newRequestOp({ requestPut: request });
  const txns = [
    [op(put("keys/e", 10)), op(put("keys/f", 11))],
    // The second lease does not exist: nothing of it happens.
    [op(put("keys/g", 10)), op(put("keys/h", 12))],
    [
      rpcpb.newRequestOp({
        requestDeleteRange: rpcpb.newDeleteRangeRequest({ key: bytes("keys/e") }),
      }),
      op(put("keys/f", 10)),
    ],
  ];
  for (const success of txns) {
    seen.push(await told(client.kv.txn({ success }), (r) => r.responses.length));
    await look();
  }
  seen.push(await timeToLive(client, 10, false));
  await client.kv.delete("keys/b");
  await look();
  const tape = await server.tape();
  await tape.create({ key: "keys/", end: "keys0", prevKv: true, start: base + 1 });
  seen.push(await revoke(server, 10), await revoke(server, 11));
  const { header } = await client.kv.put("keys/last", "1");
  await tape.progressTo(header?.revision ?? 0);
  return [seen, tape.told()];
});

same(
  "a lease that has run out is gone with its keys before its renewal is answered",
  async (server) => {
    const { client } = server;
    // Longer than a slow machine takes for the puts.
    const ttl = 10;
    await grant(client, ttl, 20);
    const granted = performance.now();
    await client.kv.put("out/a", "1", { lease: id(20) });
    await client.kv.put("out/b", "1", { lease: id(20) });
    const tape = await server.tape();
    await tape.create({ key: "out/", end: "out0", prevKv: true });
    // What timeToLive says is of no use: 0 is the last second, in which a renewal succeeds.
    await until("it has run out", () => performance.now() - granted > ttl * 1000);
    const renewed = await keepAlive(client, 20);
    const { count } = await client.kv.get("out/", { prefix: true });
    await tape.events(0, 2);
    assert.deepEqual([renewed, count], [["20", 0], 0]);
    return [await timeToLive(client, 20), tape.told().events];
  },
);

same("renewals on one stream are answered in order", async ({ client }) => {
  for (const n of [30, 31]) await grant(client, 500 + n, n);
  const answers: unknown[] = [];
  for (const n of [30, 99, 31, 30, -1, 0, 31]) answers.push(await keepAlive(client, n));
  return answers;
});

same("two thousand leases that run out together all go", async ({ client }) => {
  const first = 100_000;
  const last = first + 2000;
  for (let from = first; from < last; from += 100) {
    const hundred = Array.from({ length: 100 }, (_, i) => id(from + i));
    // Longer than a slow machine takes to grant them all.
    const granted = await Promise.all(hundred.map((n) => client.lease.grant(10, { id: n })));
    assert.deepEqual(
      granted.map((g) => [g.id, g.error]),
      hundred.map((n) => [n, ""]),
    );
  }
  const mine = async (): Promise<number> =>
    (await client.lease.leases()).leases.filter((l) => l.id >= 100_000n && l.id < 200_000n).length;
  await until("all are gone", async () => (await mine()) === 0, 60);
  return (await ids(client)).length;
});

same(
  "a restart leaves a lease its whole TTL, its keys, and nothing of a revoked one",
  async (server) => {
    const { client, member, base } = server;
    await grant(client, 700, 40);
    await grant(client, 800, 41);
    await client.kv.put("restart/a", "1", { lease: id(40) });
    await client.kv.put("restart/b", "1", { lease: id(41) });
    await client.lease.revoke(id(41));
    await member.stop("SIGKILL");
    member.start();
    await member.ready();
    const again = member.client();
    try {
      const seen = [await timeToLive(again, 40), await timeToLive(again, 41)];
      const { kvs, header } = await again.kv.get("restart/", { prefix: true });
      assert.ok(header !== undefined);
      return [
        seen,
        kvs.map((kv) => String(kv.lease)),
        header.revision - base,
        await keepAlive(again, 40),
      ];
    } finally {
      again.close();
    }
  },
);
