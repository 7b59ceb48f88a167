import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { MessageType } from "../../src/core/raft/index.ts";
import { hexId, type Index, memberId, type Term } from "../../src/core/types.ts";
import { createClock } from "../../src/io/index.ts";
import { askPeer } from "../../src/peer/index.ts";
import type { Clock } from "../../src/ports/index.ts";
import { raftpb } from "../../src/proto/index.ts";
import { entries, holds, message, one, pair, Rig, testCluster, two } from "./rig.ts";

const app = (from: number, n: number, bytes = 10) =>
  message({
    type: MessageType.MsgApp,
    to: two,
    from: one,
    term: 3 as Term,
    logTerm: 3 as Term,
    index: (from - 1) as Index,
    entries: entries(from, n, 3, bytes),
    commit: (from - 1) as Index,
  });

test("send() carries every kind of message both ways when streams stand", async () => {
  const [a, b] = await pair();
  const sent = [
    app(11, 3),
    app(14, 1),
    message({ type: MessageType.MsgHeartbeat, to: two, from: one, term: 3 as Term }),
    app(15, 2),
    message({ type: MessageType.MsgVote, to: two, from: one, context: Buffer.from("transfer") }),
  ];
  a.transport.send(sent);
  b.transport.send([message({ type: MessageType.MsgAppResp, to: one, from: two })]);
  await holds(() => b.got.length === 5 && a.got.length === 1);
  const apps = b.got.filter((m) => m.type === MessageType.MsgApp);
  assert.deepEqual(
    apps.map((m) => raftpb.encodeMessage(m)),
    [sent[0], sent[1], sent[3]].map((m) => raftpb.encodeMessage(m as never)),
  );
  assert.equal(a.got[0]?.type, MessageType.MsgAppResp);
  await Promise.all([a.close(), b.close()]);
});

test("send() delivers one turn's messages as one batch", async () => {
  const [a, b] = await pair();
  for (let i = 0; i < 500; i++) a.transport.send([app(1 + i, 1)]);
  await holds(() => b.got.length === 500);
  assert.ok(b.batches < 20, `${b.batches} batches`);
  assert.deepEqual(
    b.got.map((m) => m.entries[0]?.index),
    Array.from({ length: 500 }, (_, i) => i + 1),
  );
  await Promise.all([a.close(), b.close()]);
});

test("send() drops and reports unreachable when the queue is full", async () => {
  const a = await new Rig(one, testCluster, [], { limits: { queuedMessages: 10 } }).listen();
  const b = await new Rig(two, testCluster).listen();
  a.transport.addPeer(two, [b.url]);
  b.transport.addPeer(one, [a.url]);
  await holds(() => a.transport.activePeers() === 1 && b.transport.activePeers() === 1);
  await holds(() => a.transport.activeSince(two) !== undefined);
  a.transport.send(Array.from({ length: 100 }, (_, i) => app(1 + i, 1)));
  await holds(() => a.unreachable.length > 0);
  assert.deepEqual(a.unreachable, [two]);
  await Promise.all([a.close(), b.close()]);
});

test("send() goes by pipeline when the peer has not dialled us", async () => {
  const a = await new Rig(one, testCluster, ["http://127.0.0.1:1"]).listen();
  const b = await new Rig(two, testCluster).listen();
  a.transport.addPeer(two, [b.url]);
  a.transport.send([app(5, 2)]);
  await holds(() => b.got.length === 1);
  assert.equal(b.got[0]?.entries.length, 2);
  await Promise.all([a.close(), b.close()]);
});

test("send() reports unreachable when nobody listens", async () => {
  const a = await new Rig(one, testCluster).listen();
  a.transport.addPeer(two, ["http://127.0.0.1:1"]);
  a.transport.send([app(5, 2)]);
  await holds(() => a.unreachable.length > 0);
  assert.equal(a.transport.activeSince(two), undefined);
  await a.close();
});

test("a message is not lost to a kept connection that the peer has closed", async () => {
  let posts = 0;
  const server = createServer((s) => {
    let requests = 0;
    s.on("error", () => undefined);
    s.on("data", (chunk) => {
      if (!chunk.includes("POST /raft ") || ++requests > 1) {
        s.destroy();
        return;
      }
      posts++;
      s.write("HTTP/1.1 204 No Content\r\n\r\n");
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const a = new Rig(one, testCluster, [], { times: { probeIntervalMs: 60_000 } });
  a.transport.addRemote(two, [`http://127.0.0.1:${port}`]);
  for (let i = 1; i <= 3; i++) {
    a.transport.send([app(i, 1)]);
    await holds(() => posts === i);
  }
  assert.deepEqual(a.unreachable, []);
  a.transport.close();
  server.close();
});

test("addPeer() and send() survive URLs that lead nowhere", async () => {
  const bad = ["http://127.0.0.1:99999", "unix://x", "https://127.0.0.1:1", "", "::"];
  const a = await new Rig(one, testCluster, [], { times: { probeIntervalMs: 5 } }).listen();
  for (const [i, url] of bad.entries()) {
    const id = memberId(BigInt(100 + i));
    a.transport.addPeer(id, url === "" ? [] : [url]);
    a.transport.send([message({ type: MessageType.MsgVote, to: id, from: one })]);
  }
  await holds(() => a.unreachable.length === bad.length);
  await a.close();
});

test("a request's X-PeerURLs make its sender reachable", async () => {
  const b = await new Rig(two, testCluster).listen();
  const a = await new Rig(one, testCluster).listen();
  const c = new Rig(one, testCluster, [a.url]);
  c.transport.addPeer(two, [b.url]);
  c.transport.send([app(1, 1)]);
  await holds(() => b.got.length === 1);
  b.transport.send([message({ type: MessageType.MsgAppResp, to: one, from: two })]);
  await holds(() => a.got.length === 1);
  await Promise.all([a.close(), b.close(), c.close()]);
});

test("streams come back after the peer's port was gone, and the loss is noticed at once", async () => {
  const [a, b] = await pair();
  const { url } = b;
  await b.closePort();
  await holds(() => a.lost.includes(two) && a.transport.activeSince(two) === undefined);
  await b.listen(url);
  await holds(() => a.transport.activeSince(two) !== undefined);
  a.transport.send([message({ type: MessageType.MsgHeartbeat, to: two, from: one })]);
  await holds(() => b.got.length === 1);
  await Promise.all([a.close(), b.close()]);
});

test("updatePeer() moves the streams to the new URL", async () => {
  const a = await new Rig(one, testCluster).listen();
  const b = await new Rig(two, testCluster).listen();
  b.transport.addPeer(one, [a.url]);
  a.transport.addPeer(two, ["http://127.0.0.1:1"]);
  a.transport.updatePeer(two, [b.url]);
  b.transport.send([message({ type: MessageType.MsgAppResp, to: one, from: two })]);
  await holds(() => a.got.length === 1);
  await Promise.all([a.close(), b.close()]);
});

test("a stream of a removed member is refused with 410 and the member told", async () => {
  const a = await new Rig(one, testCluster).listen();
  const b = await new Rig(two, testCluster).listen();
  b.removedIds.add(one);
  a.transport.addPeer(two, [b.url]);
  await holds(() => a.removedCalls > 0);
  a.transport.send([app(1, 1)]);
  await holds(() => a.unreachable.length > 0);
  assert.equal(b.got.length, 0);
  await Promise.all([a.close(), b.close()]);
});

test("requests with another cluster id, version or target are refused as etcd does", async () => {
  const b = await new Rig(two, testCluster).listen();
  b.transport.addPeer(one, ["http://127.0.0.1:1"]);
  const headers = {
    "X-Server-From": hexId(one),
    "X-Server-Version": "3.7.3",
    "X-Min-Cluster-Version": "3.0.0",
    "X-Etcd-Cluster-ID": hexId(testCluster),
    "X-Raft-To": hexId(two),
  };
  const path = `/raft/stream/msgapp/${hexId(one)}`;
  const ask = async (p: string, h: Record<string, string>, method: "GET" | "POST" = "GET") => {
    const answer = await askPeer(b.url, {
      path: p,
      method,
      headers: { ...headers, ...h },
      timeoutMs: 60_000,
    });
    return `${answer.status} ${Buffer.from(answer.body)}`;
  };
  assert.equal(await ask(path, { "X-Etcd-Cluster-ID": "1" }), "412 cluster ID mismatch\n");
  assert.equal(await ask(path, { "X-Server-Version": "2.3.8" }), "412 incompatible version\n");
  assert.equal(await ask(path, { "X-Min-Cluster-Version": "3.8.0" }), "412 incompatible version\n");
  assert.equal(await ask(path, { "X-Raft-To": "7" }), "412 to field mismatch\n");
  assert.equal(await ask("/raft/stream/msgapp/99", {}), "404 error sender not found\n");
  assert.equal(await ask("/raft/stream/other/99", {}), "404 invalid path\n");
  assert.equal(await ask("/raft/stream/message/xyz", {}), "404 invalid from\n");
  assert.equal(await ask("/raft", {}), "405 Method Not Allowed\n");
  assert.equal(await ask("/raft/nothing", {}), "404 404 page not found\n");
  assert.equal(await ask(path, {}, "POST"), "405 Method Not Allowed\n");
  assert.match(await ask("/raft/probing", {}), /^200 {"OK":true,"Now":"/);
  b.removedIds.add(one);
  assert.equal(await ask(path, {}), "410 removed member\n");
  await b.close();
});

test("POST /raft answers 204, 403 for a removed sender and 500 for another target", async () => {
  const b = await new Rig(two, testCluster).listen();
  const post = async (m: ReturnType<typeof message> | Buffer) => {
    const answer = await askPeer(b.url, {
      path: "/raft",
      method: "POST",
      body: Buffer.isBuffer(m) ? m : raftpb.encodeMessage(m),
      headers: { "X-Server-Version": "3.7.3", "X-Etcd-Cluster-ID": hexId(testCluster) },
      timeoutMs: 60_000,
    });
    return `${answer.status} ${Buffer.from(answer.body)}`;
  };
  assert.equal(await post(app(1, 1)), "204 ");
  const mismatch = "500 error processing raft message\n";
  assert.equal(await post(message({ to: memberId(9n), from: one })), mismatch);
  assert.equal(await post(Buffer.from([0xff])), "400 error unmarshalling raft message\n");
  b.removedIds.add(one);
  const removed = '403 {"message":"cannot process message from removed member"}';
  assert.equal(await post(app(1, 1)), removed);
  await b.close();
});

const snapshotMessage = () =>
  message({
    type: MessageType.MsgSnap,
    to: two,
    from: one,
    term: 3 as Term,
    snapshot: raftpb.newSnapshot({
      metadata: raftpb.newSnapshotMetadata({ index: 100 as Index, term: 3 as Term }),
    }) as never,
  });

async function* chunks(total: number, size: number, fail = false) {
  for (let at = 0; at < total; at += size) {
    yield Buffer.alloc(Math.min(size, total - at), at / size);
    if (fail) throw new Error("disk broke");
  }
}

test("a MsgSnap streams its database and is stepped after it was saved", async () => {
  const [a, b] = await pair();
  const sizeBytes = 5_000_001;
  let closed = 0;
  a.outgoing = async (m) => ({
    message: m,
    sizeBytes,
    chunks: chunks(sizeBytes, 100_000),
    close: () => {
      closed++;
    },
  });
  a.transport.send([snapshotMessage()]);
  await holds(() => a.snapshotsSent.length === 1);
  assert.deepEqual(a.snapshotsSent, [true]);
  assert.equal(closed, 1);
  assert.equal(b.received[0]?.bytes.length, sizeBytes);
  assert.equal(b.received[0]?.bytes[4_999_999], 49);
  assert.equal(b.got[0]?.snapshot?.metadata.index, 100);
  await Promise.all([a.close(), b.close()]);
});

test("a snapshot fails on both sides when its source breaks off or lies about its size", async () => {
  const [a, b] = await pair();
  const sources = [chunks(1000, 100, true), chunks(1000, 100), chunks(1000, 100)];
  for (const [i, sizeBytes] of [1000, 999, 1001].entries()) {
    a.outgoing = async (m) => ({
      message: m,
      sizeBytes,
      chunks: sources[i] as AsyncIterable<Uint8Array>,
      close: () => undefined,
    });
    a.transport.send([snapshotMessage()]);
    await holds(() => a.snapshotsSent.length === i + 1);
  }
  a.outgoing = undefined;
  a.transport.send([snapshotMessage()]);
  await holds(() => a.snapshotsSent.length === 4);
  assert.deepEqual(a.snapshotsSent, [false, false, false, false]);
  assert.equal(b.received.length, 0);
  assert.equal(b.got.length, 0);
  await Promise.all([a.close(), b.close()]);
});

test("a peer that takes nothing is cut off after the read timeout", async () => {
  const times = { readTimeoutMs: 150 };
  const a = await new Rig(one, testCluster, [], { times }).listen();
  a.transport.addPeer(two, ["http://127.0.0.1:1"]);
  // A client that asks for the stream and then reads nothing.
  const sent = request(`${a.url}/raft/stream/msgapp/2`, {
    agent: false,
    headers: {
      "X-Server-Version": "3.7.3",
      "X-Etcd-Cluster-ID": hexId(testCluster),
      "X-Raft-To": hexId(one),
    },
  });
  sent.end();
  const [response] = await once(sent, "response");
  response.pause();
  response.on("error", () => undefined);
  sent.on("error", () => undefined);
  await holds(() => a.transport.activeSince(two) !== undefined);
  for (let i = 0; i < 40; i++) a.transport.send([app(1 + i, 1, 1 << 20)]);
  await holds(() => a.unreachable.length > 0);
  sent.destroy();
  await a.close();
});

test("a silent stream is dialled anew after the read timeout", async () => {
  const sockets: Socket[] = [];
  const server = createServer((s) => {
    sockets.push(s);
    s.on("error", () => undefined);
    s.once("data", () => s.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const times = { readTimeoutMs: 100, dialRetryMs: 10 };
  const a = await new Rig(one, testCluster, [], { times }).listen();
  a.transport.addPeer(two, [`http://127.0.0.1:${port}`]);
  await holds(() => sockets.length >= 6);
  assert.ok(a.lost.includes(two));
  await a.close();
  for (const s of sockets) s.destroy();
  server.close();
});

test("close() leaves no timer, and no socket for long", async () => {
  const real = createClock();
  const waiting = new Set<object>();
  const clock: Clock = {
    ...real,
    after: (ms, f) => {
      const key = {};
      waiting.add(key);
      const cancel = real.after(ms, () => {
        waiting.delete(key);
        f();
      });
      return () => {
        waiting.delete(key);
        cancel();
      };
    },
  };
  const a = await new Rig(one, testCluster, [], { clock }).listen();
  const b = await new Rig(two, testCluster, [], { clock }).listen();
  a.transport.addPeer(two, [b.url]);
  b.transport.addPeer(one, [a.url]);
  await holds(() => a.transport.activePeers() === 1 && b.transport.activePeers() === 1);
  assert.ok(waiting.size > 0);
  await Promise.all([a.close(), b.close()]);
  assert.equal(waiting.size, 0);
  await holds(() => !process.getActiveResourcesInfo().some((r) => r.startsWith("TCP")));
});
