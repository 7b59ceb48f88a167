// Bad input: every field of every request at its edges. Ours must answer as real etcd does, code,
// text and content, and live on.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { etcd, quoin } from "../../process/member.ts";
import { type Outcome, Server } from "./pair.ts";
import { nestedTxn, questionsFor } from "./questions.ts";
import { numberField } from "./raw.ts";
import { comparable, type Rpc, services, unasked } from "./rpcs.ts";

const oracle = etcd();
const skip = oracle === undefined ? "real etcd needs Go to build" : false;
const shownAtMost = 400;

let theirs: Server;
let ours: Server;
let asked = 0;
const deadly: [path: string, bytes: Buffer][] = [];

before(async () => {
  if (oracle === undefined) return;
  theirs = await Server.start(oracle, ["--bcrypt-cost=4", "--log-level=error"]);
  // etcd answers HashKV at the revision of a compaction with the hash that it took meanwhile.
  ours = await Server.start(quoin, ["--feature-gates=CompactHashCheck=true"]);
  // A compaction at 0, which etcd allows in a new cluster, spoils its HashKV of 0 for good.
  const first = { path: "/etcdserverpb.KV/Compact", bytes: numberField(1, 1n) };
  for (const server of [theirs, ours]) await server.ask(first.path, first.bytes);
});

after(async () => {
  await theirs?.[Symbol.asyncDispose]();
  await ours?.[Symbol.asyncDispose]();
});

/** What ends the process of etcd 3.7.3: asked of ours alone and at last, which has to live on. */
const lethal = [
  // Rows of its database have keys of at most 32 KiB.
  /\/UserAdd name: 64 KiB/,
  /\/RoleAdd name: 64 KiB/,
  /\/Alarm action: (?!0$|1$)[-\dM]/,
];

/** What differs between the two answers; undefined when nothing does. */
async function differs(rpc: Rpc, bytes: Buffer): Promise<string | undefined> {
  asked++;
  const options =
    rpc.sentinel === undefined ? {} : { more: [rpc.sentinel.bytes], last: rpc.sentinel.last };
  const [a, b] = await Promise.all([
    theirs.ask(rpc.path, bytes, options),
    ours.ask(rpc.path, bytes, options),
  ]);
  const [left, right] = [view(rpc, a), view(rpc, b)];
  return left === right ? undefined : `\n    etcd  ${left}\n    quoin ${right}`;
}

const view = (rpc: Rpc, o: Outcome): string =>
  JSON.stringify({ code: o.code, text: o.text, answer: comparable(rpc, o.messages) }).slice(0, 400);

for (const [service, rpcs] of Object.entries(services)) {
  test(`${service} answers the edges of every field as etcd does`, {
    skip,
  }, async (t) => {
    const wrong: string[] = [];
    const first = asked;
    for (const rpc of rpcs) {
      for (const { what, bytes } of questionsFor(rpc.request)) {
        if (lethal.some((l) => l.test(`${rpc.path} ${what}`))) {
          deadly.push([rpc.path, bytes]);
          continue;
        }
        const found = await differs(rpc, bytes).catch((error: Error) => {
          throw new Error(`${rpc.path} ${what}: ${error.message}`, { cause: error });
        });
        if (found !== undefined) wrong.push(`${rpc.path} ${what}${found}`);
      }
    }
    t.diagnostic(`${asked - first} questions`);
    assert.equal(wrong.slice(0, shownAtMost).join("\n"), "", `${wrong.length} answers differ`);
  });
}

test("txns nested 1, 64, 100, 900 and 20000 deep are answered as etcd does", {
  skip,
}, async () => {
  const [range] = services["KV"] as readonly Rpc[];
  const txn = { ...(range as Rpc), path: "/etcdserverpb.KV/Txn", bare: true };
  for (const depth of [1, 2, 64, 100, 900, 20_000]) {
    assert.equal(await differs(txn, nestedTxn(depth)), undefined, `${depth} deep`);
  }
});

test("what ends etcd is answered", { skip }, async () => {
  assert.ok(deadly.length > 0);
  for (const [path, bytes] of deadly) {
    asked++;
    await ours.ask(path, bytes);
  }
});

test("after all of it our process is the same and its memory is bounded", { skip }, () => {
  const status = readFileSync(`/proc/${ours.member.pid}/status`, "utf8");
  const peakMb = Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
  assert.ok(peakMb < 700, `peak of ${peakMb} MB`);
});

test("every request type of the .proto file is asked about", () => {
  assert.deepEqual(unasked(), []);
});
