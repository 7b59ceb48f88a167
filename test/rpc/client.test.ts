// The client side: against our own server, and against servers that do what a good one does not.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import {
  CallFailure,
  type CallOptions,
  Channel,
  type Connect,
  callUnary,
  DialFailure,
  MessageStream,
} from "../../src/rpc/client/index.ts";
import type { Call, Method } from "../../src/rpc/index.ts";
import { until } from "../until.ts";
import { frame, grpcMessage, headerBlock, start } from "./fixture.ts";

const never: CallOptions = { metadata: {}, deadline: Number.POSITIVE_INFINITY };
const windowBytes = 256 * 1024;

const dial =
  (where: net.NetConnectOpts): Connect =>
  (done) => {
    const socket = net.connect(where);
    const fail = (): void => done(new DialFailure("refused"));
    socket.once("error", fail);
    socket.once("connect", () => {
      socket.off("error", fail);
      done(socket);
    });
    return () =>
      socket
        .off("error", fail)
        .on("error", () => undefined)
        .destroy();
  };

function channelTo(t: TestContext, where: net.NetConnectOpts, keepAliveMs = 60_000): Channel {
  const channel = new Channel({
    connect: dial(where),
    isSecure: false,
    authority: "somewhere:1",
    keepAliveMs,
    keepAliveTimeoutMs: keepAliveMs,
    receiveWindowBytes: windowBytes,
  });
  t.after(() => channel[Symbol.dispose]());
  return channel;
}

async function serve(t: TestContext, methods: Record<string, Method>, limits = {}) {
  const { port, server } = await start(t, methods, { limits });
  const channel = channelTo(t, { port, host: "127.0.0.1" });
  await channel.ready();
  return { channel, server };
}

const unary = (channel: Channel, path: string, request: Uint8Array, options = never) =>
  callUnary(channel, path, request, options).answer;

const failsWith = (status: number, text: string | RegExp) => (error: unknown) => {
  assert.ok(error instanceof CallFailure, String(error));
  assert.equal(error.status, status);
  if (typeof text === "string") assert.equal(error.message, text);
  else assert.match(error.message, text);
  return true;
};

const echo: Method = { kind: "unary", handle: (request, call) => call.respond(request) };
const echoStream: Method = {
  kind: "stream",
  open: (call) => {
    call.onMessage = (message) => {
      if (!call.send(message)) call.pause();
    };
    call.onDrain = () => call.resume();
    call.onEnd = () => call.end();
  },
};

test("a unary call carries metadata, authority and messages of any size, many at once", async (t) => {
  let seen: Call | undefined;
  const look: Method = {
    kind: "unary",
    handle: (request, call) => {
      seen = call;
      call.respond(request);
    },
  };
  const { channel } = await serve(t, { "/a/Echo": echo, "/a/Look": look });
  const long = "x".repeat(40_000);
  const metadata = { token: "abc def", long };
  await unary(channel, "/a/Look", Buffer.from("hi"), { ...never, metadata });
  assert.equal(seen?.metadata.get("token"), "abc def");
  assert.equal(seen?.metadata.get("long"), long);
  assert.equal(seen?.authority, "somewhere:1");
  const sizes = [0, 1, 16_379, 16_380, 70_000, 1_500_000];
  await Promise.all(
    [...sizes, ...Array.from({ length: 500 }, (_, i) => i)].map(async (size) => {
      const request = Buffer.alloc(size, size);
      assert.deepEqual(await unary(channel, "/a/Echo", request), request);
    }),
  );
});

test("a failure has the server's code and text, also of an unknown method", async (t) => {
  const text = "etcdserver: 100 % größer \u{1f600}\n";
  const fail: Method = { kind: "unary", handle: (_, call) => call.fail(11, text) };
  const { channel } = await serve(t, { "/a/Fail": fail });
  await assert.rejects(unary(channel, "/a/Fail", Buffer.alloc(0)), failsWith(11, text));
  await assert.rejects(unary(channel, "/a/None", Buffer.alloc(0)), failsWith(12, /unknown/));
  const bad = { ...never, metadata: { token: "a\nb" } };
  assert.throws(() => callUnary(channel, "/a/Fail", Buffer.alloc(0), bad), failsWith(13, /token/));
});

test("a stream goes both ways at once and ends with trailers", async (t) => {
  const { channel } = await serve(t, { "/a/Echo": echoStream });
  const stream = new MessageStream(channel, "/a/Echo", never);
  const messages = Array.from({ length: 60 }, (_, i) => Buffer.alloc(i * 7000, i));
  for (const message of messages) stream.call.send(message);
  stream.call.end();
  let n = 0;
  for await (const answer of stream) assert.deepEqual(answer, messages[n++]);
  assert.equal(n, messages.length);
  assert.equal(stream.trailers?.get("grpc-status"), "0");
});

test("a reader that is slow holds the server back, and other calls go on", async (t) => {
  const piece = Buffer.alloc(32 * 1024, 7);
  const pieces = 400;
  let sent = 0;
  const flood: Method = {
    kind: "stream",
    open: (call) => {
      const more = (): void => {
        while (sent < pieces) {
          sent++;
          if (!call.send(piece)) return;
        }
        call.end();
      };
      call.onDrain = more;
      call.onEnd = more;
    },
  };
  const queue = 256 * 1024;
  const methods = { "/a/Flood": flood, "/a/Echo": echo };
  const { channel } = await serve(t, methods, { streamQueueBytes: queue });
  const stream = new MessageStream(channel, "/a/Flood", never);
  stream.call.end();
  const reader = stream[Symbol.asyncIterator]();
  await reader.next();
  for (let i = 0; i < 50; i++) await unary(channel, "/a/Echo", Buffer.from("x"));
  assert.ok(sent * piece.length <= 2 * windowBytes + queue + 2 * piece.length, `${sent} pieces`);
  let n = 1;
  while ((await reader.next()).done !== true) n++;
  assert.equal(n, pieces);
});

test("a deadline ends a call at both ends, and so does cancelling it", async (t) => {
  const ends: string[] = [];
  const deaf: Method = {
    kind: "stream",
    open: (call) => {
      call.onCancel = (reason) => ends.push(`${reason} ${call.deadlineMs < 1e15}`);
      call.sendHeaders();
    },
  };
  const { channel } = await serve(t, { "/a/Deaf": deaf, "/a/Echo": echo });
  const late = unary(channel, "/a/Deaf", Buffer.alloc(1), {
    ...never,
    deadline: performance.now() + 50,
  });
  await assert.rejects(late, failsWith(4, "context deadline exceeded"));
  const past = unary(channel, "/a/Deaf", Buffer.alloc(1), {
    ...never,
    deadline: performance.now() - 50,
  });
  await assert.rejects(past, failsWith(4, "context deadline exceeded"));
  const stream = new MessageStream(channel, "/a/Deaf", never);
  await unary(channel, "/a/Echo", Buffer.alloc(1));
  stream.call.cancel();
  await assert.rejects(stream[Symbol.asyncIterator]().next(), failsWith(1, "Cancelled on client"));
  await unary(channel, "/a/Echo", Buffer.alloc(1));
  assert.equal(ends.at(-1), "cancelled false");
});

test("no more calls at once than the server allows; the others wait", async (t) => {
  const { channel } = await serve(t, { "/a/Echo": echo }, { concurrentStreams: 2 });
  const calls = Array.from({ length: 50 }, (_, i) => unary(channel, "/a/Echo", Buffer.from([i])));
  assert.equal((await Promise.all(calls)).length, 50);
});

test("a Unix socket is as good, and one that is missing is said to be", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-rpc-client-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "socket");
  const channel = channelTo(t, { path });
  await assert.rejects(channel.ready(), DialFailure);
  await start(t, { "/a/Echo": echo }, {}, { unixPath: path });
  await channel.ready();
  assert.equal((await unary(channel, "/a/Echo", Buffer.from("ab"))).length, 2);
});

// ---- servers by hand

const settings = frame(4, 0, 0, "");
const head = headerBlock([
  [":status", "200"],
  ["content-type", "application/grpc"],
]);
const ok = headerBlock([["grpc-status", "0"]]);
const whole = (id: number, body: Uint8Array): Buffer =>
  Buffer.concat([frame(1, 4, id, head), frame(0, 0, id, grpcMessage(body)), frame(1, 5, id, ok)]);

/**
 * A server that answers each HEADERS frame of the n-th connection by `answer`; undefined closes it.
 * A channel that is connected to it.
 */
async function byHand(
  t: TestContext,
  answer: (id: number, connection: number) => Buffer | undefined,
  { hello = settings, keepAliveMs = 60_000 } = {},
): Promise<Channel> {
  const sockets = new Set<net.Socket>();
  let connections = 0;
  const server = net.createServer((socket) => {
    const connection = ++connections;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.write(hello);
    let rest: Buffer = Buffer.alloc(0);
    let isPreface = true;
    socket.on("data", (chunk) => {
      rest = Buffer.concat([rest, chunk as Buffer]);
      if (isPreface && rest.length >= 24) {
        isPreface = false;
        rest = rest.subarray(24);
      }
      while (!isPreface && rest.length >= 9 && rest.length >= 9 + rest.readUIntBE(0, 3)) {
        const [type, id] = [rest[3], rest.readUInt32BE(5)];
        rest = rest.subarray(9 + rest.readUIntBE(0, 3));
        if (type !== 1) continue;
        const bytes = answer(id, connection);
        if (bytes === undefined) socket.destroy();
        else socket.write(bytes);
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
  return channelTo(t, { port, host: "127.0.0.1" }, keepAliveMs);
}

const one = Buffer.alloc(1);

test("GOAWAY: what was not begun may be sent again, the rest is answered, new calls go elsewhere", async (t) => {
  const goAway = Buffer.alloc(8);
  goAway.writeUInt32BE(1, 0);
  const channel = await byHand(t, (id, connection) => {
    if (connection === 2) return whole(id, Buffer.from("second"));
    return id === 1 ? Buffer.alloc(0) : Buffer.concat([frame(7, 0, 0, goAway), whole(1, one)]);
  });
  await channel.ready();
  const first = unary(channel, "/a/b", one);
  const refused = unary(channel, "/a/b", one);
  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof CallFailure && error.isUnprocessed && error.status === 14);
    return true;
  });
  assert.deepEqual(await first, one);
  await channel.ready();
  assert.equal(String(await unary(channel, "/a/b", one)), "second");
});

test("connections that end before they were of use are made ever more rarely, until one is", async (t) => {
  // The clock and the waits by hand: how long each wait was to be.
  let nowMs = 0;
  t.mock.method(performance, "now", () => nowMs);
  t.mock.method(Math, "random", () => 0.5);
  const goAway = frame(7, 0, 0, Buffer.alloc(8));
  let useless = 8;
  const channel = await byHand(t, (id, connection) =>
    connection <= useless || id > 1
      ? goAway
      : Buffer.concat([whole(id, one), frame(7, 0, 0, Buffer.from([0, 0, 0, id, 0, 0, 0, 0]))]),
  );
  const waits: number[] = [];
  const real = setTimeout;
  t.mock.method(globalThis, "setTimeout", (f: () => void, ms: number) => {
    const isBackoff = ms <= 2000;
    if (isBackoff) waits.push(Math.round(ms));
    return real(
      () => {
        if (isBackoff) nowMs += ms;
        f();
      },
      isBackoff ? 0 : ms,
    );
  });
  const fail = async (): Promise<void> => {
    await channel.ready();
    await assert.rejects(unary(channel, "/a/b", one), failsWith(14, /closing the connection/));
  };
  for (let i = 0; i < useless; i++) await fail();
  assert.deepEqual(waits, [100, 160, 256, 410, 655, 1049, 1678]);
  // The next answers, so that what follows it is dialled at once; and so does one that stood for long.
  await channel.ready();
  assert.deepEqual(await unary(channel, "/a/b", one), one);
  await until("the server's GOAWAY is here", () => !channel.isReady);
  useless = Number.POSITIVE_INFINITY;
  await channel.ready();
  assert.deepEqual(waits.splice(0).slice(7), [2000]);
  nowMs += 2000;
  await assert.rejects(unary(channel, "/a/b", one), failsWith(14, /closing the connection/));
  await channel.ready();
  assert.deepEqual(waits, []);
});

test("a server whose GOAWAY comes with its SETTINGS has no connection that stands", async (t) => {
  const hello = Buffer.concat([settings, frame(7, 0, 0, Buffer.alloc(8))]);
  const channel = await byHand(t, () => undefined, { hello });
  await assert.rejects(channel.ready(), /takes no calls/);
});

test("a connection that breaks fails its calls, and the next call has a new one", async (t) => {
  const channel = await byHand(t, (id, connection) =>
    connection === 1 ? undefined : whole(id, one),
  );
  await channel.ready();
  await assert.rejects(unary(channel, "/a/b", one), failsWith(14, "Connection dropped"));
  await channel.ready();
  assert.deepEqual(await unary(channel, "/a/b", one), one);
});

test("a server that is silent to a ping is dropped, whatever the clock is set to", async (t) => {
  t.mock.method(Date, "now", () => 0);
  const channel = await byHand(t, () => Buffer.alloc(0), { keepAliveMs: 30 });
  await channel.ready();
  await assert.rejects(unary(channel, "/a/b", one), failsWith(14, "Connection dropped"));
});

test("answers may be compressed, padded and in many pieces", async (t) => {
  const zipped = grpcMessage(gzipSync(Buffer.alloc(9000, 5)));
  zipped[0] = 1;
  const gzipHead = headerBlock([
    [":status", "200"],
    ["content-type", "application/grpc+proto"],
    ["grpc-encoding", "gzip"],
  ]);
  const padded = (bytes: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from([3]), bytes, Buffer.alloc(3)]);
  const channel = await byHand(t, (id) =>
    Buffer.concat([
      frame(1, 0, id, gzipHead.subarray(0, 10)),
      frame(9, 0, id, gzipHead.subarray(10, 30)),
      frame(9, 4, id, gzipHead.subarray(30)),
      frame(6, 0, 0, Buffer.alloc(8)),
      frame(0, 8, id, padded(zipped.subarray(0, 4))),
      frame(77, 0, 0, "unknown"),
      frame(0, 0, id, zipped.subarray(4)),
      frame(1, 4 | 1 | 8, id, padded(ok)),
    ]),
  );
  await channel.ready();
  assert.deepEqual(Buffer.from(await unary(channel, "/a/b", one)), Buffer.alloc(9000, 5));
});

test("what is no answer of gRPC becomes the status that grpc-go makes of it", async (t) => {
  const answers: [Buffer, number, string | RegExp][] = [];
  const http = (status: string, type: string, end = 1): Buffer =>
    headerBlock([
      [":status", status],
      ["content-type", type],
      ...(end === 1 ? [] : ([["x", "y"]] as [string, string][])),
    ]);
  const only = (id: number, block: Buffer): Buffer => frame(1, 5, id, block);
  answers.push(
    [only(1, http("404", "text/plain")), 12, /404 \(Not Found\); transport: .*"text\/plain"/],
    [only(3, http("503", "application/grpc")), 14, /503 \(Service Unavailable\)$/],
    [only(5, http("200", "text/html")), 2, /unexpected content-type/],
    [only(7, http("200", "application/grpc")), 2, /without sending trailers/],
    [frame(3, 0, 9, Buffer.from([0, 0, 0, 7])), 14, "Stream refused by server"],
    [frame(3, 0, 11, Buffer.from([0, 0, 0, 2])), 13, "Received RST_STREAM with code 2"],
    [Buffer.concat([frame(1, 4, 13, head), frame(1, 5, 13, ok)]), 13, /no answer/],
    [
      Buffer.concat([frame(1, 4, 15, head), frame(0, 0, 15, Buffer.from([0, 255, 255, 255, 255]))]),
      8,
      "grpc: received message larger than max (4294967295 vs. 2147483647)",
    ],
    [Buffer.concat([frame(1, 4, 17, head), frame(0, 1, 17, grpcMessage(one))]), 13, /trailers/],
    [
      only(
        19,
        headerBlock([
          [":status", "200"],
          ["grpc-status", "99"],
        ]),
      ),
      2,
      "",
    ],
  );
  const channel = await byHand(t, (id) => answers[(id - 1) / 2]![0]);
  await channel.ready();
  for (const [, status, text] of answers) {
    await assert.rejects(unary(channel, "/a/b", one), failsWith(status, text));
  }
});

test("a server that breaks the protocol loses the connection, with the reason", async (t) => {
  const faults: [Buffer, RegExp][] = [
    [frame(0, 0, 0, one), /DATA out of place/],
    [frame(0, 0, 1, one), /DATA before headers/],
    [frame(1, 4, 3, head), /HEADERS out of place/],
    [frame(5, 4, 1, head), /PUSH_PROMISE/],
    [frame(1, 4, 1, Buffer.from([0xff])), /does not decode/],
    [Buffer.concat([frame(1, 0, 1, head), settings]), /interrupted/],
    [frame(4, 0, 0, "12345"), /SETTINGS/],
    [frame(8, 0, 0, Buffer.from([0x7f, 255, 255, 255])), /window too large/],
    [frame(0, 8, 1, Buffer.from([9, 0])), /DATA out of place/],
    [Buffer.from([255, 255, 255, 0, 0, 0, 0, 0, 1]), /a frame of 16777215 bytes/],
    [frame(9, 4, 1, head), /CONTINUATION without HEADERS/],
  ];
  for (const [bytes, text] of faults) {
    const channel = await byHand(t, () => bytes);
    await channel.ready();
    await assert.rejects(unary(channel, "/a/b", one), failsWith(14, text));
  }
});

test("a server that sends more than a slow reader allows loses the connection", async (t) => {
  const pieces = Array.from({ length: 20 }, () =>
    frame(0, 0, 1, grpcMessage(Buffer.alloc(16_000))),
  );
  const channel = await byHand(t, () => Buffer.concat([frame(1, 4, 1, head), ...pieces]));
  await channel.ready();
  const stream = new MessageStream(channel, "/a/b", never);
  await until("the call has ended", () => stream.call.ended);
  const read = async (): Promise<void> => {
    for await (const _ of stream);
  };
  await assert.rejects(read(), failsWith(14, /beyond the stream's window/));
});

test("no connection stands before the server's SETTINGS", async (t) => {
  const channel = await byHand(t, () => undefined, {
    hello: Buffer.from("HTTP/1.1 400 Bad\r\n\r\n"),
  });
  await assert.rejects(channel.ready(), DialFailure);
  assert.throws(() => callUnary(channel, "/a/b", one, never), failsWith(14, /gone/));
  channel[Symbol.dispose]();
  await assert.rejects(channel.ready(), failsWith(1, "the client is closed"));
});

test("a late word of an attempt to connect changes nothing about the next one", async (t) => {
  const dones: ((outcome: net.Socket | Error) => void)[] = [];
  const connect: Connect = (done) => {
    dones.push(done);
    return () => undefined;
  };
  const times = { keepAliveMs: 60_000, keepAliveTimeoutMs: 60_000 };
  const options = { connect, isSecure: false, authority: "a", receiveWindowBytes: windowBytes };
  const channel = new Channel({ ...options, ...times });
  t.after(() => channel[Symbol.dispose]());
  const first = channel.ready();
  dones[0]!(new DialFailure("refused"));
  await assert.rejects(first, DialFailure);
  const second = channel.ready();
  dones[0]!(new DialFailure("late"));
  channel[Symbol.dispose]();
  await assert.rejects(second, failsWith(1, "the client is closed"));
  assert.equal(dones.length, 1);
});

test("closing ends calls that are under way, and an attempt to connect", async (t) => {
  const channel = await byHand(t, () => Buffer.alloc(0));
  await channel.ready();
  const call = unary(channel, "/a/b", one);
  channel[Symbol.dispose]();
  await assert.rejects(call, failsWith(1, "the client is closed"));
  const silent = await byHand(t, () => Buffer.alloc(0), { hello: Buffer.alloc(0) });
  const ready = silent.ready();
  silent[Symbol.dispose]();
  await assert.rejects(ready, failsWith(1, "the client is closed"));
});
