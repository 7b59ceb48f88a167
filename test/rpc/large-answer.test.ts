// Answers larger than what may wait for clients, alone or beside others: they arrive, or an error says why not;
// no connection is cut.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { createClock } from "../../src/io/index.ts";
import { createRpcServer, type Method } from "../../src/rpc/index.ts";
import { silent } from "../server/rig.ts";
import { until } from "../until.ts";
import { frame, RawClient, start } from "./fixture.ts";

test("an answer beyond the server's bound fails its call by name; the connection lives on", async () => {
  const answer = (size: number): Method => ({
    kind: "unary",
    handle: (_request, call) => call.respond(Buffer.alloc(size)),
  });
  const server = createRpcServer({
    methods: new Map([
      ["/t.T/Fits", answer(900_000)],
      ["/t.T/Beyond", answer(1_100_000)],
    ]),
    clock: createClock(),
    logger: silent,
    limits: { serverQueueBytes: 1_000_000 },
  });
  const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
  const client = new Client(address, credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;
  const ask = (path: string): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      client.makeUnaryRequest(path, same, same, Buffer.alloc(0), (error, answered) => {
        if (answered === undefined) reject(error);
        else resolve(answered);
      });
    });
  try {
    assert.equal((await ask("/t.T/Fits")).byteLength, 900_000);
    await assert.rejects(ask("/t.T/Beyond"), (error: ServiceError) => {
      assert.equal(error.code, status.RESOURCE_EXHAUSTED);
      assert.match(error.details, /^the answer of 1100\d\d\d bytes is beyond what .* ask for less/);
      return true;
    });
    assert.equal((await ask("/t.T/Fits")).byteLength, 900_000);
    assert.equal(server.stats().connections, 1);
  } finally {
    client.close();
    await server.close();
  }
});

const MiB = 1024 * 1024;

test("one answer of any size waits beside others; a second one fails by name, and nobody is cut", async (t) => {
  const answer = (size: number): Method => ({
    kind: "unary",
    handle: (_request, call) => call.respond(Buffer.alloc(size)),
  });
  const methods = {
    "/t.T/Small": answer(1000),
    "/t.T/Big": answer(5 * MiB),
    "/t.T/Bigger": answer(6 * MiB),
  };
  const limits = { connectionQueueBytes: 2 * MiB, serverQueueBytes: 20 * MiB };
  const { port, server } = await start(t, methods, { limits });
  const nothing = Buffer.alloc(0);
  /** A client that reads no answer before it opens a window. */
  const reader = () => {
    const client = new RawClient(t, port);
    client.send(frame(4, 0, 0, Buffer.from([0, 4, 0, 0, 0, 0])));
    return client;
  };
  const end = (client: RawClient, id: number) =>
    client.find(
      `the end of stream ${id}`,
      (f) => f.type === 1 && f.streamId === id && f.flags === 5,
    );
  const open = (client: RawClient, id: number): void => {
    const window = Buffer.from([0, 0x7f, 0, 0]);
    client.send(frame(8, 0, id, window));
  };
  const first = reader();
  first.request(1, "/t.T/Small", nothing);
  first.request(3, "/t.T/Big", nothing);
  first.request(5, "/t.T/Small", nothing);
  first.request(7, "/t.T/Big", nothing);
  const refused = await end(first, 7);
  assert.match(String(refused.payload), /5242880 bytes is too large beside what this connection/);
  // All connections together: who would hold most is told, and the others keep what they have.
  for (const other of [reader(), reader()]) other.request(1, "/t.T/Bigger", nothing);
  await until("they wait", () => server.stats().queuedBytes > 17 * MiB);
  const last = reader();
  last.request(1, "/t.T/Bigger", nothing);
  const late = await end(last, 1);
  assert.match(
    String(late.payload),
    /6291456 bytes is too large while clients have others to read/,
  );
  assert.equal(server.stats().connections, 4);
  for (const id of [0, 1, 3, 5]) open(first, id);
  await Promise.all([1, 3, 5].map((id) => end(first, id)));
  assert.equal(first.dataBytes(3), 5 * MiB + 5);
  // With the first one read there is room for the next.
  first.request(9, "/t.T/Big", nothing);
  for (const id of [0, 9]) open(first, id);
  await end(first, 9);
  assert.equal(first.dataBytes(9), 5 * MiB + 5);
});
