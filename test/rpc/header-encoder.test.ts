import assert from "node:assert/strict";
import http2 from "node:http2";
import { test } from "node:test";
import { percentEncode } from "../../src/rpc/header-encoder.ts";
import { type Method, Status } from "../../src/rpc/index.ts";
import { grpcMessage, start } from "./fixture.ts";

const sometimes: Method = {
  kind: "unary",
  handle: (request, call) => {
    if (request[0] === 0) call.respond(request);
    else call.fail(Status.notFound, "none");
  },
};

interface Answer {
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
}

function call(session: http2.ClientHttp2Session, first: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/t.T/S",
      "content-type": "application/grpc",
      te: "trailers",
    });
    let headers: http2.IncomingHttpHeaders = {};
    let trailers: http2.IncomingHttpHeaders = {};
    stream.on("response", (h) => {
      headers = h;
    });
    stream.on("trailers", (h) => {
      trailers = h;
    });
    stream.on("error", reject);
    stream.on("end", () => resolve({ headers, trailers }));
    stream.resume();
    stream.end(grpcMessage(Buffer.from([first])));
  });
}

test("responses decode whatever table size the client allows, also when it changes", async (t) => {
  const { address } = await start(t, { "/t.T/S": sometimes });
  for (const size of [0, 100, 256, 300, 4096, 65_536]) {
    const settings = { headerTableSize: size };
    const session = http2.connect(`http://${address}`, { settings });
    for (const next of [size, 0, 4096, 1000, 200]) {
      for (const first of [0, 1, 0]) {
        const { headers, trailers } = await call(session, first);
        assert.equal(headers[":status"], 200);
        assert.equal(headers["content-type"], "application/grpc");
        const status = first === 0 ? trailers["grpc-status"] : headers["grpc-status"];
        assert.equal(status, first === 0 ? "0" : "5", `size ${size}`);
      }
      await new Promise<void>((resolve) =>
        session.settings({ headerTableSize: next }, () => resolve()),
      );
    }
    session.destroy();
  }
});

test("percentEncode() keeps printable ASCII, escapes the rest and cuts long texts", () => {
  assert.equal(percentEncode("all ~ fine"), "all ~ fine");
  assert.equal(percentEncode("100%\n"), "100%25%0A");
  assert.equal(decodeURIComponent(percentEncode("größer 中 😀")), "größer 中 😀");
  const long = percentEncode("😀".repeat(10_000));
  assert(long.length <= 8192);
  assert.match(decodeURIComponent(long), /^(😀)+$/u);
});
