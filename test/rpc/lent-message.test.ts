import assert from "node:assert/strict";
import { test } from "node:test";
import { LentMessage } from "../../src/rpc/index.ts";
import { until } from "../until.ts";
import { grpcClient, start } from "./fixture.ts";

test("a message's owner gets its buffers back once the socket took all of it", async (t) => {
  const bytes = 3 << 20;
  const calls = 12;
  let given = 0;
  let written = 0;
  const { address } = await start(t, {
    "/t/Answer": {
      kind: "unary",
      handle: (request, call) => {
        const fill = request[0]!;
        given++;
        const message = new LentMessage();
        const buffer = Buffer.alloc(bytes / 2, fill);
        message.push(Uint8Array.of(fill), buffer, Uint8Array.of(fill), buffer);
        message.onWritten = () => {
          written++;
          // Whatever of it had not left yet would arrive like this.
          buffer.fill(0);
        };
        call.respond(message);
      },
    },
  });
  const clients = [grpcClient(t, address), grpcClient(t, address)];
  const answers = await Promise.all(
    Array.from({ length: calls }, (_, i) =>
      clients[i % clients.length]!.unary("/t/Answer", Buffer.of(i + 1)),
    ),
  );
  answers.forEach((answer, i) => {
    assert.ok(Buffer.from(answer).equals(Buffer.alloc(bytes + 2, i + 1)));
  });
  assert.equal(given, calls);
  await until("all messages are written", () => written === calls);
});
