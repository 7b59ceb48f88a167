// The client against servers of its own making (@grpc/grpc-js as a server): failover, deadlines,
// aborts and what is never sent twice.

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, type TestContext, test } from "node:test";
import {
  type handleBidiStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  status,
} from "@grpc/grpc-js";
import {
  Client,
  isEtcdError,
  methods,
  prefixEnd,
  RpcError,
  Session,
} from "../../src/client/index.ts";
import { rpcpb } from "../../src/proto/index.ts";
import { freePorts } from "../free-ports.ts";
import { frame } from "../rpc/fixture.ts";
import { until } from "../until.ts";

const raw = {
  requestSerialize: (b: Buffer) => b,
  requestDeserialize: (b: Buffer) => b,
  responseSerialize: (b: Buffer) => b,
  responseDeserialize: (b: Buffer) => b,
};
type Unary = handleUnaryCall<Buffer, Buffer>;
type Bidi = handleBidiStreamingCall<Buffer, Buffer>;

const servers: Server[] = [];
after(() => {
  for (const server of servers) server.forceShutdown();
});

/** A server with the given handlers by path; its endpoint. */
async function serve(
  unary: Record<string, Unary>,
  bidi: Record<string, Bidi> = {},
): Promise<string> {
  const server = new Server();
  servers.push(server);
  for (const [path, handler] of Object.entries(unary)) {
    const definition = { ...raw, path, requestStream: false, responseStream: false } as const;
    server.addService({ it: definition }, { it: handler });
  }
  for (const [path, handler] of Object.entries(bidi)) {
    const definition = { ...raw, path, requestStream: true, responseStream: true } as const;
    server.addService({ it: definition }, { it: handler });
  }
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return `http://127.0.0.1:${port}`;
}

async function deadEndpoint(): Promise<string> {
  const [port] = await freePorts(1);
  return `http://127.0.0.1:${port}`;
}

/**
 * The endpoint of a server whose first `goAways` connections say GOAWAY to the first call, without having
 * looked at it; the others are those of `endpoint`.
 */
async function serveBehindGoAway(t: TestContext, endpoint: string, goAways: number) {
  const sockets = new Set<net.Socket>();
  const seen = { connections: 0 };
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    if (++seen.connections > goAways) {
      const behind = net.connect(Number(new URL(endpoint).port), "127.0.0.1");
      sockets.add(behind);
      behind.on("error", () => undefined);
      socket.pipe(behind).pipe(socket);
      return;
    }
    socket.write(frame(4, 0, 0, ""));
    let rest: Buffer = Buffer.alloc(0);
    let at = 24;
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (; rest.length >= at + 9; at += 9 + rest.readUIntBE(at, 3)) {
        if (rest[at + 3] === 1) socket.end(frame(7, 0, 0, Buffer.alloc(8)));
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as net.AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, seen };
}

const answerRange: Unary = (call, callback) => {
  const { key } = rpcpb.decodeRangeRequest(call.request);
  const kv = { key, value: key, createRevision: 1, modRevision: 1, version: 1, lease: 0n };
  const answer = rpcpb.newRangeResponse({ kvs: [kv as never], count: 1 });
  callback(null, Buffer.from(rpcpb.encodeRangeResponse(answer)));
};

const refuse =
  (code: number, details: string, seen: { count: number }): Unary =>
  (_call, callback) => {
    seen.count++;
    callback({ code, details });
  };

test("a login goes on to the next endpoint, also from one that takes the connection and is silent", async (t) => {
  const silent = net.createServer((socket) => void t.after(() => socket.destroy()));
  t.after(() => silent.close());
  await once(silent.listen(0, "127.0.0.1"), "listening");
  const login: Unary = (_call, callback) => {
    const answer = rpcpb.newAuthenticateResponse({ token: "t" });
    callback(null, Buffer.from(rpcpb.encodeAuthenticateResponse(answer)));
  };
  const good = await serve({
    [methods.authenticate.path]: login,
    [methods.range.path]: answerRange,
  });
  const endpoints = [`http://127.0.0.1:${(silent.address() as net.AddressInfo).port}`, good];
  const user = { name: "u", password: "p" };
  using client = new Client({ endpoints, user, dialTimeoutMs: 1_500, requestTimeoutMs: 60_000 });
  assert.equal((await client.kv.get("a")).count, 1);
});

test("call() goes on to the next endpoint when one cannot be reached, and stays there", async () => {
  const endpoints = [await deadEndpoint(), await serve({ [methods.range.path]: answerRange })];
  using client = new Client({ endpoints });
  assert.equal((await client.kv.get("a")).count, 1);
  await using dialed = net.createServer(() => assert.fail("dialed once more"));
  dialed.listen(Number(new URL(endpoints[0] as string).port), "127.0.0.1");
  await once(dialed, "listening");
  assert.equal((await client.kv.get("b")).count, 1);
});

test("call() asks first whom it is told to, and goes on from there", async () => {
  const seen = { count: 0 };
  const count = refuse(status.UNAVAILABLE, "etcdserver: no leader", seen);
  const answers = await serve({ [methods.range.path]: answerRange });
  const refuses = await serve({ [methods.range.path]: count });
  const endpoints = [answers, refuses];
  using first = new Client({ endpoints });
  await first.kv.get("a");
  assert.equal(seen.count, 0);
  using second = new Client({ endpoints, preferred: 1 });
  assert.equal((await second.kv.get("a")).count, 1);
  assert.equal(seen.count, 1);
});

test("call() repeats a read elsewhere when a server is unavailable", async () => {
  const seen = { count: 0 };
  const first = await serve({
    [methods.range.path]: refuse(status.UNAVAILABLE, "etcdserver: no leader", seen),
  });
  const second = await serve({ [methods.range.path]: answerRange });
  using client = new Client({ endpoints: [first, second] });
  assert.equal((await client.kv.get("a")).count, 1);
  assert.equal(seen.count, 1);
});

test("call() never sends a write twice", async () => {
  const seen = { count: 0 };
  const handler = refuse(status.UNAVAILABLE, "etcdserver: request timed out", seen);
  const endpoints = [
    await serve({ [methods.put.path]: handler }),
    await serve({ [methods.put.path]: handler }),
  ];
  using client = new Client({ endpoints });
  await assert.rejects(
    client.kv.put("a", "b"),
    (error) => isEtcdError(error, "Timeout") && error.code === "Unavailable",
  );
  assert.equal(seen.count, 1);
});

test("call() never sends a write again when the server's words are those of a slow dial", async () => {
  const seen = { count: 0 };
  const late = refuse(status.DEADLINE_EXCEEDED, "context deadline exceeded", seen);
  using client = new Client({ endpoints: [await serve({ [methods.put.path]: late })] });
  await assert.rejects(client.kv.put("a", "b"), { code: "DeadlineExceeded" });
  assert.equal(seen.count, 1);
});

test("call() has its deadline by a clock that nobody sets", async (t) => {
  const endpoint = await serve({ [methods.range.path]: answerRange });
  using client = new Client({ endpoints: [endpoint] });
  let hours = 0;
  t.mock.method(Date, "now", () => ++hours * 3_600_000);
  assert.equal((await client.kv.get("a")).count, 1);
});

test("call() sends a write to the next endpoint when the first cannot be reached", async () => {
  const handler: Unary = (_call, callback) =>
    callback(null, Buffer.from(rpcpb.encodePutResponse(rpcpb.newPutResponse())));
  const endpoints = [await deadEndpoint(), await serve({ [methods.put.path]: handler })];
  using client = new Client({ endpoints });
  assert.equal((await client.kv.put("a", "b")).prevKv, undefined);
});

test("an error carries the server's text, gRPC code and etcd's name", async () => {
  const seen = { count: 0 };
  const text = "etcdserver: mvcc: required revision has been compacted";
  const endpoint = await serve({ [methods.range.path]: refuse(status.OUT_OF_RANGE, text, seen) });
  using client = new Client({ endpoints: [endpoint] });
  await assert.rejects(client.kv.get("a"), (error) => {
    assert.ok(error instanceof RpcError);
    assert.equal(error.message, text);
    assert.equal(error.code, "OutOfRange");
    assert.equal(error.etcd, "Compacted");
    assert.equal(error.endpoint, endpoint);
    return true;
  });
});

test("call() throws DeadlineExceeded when nobody answers in time", async () => {
  const endpoint = await serve({ [methods.range.path]: () => undefined });
  using client = new Client({ endpoints: [endpoint] });
  await assert.rejects(client.kv.get("a", { timeoutMs: 100 }), {
    code: "DeadlineExceeded",
    message: "context deadline exceeded",
  });
});

test("call() throws DeadlineExceeded when no endpoint can be reached in time", async () => {
  using client = new Client({ endpoints: [await deadEndpoint(), await deadEndpoint()] });
  await assert.rejects(client.kv.put("a", "b", { timeoutMs: 300 }), { code: "DeadlineExceeded" });
});

test("call() throws DeadlineExceeded also when a refused dial is what ends the time", async (t) => {
  using client = new Client({ endpoints: [await deadEndpoint()] });
  let now = 1;
  t.mock.method(performance, "now", () => now);
  const call = client.kv.get("a", { timeoutMs: 1000 });
  await Promise.resolve();
  now += 1000;
  await assert.rejects(call, { code: "DeadlineExceeded" });
});

test("call() rejects with the signal's reason when it aborts", async () => {
  const endpoint = await serve({ [methods.range.path]: () => undefined });
  using client = new Client({ endpoints: [endpoint] });
  const controller = new AbortController();
  const call = client.kv.get("a", { signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(call, reason);
});

test("watch() resumes behind the last revision it has seen", async () => {
  const starts: number[] = [];
  const watchOnce: Bidi = (call) => {
    call.on("data", (bytes: Buffer) => {
      const { createRequest } = rpcpb.decodeWatchRequest(bytes);
      const start = createRequest?.startRevision ?? 0;
      starts.push(start);
      const send = (r: Partial<rpcpb.WatchResponse>): boolean =>
        call.write(Buffer.from(rpcpb.encodeWatchResponse(rpcpb.newWatchResponse(r))));
      send({ created: true });
      const kv = { key: Buffer.from("a"), value: Buffer.from("1"), modRevision: start };
      const rest = { createRevision: start, version: 1, lease: 0n };
      send({ events: [{ type: 0, kv: { ...kv, ...rest } as never, prevKv: undefined }] });
      // The connection breaks behind the first event.
      call.emit("error", { code: status.UNAVAILABLE, details: "gone" });
    });
  };
  const endpoint = await serve({}, { [methods.watch.path]: watchOnce });
  using client = new Client({ endpoints: [endpoint] });
  const seen: number[] = [];
  for await (const answer of client.watch.watch("a", { startRevision: 7 })) {
    for (const event of answer.events) seen.push(event.kv?.modRevision ?? 0);
    if (seen.length === 3) break;
  }
  assert.deepEqual(seen, [7, 8, 9]);
  assert.deepEqual(starts, [7, 8, 9]);
});

test("a stream that the server has not looked at is begun again, with all that was sent", async (t) => {
  const renewed: bigint[] = [];
  const endpoint = await serve(
    {},
    {
      [methods.leaseKeepAlive.path]: (call) => {
        call.on("data", (bytes: Buffer) => {
          const { id } = rpcpb.decodeLeaseKeepAliveRequest(bytes);
          renewed.push(id);
          const answer = rpcpb.newLeaseKeepAliveResponse({ id, ttl: 60 });
          call.write(Buffer.from(rpcpb.encodeLeaseKeepAliveResponse(answer)));
        });
        call.on("end", () => call.end());
      },
      [methods.snapshot.path]: (call) => {
        call.on("data", () => {
          const answer = rpcpb.newSnapshotResponse({ blob: Buffer.from("all") });
          call.write(Buffer.from(rpcpb.encodeSnapshotResponse(answer)));
        });
        call.on("end", () => call.end());
      },
    },
  );
  const one = await serveBehindGoAway(t, endpoint, 1);
  using client = new Client({ endpoints: [one.endpoint] });
  for await (const { ttl } of client.lease.keepAlive(7n as never)) {
    assert.equal(ttl, 60);
    break;
  }
  assert.deepEqual(renewed, [7n]);
  assert.equal(one.seen.connections, 2);
  const two = await serveBehindGoAway(t, endpoint, 2);
  using other = new Client({ endpoints: [two.endpoint] });
  const pieces: string[] = [];
  for await (const { blob } of other.maintenance.snapshot()) pieces.push(String(blob));
  assert.deepEqual(pieces, ["all"]);
  // A server that never looks at it is believed in the end.
  const ever = await serveBehindGoAway(t, endpoint, Number.POSITIVE_INFINITY);
  using third = new Client({ endpoints: [ever.endpoint] });
  await assert.rejects(third.lease.keepAlive(7n as never).next(), { code: "Unavailable" });
  assert.equal(ever.seen.connections, 3);
});

test("a loop that asks a closed client again and again leaves others their turns", async () => {
  const client = new Client({ endpoints: [await deadEndpoint()] });
  client.close();
  for (const ask of [
    () => client.kv.get("a"),
    () => client.watch.watch("a").next(),
    () => client.maintenance.snapshot().next(),
    () => client.lease.keepAliveOnce(7n as never),
  ]) {
    let isOthersTurn = false;
    setImmediate(() => {
      isOthersTurn = true;
    });
    // If it starved the loop it would end here, and not hang.
    for (let i = 0; i < 1000 && !isOthersTurn; i++) await assert.rejects(ask(), isClosedError);
    assert.ok(isOthersTurn);
  }
});

const isClosedError = { code: "Canceled", message: "the client is closed" };

test("a client that is closed begins nothing, and what waits to try again ends", async () => {
  const seen = { count: 0 };
  const busy = refuse(status.UNAVAILABLE, "etcdserver: no leader", seen);
  const client = new Client({ endpoints: [await serve({ [methods.range.path]: busy })] });
  const waiting = client.kv.get("a");
  await until("the call was refused", () => seen.count > 2);
  client.close();
  const { count } = seen;
  await assert.rejects(waiting, isClosedError);
  await assert.rejects(client.kv.get("a"), isClosedError);
  await assert.rejects(client.connect(), isClosedError);
  // One may have been on its way.
  assert.ok(seen.count <= count + 1);
});

test("closing a client ends its watches and sessions, also those that wait for a server", async () => {
  let watches = 0;
  let renewals = 0;
  const gone: Bidi = (call) => {
    call.on("data", () => call.emit("error", { code: status.UNAVAILABLE, details: "gone" }));
  };
  const grant: Unary = (_call, callback) => {
    const answer = rpcpb.newLeaseGrantResponse({ id: 7n as never, ttl: 3600 });
    callback(null, Buffer.from(rpcpb.encodeLeaseGrantResponse(answer)));
  };
  const endpoint = await serve(
    { [methods.leaseGrant.path]: grant },
    {
      [methods.watch.path]: (call) => {
        watches++;
        gone(call);
      },
      [methods.leaseKeepAlive.path]: (call) => {
        renewals++;
        gone(call);
      },
    },
  );
  const client = new Client({ endpoints: [endpoint] });
  const session = await Session.open(client, 3600);
  const watching = client.watch.watch("a").next();
  await until("both were refused", () => watches > 0 && renewals > 0);
  client.close();
  await assert.rejects(watching, isClosedError);
  await until("the session has ended", () => session.ended.aborted);
});

test("keepAlive() of a lease that lives for ages waits as long as a timer can", async (t) => {
  const renew: Bidi = (call) => {
    call.on("data", () => {
      const answer = rpcpb.newLeaseKeepAliveResponse({ id: 7n as never, ttl: 9_000_000_000 });
      call.write(Buffer.from(rpcpb.encodeLeaseKeepAliveResponse(answer)));
    });
  };
  const endpoint = await serve({}, { [methods.leaseKeepAlive.path]: renew });
  using client = new Client({ endpoints: [endpoint] });
  const timers = t.mock.method(globalThis, "setTimeout");
  const answers = client.lease.keepAlive(7n as never);
  await answers.next();
  const second = answers.next();
  client.close();
  await assert.rejects(second, isClosedError);
  const waits = timers.mock.calls.map((call) => call.arguments[1] ?? 0);
  assert.equal(Math.max(...waits), 2 ** 31 - 1);
});

test("prefixEnd() is the first key behind all keys with the prefix", () => {
  assert.deepEqual([...prefixEnd("ab")], [...Buffer.from("ac")]);
  assert.deepEqual([...prefixEnd(Buffer.from([1, 255, 255]))], [2]);
  assert.deepEqual([...prefixEnd(Buffer.from([255]))], [0]);
  assert.deepEqual([...prefixEnd("")], [0]);
});
