// A server with a hostile client and a bystander, and what is said in frames.

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { Limits, Method } from "../../src/rpc/index.ts";
import { until } from "../until.ts";
import {
  type Frame,
  frame,
  grpcClient,
  headerBlock,
  RawClient,
  type Running,
  requestFields,
  start,
} from "./fixture.ts";

/** RFC 9113 section 7. */
export const ErrorCode = {
  protocolError: 1,
  flowControlError: 3,
  refusedStream: 7,
  compressionError: 9,
  enhanceYourCalm: 11,
} as const;

export const word = (n: number): Buffer => {
  const b = Buffer.alloc(4);
  b.writeUInt32BE(n);
  return b;
};
export const setting = (id: number, value: number): Buffer =>
  frame(4, 0, 0, Buffer.concat([Buffer.from([0, id]), word(value)]));
export const open = (id: number, path: string, flags = 4): Buffer =>
  frame(1, flags, id, headerBlock(requestFields(path)));
export const ends = (id: number) => (f: Frame) =>
  f.type === 1 && f.streamId === id && (f.flags & 1) === 1;

/** Counts the calls that reached a handler. */
export const seen = { calls: 0 };
const methods: Readonly<Record<string, Method>> = {
  "/t.T/Echo": {
    kind: "unary",
    handle: (request, call) => {
      seen.calls++;
      call.respond(request);
    },
  },
  "/t.T/Big": {
    kind: "unary",
    handle: (_, call) => call.respond(Buffer.alloc(256 * 1024)),
  },
  "/t.T/Stream": {
    kind: "stream",
    open: (call) => {
      call.onMessage = (message) => call.send(message);
      call.onEnd = () => call.end();
    },
  },
  /** Takes nothing, answers nothing. */
  "/t.T/Deaf": { kind: "stream", open: () => {} },
};

export interface Scene extends Running {
  readonly attacker: RawClient;
  /** Another client is answered. */
  answered(): Promise<void>;
  /** The same, and nothing of the attack is left at the server. */
  unharmed(): Promise<void>;
}

/** A server, a client that was there before the attack, and an attacker. */
export async function scene(t: TestContext, limits: Partial<Limits> = {}): Promise<Scene> {
  const running = await start(t, methods, { limits });
  const other = grpcClient(t, running.address);
  const answered = async (): Promise<void> => {
    assert.equal(String(await other.unary("/t.T/Echo", Buffer.from("still here"))), "still here");
  };
  await answered();
  const attacker = new RawClient(t, running.port);
  return {
    ...running,
    answered,
    attacker,
    unharmed: async () => {
      await answered();
      attacker.socket.destroy();
      const { server } = running;
      await until("the attacker's connection is gone", () => server.stats().connections === 1);
      const { activeCalls, queuedBytes, heldBytes } = server.stats();
      assert.deepEqual([activeCalls, queuedBytes, heldBytes], [0, 0, 0]);
      await answered();
    },
  };
}
