import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import * as grpc from "@grpc/grpc-js";
import {
  type CancelReason,
  type Method,
  Status,
  type StreamCall,
  type UnaryCall,
} from "../../src/rpc/index.ts";
import { until } from "../until.ts";
import { grpcClient, start } from "./fixture.ts";

const echo: Method = { kind: "unary", handle: (request, call) => call.respond(request) };

/** A method that never answers and hands its calls to the test. */
function held(): Method & { calls: UnaryCall[]; cancels: CancelReason[] } {
  const calls: UnaryCall[] = [];
  const cancels: CancelReason[] = [];
  const handle = (_: Uint8Array, call: UnaryCall): void => {
    calls.push(call);
    call.onCancel = (reason) => cancels.push(reason);
  };
  return { kind: "unary", handle, calls, cancels };
}

const failsWith = (code: number, details: string | RegExp) => (error: grpc.ServiceError) => {
  assert.equal(error.code, code, error.message);
  if (typeof details === "string") assert.equal(error.details, details);
  else assert.match(error.details, details);
  return true;
};

test("createRpcServer() answers unary calls of any size up to its limit", async (t) => {
  const { address, server } = await start(t, { "/t.T/Echo": echo });
  const client = grpcClient(t, address);
  for (const size of [0, 1, 16_379, 16_380, 65_536, 1_000_000, 2 * 1024 * 1024]) {
    const body = randomBytes(size);
    assert.deepEqual(await client.unary("/t.T/Echo", body), body, `${size} bytes`);
  }
  const [stats] = server.stats().methods;
  assert.equal(stats!.handled[Status.ok], 7);
  assert.equal(stats!.messagesReceived, 7);
});

test("createRpcServer() refuses a request beyond its limit in grpc-go's words", async (t) => {
  const { address } = await start(
    t,
    { "/t.T/Echo": echo },
    { limits: { receiveMessageBytes: 1000 } },
  );
  const client = grpcClient(t, address);
  const expected = failsWith(8, "grpc: received message larger than max (1001 vs. 1000)");
  await assert.rejects(client.unary("/t.T/Echo", randomBytes(1001)), expected);
  const far = failsWith(8, "grpc: received message larger than max (3000000 vs. 1000)");
  await assert.rejects(client.unary("/t.T/Echo", randomBytes(3_000_000)), far);
  assert.equal((await client.unary("/t.T/Echo", randomBytes(1000))).length, 1000);
});

test("createRpcServer() answers many calls at once on one connection", async (t) => {
  const later: Method = {
    kind: "unary",
    handle: (request, call) => {
      setImmediate(() => call.respond([request.subarray(0, 3), request.subarray(3)]));
    },
  };
  const { address, server } = await start(t, { "/t.T/Later": later });
  const client = grpcClient(t, address);
  const bodies = Array.from({ length: 2000 }, (_, i) => Buffer.from(`request ${i}`));
  const answers = await Promise.all(bodies.map((body) => client.unary("/t.T/Later", body)));
  assert.deepEqual(answers, bodies);
  await until("no call is left", () => server.stats().activeCalls === 0);
});

test("createRpcServer() sends statuses, messages of any text, headers and trailers", async (t) => {
  const fail: Method = {
    kind: "unary",
    handle: (_, call) => {
      call.setTrailer("detail", "why");
      call.fail(Status.failedPrecondition, "größer als 100% – 中 😀\n");
    },
  };
  const { address } = await start(t, { "/t.T/Fail": fail });
  const client = grpcClient(t, address);
  await assert.rejects(client.unary("/t.T/Fail", Buffer.from("x")), (error: grpc.ServiceError) => {
    assert.deepEqual(error.metadata.get("detail"), ["why"]);
    return failsWith(9, "größer als 100% – 中 😀\n")(error);
  });
});

test("createRpcServer() names what it does not serve as grpc-go does", async (t) => {
  const { address } = await start(t, { "/t.T/Echo": echo });
  const client = grpcClient(t, address);
  const call = (path: string): Promise<Buffer> => client.unary(path, Buffer.alloc(10));
  await assert.rejects(call("/t.T/No"), failsWith(12, "unknown method No for service t.T"));
  await assert.rejects(call("/no.No/No"), failsWith(12, "unknown service no.No"));
});

test("createRpcServer() shows metadata, authority, peer and deadline to handlers", async (t) => {
  const method = held();
  const { address } = await start(t, { "/t.T/Held": method });
  const metadata = new grpc.Metadata();
  metadata.set("token", "secret.1");
  metadata.add("many", "a");
  metadata.add("many", "b");
  const client = grpcClient(t, address);
  const answer = client.unary(
    "/t.T/Held",
    Buffer.alloc(1),
    { deadline: Date.now() + 60_000 },
    metadata,
  );
  await until("the call arrives", () => method.calls.length === 1);
  const call = method.calls[0]!;
  assert.equal(call.metadata.get("token"), "secret.1");
  assert.equal(call.metadata.getAll("many").join(",").replaceAll(" ", ""), "a,b");
  assert.equal(call.metadata.get("absent"), undefined);
  assert.equal(call.authority, address);
  assert.match(call.peer.address, /^127\.0\.0\.1:\d+$/);
  const left = call.deadlineMs - performance.now();
  assert(left > 30_000 && left <= 60_000, `${left} ms are left`);
  call.respond(Buffer.from("done"));
  assert.equal(String(await answer), "done");
});

test("createRpcServer() ends a call at its deadline and tells the handler once", async (t) => {
  const method = held();
  const { address } = await start(t, { "/t.T/Held": method, "/t.T/Echo": echo });
  const client = grpcClient(t, address);
  // With a connection that stands, the call is at the handler long before its deadline.
  await client.unary("/t.T/Echo", Buffer.alloc(1));
  const call = client.unary("/t.T/Held", Buffer.alloc(1), { deadline: Date.now() + 1000 });
  await assert.rejects(call, (error: grpc.ServiceError) => error.code === 4);
  await until("the handler is told", () => method.cancels.length === 1);
  assert(["deadline", "cancelled"].includes(method.cancels[0]!));
  assert.equal(method.calls[0]!.ended, true);
  method.calls[0]!.respond(Buffer.from("too late"));
});

test("createRpcServer() tells handlers when clients cancel or go away", async (t) => {
  const method = held();
  const { address, server } = await start(t, { "/t.T/Held": method });
  const client = grpcClient(t, address);
  const identity = (b: Buffer): Buffer => b;
  const call = client.raw.makeUnaryRequest(
    "/t.T/Held",
    identity,
    identity,
    Buffer.alloc(1),
    () => {},
  );
  await until("the call arrives", () => method.calls.length === 1);
  call.cancel();
  await until("the handler is told", () => method.cancels.length === 1);
  assert.equal(method.cancels[0], "cancelled");

  const lost = client.unary("/t.T/Held", Buffer.alloc(1)).catch((error) => error);
  await until("the second call arrives", () => method.calls.length === 2);
  method.calls[1]!.peer.socket.destroy();
  await until("the handler is told", () => method.cancels.length === 2);
  assert.equal(method.cancels[1], "connection");
  assert.equal((await lost).code, 14);
  assert.equal(server.stats().activeCalls, 0);
});

test("createRpcServer() ends a call with Unknown when its handler throws", async (t) => {
  const broken: Method = {
    kind: "unary",
    handle: () => {
      throw new Error("oops");
    },
  };
  const { address } = await start(t, { "/t.T/Broken": broken });
  const call = grpcClient(t, address).unary("/t.T/Broken", Buffer.alloc(1));
  await assert.rejects(call, failsWith(2, "oops"));
});

function bidi(open: (call: StreamCall) => void): Method {
  return { kind: "stream", open };
}

const echoStream = bidi((call) => {
  call.onMessage = (message) => call.send(message);
  call.onEnd = () => call.end();
});

test("StreamCall carries messages both ways and ends after the client", async (t) => {
  const { address } = await start(t, { "/t.T/Echo": echoStream });
  const stream = grpcClient(t, address).bidi("/t.T/Echo");
  const sent = Array.from({ length: 200 }, (_, i) => randomBytes((i * 997) % 50_000));
  const got: Buffer[] = [];
  stream.on("data", (b: Buffer) => got.push(b));
  const status = new Promise<grpc.StatusObject>((resolve) => stream.on("status", resolve));
  for (const body of sent) stream.write(body);
  stream.end();
  assert.equal((await status).code, 0);
  assert.deepEqual(got, sent);
});

test("StreamCall.send() says stop when the client does not read, and onDrain says go", async (t) => {
  const part = randomBytes(100_000);
  let stops = 0;
  let sent = 0;
  let most = 0;
  const total = 300;
  const pour = bidi((call) => {
    const go = (): void => {
      while (sent < total) {
        sent++;
        const more = call.send([part.subarray(0, 70_000), part.subarray(70_000)]);
        most = Math.max(most, call.queuedBytes);
        if (!more) {
          stops++;
          return;
        }
      }
      call.end();
    };
    call.onDrain = go;
    call.onEnd = go;
  });
  const { address } = await start(t, { "/t.T/Pour": pour });
  const stream = grpcClient(t, address).bidi("/t.T/Pour");
  stream.pause();
  stream.end();
  await until("the server is told to stop", () => stops > 0);
  const before = sent;
  assert(before < total);
  let bytes = 0;
  stream.on("data", (b: Buffer) => {
    assert.deepEqual(b, part);
    bytes += b.length;
  });
  stream.resume();
  await new Promise((resolve) => stream.on("end", resolve));
  assert.equal(bytes, total * part.length);
  assert(most <= 1024 * 1024 + part.length, `${most} bytes were queued`);
});

test("StreamCall.pause() holds the client back; resume() delivers what waited", async (t) => {
  let call: StreamCall | undefined;
  const got: number[] = [];
  const slow = bidi((c) => {
    call = c;
    c.pause();
    c.onMessage = (message) => got.push(message.length);
    c.onEnd = () => c.end();
  });
  const limits = { streamWindowBytes: 64 * 1024 };
  const { address } = await start(t, { "/t.T/Slow": slow }, { limits });
  const stream = grpcClient(t, address).bidi("/t.T/Slow");
  const status = new Promise<grpc.StatusObject>((resolve) => stream.on("status", resolve));
  stream.resume();
  for (let i = 0; i < 100; i++) stream.write(Buffer.alloc(10_000));
  stream.end();
  await until("the call arrives", () => call !== undefined);
  const socket = call!.peer.socket;
  await until("the window fills", () => socket.bytesRead > 60_000);
  assert(socket.bytesRead < 64 * 1024 + 8_000, `${socket.bytesRead} bytes were read`);
  assert.deepEqual(got, []);
  call!.resume();
  assert.equal((await status).code, 0);
  assert.equal(got.length, 100);
});

test("StreamCall can fail and set trailers after messages", async (t) => {
  const failing = bidi((call) => {
    call.onMessage = (message) => {
      call.send(message);
      call.setTrailer("reason", "tired");
      call.fail(Status.aborted, "enough");
    };
  });
  const { address } = await start(t, { "/t.T/Failing": failing });
  const stream = grpcClient(t, address).bidi("/t.T/Failing");
  const got: Buffer[] = [];
  stream.on("data", (b: Buffer) => got.push(b));
  stream.on("error", () => {});
  const status = new Promise<grpc.StatusObject>((resolve) => stream.on("status", resolve));
  stream.write(Buffer.from("one"));
  const { code, details, metadata } = await status;
  assert.deepEqual([code, details, metadata.get("reason")], [10, "enough", ["tired"]]);
  assert.deepEqual(got.map(String), ["one"]);
});

test("createRpcServer() hands HTTP/1.1 on the same port to its owner", async (t) => {
  const web = http.createServer((request, response) => {
    let body = "";
    request.on("data", (part) => {
      body += part;
    });
    request.on("end", () => response.end(`${request.method} ${request.url} ${body}`));
  });
  const onHttp1 = (socket: object): boolean => web.emit("connection", socket);
  const { address, server } = await start(t, { "/t.T/Echo": echo }, { onHttp1 });
  t.after(() => web.closeAllConnections());
  const get = await fetch(`http://${address}/health?x=1`);
  assert.equal(await get.text(), "GET /health?x=1 ");
  // POST, PUT and the HTTP/2 preface begin with the same letter.
  for (const method of ["POST", "PUT"]) {
    const answer = await fetch(`http://${address}/v3/kv/put`, {
      method,
      body: "y".repeat(100_000),
    });
    assert.equal(await answer.text(), `${method} /v3/kv/put ${"y".repeat(100_000)}`);
  }
  const client = grpcClient(t, address);
  assert.equal(String(await client.unary("/t.T/Echo", Buffer.from("both"))), "both");
  assert.equal(server.stats().connections, 1);
});

test("drain() lets running calls end, refuses new ones and then closes", async (t) => {
  const method = held();
  const { address, server } = await start(t, { "/t.T/Held": method });
  const client = grpcClient(t, address);
  const answer = client.unary("/t.T/Held", Buffer.alloc(1));
  await until("the call arrives", () => method.calls.length === 1);
  // Longer than the test may take: it ends with the last call, not with the time.
  const drained = server.drain(3_600_000);
  setTimeout(() => method.calls[0]!.respond(Buffer.from("last")), 50);
  assert.equal(String(await answer), "last");
  await drained;
  await assert.rejects(client.unary("/t.T/Held", Buffer.alloc(1)), failsWith(14, /./));
});

test("drain() cuts what does not end in time", async (t) => {
  const method = held();
  const { address, server } = await start(t, { "/t.T/Held": method });
  const answer = grpcClient(t, address)
    .unary("/t.T/Held", Buffer.alloc(1))
    .catch((e) => e);
  await until("the call arrives", () => method.calls.length === 1);
  await server.drain(50);
  assert.equal((await answer).code, 14);
  await until("the handler is told", () => method.cancels.length === 1);
});

test("listen() serves a Unix socket and replaces one that a killed process left", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-rpc-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const unixPath = join(folder, "client");
  const left =
    'require("net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))';
  spawnSync(process.execPath, ["-e", left, unixPath]);
  assert(lstatSync(unixPath).isSocket());
  const { address } = await start(t, { "/t.T/Echo": echo }, {}, { unixPath });
  assert.equal(address, unixPath);
  const client = grpcClient(t, `unix:${unixPath}`);
  assert.equal(String(await client.unary("/t.T/Echo", Buffer.from("here"))), "here");
  const file = join(folder, "file");
  writeFileSync(file, "precious");
  await assert.rejects(start(t, {}, {}, { unixPath: file }), { code: "EADDRINUSE" });
  assert.equal(readFileSync(file, "utf8"), "precious");
});

test("listen() rejects when the port is taken", async (t: TestContext) => {
  const { server, port } = await start(t, {});
  const again = server.listen({ host: "127.0.0.1", port });
  await assert.rejects(again, { code: "EADDRINUSE" });
});
