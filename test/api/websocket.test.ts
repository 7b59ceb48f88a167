import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { Duplex } from "node:stream";
import { test } from "node:test";
import { handshake, isWebSocketUpgrade, WebSocketEnd } from "../../src/api/gateway/websocket.ts";
import { until } from "../until.ts";

/** A client's frame; masked unless told otherwise. */
function frame(
  opcode: number,
  payload: Buffer | string,
  options: { last?: boolean; masked?: boolean } = {},
) {
  const { last = true, masked = true } = options;
  const body = Buffer.from(payload);
  const mask = Buffer.from([1, 2, 3, 4]);
  const length = body.byteLength;
  const head = Buffer.alloc(length > 65_535 ? 10 : length > 125 ? 4 : 2);
  head[0] = (last ? 128 : 0) | opcode;
  head[1] = (masked ? 128 : 0) | (length > 65_535 ? 127 : length > 125 ? 126 : length);
  if (length > 65_535) head.writeBigUInt64BE(BigInt(length), 2);
  else if (length > 125) head.writeUInt16BE(length, 2);
  if (!masked) return Buffer.concat([head, body]);
  return Buffer.concat([head, mask, body.map((b, i) => b ^ (mask[i & 3] as number))]);
}

/** The end under test, its messages, and what it has sent. */
function open(messageBytesMax = 1000) {
  const sent: Buffer[] = [];
  const messages: string[] = [];
  let isClosed = false;
  const socket = new Duplex({
    read: () => undefined,
    write: (bytes: Buffer, _encoding, done) => {
      sent.push(bytes);
      done();
    },
  });
  const end = new WebSocketEnd(socket, messageBytesMax, {
    message: (payload) => messages.push(payload.toString()),
    closed: () => {
      isClosed = true;
    },
    drained: () => undefined,
  });
  const all = (): string => Buffer.concat(sent).toString("hex");
  return { socket, end, messages, all, closed: () => isClosed };
}

const request = (headers: Record<string, string>, method = "GET") =>
  ({ method, headers }) as unknown as IncomingMessage;

const sound = {
  upgrade: "WebSocket",
  connection: "keep-alive, Upgrade",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

test("handshake() answers as section 1.3 of RFC 6455 says", () => {
  assert.ok(isWebSocketUpgrade(request(sound)));
  assert.ok(!isWebSocketUpgrade(request({ ...sound, upgrade: "h2c" })));
  assert.ok(!isWebSocketUpgrade(request({ ...sound, connection: "keep-alive" })));
  const answer = handshake(request(sound), "Bearer");
  assert.ok("head" in answer);
  assert.match(answer.head, /Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/);
  assert.match(answer.head, /Sec-WebSocket-Protocol: Bearer\r\n/);
});

test("handshake() says what is wrong", () => {
  const problems = [
    handshake(request(sound, "POST"), undefined),
    handshake(request({ ...sound, "sec-websocket-version": "8" }), undefined),
    handshake(request({ ...sound, "sec-websocket-key": "short" }), undefined),
  ];
  for (const answer of problems) assert.ok("problem" in answer);
});

test("messages come whole, in pieces, and byte by byte", async () => {
  const { socket, messages, all } = open(100_000);
  const long = "x".repeat(70_000);
  const bytes = Buffer.concat([
    frame(1, "one"),
    frame(1, "t", { last: false }),
    frame(9, "still there?"),
    frame(0, "w", { last: false }),
    frame(0, "o"),
    frame(2, "y".repeat(200)),
    frame(1, ""),
  ]);
  for (const byte of bytes) socket.push(Buffer.from([byte]));
  socket.push(frame(1, long));
  const last = Buffer.concat([frame(1, long), frame(1, "end")]);
  for (let at = 0; at < last.byteLength; at += 999) socket.push(last.subarray(at, at + 999));
  await until("seven messages", () => messages.length === 7);
  assert.deepEqual(messages, ["one", "two", "y".repeat(200), "", long, long, "end"]);
  assert.equal(all(), `8a0c${Buffer.from("still there?").toString("hex")}`);
});

/** A message of so many bytes, each a frame of its own, its end still to come. */
const pieces = (count: number): Buffer =>
  Buffer.concat([
    frame(1, "", { last: false }),
    ...Array.from({ length: count }, () => frame(0, "a", { last: false })),
  ]);

test("a message may have many pieces, and any number of pieces of nothing", async () => {
  const { socket, messages, all } = open(2000);
  const nothing = frame(0, "", { last: false });
  socket.push(
    Buffer.concat([
      pieces(1024),
      ...Array.from({ length: 3000 }, () => nothing),
      frame(0, ""),
      frame(1, "", { last: false }),
      frame(0, "b"),
    ]),
  );
  await until("two messages", () => messages.length === 2);
  assert.deepEqual(messages, ["a".repeat(1024), "b"]);
  assert.equal(all(), "");
});

/** What, its bytes, the close code in hexadecimal, the bound. */
const wrongs: readonly (readonly [string, Buffer, string, number?])[] = [
  ["an unmasked frame", frame(1, "a", { masked: false }), "03ea"],
  ["a bit of an extension", Buffer.from([0xc1, 0x80, 1, 2, 3, 4]), "03ea"],
  ["an unknown opcode", frame(3, "a"), "03ea"],
  ["an unknown control opcode", frame(11, "a"), "03ea"],
  ["a ping in pieces", frame(9, "a", { last: false }), "03ea"],
  ["a ping that is too long", frame(9, "a".repeat(126)), "03ea"],
  ["a piece of nothing", frame(0, "a"), "03ea"],
  [
    "a message amid another",
    Buffer.concat([frame(1, "a", { last: false }), frame(1, "b")]),
    "03ea",
  ],
  ["a message beyond the bound", frame(1, "a".repeat(1001)), "03f1"],
  ["a length of 2^63", Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]), "03f1"],
  [
    "pieces beyond the bound",
    Buffer.concat([frame(1, "a".repeat(600), { last: false }), frame(0, "a".repeat(600))]),
    "03f1",
  ],
  ["more pieces than a message may have", pieces(1025), "03f1", 2000],
  ["the client's close", frame(8, Buffer.from([3, 0xe8])), "03e8"],
];

for (const [what, bytes, code, bound] of wrongs) {
  test(`${what} ends it with a close frame`, async () => {
    const { socket, messages, all } = open(bound);
    socket.push(bytes);
    await until("the close frame", () => all() !== "");
    assert.equal(all(), `8802${code}`);
    assert.deepEqual(messages, []);
    assert.ok(socket.writableEnded);
    await until("the connection's end", () => socket.destroyed);
  });
}

test("nothing leaves behind the close frame, and the reader learns of the end", async () => {
  const { end, all, closed } = open();
  end.send("a");
  end.close(1000);
  end.send("b");
  end.close(1011);
  assert.equal(all(), "810161880203e8");
  await until("the end", closed);
});

test("a client that takes its pongs again does not undo a pause", async () => {
  let take: () => void = () => assert.fail("nothing was written");
  const socket = new Duplex({
    highWaterMark: 1,
    read: () => undefined,
    write: (_bytes, _encoding, done) => {
      take = done;
    },
    writev: (_chunks, done) => {
      take = done;
    },
  });
  const end = new WebSocketEnd(socket, 1000, {
    message: () => undefined,
    closed: () => undefined,
    drained: () => undefined,
  });
  const drain = async (): Promise<void> => {
    take();
    await until("room", () => !socket.writableNeedDrain);
  };
  socket.push(frame(9, "a"));
  await until("a pong that waits", () => socket.isPaused());
  end.pause();
  await drain();
  assert.ok(socket.isPaused());
  end.resume();
  assert.ok(!socket.isPaused());
  socket.push(frame(9, "a"));
  await until("a pong that waits", () => socket.isPaused());
  end.resume();
  assert.ok(socket.isPaused());
  await drain();
  assert.ok(!socket.isPaused());
  socket.destroy();
});
