import assert from "node:assert/strict";
import { test } from "node:test";
import { openHttp2Debug } from "../../src/bin/http2-debug.ts";
import { grpcClient, start } from "./fixture.ts";

test("openHttp2Debug() is silent unless GODEBUG asks for header fields", () => {
  const write = (): void => assert.fail("wrote");
  assert.equal(openHttp2Debug({}, write), undefined);
  assert.equal(openHttp2Debug({ GODEBUG: "http2debug=1,gctrace=1" }, write), undefined);
});

test("openHttp2Debug() writes a client's header fields as Go's HTTP/2 does", async (t) => {
  const lines: string[] = [];
  const env = { GODEBUG: "gctrace=1,http2debug=2" };
  const onFields = openHttp2Debug(env, (line) => lines.push(line));
  assert.ok(onFields);
  const { address } = await start(
    t,
    { "/t.T/Echo": { kind: "unary", handle: (request, call) => call.respond(request) } },
    { onFields },
  );
  await grpcClient(t, address).unary("/t.T/Echo", Buffer.from("x"));
  const [line] = lines.filter((one) => one.includes('":authority"'));
  assert.match(line!, /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d http2: decoded hpack field header field /);
  assert.ok(line!.endsWith(` ":authority" = "${address}"\n`), line);
});
