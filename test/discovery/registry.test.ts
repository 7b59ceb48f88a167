import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client } from "../../src/client/index.ts";
import { formatInitialCluster } from "../../src/core/membership/index.ts";
import { memberId } from "../../src/core/types.ts";
import { joinRegistry } from "../../src/discovery/index.ts";
import { createClock } from "../../src/io/index.ts";
import type { Clock, Logger } from "../../src/ports/index.ts";
import { createMembers, type Member, quoin } from "../process/member.ts";

const folder = mkdtempSync(join(tmpdir(), "quoin-registry-"));
let server: Member;
let client: Client;

before(async () => {
  [server] = (await createMembers(quoin, folder, 1)) as [Member];
  server.start();
  await server.ready(120_000);
  client = server.client();
});

after(async () => {
  client?.close();
  await server?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

interface Joining {
  readonly client?: Client;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** Told of each line. */
  readonly onLine?: (msg: string) => void;
  readonly requestTimeoutMs?: number;
}

/** Member number `id` joins: the cluster as text. */
async function joined(token: string, id: number, joining: Joining = {}): Promise<string> {
  const line = (msg: string): void => joining.onLine?.(msg);
  const logger: Logger = { debug: line, info: line, warn: line, error: line, child: () => logger };
  const options = {
    client: joining.client ?? client,
    token,
    requestTimeoutMs: joining.requestTimeoutMs ?? 5000,
    clock: joining.clock ?? createClock(),
    logger,
    signal: joining.signal ?? new AbortController().signal,
  };
  const cluster = await joinRegistry(options, memberId(BigInt(id)), `m${id}=${urlOf(id)}`);
  return formatInitialCluster(cluster);
}

const urlOf = (id: number): string => `http://127.0.0.1:${id}`;
const both = `m1=${urlOf(1)},m2=${urlOf(2)}`;
const setSize = (token: string, size: string) =>
  client.kv.put(`/_etcd/registry/${token}/_config/size`, size);

test("joinRegistry() gives all members the same cluster, and later ones none", async () => {
  await setSize("t1", "2");
  assert.deepEqual(await Promise.all([joined("t1", 1), joined("t1", 2)]), [both, both]);
  await assert.rejects(joined("t1", 3), /^\w*Error: discovery: cluster is full$/);
  // Who registered before it crashed takes its own place again.
  assert.equal(await joined("t1", 2), both);
  const { kvs } = await client.kv.get("/_etcd/registry/t1/members", { prefix: true });
  assert.equal(kvs.length, 2);
});

test("joinRegistry() passes over what is no member, and what a member writes again", async () => {
  await setSize("t2", "2");
  await client.kv.put("/_etcd/registry/t2/members/zz", "nonsense");
  await client.kv.put("/_etcd/registry/t2/members/ff", `m2=${urlOf(2)}`);
  const waiting = joined("t2", 1);
  await client.kv.put("/_etcd/registry/t2/members/ff", `m2=${urlOf(2)}`);
  assert.equal(await waiting, both);
});

test("joinRegistry() tries again, ever more rarely, while the registry is away", async () => {
  await setSize("t3", "1");
  const gate = await Gate.open(portOf(server));
  const pauses: number[] = [];
  // Time passes when it is asked for; after three pauses the registry is there again.
  const clock: Clock = {
    ...createClock(),
    after: (ms, f) => {
      pauses.push(ms);
      if (pauses.length === 3) gate.isOpen = true;
      const timer = setImmediate(f);
      return () => clearImmediate(timer);
    },
  };
  const away = new Client({ endpoints: [gate.endpoint] });
  try {
    const found = await joined("t3", 1, { client: away, clock, requestTimeoutMs: 200 });
    assert.equal(found, `m1=${urlOf(1)}`);
    assert.deepEqual(pauses.slice(0, 3), [2000, 4000, 8000]);
  } finally {
    away.close();
    gate.close();
  }
});

test("joinRegistry() reads anew what was compacted while its connection was away", async () => {
  await setSize("t4", "2");
  const gate = await Gate.open(portOf(server));
  gate.isOpen = true;
  const through = new Client({ endpoints: [gate.endpoint] });
  try {
    const waits = Promise.withResolvers<void>();
    const onLine = (msg: string): void => {
      if (msg.startsWith("waiting for peers")) waits.resolve();
    };
    const cluster = joined("t4", 1, { client: through, onLine });
    await waits.promise;
    gate.isOpen = false;
    gate.cut();
    assert.equal((await client.kv.get("/_etcd/registry/t4/members", { prefix: true })).count, 1);
    const { header } = await client.kv.put("/_etcd/registry/t4/members/2", `m2=${urlOf(2)}`);
    await client.kv.put("beside", "x");
    await client.kv.compact((header?.revision ?? 0) + 1);
    gate.isOpen = true;
    assert.equal(await cluster, both);
  } finally {
    through.close();
    gate.close();
  }
});

test("joinRegistry() ends with the signal's reason while it waits", async () => {
  await setSize("t5", "2");
  const controller = new AbortController();
  const onLine = (msg: string): void => {
    if (msg.startsWith("waiting for peers")) controller.abort(new Error("enough"));
  };
  await assert.rejects(joined("t5", 1, { signal: controller.signal, onLine }), /^Error: enough$/);
});

const portOf = ({ endpoint }: Member): number => Number(new URL(endpoint).port);

/** Stands before the registry: connections that come while it is closed are cut at once. */
class Gate {
  isOpen = false;
  readonly endpoint: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number, server: Server) {
    this.#server = server;
    this.endpoint = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
    server.on("connection", (from) => this.#join(from, port));
  }

  static open(port: number): Promise<Gate> {
    return new Promise((resolve) => {
      const listener = createServer();
      listener.listen(0, "127.0.0.1", () => resolve(new Gate(port, listener)));
    });
  }

  #join(from: Socket, port: number): void {
    if (!this.isOpen) {
      from.destroy();
      return;
    }
    const to = connect(port, "127.0.0.1");
    for (const socket of [from, to]) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => (socket === from ? to : from).destroy());
      socket.pipe(socket === from ? to : from);
    }
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }
}
