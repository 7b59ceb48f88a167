import assert from "node:assert/strict";
import type { IncomingMessage, ServerResponse } from "node:http";
import { test } from "node:test";
import { withAccess } from "../../src/api/index.ts";
import { memberPorts } from "../server/rig.ts";

/** The status of a request with these headers; 200 when it came through. */
function asked(origins: readonly string[], headers: Record<string, string>): number {
  let status = 0;
  const response = {
    writeHead: (code: number) => {
      status = code;
    },
    setHeader: () => undefined,
    end: () => undefined,
  } as unknown as ServerResponse;
  const { logger } = memberPorts();
  const options = { origins: new Set(origins), hosts: new Set<string>(), logger };
  const handler = withAccess(options, () => {
    status = 200;
  });
  const host = "Store.example:2379";
  handler(
    { method: "GET", socket: {}, headers: { host, ...headers } } as IncomingMessage,
    response,
  );
  return status;
}

const upgrade = { upgrade: "websocket", connection: "Upgrade" };

test("a page opens a websocket only where CORS lets it read", () => {
  const origins = ["http://here.example:80"];
  const opened = (origin: string) => asked(origins, { ...upgrade, origin });
  assert.equal(opened("http://here.example:80"), 200);
  assert.equal(opened("http://store.example:2379"), 200);
  assert.equal(opened("https://store.example:2379"), 200);
  assert.equal(opened("http://store.example"), 403);
  assert.equal(opened("http://there.example"), 403);
  assert.equal(opened("null"), 403);
  assert.equal(opened(""), 403);
});

test("programs, plain requests and servers whose --cors is for all are not asked for an origin", () => {
  const origin = "http://there.example";
  assert.equal(asked(["http://here.example:80"], upgrade), 200);
  assert.equal(asked(["http://here.example:80"], { origin }), 200);
  assert.equal(asked([], { ...upgrade, origin }), 200);
});
