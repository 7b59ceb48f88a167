import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../../src/core/raft/index.ts";
import { MessageType } from "../../src/core/raft/index.ts";
import type { Index, Term } from "../../src/core/types.ts";
import { StreamDecoder, StreamEncoder, type StreamKind } from "../../src/peer/frames.ts";
import { raftpb } from "../../src/proto/index.ts";
import { entries, message, one, two } from "./rig.ts";

const app = (index: number, n: number, fields: Partial<Message> = {}) =>
  message({
    type: MessageType.MsgApp,
    to: two,
    from: one,
    term: 7 as Term,
    logTerm: 7 as Term,
    index: index as Index,
    entries: entries(index + 1, n, 7, 30),
    commit: index as Index,
    ...fields,
  });

const messages = [
  app(4, 2),
  app(6, 3),
  app(9, 0),
  app(20, 1),
  app(21, 2, { logTerm: 6 as Term }),
  app(23, 1),
  app(24, 1, { term: 8 as Term }),
  app(25, 4, { term: 8 as Term, logTerm: 8 as Term }),
];

const decodeAll = (kind: StreamKind, bytes: Uint8Array, step: number): Message[] => {
  const decoder = new StreamDecoder(kind, { local: two, remote: one }, 1 << 20);
  const out: Message[] = [];
  for (let at = 0; at < bytes.length; at += step) {
    decoder.push(Buffer.from(bytes.subarray(at, at + step)), out);
  }
  return out;
};

for (const kind of ["msgapp", "message"] as const) {
  test(`StreamDecoder reads what StreamEncoder wrote, whatever the chunks (${kind})`, () => {
    const encoder = new StreamEncoder(kind);
    const bytes = Buffer.concat([
      encoder.heartbeat(),
      encoder.encode(messages.slice(0, 3)),
      encoder.heartbeat(),
      encoder.encode(messages.slice(3)),
    ]);
    for (const step of [1, 2, 3, 7, 8, 17, 64, 100_000]) {
      const out = decodeAll(kind, bytes, step);
      assert.deepEqual(out.map(raftpb.encodeMessage), messages.map(raftpb.encodeMessage));
    }
  });
}

test("StreamEncoder leaves out what follows from the message before (msgappv2)", () => {
  const encoder = new StreamEncoder("msgapp");
  const kinds = messages.map((m) => encoder.encode([m])[0]);
  assert.deepEqual(kinds, [2, 1, 1, 2, 2, 1, 2, 1]);
});

test("StreamEncoder writes AppEntries as drawn in the format", () => {
  const encoder = new StreamEncoder("msgapp");
  encoder.encode([app(4, 1)]);
  const frame = Buffer.from(encoder.encode([app(5, 1, { commit: 5 as Index })]));
  const entry = raftpb.encodeEntry(entries(6, 1, 7, 30)[0] as raftpb.Entry);
  const u64 = (n: number) => Buffer.from([0, 0, 0, 0, 0, 0, 0, n]);
  const want = Buffer.concat([Buffer.from([1]), u64(1), u64(entry.length), entry, u64(5)]);
  assert.deepEqual(frame, want);
});

test("StreamDecoder refuses unknown frames and lengths beyond the limit", () => {
  const u64max = Buffer.alloc(8, 0xff);
  assert.throws(() => decodeAll("msgapp", Buffer.from([9]), 1), /failed to parse type 9/);
  assert.throws(() => decodeAll("message", u64max, 8), /limit exceeded/);
  assert.throws(() => decodeAll("msgapp", Buffer.concat([Buffer.from([2]), u64max]), 9), /limit/);
});
