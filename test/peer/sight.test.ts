import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import net, { type AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { lookAt } from "../../src/peer/index.ts";

async function listen(t: TestContext, server: net.Server): Promise<string> {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("lookAt() tells a member by its cluster, and nobody by the lack of a connection", async (t) => {
  const member = createServer((_request, response) => {
    response.setHeader("X-Etcd-Cluster-ID", "4d");
    response.end("[]");
  });
  const address = await listen(t, member);
  assert.deepEqual(await lookAt(`http://${address}`, undefined), {
    kind: "member",
    clusterId: 77n,
  });
  const gone = net.createServer();
  const empty = await listen(t, gone);
  gone.close();
  const sight = await lookAt(`http://${empty}`, undefined);
  assert.ok(sight.kind === "absent" && /ECONNREFUSED/.test(sight.problem));
});

test("lookAt() is not sure of one that takes connections: it hangs, TLS fails, it breaks off, is no member", async (t) => {
  const problemAt = async (url: string, timeoutMs?: number): Promise<string> => {
    const sight = await lookAt(url, undefined, timeoutMs);
    assert.equal(sight.kind, "unclear", JSON.stringify(sight));
    return (sight as { problem: string }).problem;
  };
  const silent = await listen(
    t,
    net.createServer(() => undefined),
  );
  assert.equal(await problemAt(`http://${silent}`, 100), "no answer within 100 ms");
  assert.equal(await problemAt(`https://${silent}`, 100), "no answer within 100 ms");
  const page = createServer((_request, response) => response.writeHead(404).end());
  const other = await listen(t, page);
  assert.match(await problemAt(`http://${other}`), /^HTTP status 404/);
  assert.match(await problemAt(`https://${other}`), /SSL|packet length|EPROTO|wrong version/);
  const curt = await listen(
    t,
    net.createServer((socket) => socket.end()),
  );
  assert.match(await problemAt(`http://${curt}`), /hang up|ECONNRESET|EPIPE/);
});
