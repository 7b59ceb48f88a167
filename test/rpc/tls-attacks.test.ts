// Clients that do not get through the handshake of TLS, or do and then stay silent.

import assert from "node:assert/strict";
import net from "node:net";
import { type TestContext, test } from "node:test";
import tls from "node:tls";
import * as grpc from "@grpc/grpc-js";
import type { ListenerOptions } from "../../src/tls/index.ts";
import { until } from "../until.ts";
import { certificate } from "./certificate.ts";
import { GrpcClient } from "./fixture.ts";
import { startTlsServer } from "./tls-fixture.ts";

/** A TLS client's first flight, as Node sends it. */
async function clientHello(): Promise<Buffer> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  const hello = new Promise<Buffer>((resolve) => {
    server.once("connection", (socket) => {
      socket.on("error", () => {});
      socket.once("data", (bytes: Buffer) => {
        socket.destroy();
        resolve(bytes);
      });
    });
  });
  const client = tls.connect({ port, host: "127.0.0.1", ALPNProtocols: ["h2"] });
  client.on("error", () => {});
  const bytes = await hello;
  server.close();
  return bytes;
}

async function scene(
  t: TestContext,
  listening: Pick<ListenerOptions, "connectionsMax" | "handshakeMs"> = {},
) {
  // An honest client's handshake is in time also where this process is held up.
  const handshakeMs = 2000;
  const limits = { handshakeMs };
  const methods = {
    "/t.T/Echo": {
      kind: "unary" as const,
      handle: (q: Uint8Array, call: { respond(a: Uint8Array): void }) => call.respond(q),
    },
  };
  const running = await startTlsServer(methods, { limits }, { handshakeMs, ...listening });
  t.after(() => running[Symbol.asyncDispose]());
  const trust = grpc.credentials.createSsl(Buffer.from(certificate));
  const raw = new grpc.Client(`localhost:${running.port}`, trust);
  t.after(() => raw.close());
  const other = new GrpcClient(raw);
  const answered = async (): Promise<void> => {
    assert.equal(String(await other.unary("/t.T/Echo", Buffer.from("safe"))), "safe");
  };
  await answered();
  const connect = (...bytes: Buffer[]): net.Socket & { over?: boolean } => {
    const socket: net.Socket & { over?: boolean } = net.connect(running.port, "127.0.0.1");
    t.after(() => socket.destroy());
    socket.on("error", () => {});
    socket.on("close", () => {
      socket.over = true;
    });
    socket.resume();
    for (const b of bytes) socket.write(b);
    return socket;
  };
  return { ...running, answered, connect };
}

test("handshakes that stop anywhere are cut in time; other clients are answered", async (t) => {
  const { answered, connect } = await scene(t);
  const hello = await clientHello();
  const lengths = [0, 1, 5, 6, 40, hello.length - 1, hello.length];
  const cut = lengths.map((n) => connect(hello.subarray(0, n)));
  await answered();
  await until("all are closed", () => cut.every((socket) => socket.over));
  await answered();
});

test("clients that leave within the handshake leave nothing behind", async (t) => {
  const { answered, connect, server } = await scene(t);
  const hello = await clientHello();
  const gone = [1, 40, hello.length].map((n) => connect(hello.subarray(0, n)));
  for (const socket of gone) socket.end();
  await until("all are closed", () => gone.every((socket) => socket.over));
  assert.equal(server.stats().connections, 1);
  await answered();
});

test("what is no TLS, and records too long, are closed at once", async (t) => {
  const { answered, connect } = await scene(t, { handshakeMs: 60_000 });
  const wrong = [
    Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    Buffer.from([0x16, 3, 1, 0xff, 0xff, ...new Array<number>(200).fill(1)]),
    Buffer.from([0x17, 3, 3, 0, 5, 1, 2, 3, 4, 5]),
  ].map((bytes) => connect(bytes));
  await until("all are closed", () => wrong.every((socket) => socket.over));
  await answered();
});

test("a client that shook hands and says nothing is cut in time", async (t) => {
  const { answered, port } = await scene(t);
  const silent = tls.connect({ port, ca: certificate, host: "localhost", ALPNProtocols: ["h2"] });
  t.after(() => silent.destroy());
  silent.on("error", () => {});
  let over = false;
  silent.on("close", () => {
    over = true;
  });
  await until("it is closed", () => over);
  await answered();
});

test("handshakes beyond the bound of connections are closed; others go on", async (t) => {
  const { answered, connect } = await scene(t, { connectionsMax: 5, handshakeMs: 60_000 });
  const all = Array.from({ length: 12 }, () => connect());
  await until("eight are closed", () => all.filter((socket) => socket.over).length === 8);
  await answered();
});
