import assert from "node:assert/strict";
import { test } from "node:test";
import { servedWhenReady } from "../../src/api/index.ts";
import { AssertionError } from "../../src/lib/assert.ts";
import type { Logger } from "../../src/ports/index.ts";
import { type Method, Status, type StreamCall, type UnaryCall } from "../../src/rpc/index.ts";

const bytes = new Uint8Array(0);
const silent = { error: () => undefined } as unknown as Logger;

test("servedWhenReady() holds calls back until then, Status not, and forgets who gave up", () => {
  const served: string[] = [];
  const unary = (name: string): Method => ({ kind: "unary", handle: () => void served.push(name) });
  const stream: Method = { kind: "stream", open: () => void served.push("watch") };
  let ready = (): void => undefined;
  const methods = servedWhenReady(
    new Map([
      ["/etcdserverpb.KV/Put", unary("put")],
      ["/etcdserverpb.Watch/Watch", stream],
      ["/etcdserverpb.Maintenance/Status", unary("status")],
    ]),
    (f) => {
      ready = f;
    },
    silent,
  );
  const ask = (path: string): Partial<UnaryCall> => {
    const call: Partial<UnaryCall> = {};
    const method = methods.get(path);
    if (method?.kind === "unary") method.handle(bytes, call as UnaryCall);
    else method?.open(call as StreamCall);
    return call;
  };
  ask("/etcdserverpb.KV/Put");
  ask("/etcdserverpb.Watch/Watch");
  ask("/etcdserverpb.Maintenance/Status");
  ask("/etcdserverpb.KV/Put").onCancel?.("deadline");
  assert.deepEqual(served, ["status"]);
  ready();
  assert.deepEqual(served, ["status", "put", "watch"]);
  ask("/etcdserverpb.KV/Put");
  assert.deepEqual(served.slice(3), ["put"]);
});

test("what a held call throws ends that call alone, a broken invariant all", () => {
  const served: string[] = [];
  const failed: unknown[] = [];
  let ready = (): void => undefined;
  const fails = (error: Error): Method => ({
    kind: "unary",
    handle: () => {
      throw error;
    },
  });
  const methods = servedWhenReady(
    new Map<string, Method>([
      ["/a/Bad", fails(new TypeError("not so"))],
      [
        "/a/BadStream",
        {
          kind: "stream",
          open: () => {
            throw new TypeError("nor so");
          },
        },
      ],
      ["/a/Good", { kind: "unary", handle: () => void served.push("good") }],
      ["/a/Broken", fails(new AssertionError("broken"))],
    ]),
    (f) => {
      ready = f;
    },
    silent,
  );
  const ask = (path: string): void => {
    const call = { fail: (...args: unknown[]) => void failed.push(args) } as unknown;
    const method = methods.get(path);
    if (method?.kind === "unary") method.handle(bytes, call as UnaryCall);
    else method?.open(call as StreamCall);
  };
  for (const path of ["/a/Bad", "/a/BadStream", "/a/Good", "/a/Broken"]) ask(path);
  assert.throws(ready, AssertionError);
  assert.deepEqual(served, ["good"]);
  assert.deepEqual(failed, [
    [Status.unknown, "not so"],
    [Status.unknown, "nor so"],
  ]);
});

test("held calls are bounded in number and bytes, and keep only their own request", () => {
  const served: Uint8Array[] = [];
  const failed: unknown[] = [];
  const open: Partial<UnaryCall>[] = [];
  let ready = (): void => undefined;
  const unary: Method = { kind: "unary", handle: (request) => void served.push(request) };
  const methods = servedWhenReady(
    new Map([["/a/Put", unary]]),
    (f) => {
      ready = f;
    },
    silent,
  );
  const ask = (request: Uint8Array): void => {
    const call = { fail: (...args: unknown[]) => void failed.push(args) } as Partial<UnaryCall>;
    const method = methods.get("/a/Put");
    if (method?.kind === "unary") method.handle(request, call as UnaryCall);
    open.push(call);
  };
  const giveUp = (): void => {
    for (const call of open.splice(0)) call.onCancel?.("deadline");
  };
  const tooMany = [Status.resourceExhausted, "etcdserver: too many requests"];
  for (let i = 0; i < 10_001; i++) ask(bytes);
  assert.deepEqual(failed.splice(0), [tooMany]);
  giveUp();
  const large = new Uint8Array(32 << 20);
  for (let i = 0; i < 2; i++) ask(large);
  assert.deepEqual(failed, []);
  ask(new Uint8Array(1));
  assert.deepEqual(failed.splice(0), [tooMany]);
  giveUp();
  const read = Buffer.alloc(64 << 10, 7);
  ask(read.subarray(100, 103));
  assert.deepEqual(failed, []);
  ready();
  assert.deepEqual(
    served.map((r) => [r.length, r[0], r.buffer.byteLength]),
    [[3, 7, 3]],
  );
});
