// Random input, by count and seed: FUZZ_SEED (default 1) and FUZZ_COUNT (default 3000 conversations,
// of which a quarter is proper and must be answered, and 20,000 header blocks).

import assert from "node:assert/strict";
import { type Duplex, duplexPair } from "node:stream";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { HpackDecoder } from "../../src/rpc/hpack.ts";
import type { Method, RpcServer } from "../../src/rpc/index.ts";
import { NotYet, until } from "../until.ts";
import {
  type Below,
  type Conversation,
  conversation,
  damage,
  generator,
  preface,
} from "./conversation.ts";
import { grpcClient, silentLogger, start } from "./fixture.ts";

const seed = Number(process.env["FUZZ_SEED"] ?? 1);
const count = Number(process.env["FUZZ_COUNT"] ?? 3000);
/** Conversations at once, so that one may harm another. */
const atOnce = 8;

const methods: Readonly<Record<string, Method>> = {
  "/t.T/Echo": { kind: "unary", handle: (request, call) => call.respond(request) },
  "/t.T/Stream": {
    kind: "stream",
    open: (call) => {
      call.onMessage = (message) => call.send(message);
      call.onEnd = () => call.end();
    },
  },
};

/** The client's end of a connection in memory. */
class Wire {
  readonly #end: Duplex;
  #received: Buffer[] = [];
  closed = false;

  constructor(server: RpcServer) {
    const [ours, theirs] = duplexPair({ allowHalfOpen: true });
    this.#end = ours;
    ours.on("data", (chunk: Buffer) => this.#received.push(chunk));
    ours.on("error", () => {});
    ours.on("end", () => {
      this.closed = true;
    });
    ours.on("close", () => {
      this.closed = true;
    });
    theirs.on("close", () => ours.destroy());
    server.attach(theirs as unknown as Parameters<RpcServer["attach"]>[0]);
  }

  /** In chunks of any size. */
  write(below: Below, bytes: Buffer): void {
    for (let at = 0; at < bytes.length; ) {
      const to = Math.min(bytes.length, at + 1 + below(below(3) === 0 ? 20 : 20_000));
      this.#end.write(bytes.subarray(at, to));
      at = to;
    }
  }

  finish(): void {
    this.#end.end();
  }

  destroy(): void {
    this.#end.destroy();
  }

  /** DATA bytes by stream, of streams that ended with grpc-status 0 or not at all. */
  dataBytes(): Map<number, number> {
    const bytes = Buffer.concat(this.#received);
    this.#received = [bytes];
    const found = new Map<number, number>();
    for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
      if (bytes[at + 3] !== 0) continue;
      const id = bytes.readUInt32BE(at + 5);
      found.set(id, (found.get(id) ?? 0) + bytes.readUIntBE(at, 3));
    }
    return found;
  }
}

async function proper(wire: Wire, below: Below, { frames, echoes }: Conversation): Promise<void> {
  wire.write(below, Buffer.concat([preface, ...frames]));
  const missing = (): boolean => {
    const data = wire.dataBytes();
    return [...echoes].some(([id, bytes]) => (data.get(id) ?? 0) !== bytes);
  };
  await until("every echo has come", () => !missing());
  assert.equal(wire.closed, false);
}

async function damaged(wire: Wire, below: Below, { frames }: Conversation): Promise<void> {
  const bytes = Buffer.concat([preface, ...damage(below, frames, conversation(below).frames)]);
  if (below(30) === 0) bytes[below(preface.length)] = below(256);
  wire.write(below, bytes);
  if (below(4) === 0) wire.destroy();
  else wire.finish();
  await until("the connection ends", () => wire.closed);
}

function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}

test(`${count} conversations, proper and damaged, from seed ${seed}`, async (t) => {
  const failures: string[] = [];
  const logger = {
    ...silentLogger,
    error: (msg: string, fields?: object) => failures.push(`${msg} ${JSON.stringify(fields)}`),
  };
  const limits = { handshakeMs: 300, serverHeldBytes: 2 ** 24, serverQueueBytes: 2 ** 24 };
  const { address, server } = await start(t, methods, { logger, limits });
  const other = grpcClient(t, address);
  let next = 0;
  const run = async (): Promise<void> => {
    while (next < count) {
      const number = next++;
      const below = generator(seed * 1_000_003 + number);
      const wire = new Wire(server);
      const talk = conversation(below);
      try {
        await (number % 4 === 0 ? proper(wire, below, talk) : damaged(wire, below, talk));
      } catch (error) {
        throw new Error(`conversation ${number} of seed ${seed}`, { cause: error });
      } finally {
        wire.destroy();
      }
      const { heldBytes, queuedBytes } = server.stats();
      assert(heldBytes >= 0 && heldBytes <= limits.serverHeldBytes);
      assert(queuedBytes >= 0 && queuedBytes <= limits.serverQueueBytes);
      if (number % 100 === 0) {
        const answer = await other.unary("/t.T/Echo", Buffer.from("alive"));
        assert.equal(String(answer), "alive");
      }
    }
  };
  // Its handshake, too, may come too late where this process is held up.
  await until("an answer", () => other.unary("/t.T/Echo", Buffer.alloc(0)));
  collectGarbage();
  const before = process.memoryUsage();
  await Promise.all(Array.from({ length: atOnce }, run));

  await until("all other connections are gone", () => server.stats().connections === 1);
  const { activeCalls, heldBytes, queuedBytes } = server.stats();
  assert.deepEqual([activeCalls, heldBytes, queuedBytes], [0, 0, 0], `seed ${seed}`);
  assert.deepEqual(failures, [], `seed ${seed}`);
  // Buffers that one collection has found to be garbage are counted until they are swept.
  await until("less than 32 MiB more are in use", () => {
    collectGarbage();
    const after = process.memoryUsage();
    const grown = after.heapUsed + after.external - before.heapUsed - before.external;
    if (grown >= 32 * 1024 * 1024) throw new NotYet(`${grown} bytes more`);
    return true;
  });
});

test(`20000 header blocks from seed ${seed} decode or end, within the size of a list`, () => {
  const most = 4096;
  for (let n = 0; n < 20_000; ) {
    const below = generator(seed * 7_000_003 + n);
    const decoder = new HpackDecoder(most);
    for (let result = "ok"; result === "ok" && n < 20_000; n++) {
      const block = Buffer.from(Array.from({ length: below(80) }, () => below(256)));
      // Mostly what refers to tables and inserts, or nearly every block would end at once.
      for (let i = 0; i < block.length; i++)
        if (below(2) === 0) block[i] = 0x40 | (block[i]! & 0xbf);
      result = decoder.decode(block, 0, block.length);
      const bytes = decoder.fields.reduce((sum, text) => sum + text.length, 0);
      assert(bytes + 16 * decoder.fields.length <= most, `block ${n} of seed ${seed}`);
    }
  }
});
