// Clients that do not read, never finish, or are too many: bounded, and the largest goes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { Status } from "../../src/rpc/index.ts";
import { until } from "../until.ts";
import { frame, grpcMessage, headerBlock, RawClient, requestFields } from "./fixture.ts";
import { ErrorCode, ends, open, scene, setting, word } from "./scene.ts";

test("of clients that do not read, the one with the most unread answers is closed", async (t) => {
  const limits = { serverQueueBytes: 8 * 1024 * 1024 };
  const { attacker, port, server, unharmed } = await scene(t, limits);
  const modest = new RawClient(t, port);
  for (const client of [attacker, modest]) client.send(setting(4, 0));
  modest.request(1, "/t.T/Big", Buffer.alloc(0));
  for (let id = 1; id < 100; id += 2) attacker.request(id, "/t.T/Big", Buffer.alloc(0));
  await until("the one that asks for most is closed", () => attacker.closed);
  assert(server.stats().queuedBytes <= 8 * 1024 * 1024);
  assert.equal(modest.closed, false);
  modest.send(setting(4, 2 ** 20), frame(8, 0, 0, word(2 ** 20)));
  await modest.find("the other one's answer", ends(1));
  modest.socket.destroy();
  await unharmed();
});

test("a client that reads no byte of its GOAWAY is cut nevertheless", async (t) => {
  const { attacker, server, unharmed } = await scene(t);
  attacker.socket.pause();
  attacker.send(setting(4, 2 ** 30), frame(8, 0, 0, word(2 ** 30)));
  for (let id = 1; id < 100; id += 2) attacker.request(id, "/t.T/Big", Buffer.alloc(0));
  await until("its socket is full", () => server.stats().queuedBytes > 1024 * 1024);
  attacker.send(frame(8, 0, 0, word(0)));
  await until("its connection is closed", () => server.stats().connections === 1);
  await unharmed();
});

test("of clients that never finish their messages, the one that holds most is told", async (t) => {
  const limits = { serverHeldBytes: 4 * 1024 * 1024 };
  const { attacker, port, server, unharmed } = await scene(t, limits);
  const modest = new RawClient(t, port);
  const half = (id: number): Buffer[] => {
    const pieces = grpcMessage(Buffer.alloc(200_000)).subarray(0, 160_000);
    const frames = [open(id, "/t.T/Echo")];
    for (let at = 0; at < 160_000; at += 16_000) {
      frames.push(frame(0, 0, id, pieces.subarray(at, at + 16_000)));
    }
    return frames;
  };
  modest.send(setting(4, 2 ** 20), frame(8, 0, 0, word(2 ** 20)), ...half(1));
  for (let id = 1; id < 100; id += 2) attacker.send(...half(id));
  assert.equal((await attacker.goAway()).code, ErrorCode.enhanceYourCalm);
  assert(server.stats().heldBytes <= 4 * 1024 * 1024);
  modest.send(...[0, 0, 1].map((flags) => frame(0, flags, 1, Buffer.alloc(13_335))));
  await modest.find("the other one's answer", ends(1));
  modest.socket.destroy();
  await unharmed();
});

test("a client that opens its windows anew for each of many small messages is no nuisance", async (t) => {
  const { attacker: honest, unharmed } = await scene(t);
  const message = grpcMessage(Buffer.alloc(11));
  const thousand = Buffer.concat(Array.from({ length: 1000 }, () => message));
  const updates = [0, 1].map((id) => frame(8, 0, id, word(message.length)));
  const thousandUpdates = Buffer.concat(Array.from({ length: 1000 }, () => updates).flat());
  honest.send(open(1, "/t.T/Stream"));
  for (let round = 1; round <= 10; round++) {
    honest.send(frame(0, 0, 1, thousand));
    await until(
      "the echo",
      () => honest.closed || honest.data(1).length === round * thousand.length,
    );
    assert.equal(honest.closed, false);
    honest.send(thousandUpdates);
  }
  await unharmed();
});

test("empty messages that wait for a handler count, too", async (t) => {
  const { attacker, server, unharmed } = await scene(t);
  const empties = Buffer.alloc(5 * 3000);
  attacker.send(open(1, "/t.T/Deaf"), frame(0, 0, 1, empties));
  await until("they have arrived", () => server.stats().heldBytes > 0);
  assert(server.stats().heldBytes >= 3000 * 100);
  await unharmed();
});

test("a message announced at 4 GiB is refused before a byte of it is kept", async (t) => {
  const { attacker, server, unharmed } = await scene(t);
  attacker.send(open(1, "/t.T/Echo"), frame(0, 0, 1, Buffer.from([0, 255, 255, 255, 255, 1, 2])));
  const { payload } = await attacker.find("the status", ends(1));
  assert(payload.includes("grpc: received message larger than max (4294967295 vs. 2097152)"));
  assert.equal(server.stats().heldBytes, 0);
  await unharmed();
});

test("a client that writes a byte at a time delays nobody", async (t) => {
  const { answered, attacker, unharmed } = await scene(t);
  attacker.socket.setNoDelay(true);
  const request = Buffer.concat([
    open(1, "/t.T/Echo"),
    frame(0, 1, 1, grpcMessage(Buffer.from("slow"))),
  ]);
  for (const [i, byte] of request.entries()) {
    await new Promise((resolve) => attacker.socket.write(Buffer.from([byte]), resolve));
    if (i % 50 === 0) await answered();
  }
  await attacker.find("its answer", ends(1));
  await unharmed();
});

test("gzip bombs run out of their allowance; others are answered", async (t) => {
  const { attacker, unharmed } = await scene(t);
  const block = headerBlock([...requestFields("/t.T/Echo"), ["grpc-encoding", "gzip"]]);
  const bomb = grpcMessage(gzipSync(Buffer.alloc(3 * 1024 * 1024)));
  bomb[0] = 1;
  // Together: between one answer and the next bomb the allowance would grow again.
  const ids = Array.from({ length: 40 }, (_, i) => 2 * i + 1);
  attacker.send(...ids.flatMap((id) => [frame(1, 4, id, block), frame(0, 1, id, bomb)]));
  let refused = 0;
  for (const id of ids) {
    const { payload } = await attacker.find("a status", ends(id));
    assert(payload.includes(String(Status.resourceExhausted)));
    if (payload.includes("too many compressed bytes")) refused++;
  }
  assert(refused > 0, "no bomb was refused");
  await unharmed();
});

// ---- connections

test("connections beyond the bound are closed; those that stand are not", async (t) => {
  const { attacker, port, server, unharmed } = await scene(t, { connections: 4 });
  const more = Array.from({ length: 6 }, () => new RawClient(t, port));
  await until("four are closed", () => more.filter((c) => c.closed).length === 4);
  attacker.request(1, "/t.T/Echo", Buffer.from("x"));
  await attacker.find("an answer on one that stands", ends(1));
  for (const client of more) client.socket.destroy();
  await until("there is room again", () => server.stats().connections === 2);
  const late = new RawClient(t, port);
  late.request(1, "/t.T/Echo", Buffer.from("x"));
  await late.find("an answer on a new one", ends(1));
  late.socket.destroy();
  await unharmed();
});

test("a drain ends while clients hold calls and do not read", async (t) => {
  const { attacker, server } = await scene(t);
  attacker.socket.pause();
  attacker.send(open(1, "/t.T/Deaf"));
  await until("the call is there", () => server.stats().activeCalls === 1);
  await server.drain(100);
  await until("the connections are gone", () => server.stats().connections === 0);
});
