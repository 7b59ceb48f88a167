// What hostile clients send: each is told the protocol's error, costs a bounded amount, and harms
// nobody else. Limits that honest clients meet, too, are in limits.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../until.ts";
import { frame, grpcMessage, headerBlock, RawClient, requestFields } from "./fixture.ts";
import { ErrorCode, ends, open, scene, seen, setting, word } from "./scene.ts";

// ---- floods of frames that do nothing

const floods: Readonly<Record<string, readonly Buffer[]>> = {
  "empty SETTINGS": [frame(4, 0, 0, "")],
  "SETTINGS acknowledgements": [frame(4, 1, 0, "")],
  PRIORITY: [frame(2, 0, 1, Buffer.from([0, 0, 0, 3, 1]))],
  "frames of an unknown type": [frame(99, 0, 0, "?")],
  "empty DATA": [frame(0, 0, 1, "")],
  "DATA that is all padding": [frame(0, 8, 1, Buffer.from([3, 0, 0, 0]))],
  GOAWAY: [frame(7, 0, 0, Buffer.alloc(8))],
  "PING answers": [frame(6, 1, 0, Buffer.alloc(8))],
  "WINDOW_UPDATE of a stream": [frame(8, 0, 1, word(1))],
  "WINDOW_UPDATE of the connection": [frame(8, 0, 0, word(1))],
  "RST_STREAM of a stream that is over": [frame(3, 0, 1, word(8)), frame(3, 0, 1, word(8))],
};

for (const [name, flood] of Object.entries(floods)) {
  test(`a flood of ${name} ends the connection`, async (t) => {
    const { attacker, unharmed } = await scene(t);
    attacker.send(open(1, "/t.T/Deaf"));
    for (let i = 0; i < 6; i++) {
      attacker.send(...Array.from({ length: 1000 }, () => flood).flat());
    }
    assert.equal((await attacker.goAway()).code, ErrorCode.enhanceYourCalm);
    await unharmed();
  });
}

test("pings that come too fast end the connection, as grpc-go's policy has it", async (t) => {
  const { attacker, unharmed } = await scene(t);
  for (let i = 0; i < 4; i++) attacker.send(frame(6, 0, 0, Buffer.alloc(8, i)));
  assert.deepEqual(await attacker.goAway(), {
    code: ErrorCode.enhanceYourCalm,
    text: "too_many_pings",
  });
  await until("the connection closes", () => attacker.closed);
  await unharmed();
});

test("changing all streams' windows over and over ends the connection early", async (t) => {
  const { attacker, unharmed } = await scene(t);
  const streams = Array.from({ length: 6400 }, (_, i) => open(2 * i + 1, "/t.T/Deaf"));
  attacker.send(...streams);
  // A hundred streams weigh as much as a frame or two: far fewer than 5000 of these pass.
  const changes = Array.from({ length: 100 }, (_, i) => setting(4, 1000 + i));
  attacker.send(...changes);
  assert.equal((await attacker.goAway()).code, ErrorCode.enhanceYourCalm);
  const acknowledged = attacker.frames.filter((f) => f.type === 4 && f.flags === 1).length;
  assert(acknowledged < 60, `${acknowledged} changes were made`);
  await unharmed();
});

// ---- headers

test("an HPACK bomb costs the call and no memory", async (t) => {
  const { attacker, unharmed } = await scene(t);
  // One entry fills the table, and one byte each names it: 16 KiB say 60 MB.
  const value = Buffer.alloc(4000, 0x61);
  const entry = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xa1, 0x1e]), value]);
  const fields = headerBlock(requestFields("/t.T/Echo"));
  for (let id = 1; id < 40; id += 2) {
    const bomb = Buffer.concat([fields, entry, Buffer.alloc(16_384 - 4300, 0xbe)]);
    assert(bomb.length <= 16_384);
    attacker.send(frame(1, 5, id, bomb));
    assert.equal(await attacker.reset(id), ErrorCode.enhanceYourCalm);
  }
  attacker.request(101, "/t.T/Echo", Buffer.from("x"));
  await attacker.find("an answer on the same connection", ends(101));
  await unharmed();
});

test("a string that is longer than its block ends the connection", async (t) => {
  const { attacker, unharmed } = await scene(t);
  attacker.send(frame(1, 5, 1, Buffer.from([0x00, 0x7f, 0xff, 0xff, 0xff, 0x7f])));
  assert.equal((await attacker.goAway()).code, ErrorCode.compressionError);
  await unharmed();
});

for (const [name, piece] of [
  ["empty", Buffer.alloc(0)],
  ["full", Buffer.alloc(16_000, 0x82)],
] as const) {
  test(`a flood of ${name} CONTINUATIONs ends the connection`, async (t) => {
    const { attacker, unharmed } = await scene(t);
    attacker.send(open(1, "/t.T/Echo", 0));
    for (let i = 0; i < 100; i++) attacker.send(frame(9, 0, 1, piece));
    assert.equal((await attacker.goAway()).code, ErrorCode.enhanceYourCalm);
    await unharmed();
  });
}

test("a flood of headers opens no more streams than allowed, then ends the connection", async (t) => {
  const { attacker, server, unharmed } = await scene(t, { concurrentStreams: 100 });
  const flood = Array.from({ length: 8000 }, (_, i) => open(2 * i + 1, "/t.T/Deaf"));
  attacker.send(...flood);
  assert.equal(await attacker.reset(201), ErrorCode.refusedStream);
  assert.equal((await attacker.goAway()).code, ErrorCode.enhanceYourCalm);
  assert(server.stats().methods.find((m) => m.path === "/t.T/Deaf")!.started <= 100);
  await unharmed();
});

test("calls of all connections together are bounded", async (t) => {
  const { attacker, port, unharmed } = await scene(t, { calls: 50 });
  const second = new RawClient(t, port);
  attacker.send(...Array.from({ length: 50 }, (_, i) => open(2 * i + 1, "/t.T/Deaf")));
  attacker.send(frame(6, 0, 0, Buffer.alloc(8)));
  await attacker.find("the answer to a ping", (f) => f.type === 6);
  second.request(1, "/t.T/Echo", Buffer.from("x"));
  assert.equal(await second.reset(1), ErrorCode.refusedStream);
  attacker.socket.destroy();
  await until("the attacker leaves", () => attacker.closed);
  let id = 3;
  await until("calls are taken again", () => {
    second.request(id, "/t.T/Echo", Buffer.from("x"));
    id += 2;
    return second.frames.some((f) => f.type === 0);
  });
  second.socket.destroy();
  await unharmed();
});

test("rapid reset: calls taken back at once end the connection (CVE-2023-44487)", async (t) => {
  const { attacker, unharmed } = await scene(t);
  seen.calls = 0;
  const one = grpcMessage(Buffer.from("x"));
  const pairs: Buffer[] = [];
  for (let id = 1; id < 28_000; id += 2) {
    pairs.push(open(id, "/t.T/Echo"), frame(0, 1, id, one), frame(3, 0, id, word(8)));
  }
  attacker.send(...pairs);
  assert.equal((await attacker.goAway()).code, ErrorCode.enhanceYourCalm);
  assert(seen.calls < 10_000, `${seen.calls} calls reached the handler`);
  await unharmed();
});

test("resets of calls that were answered are no attack", async (t) => {
  const { attacker, unharmed } = await scene(t);
  // What clientv3's KeepAliveOnce does: a stream, a message, its answer, a reset.
  for (let batch = 0; batch < 55; batch++) {
    const ids = Array.from({ length: 100 }, (_, i) => 2 * (100 * batch + i) + 1);
    const message = grpcMessage(Buffer.from("x"));
    attacker.send(...ids.flatMap((id) => [open(id, "/t.T/Stream"), frame(0, 0, id, message)]));
    const last = ids.at(-1)!;
    await attacker.find("the last answer", (f) => f.type === 0 && f.streamId === last);
    attacker.send(...ids.map((id) => frame(3, 0, id, word(8))));
    attacker.frames.length = 0;
  }
  attacker.request(20_001, "/t.T/Echo", Buffer.from("x"));
  await attacker.find("an answer after 5500 resets", ends(20_001));
  await unharmed();
});

// ---- windows

test("a WINDOW_UPDATE of 0 costs the stream, or the connection", async (t) => {
  const { attacker, unharmed } = await scene(t);
  attacker.send(open(1, "/t.T/Deaf"), frame(8, 0, 1, word(0)));
  assert.equal(await attacker.reset(1), ErrorCode.protocolError);
  attacker.send(frame(8, 0, 0, word(0)));
  assert.equal((await attacker.goAway()).code, ErrorCode.protocolError);
  await unharmed();
});

test("a window beyond 2^31-1 costs the stream, or the connection", async (t) => {
  const { attacker, unharmed } = await scene(t);
  attacker.send(open(1, "/t.T/Deaf"), frame(8, 0, 1, word(2 ** 31 - 1)));
  assert.equal(await attacker.reset(1), ErrorCode.flowControlError);
  attacker.send(frame(8, 0, 0, word(2 ** 31 - 1)));
  assert.equal((await attacker.goAway()).code, ErrorCode.flowControlError);
  await unharmed();
});

test("SETTINGS that push a stream's window beyond 2^31-1 end the connection", async (t) => {
  const { attacker, unharmed } = await scene(t);
  attacker.send(open(1, "/t.T/Deaf"), frame(8, 0, 1, word(2 ** 30)), setting(4, 2 ** 31 - 1));
  assert.equal((await attacker.goAway()).code, ErrorCode.flowControlError);
  await unharmed();
});

test("PUSH_PROMISE from a client ends the connection", async (t) => {
  const { attacker, unharmed } = await scene(t);
  attacker.send(frame(5, 4, 1, Buffer.concat([word(2), headerBlock(requestFields("/t.T/Echo"))])));
  assert.equal((await attacker.goAway()).code, ErrorCode.protocolError);
  await unharmed();
});
