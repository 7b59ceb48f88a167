import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { type Method, Status, type StreamCall, type UnaryCall } from "../../src/rpc/index.ts";
import { until } from "../until.ts";
import {
  type Frame,
  frame,
  grpcMessage,
  headerBlock,
  RawClient,
  requestFields,
  start,
} from "./fixture.ts";

const echo: Method = { kind: "unary", handle: (request, call) => call.respond(request) };
const methods = { "/t.T/Echo": echo };

const enhanceYourCalm = 11;
const trailers = (id: number) => (f: Frame) =>
  f.type === 1 && f.streamId === id && (f.flags & 1) === 1;
const answered = async (client: RawClient, id: number): Promise<Frame> =>
  client.find(`the end of stream ${id}`, trailers(id));
const word = (n: number): Buffer => {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(n);
  return b;
};
const setting = (id: number, value: number): Buffer =>
  frame(4, 0, 0, Buffer.concat([Buffer.from([0, id]), word(value)]));

test("pings between answers are measurements and never too many", async (t) => {
  const { port } = await start(t, methods);
  const client = new RawClient(t, port);
  for (let i = 0; i < 20; i++) {
    const id = 2 * i + 1;
    client.request(id, "/t.T/Echo", Buffer.from("x"));
    await answered(client, id);
    client.send(frame(6, 0, 0, Buffer.alloc(8, i)));
    const pong = (f: Frame): boolean => f.type === 6 && f.flags === 1 && f.payload[0] === i;
    await client.find("the answer to a ping", pong);
  }
  assert(!client.frames.some((f) => f.type === 7));
});

test("a header block may come in several pieces", async (t) => {
  const { port } = await start(t, methods);
  const client = new RawClient(t, port);
  const block = headerBlock(requestFields("/t.T/Echo"));
  client.send(frame(1, 0, 1, block.subarray(0, 10)), frame(9, 0, 1, block.subarray(10, 11)));
  client.send(frame(9, 4, 1, block.subarray(11)), frame(0, 1, 1, grpcMessage(Buffer.from("x"))));
  await answered(client, 1);
  assert.equal(client.dataBytes(1), 6);
});

test("headers beyond the limit cost the call, not the connection", async (t) => {
  const { port } = await start(t, methods, { limits: { headerListBytes: 2000 } });
  const client = new RawClient(t, port);
  const more = Array.from({ length: 30 }, (_, i): [string, string] => [`x-${i}`, "y".repeat(100)]);
  client.request(1, "/t.T/Echo", Buffer.from("x"), more);
  assert.equal(await client.reset(1), enhanceYourCalm);
  client.request(3, "/t.T/Echo", Buffer.from("x"));
  await answered(client, 3);
});

test("an answer is cut to the windows of its client, byte by byte", async (t) => {
  const { port } = await start(t, methods);
  const client = new RawClient(t, port);
  client.send(setting(4, 10));
  client.request(1, "/t.T/Echo", Buffer.alloc(30, 7));
  await until("the first window is used", () => client.dataBytes(1) === 10);
  client.send(frame(8, 0, 1, word(7)));
  await until("the second window is used", () => client.dataBytes(1) === 17);
  // The windows of open streams change with the setting, here by 3.
  client.send(setting(4, 13));
  await until("the third window is used", () => client.dataBytes(1) === 20);
  client.send(setting(4, 0), frame(8, 0, 1, word(28)));
  await answered(client, 1);
  const parts = client.frames.filter((f) => f.type === 0).map((f) => f.payload);
  assert.deepEqual(Buffer.concat(parts), grpcMessage(Buffer.alloc(30, 7)));
});

test("a shut connection window holds data back and lets statuses through", async (t) => {
  const { port } = await start(t, methods);
  const client = new RawClient(t, port);
  client.send(setting(4, 1_000_000));
  const body = Buffer.alloc(50_000, 1);
  client.request(1, "/t.T/Echo", body);
  client.request(3, "/t.T/Echo", body);
  await until("the window is used up", () => client.dataBytes(1) + client.dataBytes(3) === 65_535);
  client.request(5, "/no.No/No", Buffer.alloc(0));
  await answered(client, 5);
  client.send(frame(8, 0, 0, word(100_000)));
  await Promise.all([answered(client, 1), answered(client, 3)]);
  assert.equal(client.dataBytes(1) + client.dataBytes(3), 2 * 50_005);
});

test("a client that never reads costs a bounded number of bytes", async (t) => {
  const big: Method = { kind: "unary", handle: (_, call) => call.respond(Buffer.alloc(100_000)) };
  const limits = { connectionQueueBytes: 1_000_000 };
  const { port, server } = await start(t, { "/t.T/Big": big }, { limits });
  const client = new RawClient(t, port);
  client.send(setting(4, 0));
  for (let id = 1; id < 60; id += 2) client.request(id, "/t.T/Big", Buffer.alloc(0));
  const status = await answered(client, 59);
  assert(status.payload.includes("too many unread bytes"), status.payload.toString("latin1"));
  assert.equal(server.stats().connections, 1);
});

test("a stream that outgrows the connection's queue closes the connection", async (t) => {
  let call: StreamCall | undefined;
  const open = (c: StreamCall): void => {
    call = c;
  };
  const limits = { connectionQueueBytes: 1_000_000 };
  const { port, server } = await start(t, { "/t.T/S": { kind: "stream", open } }, { limits });
  const client = new RawClient(t, port);
  client.send(setting(4, 0));
  client.request(1, "/t.T/S", Buffer.alloc(0));
  await until("the call arrives", () => call !== undefined);
  let reason = "";
  call!.onCancel = (r) => {
    reason = r;
  };
  for (let i = 0; i < 20; i++) call!.send(Buffer.alloc(100_000));
  await until("the handler is told", () => reason === "connection");
  assert.equal(server.stats().connections, 0);
});

test("a client that overruns our windows is cut off", async (t) => {
  let call: StreamCall | undefined;
  const open = (c: StreamCall): void => {
    call = c;
  };
  const limits = { streamWindowBytes: 20_000, connectionWindowBytes: 65_535 };
  const { port } = await start(t, { "/t.T/S": { kind: "stream", open } }, { limits });
  const client = new RawClient(t, port);
  client.send(frame(1, 4, 1, headerBlock(requestFields("/t.T/S"))));
  // The handler takes nothing, so the stream's window is not refilled.
  client.send(frame(0, 0, 1, grpcMessage(Buffer.alloc(15_000))));
  client.send(frame(0, 0, 1, grpcMessage(Buffer.alloc(15_000))));
  assert.equal(await client.reset(1), 3);
  await until("the call is over", () => call!.ended);
});

test("calls beyond the limit of streams are refused and may be tried again", async (t) => {
  const calls: UnaryCall[] = [];
  const held: Method = { kind: "unary", handle: (_, call) => calls.push(call) };
  const { port } = await start(t, { "/t.T/Held": held }, { limits: { concurrentStreams: 2 } });
  const client = new RawClient(t, port);
  for (const id of [1, 3, 5]) client.request(id, "/t.T/Held", Buffer.alloc(0));
  assert.equal(await client.reset(5), 7);
  calls[0]!.respond(Buffer.alloc(0));
  await answered(client, 1);
  client.request(7, "/t.T/Held", Buffer.alloc(0));
  await until("the next call arrives", () => calls.length === 3);
});

test("connections that do not say what they speak are closed in time", async (t) => {
  const { port } = await start(t, methods, { limits: { handshakeMs: 100 }, onHttp1: () => {} });
  const beginnings = ["", "P", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"];
  const clients = beginnings.map((text) => {
    const client = new RawClient(t, port, false);
    client.socket.write(text);
    return client;
  });
  await until("all are closed", () => clients.every((c) => c.closed));
});

test("connections that speak neither HTTP/1 nor HTTP/2 are closed at once", async (t) => {
  let handed = 0;
  const onHttp1 = (): void => {
    handed++;
  };
  const { port } = await start(t, methods, { onHttp1 });
  for (const text of ["\x16\x03\x01\x02\x00", "HELLO there\r\n", "\r\n\r\n", "PRIX"]) {
    const client = new RawClient(t, port, false);
    client.socket.write(text, "latin1");
    await until(`${JSON.stringify(text)} is refused`, () => client.closed || text === "PRIX");
  }
  assert.equal(handed, 0);
});

test("requests arrive whole when the network delivers them byte by byte", async (t) => {
  const { port } = await start(t, methods);
  const client = new RawClient(t, port, false);
  client.socket.setNoDelay(true);
  const fields = headerBlock(requestFields("/t.T/Echo"));
  const message = grpcMessage(Buffer.from("slowly"));
  const all = Buffer.concat([
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    frame(4, 0, 0, ""),
    frame(1, 4, 1, fields),
    frame(0, 0, 1, message.subarray(0, 3)),
    frame(0, 8, 1, Buffer.concat([Buffer.from([4]), message.subarray(3), Buffer.alloc(4)])),
    frame(0, 1, 1, ""),
  ]);
  for (const byte of all) {
    await new Promise((resolve) => client.socket.write(Buffer.from([byte]), resolve));
  }
  await answered(client, 1);
  assert.equal(client.dataBytes(1), message.length);
});

test("compressed requests are inflated within the limit; other encodings are named", async (t) => {
  const { port } = await start(t, methods, { limits: { receiveMessageBytes: 10_000 } });
  const client = new RawClient(t, port);
  const send = (id: number, encoding: string, body: Buffer): void => {
    const block = headerBlock([...requestFields("/t.T/Echo"), ["grpc-encoding", encoding]]);
    const message = grpcMessage(body);
    message[0] = 1;
    client.send(frame(1, 4, id, block), frame(0, 1, id, message));
  };
  send(1, "gzip", gzipSync(Buffer.alloc(9000, 5)));
  await answered(client, 1);
  assert.deepEqual(gunzipSync(client.data(1).subarray(5)), Buffer.alloc(9000, 5));
  send(3, "gzip", gzipSync(Buffer.alloc(1_000_000)));
  const bomb = await answered(client, 3);
  assert(bomb.payload.includes("after decompression larger than max 10000"));
  send(5, "gzip", Buffer.from("not gzip"));
  assert((await answered(client, 5)).payload.includes("failed to decompress"));
  send(7, "snappy", Buffer.alloc(5));
  const unknown = await answered(client, 7);
  const text = 'Decompressor is not installed for grpc-encoding "snappy"';
  assert(unknown.payload.includes(text), unknown.payload.toString("latin1"));
  assert(unknown.payload.includes(String(Status.unimplemented)));
});

test("requests that break gRPC's framing end with Internal", async (t) => {
  const { port } = await start(t, methods);
  const client = new RawClient(t, port);
  const block = headerBlock(requestFields("/t.T/Echo"));
  const one = grpcMessage(Buffer.from("x"));
  const bodies: Readonly<Record<string, Buffer>> = {
    "no request message": Buffer.alloc(0),
    "more than one request message": Buffer.concat([one, one]),
    "ended within a message": one.subarray(0, 5),
    "unexpected payload format 2": Buffer.from([2, 0, 0, 0, 0]),
    "compressed flag set": Buffer.from([1, 0, 0, 0, 0]),
  };
  let id = -1;
  for (const [text, body] of Object.entries(bodies)) {
    id += 2;
    client.send(frame(1, 4, id, block), frame(0, 1, id, body));
    const { payload } = await answered(client, id);
    assert(payload.includes(text), payload.toString("latin1"));
  }
});

test("a silent client is pinged; it stays if it answers and is dropped if not", async (t) => {
  const limits = { keepAliveIntervalMs: 50, keepAliveTimeoutMs: 1500 };
  const { port } = await start(t, methods, { limits });
  const alive = new RawClient(t, port);
  const gone = new RawClient(t, port);
  let answeredPings = 0;
  const answering = setInterval(() => {
    const pings = alive.frames.filter((f) => f.type === 6 && f.flags === 0);
    for (; answeredPings < pings.length; answeredPings++) {
      alive.send(frame(6, 1, 0, pings[answeredPings]!.payload));
    }
  }, 5);
  t.after(() => clearInterval(answering));
  await until("the client that does not answer is dropped", () => gone.closed);
  await until("the other one is asked again", () => answeredPings >= 3);
  assert.equal(alive.closed, false);
});
