// Clients other than our own against a member process: etcd's Go client (e2e/tools/clientv3) and
// @grpc/grpc-js. Python, Rust and Java were tried by hand: docs/clients.md.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { Client, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { type Method, methods } from "../../../src/client/index.ts";
import { rpcpb } from "../../../src/proto/index.ts";
import { createMembers, type Member, quoin, toolFolder } from "../../process/member.ts";
import { until } from "../../until.ts";

const folder = mkdtempSync(join(tmpdir(), "quoin-clients-"));
let member: Member;

before(async () => {
  member = (await createMembers(quoin, folder, 1))[0]!;
  member.start();
  await member.ready();
});

after(async () => {
  await member[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function restart(): Promise<void> {
  await member.stop();
  member.start();
  await member.ready();
}

test("clientv3 finds all it relies on, also over a restart", async (t) => {
  const tool = toolFolder("clientv3");
  assert(tool, "clientv3 needs Go to be built");
  const program = spawn(join(tool, "clientv3"), [member.endpoint], {
    stdio: ["pipe", "pipe", "ignore"],
  });
  t.after(() => program.kill("SIGKILL"));
  const results: string[] = [];
  const end = once(program, "exit");
  for await (const line of createInterface(program.stdout)) {
    if (line !== "RESTART") {
      results.push(line);
      continue;
    }
    await restart();
    program.stdin.write("restarted\n");
  }
  await end;
  assert.deepEqual(
    results,
    [
      "unary calls",
      "large messages",
      "many calls at once",
      "gzip",
      "watch",
      "a hundred watchers on one stream",
      "lease, keep-alive, session and lock",
      "snapshot stream",
      "deadlines",
      "cancel",
      "reconnect after a restart",
    ].map((name) => `ok ${name}`),
  );
});

// ---- grpc-js

/** A client that has no limit of its own on the size of messages. */
function connect(): Client & Disposable {
  const client = new Client(new URL(member.endpoint).host, credentials.createInsecure(), {
    "grpc.max_receive_message_length": -1,
    "grpc.max_send_message_length": -1,
  });
  return Object.assign(client, { [Symbol.dispose]: () => client.close() });
}

function ask<Q, R>(client: Client, method: Method<Q, R>, request: Q, ms = 30_000): Promise<R> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      (q: Q) => Buffer.from(method.encode(q)),
      method.decode,
      request,
      { deadline: Date.now() + ms },
      (error: ServiceError | null, answer?: R) => {
        if (error !== null) reject(error);
        else resolve(answer as R);
      },
    );
  });
}

const openWatch = (client: Client, deadline?: number) =>
  client.makeBidiStreamRequest(
    methods.watch.path,
    (q: Parameters<typeof methods.watch.encode>[0]) => Buffer.from(methods.watch.encode(q)),
    methods.watch.decode,
    deadline === undefined ? {} : { deadline },
  );
type WatchStream = ReturnType<typeof openWatch>;

const key = (text: string): Uint8Array => Buffer.from(text);

const put = (client: Client, name: string, value: Uint8Array | string) =>
  ask(client, methods.put, rpcpb.newPutRequest({ key: key(name), value: Buffer.from(value) }));
const range = (client: Client, name: string, end = "") =>
  ask(client, methods.range, rpcpb.newRangeRequest({ key: key(name), rangeEnd: key(end) }));

/** Asks for events of a key and waits until the watch stands. */
async function watchKey(stream: WatchStream, text: string): Promise<void> {
  const createRequest = rpcpb.newWatchCreateRequest({ key: key(text) });
  stream.write(rpcpb.newWatchRequest({ createRequest }));
  await once(stream, "data");
}

async function codeOf(stream: WatchStream): Promise<number> {
  const [error] = (await once(stream, "error")) as [ServiceError];
  return error.code;
}

test("grpc-js: unary calls and messages up to the limits", async () => {
  using client = connect();
  const value = randomBytes(1_400_000);
  const names = Array.from({ length: 15 }, (_, i) => `large/${String(i).padStart(2, "0")}`);
  for (const name of names) await put(client, name, value);
  const { kvs } = await range(client, "large/", "large0");
  assert.deepEqual(
    kvs.map((kv) => Buffer.from(kv.key).toString()),
    names,
  );
  assert(kvs.every((kv) => value.equals(kv.value)));
  const all = { key: key("large/"), rangeEnd: key("large0") };
  await ask(client, methods.deleteRange, rpcpb.newDeleteRangeRequest(all));
  const refused = (bytes: number): Promise<unknown> => put(client, "x", Buffer.alloc(bytes));
  await assert.rejects(refused(1_600_000), { details: "etcdserver: request is too large" });
  await assert.rejects(refused(3_000_000), (error: ServiceError) => {
    assert.equal(error.code, status.RESOURCE_EXHAUSTED);
    return error.details.startsWith("grpc: received message larger than max (30000");
  });
});

test("grpc-js: streams, their deadlines, and cancelling them", async () => {
  using client = connect();
  const stream = openWatch(client);
  const values: string[] = [];
  await watchKey(stream, "grpc-js");
  stream.on("data", (answer: ReturnType<typeof methods.watch.decode>) => {
    for (const event of answer.events) values.push(Buffer.from(event.kv!.value).toString());
  });
  const wanted = Array.from({ length: 300 }, (_, i) => String(i));
  for (const text of wanted) {
    await put(client, "grpc-js", text);
  }
  await until("all events", () => values.length === wanted.length);
  assert.deepEqual(values, wanted);
  const cancelled = codeOf(stream);
  stream.cancel();
  assert.equal(await cancelled, status.CANCELLED);

  const short = openWatch(client, Date.now() + 300);
  short.resume();
  assert.equal(await codeOf(short), status.DEADLINE_EXCEEDED);
  await ask(client, methods.status, {});
});

test("grpc-js: a stream ends with the server, and the client comes back by itself", async () => {
  using client = connect();
  const stream = openWatch(client);
  await watchKey(stream, "restart");
  const ended = codeOf(stream);
  stream.resume();
  await put(client, "restart", "kept");
  await restart();
  assert.equal(await ended, status.UNAVAILABLE);
  const { kvs } = await until("an answer", () => range(client, "restart"));
  assert.equal(Buffer.from(kvs[0]!.value).toString(), "kept");
});
