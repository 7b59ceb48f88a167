// RangeStream gives what etcd's gives: the same pairs, and on its last piece the same header and count.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { etcd, quoin } from "../../process/member.ts";
import { Server } from "./pair.ts";
import { bytesField, numberField } from "./raw.ts";
import { decode } from "./rpcs.ts";

const oracle = etcd();
const skip = oracle === undefined ? "real etcd needs Go to build" : false;
const keys = 150;
const servers: Server[] = [];

before(async () => {
  if (oracle === undefined) return;
  servers.push(await Server.start(oracle), await Server.start(quoin));
  for (const server of servers) {
    for (let i = 0; i < keys; i++) {
      const key = bytesField(1, Buffer.from(`k${String(i).padStart(3, "0")}`));
      // Some large, so that pieces grow and shrink.
      const value = bytesField(2, Buffer.alloc(i % 50 === 0 ? 900_000 : 10, i));
      const put = await server.ask("/etcdserverpb.KV/Put", Buffer.concat([key, value]));
      assert.equal(put.code, 0);
    }
  }
});

after(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
});

interface Piece {
  readonly header?: { readonly revision: string };
  readonly kvs?: readonly { readonly key: string; readonly value?: string }[];
  readonly more?: boolean;
  readonly count?: string;
}

async function stream(server: Server, request: Buffer) {
  const { code, text, messages } = await server.ask("/etcdserverpb.KV/RangeStream", request);
  const pieces = messages.map(
    (m) => (decode("RangeStreamResponse", m) as { range_response: Piece }).range_response,
  );
  const last = pieces.at(-1);
  return {
    code,
    text,
    pairs: pieces.flatMap((p) => p.kvs ?? []).map((kv) => [kv.key, kv.value?.length]),
    last: { revision: last?.header?.revision, more: last?.more, count: last?.count },
    inPieces: pieces.length > 1,
    tellsOnlyAtTheEnd: pieces.slice(0, -1).every((p) => p.header === undefined && !p.count),
  };
}

const all = Buffer.concat([bytesField(1, Buffer.from("k")), bytesField(2, Buffer.from("l"))]);
const field = (number: number, value: bigint): Buffer =>
  Buffer.concat([all, numberField(number, value)]);

const questions: readonly (readonly [what: string, request: Buffer])[] = [
  ["everything", all],
  ["a limit below the first piece", field(3, 3n)],
  ["a limit beyond the first piece", field(3, 45n)],
  ["a limit of all keys", field(3, BigInt(keys))],
  ["a limit beyond all keys", field(3, 1000n)],
  ["an old revision", field(4, 100n)],
  ["an old revision with a limit", Buffer.concat([field(4, 100n), numberField(3, 30n)])],
  ["a future revision", field(4, 9999n)],
  ["serializable", field(7, 1n)],
  ["keys only", field(8, 1n)],
  ["count only", field(9, 1n)],
  ["one key", bytesField(1, Buffer.from("k007"))],
  ["no key", bytesField(1, Buffer.from("missing"))],
  ["descending", field(5, 2n)],
  ["a filter", field(10, 5n)],
];

for (const [what, request] of questions) {
  test(`RangeStream of ${what} is etcd's`, { skip }, async () => {
    const [theirs, ours] = await Promise.all(servers.map((s) => stream(s, request)));
    assert.deepEqual(ours, theirs);
  });
}
