// Users, roles and tokens among members of both kinds: in one cluster, and carried over by snapshots.

import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Client, type ClientOptions, isEtcdError, methods } from "../../../src/client/index.ts";
import { freePorts } from "../../free-ports.ts";
import { createMembers, etcd, Member, type Program, quoin } from "../../process/member.ts";
import { until } from "../../until.ts";
import { patience, tool } from "../storage/real-etcd.ts";
import { etcdutl } from "./restore.ts";

const real = etcd();
const skip = real === undefined ? "real etcd needs Go to build" : false;
const root = { name: "root", password: "rootpw" };
const user = { name: "u", password: "upw" };

async function inFolder(f: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "quoin-auth-"));
  try {
    await f(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function using<T>(
  member: Member,
  options: Partial<ClientOptions>,
  f: (client: Client) => Promise<T>,
): Promise<T> {
  const patient = { dialTimeoutMs: 60_000, requestTimeoutMs: 60_000 };
  const client = new Client({ endpoints: [member.endpoint], ...patient, ...options });
  try {
    return await f(client);
  } finally {
    client.close();
  }
}

/** Root, and u who may read and write what begins with "u". */
async function enableAuth(client: Client): Promise<void> {
  await client.auth.userAdd(root.name, root.password);
  await client.auth.userGrantRole(root.name, "root");
  await client.auth.roleAdd("root");
  await client.auth.roleAdd("r");
  await client.auth.roleGrantPermission("r", 2, { key: "u", rangeEnd: "v" });
  await client.auth.userAdd(user.name, user.password);
  await client.auth.userGrantRole(user.name, "r");
  await client.auth.enable();
}

const refused = async (attempt: Promise<unknown>): Promise<string> =>
  attempt.then(
    () => "allowed",
    (error: Error) => error.message,
  );

/** What tells whether a member knows the users: as nobody, as u, as root. */
async function checkAccess(member: Member): Promise<void> {
  await using(member, {}, async (client) => {
    assert.equal(await refused(client.kv.put("u", "x")), "etcdserver: user name is empty");
    assert.equal(await refused(client.kv.get("u")), "etcdserver: user name is empty");
  });
  await using(member, { user }, async (client) => {
    await client.kv.put("u/1", member.name);
    assert.equal((await client.kv.get("u/1")).count, 1);
    assert.equal(await refused(client.kv.put("a", "x")), "etcdserver: permission denied");
    assert.equal(await refused(client.kv.get("a")), "etcdserver: permission denied");
  });
  await using(member, { user: { ...user, password: "no" } }, async (client) => {
    const message = "etcdserver: authentication failed, invalid user ID or password";
    assert.equal(await refused(client.kv.get("u")), message);
  });
}

/** Answers root: with authentication on nobody else is told whether it is ready. */
const servesRoot = (member: Member) =>
  until(`${member.name} to serve root`, () =>
    using(member, { user: root, requestTimeoutMs: 2000 }, async (c) => {
      await c.kv.get("x");
      return true;
    }),
  );

/** No election because a process or its disk was held up for a second: writes would end with it. */
const calm = ["--heartbeat-interval=200", "--election-timeout=5000"];

async function mixed(folder: string, flags: readonly string[]): Promise<Member[]> {
  const ports = await freePorts(6);
  const names = ["e1", "e2", "q"];
  const initialCluster = names.map((n, i) => `${n}=http://127.0.0.1:${ports[i]}`).join(",");
  const members = names.map(
    (name, i) =>
      new Member({
        program: name === "q" ? quoin : real!,
        name,
        folder,
        clientPort: ports[3 + i] as number,
        peerPort: ports[i] as number,
        initialCluster,
        flags: [...calm, ...flags],
      }),
  );
  for (const m of members) m.start();
  await Promise.all(members.map((m) => m.ready()));
  return members;
}

const tokenOf = (member: Member): Promise<string> =>
  using(member, {}, async (client) => (await client.call(methods.authenticate, user)).token);

/** One login at each member; each token is good at every other. */
async function checkTokens(members: readonly Member[]): Promise<void> {
  for (const from of members) {
    const token = await tokenOf(from);
    for (const at of members) {
      await using(at, { token }, async (client) => {
        await client.kv.put(`u/${from.name}/${at.name}`, "x");
        assert.equal((await client.kv.get(`u/${from.name}/${at.name}`)).count, 1);
      });
    }
  }
}

test("users and simple tokens are the same on members of both kinds", { skip }, () =>
  inFolder(async (folder) => {
    const flags = ["--bcrypt-cost=4", "--snapshot-count=50", "--snapshot-catchup-entries=10"];
    const members = await mixed(folder, flags);
    const [e1, e2, q] = members as [Member, Member, Member];
    try {
      // Half of it through each kind.
      await using(q, {}, enableAuth);
      for (const m of members) await checkAccess(m);
      await checkTokens(members);
      await using(e1, { user: root }, async (c) => {
        await c.auth.userAdd("v", "vpw");
        await c.auth.roleAdd("s");
        await c.auth.roleGrantPermission("s", 0, { key: "a", rangeEnd: "\0" });
        await c.auth.userGrantRole("u", "s");
      });
      for (const m of members) {
        await using(m, { user }, async (c) => assert.equal((await c.kv.get("a")).count, 0));
      }
      await using(q, { user: root }, (c) => c.auth.roleDelete("s"));

      // Each kind comes back from the other's snapshot.
      await using(e1, { user: root }, async (c) => {
        await q.stop();
        await servesRoot(e1);
        for (let i = 0; i < 130; i++) await c.kv.put(`k${i}`, "x");
      });
      q.start();
      await servesRoot(q);
      await checkAccess(q);
      assert.match(q.logTail(1000), /received and saved database snapshot/);
      await e2.stop();
      await servesRoot(q);
      await using(q, { user: root }, async (c) => {
        await c.auth.userDelete("v");
        for (let i = 0; i < 130; i++) await c.kv.put(`k${i}`, "y");
      });
      e2.start();
      await servesRoot(e2);
      await checkAccess(e2);
      const views = await Promise.all(members.map(authView));
      assert.deepEqual(views[1], views[0]);
      assert.deepEqual(views[2], views[0]);
      for (const m of members) assert.doesNotMatch(m.logTail(2000), /panic|"level":"fatal"/);
    } catch (error) {
      for (const m of members) console.error(m.logTail(15));
      throw error;
    } finally {
      await Promise.all(members.map((m) => m[Symbol.asyncDispose]()));
    }
  }),
);

/** Everything a member says about users and roles, and the keys' hash. */
const authView = (member: Member): Promise<unknown> =>
  using(member, { user: root }, async (client) => {
    const { enabled, authRevision } = await client.auth.status();
    const { users } = await client.auth.userList();
    const { roles } = await client.auth.roleList();
    const granted = [];
    for (const name of users) granted.push([name, (await client.auth.userGet(name)).roles]);
    const permissions = [];
    for (const name of roles) permissions.push([name, (await client.auth.roleGet(name)).perm]);
    await client.kv.get("x");
    const revision = (await client.kv.get("x")).header?.revision ?? 0;
    const { hash } = await client.maintenance.hashKv(member.endpoint, revision);
    return { enabled, authRevision, granted, permissions, hash };
  });

test("tokens signed by either kind are taken by the other", { skip }, () =>
  inFolder(async (folder) => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const key = join(folder, "key.pem");
    writeFileSync(key, privateKey.export({ type: "pkcs8", format: "pem" }));
    const flags = ["--bcrypt-cost=4", `--auth-token=jwt,sign-method=PS256,priv-key=${key}`];
    const members = await mixed(folder, flags);
    try {
      await using(members[0] as Member, {}, enableAuth);
      await checkTokens(members);
      // A signed token names a revision: after a change it is too old everywhere, and clients log in again.
      const [e1, , q] = members as [Member, Member, Member];
      const old = await tokenOf(q);
      await using(q, { user }, async (client) => {
        await client.kv.put("u", "x");
        await using(e1, { user: root }, (c) => c.auth.roleAdd("another"));
        await client.kv.put("u", "y");
        await using(e1, { user: root }, (c) => c.auth.roleAdd("a third"));
        const { value } = await client.watch.watch("u").next();
        assert.equal(value?.created, true);
        const { id } = await client.lease.grant(100);
        await using(e1, { user: root }, (c) => c.auth.roleAdd("a fourth"));
        await client.kv.put("u", "z", { lease: id });
        await using(e1, { user: root }, (c) => c.auth.roleAdd("a fifth"));
        assert.equal((await client.lease.keepAliveOnce(id)).ttl, 100);
      });
      for (const m of members) {
        await using(m, { token: old }, async (client) => {
          const error = await client.kv.put("u", "z").catch((e: unknown) => e);
          assert.ok(isEtcdError(error, "AuthOldRevision"), String(error));
        });
      }
    } finally {
      await Promise.all(members.map((m) => m[Symbol.asyncDispose]()));
    }
  }),
);

for (const [from, to] of [
  [real, quoin],
  [quoin, real],
] as [Program, Program][]) {
  if (from === undefined || to === undefined) continue;
  test(`a snapshot of ${from.name} with authentication on is restored and served by ${to.name}`, () =>
    inFolder(async (folder) => {
      const flags = ["--bcrypt-cost=4"];
      const [source] = (await createMembers(from, join(folder, "a"), 1, flags)) as [Member];
      const [target] = (await createMembers(to, join(folder, "b"), 1, flags)) as [Member];
      const file = join(folder, "saved.db");
      try {
        source.start();
        await source.ready();
        await using(source, {}, enableAuth);
        const before = await authView(source);
        tool("etcdctl", [
          `--endpoints=${source.endpoint}`,
          ...patience,
          `--user=${root.name}:${root.password}`,
          "snapshot",
          "save",
          file,
        ]);
        etcdutl(to, [
          "snapshot",
          "restore",
          file,
          `--data-dir=${target.dataDir}`,
          `--name=${target.name}`,
          `--initial-cluster=${target.name}=${target.peerUrl}`,
          `--initial-advertise-peer-urls=${target.peerUrl}`,
        ]);
        target.start();
        await servesRoot(target);
        assert.deepEqual(await authView(target), before);
        await checkAccess(target);
      } finally {
        await source[Symbol.asyncDispose]();
        await target[Symbol.asyncDispose]();
      }
    }));
}
