// The JSON gateway with Lock and Election behind it: the same HTTP requests to a real etcd and to ours.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createMembers, etcd, type Member, programNamed } from "../../process/member.ts";
import { until } from "../../until.ts";

const programs = [etcd(), programNamed(undefined)];
const skip = programs.includes(undefined) ? "real etcd needs Go to build" : false;
const folders: string[] = [];
const members: Member[] = [];

before(async () => {
  if (skip) return;
  for (const program of programs) {
    const folder = mkdtempSync(join(tmpdir(), "quoin-gateway-"));
    folders.push(folder);
    const flags = ["--cors=http://here.example:80", "--host-whitelist=127.0.0.1"];
    const [member] = (await createMembers(program!, folder, 1, flags)) as [Member];
    members.push(member);
    member.start();
    await member.ready();
  }
});

after(async () => {
  for (const member of members) await member[Symbol.asyncDispose]();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

interface Question {
  readonly path: string;
  readonly body?: unknown;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  /** Lines of a stream that are waited for before it is left. */
  readonly lines?: number;
}

const text = (value: string): string => Buffer.from(value).toString("base64");

/** Ids differ, and what parsers say of bad JSON. */
const comparable = (line: string): unknown =>
  JSON.parse(line, (key, value: unknown) =>
    key === "cluster_id" || key === "member_id" || key === "leader_id" ? "id" : value,
  );

async function ask(member: Member, question: Question): Promise<unknown> {
  const { path, body, method = "POST", headers = {}, lines } = question;
  const stop = new AbortController();
  const response = await fetch(`${member.endpoint}${path}`, {
    method,
    headers,
    signal: AbortSignal.any([stop.signal, AbortSignal.timeout(60_000)]),
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const seen = ["content-type", "access-control-allow-origin", "grpc-metadata-content-type"];
  const facts = seen.map((name) => `${name}: ${response.headers.get(name)}`);
  const answer = { status: response.status, facts, lines: [] as unknown[] };
  if (lines === undefined) {
    const whole = await response.text();
    answer.lines = response.headers.get("content-type")?.includes("json")
      ? [comparable(whole)]
      : [];
    return answer;
  }
  let held = "";
  const decoder = new TextDecoder();
  for await (const piece of response.body as AsyncIterable<Uint8Array>) {
    held += decoder.decode(piece, { stream: true });
    const whole = held.split("\n");
    if (whole.length <= lines) continue;
    answer.lines = whole.slice(0, lines).map(comparable);
    break;
  }
  stop.abort();
  return answer;
}

/** Asks both; the answers must be equal. */
async function same(question: Question): Promise<unknown> {
  const answers = await Promise.all(members.map((m) => ask(m, question)));
  assert.deepEqual(answers[1], answers[0], JSON.stringify(question));
  return answers[0];
}

const post = (path: string, body: unknown = {}, more: Partial<Question> = {}): Question => ({
  path: `/v3/${path}`,
  body,
  ...more,
});

test("unary methods: names, numbers, errors, paths", { skip }, async () => {
  const compare = [{ result: "EQUAL", target: "CREATE", key: text("a"), createRevision: "2" }];
  const questions = [
    post("kv/put", { key: text("a"), value: text("1") }),
    post("kv/range", { key: text("a") }),
    post("kv/range", {
      key: text("a"),
      rangeEnd: text("b"),
      limit: 5,
      serializable: true,
      none: 1,
    }),
    post("kv/range", { key: text("a"), range_end: "YQ", sort_order: 1, sort_target: "MOD" }),
    post("kv/range"),
    post("kv/range", ""),
    post("kv/range", { key: text("a"), revision: "9999999999999999" }),
    post("kv/range", {}, { method: "PUT" }),
    { path: "/v3/kv/range", method: "GET" },
    { path: "/v3/nothing", body: {} },
    { path: "/v3beta/kv/range", body: { key: text("a") } },
    post("kv/txn", { compare, success: [{ requestPut: { key: text("a") } }] }),
    post("kv/txn", { compare, failure: [{ request_range: { key: text("a") } }] }),
    post("kv/deleterange", { key: text("a"), prev_kv: true }),
    post("kv/compaction", { revision: 3 }),
    post("lease/grant", { TTL: "100", ID: 7 }),
    post("lease/grant", { TTL: 100, ID: 8 }),
    post("lease/grant", { TTL: 100, ID: 8 }),
    post("kv/lease/timetolive", { ID: 99 }),
    post("lease/leases"),
    post("maintenance/alarm", { alarm: "NOSPACE" }),
    post("maintenance/hashkv"),
    post("maintenance/transfer-leadership", { targetID: "1" }),
    post("kv/range", { key: text("a") }, { headers: { origin: "http://here.example:80" } }),
    post("kv/range", { key: text("a") }, { headers: { origin: "http://there.example:80" } }),
    { path: "/v3/kv/range", method: "OPTIONS", headers: { origin: "http://here.example:80" } },
  ];
  for (const question of questions) await same(question);
});

test("JSON that is none is refused as an invalid argument", { skip }, async () => {
  for (const body of ['{"key":"YQ=="', '{"key":5}', "[]", '{"limit":"x"}', "nonsense"]) {
    for (const member of members) {
      const { status, lines } = (await ask(member, post("kv/range", body))) as {
        status: number;
        lines: { code: number }[];
      };
      assert.deepEqual([status, lines[0]?.code], [400, 3], body);
    }
  }
});

test("another Host than those of --host-whitelist is misdirected", { skip }, async () => {
  for (const member of members) {
    const { hostname, port } = new URL(member.endpoint);
    const { request } = await import("node:http");
    const status = await new Promise((resolve, reject) => {
      const asked = request({ hostname, port, path: "/health", headers: { host: "evil.example" } });
      asked.on("response", (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on("error", reject);
      asked.end();
    });
    assert.equal(status, 421);
  }
});

test("streams: a line an answer, also behind the end of the body", {
  skip,
}, async () => {
  await same(post("kv/put", { key: text("w"), value: text("1") }));
  const from = { key: text("w"), start_revision: 4 };
  await same(post("watch", { create_request: from }, { lines: 2 }));
  await same(post("watch", { create_request: { ...from, start_revision: -1 } }, { lines: 1 }));
  const two = `${JSON.stringify({ create_request: from })} ${JSON.stringify({ progress_request: {} })}`;
  await same(post("watch", two, { lines: 2 }));
  await same(post("lease/keepalive", { ID: 7 }, { lines: 1 }));
  await same(post("lease/keepalive", { ID: 99 }, { lines: 1 }));
  // A real etcd says nothing to this one, and waits for ever.
  const refused = (await ask(members[1] as Member, post("watch", "nonsense"))) as {
    status: number;
  };
  assert.equal(refused.status, 400);
});

test("Lock: who waits gets it when the holder lets go", { skip }, async () => {
  const name = text("lock");
  await same(post("lock/lock", { name, lease: 7 }));
  await same(post("lock/lock", { name, lease: 7 }));
  await same(post("lock/lock", { name, lease: 99 }));
  const patience = { headers: { "grpc-timeout": "300m" } };
  // Which of its two deadlines ends a call of etcd's is a race of its own: its words vary, ours do not.
  const gaveUp = await Promise.all(
    members.map((m) => ask(m, post("lock/lock", { name, lease: 8 }, patience))),
  );
  assert.deepEqual(gaveUp[1], {
    status: 504,
    facts: (gaveUp[1] as { facts: unknown }).facts,
    lines: [{ code: 4, message: "context deadline exceeded" }],
  });
  // Who gave up leaves the queue, a moment after it is told so.
  const queue = post("kv/range", { key: name, range_end: text("locl") });
  await untilCount(queue, "1");
  await same(queue);
  const waiting = same(post("lock/lock", { name, lease: 8 }));
  await untilCount(queue, "2");
  await same(post("lock/unlock", { key: text("lock/7") }));
  await waiting;
  await same(post("lock/unlock", { key: text("lock/8") }));
});

test("Election: campaign, proclaim, observe, resign", { skip }, async () => {
  const name = text("vote");
  const [one, two] = [text("one"), text("two")];
  await same(post("election/leader", { name }));
  const first = (await same(post("election/campaign", { name, value: one, lease: 7 }))) as {
    lines: { leader: Record<string, string> }[];
  };
  const leader = first.lines[0]?.leader;
  await same(post("election/campaign", { name, value: two, lease: 7 }));
  await same(post("election/campaign", { name, value: two, lease: 99 }));
  await same(post("election/leader", { name }));
  await same(post("election/proclaim", { leader, value: one }));
  await same(post("election/proclaim", { leader: { ...leader, rev: "1" }, value: one }));
  await same(post("election/proclaim", { value: one }));
  await same(post("election/resign"));
  await same(post("election/observe", { name }, { lines: 1 }));
  const waiting = same(
    post("election/campaign", { name, value: two, lease: 8 }, patientFor("60S")),
  );
  await untilCount(post("kv/range", { key: name, range_end: text("votf") }), "2");
  await same(post("election/resign", { leader }));
  await waiting;
  await same(post("election/observe", { name }, { lines: 1 }));
  await same(post("election/resign", { leader }));
});

async function untilCount(question: Question, count: string): Promise<void> {
  for (const member of members) {
    await until(`${count} keys`, async () => {
      const { lines } = (await ask(member, question)) as { lines: { count?: string }[] };
      return lines[0]?.count === count;
    });
  }
}

const patientFor = (time: string): Partial<Question> => ({ headers: { "grpc-timeout": time } });

test("an answer that has no JSON fails its call, and many values of a single request are one", {
  skip,
}, async () => {
  const ours = members[1] as Member;
  const facts = async (question: Question) => (await ask(ours, question)) as { status: number };
  await ask(ours, post("kv/put", { key: text("deep"), value: text("1") }));
  // The answer nests one level deeper than the request, and than protobufjs goes.
  let operation: object = { requestRange: { key: text("deep") } };
  for (let level = 0; level < 49; level++) operation = { requestTxn: { success: [operation] } };
  assert.equal((await facts(post("kv/txn", { success: [operation] }))).status, 500);
  await ask(ours, post("kv/put", { key: text("many/1"), value: text("1") }));
  const many = JSON.stringify({ name: text("many") }).repeat(20_000);
  assert.equal((await facts(post("election/observe", many, { lines: 1 }))).status, 200);
  assert.equal((await facts(post("kv/range", { key: text("deep") }))).status, 200);
});
