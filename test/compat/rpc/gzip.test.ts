// Compressed messages: what a real etcd accepts and answers, and so do we.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { rpcpb } from "../../../src/proto/index.ts";
import { HpackDecoder } from "../../../src/rpc/hpack.ts";
import { createMembers, etcd, type Program, quoin } from "../../process/member.ts";
import { frame, grpcMessage, headerBlock, RawClient, requestFields } from "../../rpc/fixture.ts";

interface Question {
  readonly name: string;
  /** grpc-encoding or grpc-accept-encoding, as `name: value`. */
  readonly header: [string, string];
  readonly compressed: boolean;
  readonly body: Buffer;
}

const range = Buffer.from(
  rpcpb.encodeRangeRequest(rpcpb.newRangeRequest({ key: Buffer.from("a") })),
);
const gzip: [string, string] = ["grpc-encoding", "gzip"];
const questions: readonly Question[] = [
  { name: "compressed", header: gzip, compressed: true, body: range },
  { name: "declared, not compressed", header: gzip, compressed: false, body: range },
  {
    name: "only accepted",
    header: ["grpc-accept-encoding", "gzip"],
    compressed: false,
    body: range,
  },
  { name: "unknown", header: ["grpc-encoding", "snappy"], compressed: true, body: range },
  {
    name: "not declared",
    header: ["grpc-encoding", "identity"],
    compressed: true,
    body: range,
  },
  { name: "a bomb", header: gzip, compressed: true, body: Buffer.alloc(3_000_000) },
  { name: "empty", header: gzip, compressed: true, body: Buffer.alloc(0) },
];

/** Headers, statuses and what the answer's message is, of all questions to one server. */
async function answers(t: TestContext, program: Program): Promise<unknown[]> {
  const folder = mkdtempSync(join(tmpdir(), "quoin-gzip-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await using member = (await createMembers(program, folder, 1))[0]!;
  member.start();
  await member.ready();
  const client = new RawClient(t, Number(new URL(member.endpoint).port));
  const decoder = new HpackDecoder(65_536);
  const found: unknown[] = [];
  for (const [i, { name, header, compressed, body }] of questions.entries()) {
    const id = 2 * i + 1;
    const message = grpcMessage(compressed ? gzipSync(body) : body);
    message[0] = compressed ? 1 : 0;
    const block = headerBlock([...requestFields("/etcdserverpb.KV/Range"), header]);
    client.send(frame(1, 4, id, block), frame(0, 1, id, message));
    await client.find(name, (f) => f.type === 1 && f.streamId === id && (f.flags & 1) === 1);
    const fields: Record<string, string> = {};
    for (const f of client.frames.filter((x) => x.type === 1 && x.streamId === id)) {
      decoder.decode(f.payload, 0, f.payload.length);
      const list = decoder.fields;
      for (let at = 0; at < list.length; at += 2) fields[list[at]!] = list[at + 1]!;
    }
    // grpc-go says so when there is nothing to say.
    if (fields["grpc-message"] === "") delete fields["grpc-message"];
    found.push({ name, fields, message: readable(client.data(id)) });
  }
  client.socket.destroy();
  return found;
}

/** Of an answer: whether it is compressed, and that it is one. */
function readable(data: Buffer): unknown {
  if (data.length === 0) return "none";
  const body = data[0] === 1 ? gunzipSync(data.subarray(5)) : data.subarray(5);
  return { flag: data[0], count: rpcpb.decodeRangeResponse(body).count };
}

test("compressed requests are answered as by a real etcd", async (t) => {
  const real = etcd();
  assert(real, "etcd needs Go to be built");
  assert.deepEqual(await answers(t, quoin), await answers(t, real));
});
