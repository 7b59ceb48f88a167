import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { test } from "node:test";
import { Gateway } from "../../src/api/index.ts";
import { createClock } from "../../src/io/index.ts";
import { loadServices, rpcpb } from "../../src/proto/index.ts";
import type { Method } from "../../src/rpc/index.ts";
import { until } from "../until.ts";

test("an answer too large to be held as JSON is refused with advice", async () => {
  let value = Buffer.alloc(900);
  const range: Method = {
    kind: "unary",
    handle: (_request, call) => {
      const kv = {
        key: Buffer.from("k"),
        createRevision: 2,
        modRevision: 2,
        version: 1,
        value,
        lease: 0n,
      };
      call.respond(
        rpcpb.encodeRangeResponse(rpcpb.newRangeResponse({ kvs: [kv as never], count: 1 })),
      );
    },
  };
  const gateway = new Gateway({
    methods: new Map([["/etcdserverpb.KV/Range", range]]),
    clock: createClock(),
    requestBytesMax: 1000,
    answerBytesMax: 1000,
  });
  const server = createServer((request, response) => void gateway.serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v3/kv/range`;
    const ask = () => fetch(url, { method: "POST", body: JSON.stringify({ key: "aw==" }) });
    assert.equal((await ask()).status, 200);
    value = Buffer.alloc(1000);
    const refused = await ask();
    assert.equal(refused.status, 429);
    const { message } = (await refused.json()) as { message: string };
    assert.match(
      message,
      /^the answer of 10\d\d bytes is too large for JSON; ask for less \(limit/,
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("a long answer becomes JSON in turns, so that others have theirs, and as the client reads", async (t) => {
  const kv = { key: Buffer.from("k"), createRevision: 2, modRevision: 2, version: 1, lease: 0n };
  const kvs = Array.from({ length: 4000 }, (_, i) => ({ ...kv, value: Buffer.alloc(2000, i) }));
  const answer = rpcpb.encodeRangeResponse(rpcpb.newRangeResponse({ kvs: kvs as never }));
  const range: Method = { kind: "unary", handle: (_request, call) => call.respond(answer) };
  const gateway = new Gateway({
    methods: new Map([["/etcdserverpb.KV/Range", range]]),
    clock: createClock(),
    requestBytesMax: 1000,
  });
  let turn = 0;
  let isOver = false;
  const count = (): void => {
    turn++;
    if (!isOver) setImmediate(count);
  };
  count();
  /** Characters that were handed to the response, by the turn of the loop. */
  const made = new Map<number, number>();
  let total = 0;
  const server = createServer((request, response) => {
    const note = (piece: unknown): void => {
      if (typeof piece !== "string") return;
      made.set(turn, (made.get(turn) ?? 0) + piece.length);
      total += piece.length;
    };
    const write = response.write.bind(response) as (...args: unknown[]) => boolean;
    const end = response.end.bind(response) as (...args: unknown[]) => typeof response;
    response.write = (...args: unknown[]) => {
      note(args[0]);
      return write(...args);
    };
    response.end = ((...args: unknown[]) => {
      note(args[0]);
      return end(...args);
    }) as typeof response.end;
    gateway.serve(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    isOver = true;
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}/v3/kv/range`;
  const body = await (await fetch(url, { method: "POST", body: "{}" })).text();
  const { serviceMethods } = await loadServices();
  const whole = serviceMethods.find(({ path }) => path === "/etcdserverpb.KV/Range");
  assert.ok(body === whole?.toJson(answer), `${body.length} characters`);
  assert.ok(made.size >= body.length / 128_000, `${made.size} turns`);
  assert.ok(Math.max(...made.values()) <= 128_000);
  // One that reads nothing: no more is made than fits on the way, and it can leave.
  total = 0;
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.pause();
  socket.write("POST /v3/kv/range HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
  await until("it is held", () => {
    const before = total;
    return new Promise<boolean>((resolve) => {
      const from = turn;
      const look = (): void => {
        if (turn < from + 200) setImmediate(look);
        else resolve(total > 0 && total === before);
      };
      look();
    });
  });
  assert.ok(total < body.length, `${total} of ${body.length} characters`);
  socket.destroy();
});
