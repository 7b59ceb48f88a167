// What a server that shuts down says last on a TLS connection whose calls have not ended: TLS's own
// farewell, without which rustls and others take the end for an attacker's (RFC 8446 section 6.1).

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import net from "node:net";
import { Duplex } from "node:stream";
import { test } from "node:test";
import tls from "node:tls";
import { certificate } from "./certificate.ts";
import { startTlsServer } from "./tls-fixture.ts";

/** Content type of an alert, which TLS 1.2 does not hide (RFC 5246 section 6.2.1). */
const alert = 21;

for (const [protocol, hello] of [
  ["h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  ["http/1.1", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"],
] as const) {
  test(`a connection of ${protocol} that a shutdown cuts ends with close_notify`, async (t) => {
    const web = createServer((_, response) => response.end("and stays open"));
    const onHttp1 = (socket: object) => web.emit("connection", socket);
    const running = await startTlsServer({}, { onHttp1 });
    const stop = () => running[Symbol.asyncDispose]();
    t.after(stop);
    const socket = net.connect(running.port, "127.0.0.1");
    t.after(() => socket.destroy());
    const heard: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => {
      heard.push(chunk);
      wire.push(chunk);
    });
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => socket.write(chunk, () => done()),
    });
    const ended = once(socket, "end");
    const client = tls.connect({
      socket: wire,
      ca: certificate,
      servername: "localhost",
      maxVersion: "TLSv1.2",
      ALPNProtocols: [protocol],
    });
    client.on("error", () => undefined);
    client.on("secureConnect", () => client.write(hello));
    await once(client, "data"); // the server's SETTINGS, or its answer: it speaks with us
    await stop();
    await ended;
    assert.equal(recordTypes(Buffer.concat(heard)).at(-1), alert);
  });
}

/** Of the records of one side; each has its length in bytes 3 and 4. */
function recordTypes(bytes: Buffer): number[] {
  const types: number[] = [];
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) {
    types.push(bytes[at] as number);
  }
  return types;
}
