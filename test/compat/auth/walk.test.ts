// Every RPC as nobody, with a wrong token, and as users who may do more and more: ours must answer as
// real etcd does, code, text and content.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type ApiContext, apiMethods } from "../../../src/api/index.ts";
import { Client } from "../../../src/client/index.ts";
import { rpcpb } from "../../../src/proto/index.ts";
import { etcd, quoin } from "../../process/member.ts";
import { seededRandom } from "../../process/random.ts";
import { type Outcome, Server } from "../edges/pair.ts";
import { comparable, services } from "../edges/rpcs.ts";
import { type Asker, askers, leases, type Question, questions, roles, users } from "./walk.ts";

const oracle = etcd();
const skip = oracle === undefined ? "real etcd needs Go to build" : false;
const flags = ["--bcrypt-cost=4", "--log-level=error"];

const servers: Server[] = [];
/** By server, then by user. */
const tokens = new Map<Server, Map<string, string>>();

before(async () => {
  if (oracle === undefined) return;
  for (const program of [oracle, quoin]) {
    const server = await Server.start(program, flags);
    servers.push(server);
    tokens.set(server, await prepare(server));
  }
});

after(async () => {
  for (const server of servers) await server[Symbol.asyncDispose]();
});

/** Users, roles, keys and leases; authentication on. */
async function prepare(server: Server): Promise<Map<string, string>> {
  const client = new Client({ endpoints: [server.member.endpoint] });
  try {
    for (const id of Object.values(leases)) await client.lease.grant(10_000, { id });
    await client.kv.put("a", "1", { lease: leases.ofA });
    await client.kv.put("z", "1", { lease: leases.ofZ });
    await client.auth.roleAdd("root");
    for (const [role, type] of Object.entries(roles)) {
      await client.auth.roleAdd(role);
      await client.auth.roleGrantPermission(role, type, { key: "b", rangeEnd: "c" });
      await client.auth.roleGrantPermission(role, type, { key: "a", rangeEnd: "b" });
    }
    for (const [name, granted] of Object.entries(users)) {
      await client.auth.userAdd(name, name);
      for (const role of granted) await client.auth.userGrantRole(name, role);
    }
    await client.auth.userAdd("cn", "", { noPassword: true });
    await client.auth.enable();
  } finally {
    client.close();
  }
  const found = new Map<string, string>();
  for (const name of Object.keys(users)) found.set(name, await login(server, name));
  return found;
}

async function login(server: Server, name: string): Promise<string> {
  const request = rpcpb.encodeAuthenticateRequest({ name, password: name });
  const { messages } = await server.ask("/etcdserverpb.Auth/Authenticate", request);
  return rpcpb.decodeAuthenticateResponse(messages[0] as Buffer).token;
}

function headersOf(server: Server, asker: Asker): Record<string, string> {
  if (asker === "no token") return {};
  if (asker === "wrong token") return { token: "abcdefghijklmnop.3" };
  if (asker === "malformed token") return { authorization: "Bearer x" };
  return { token: tokens.get(server)?.get(asker) as string };
}

const byPath = new Map(Object.values(services).flatMap((list) => list.map((r) => [r.path, r])));

function view(question: Question, { code, text, messages }: Outcome): string {
  const rpc = byPath.get(question.path);
  const content = rpc === undefined ? undefined : comparable(rpc, messages);
  const inOrder = (name: string, value: unknown): unknown =>
    // The order of a lease's keys is that of a Go map.
    name === "keys" ? (value as string[]).toSorted() : value;
  return JSON.stringify({ code, text, content }, inOrder);
}

async function ask(server: Server, asker: Asker, question: Question): Promise<string> {
  const last = question.last === undefined ? {} : { last: question.last };
  const headers = headersOf(server, asker);
  return view(question, await server.ask(question.path, question.bytes, { ...last, headers }));
}

for (const asker of askers) {
  test(`every RPC answers ${asker} as etcd does`, { skip }, async (t) => {
    const wrong: string[] = [];
    const codes = new Map<string, number>();
    for (const question of questions) {
      if (question.onlyRefused === true && asker === "root") continue;
      const [a, b] = await Promise.all(servers.map((s) => ask(s, asker, question)));
      const text = (JSON.parse(a as string) as { text: string }).text;
      codes.set(text, (codes.get(text) ?? 0) + 1);
      if (a !== b) wrong.push(`${question.path} ${question.what}\n    etcd  ${a}\n    quoin ${b}`);
    }
    t.diagnostic(JSON.stringify(Object.fromEntries(codes)));
    assert.deepEqual(wrong, [], `\n  ${wrong.join("\n  ")}\n`);
  });
}

test("random permissions allow and refuse random ranges as etcd's do", { skip }, async () => {
  const random = seededRandom(20_260_101);
  const key = (): string =>
    Array.from({ length: 1 + random.below(2) }, () => "abcd\0"[random.below(5)]).join("");
  const end = (): string => ["", "\0", key(), key(), key()][random.below(5)] as string;
  const clients = servers.map((s) => new Client({ endpoints: [s.member.endpoint], user: root }));
  const names = Array.from({ length: 8 }, (_, i) => `random${i}`);
  try {
    for (const name of names) {
      const granted = Array.from({ length: 1 + random.below(7) }, () => [key(), end()] as const);
      const outcomes: string[][] = [];
      for (const client of clients) {
        outcomes.push(await grantAll(client, name, granted));
      }
      assert.deepEqual(outcomes[1], outcomes[0], JSON.stringify(granted));
      for (const server of servers) tokens.get(server)?.set(name, await login(server, name));
      for (let i = 0; i < 120; i++) {
        const request = rpcpb.newRangeRequest({
          key: Buffer.from(key()),
          rangeEnd: Buffer.from(end()),
          serializable: true,
          countOnly: true,
        });
        const question: Question = {
          path: "/etcdserverpb.KV/Range",
          what: "",
          bytes: rpcpb.encodeRangeRequest(request),
        };
        const [a, b] = await Promise.all(servers.map((s) => ask(s, name as Asker, question)));
        assert.equal(
          b,
          a,
          JSON.stringify({ granted, key: `${request.key}`, end: `${request.rangeEnd}` }),
        );
      }
    }
  } finally {
    for (const client of clients) client.close();
  }
});

const root = { name: "root", password: "root" };

/** A user with all of these on two roles; what each grant came to. */
async function grantAll(
  client: Client,
  name: string,
  granted: readonly (readonly [key: string, rangeEnd: string])[],
): Promise<string[]> {
  await client.auth.userAdd(name, name);
  const outcomes: string[] = [];
  for (const half of ["x", "y"]) {
    const role = `${name}${half}`;
    await client.auth.roleAdd(role);
    for (const [i, [key, rangeEnd]] of granted.entries()) {
      if ((i % 2 === 0) !== (half === "x")) continue;
      outcomes.push(
        await client.auth.roleGrantPermission(role, 0, { key, rangeEnd }).then(
          () => "granted",
          (error: Error) => error.message,
        ),
      );
    }
    await client.auth.userGrantRole(name, role);
  }
  return outcomes;
}

test("the walk leaves out no RPC that needs a user", () => {
  const asked = new Set(questions.map((q) => q.path));
  const open = /^\/(grpc\.|v3lockpb|v3electionpb)/;
  const left = [...apiMethods({} as ApiContext).keys()].filter((p) => !asked.has(p));
  assert.deepEqual(
    left.filter((p) => !open.test(p)),
    [],
  );
});
