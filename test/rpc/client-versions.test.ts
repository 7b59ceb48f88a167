import assert from "node:assert/strict";
import { test } from "node:test";
import type { Method } from "../../src/rpc/index.ts";
import { until } from "../until.ts";
import { RawClient, start } from "./fixture.ts";

test("calls are counted by the version that their clients name, of which there may be any number", async (t) => {
  const echo: Method = { kind: "unary", handle: (request, call) => call.respond(request) };
  const stream: Method = { kind: "stream", open: (call) => call.end() };
  const { port, server } = await start(t, { "/a/Echo": echo, "/a/Stream": stream });
  const client = new RawClient(t, port);
  let id = -1;
  const call = (path: string, version?: string): void => {
    id += 2;
    client.request(id, path, Buffer.alloc(1), version ? [["client-api-version", version]] : []);
  };
  call("/a/Echo");
  call("/a/None", "3.6");
  for (let i = 0; i < 3; i++) call("/a/Echo", "3.7");
  call("/a/Stream", "3.7");
  for (let i = 0; i < 50; i++) call("/a/Echo", `odd ${i}`);
  call("/a/Echo", "3.7");
  await until("all are answered", () =>
    client.frames.some((f) => f.type === 1 && f.streamId === id && (f.flags & 1) === 1),
  );
  const { versions } = server.stats();
  const of = (version: string) => versions.find((v) => v.version === version);
  assert.deepEqual(of("unknown"), { version: "unknown", unary: 1, stream: 0 });
  assert.deepEqual(of("3.7"), { version: "3.7", unary: 4, stream: 1 });
  assert.deepEqual(of("other"), { version: "other", unary: 20, stream: 0 });
  assert.equal(of("3.6"), undefined);
  assert.equal(versions.length, 33);
});
