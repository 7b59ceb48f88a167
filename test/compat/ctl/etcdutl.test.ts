// Snapshots by the command lines: saved by both etcdctl, looked at by both etcdutl, restored by
// both, served by both servers with the same hash. And `init`, which only ours has.

import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../../../src/client/index.ts";
import { etcd, type Member, quoin } from "../../process/member.ts";
import { attempt, memberOf, realTools, restoreFlags, run, scratch } from "./snapshot-tools.ts";

const real = etcd();
const skip = real === undefined || realTools === undefined ? "real etcd needs Go to build" : false;

interface Contents {
  readonly revision: number;
  readonly hash: number;
  readonly count: number;
}

async function contents(member: Member): Promise<Contents> {
  using client = new Client({ endpoints: [member.endpoint] });
  const { header, count } = await client.kv.get("", { prefix: true });
  const { hash } = await client.maintenance.hashKv(member.endpoint);
  return { revision: header?.revision ?? 0, hash, count };
}

async function fill(member: Member): Promise<void> {
  using client = new Client({ endpoints: [member.endpoint] });
  for (let i = 0; i < 200; i++) await client.kv.put(`k${i % 70}`, `v${i}`);
  for (let i = 0; i < 10; i++) await client.kv.delete(`k${i}`);
  const { id } = await client.lease.grant(1000);
  await client.kv.put("leased", "x", { lease: id });
  await client.kv.compact(60, { physical: true });
  await client.kv.put("last", "y");
}

for (const source of [real, quoin]) {
  test(`a snapshot of ${source?.name} is read and restored alike by both tools`, {
    skip,
  }, async (t) => {
    const dir = scratch(t);
    await using member = await memberOf(source!, dir, "source");
    member.start();
    await member.ready();
    await fill(member);
    const before = await contents(member);
    for (const saver of ["etcd", "quoin"] as const) {
      const file = join(dir, `${saver}.db`);
      await run(saver, "etcdctl", `--endpoints=${member.endpoint}`, "snapshot", "save", file);
      const status = ["snapshot", "status", file, "-w", "json"];
      const theirs = await run("etcd", "etcdutl", ...status);
      assert.equal((await run("quoin", "etcdutl", ...status)).stdout, theirs.stdout);
      for (const server of [real!, quoin]) {
        await using restored = await memberOf(server, dir, `by-${saver}-on-${server.name}`);
        const restore = ["snapshot", "restore", file, ...restoreFlags(restored)];
        await run(server === quoin ? "quoin" : "etcd", "etcdutl", ...restore);
        restored.start();
        await restored.ready();
        assert.deepEqual(await contents(restored), before, `${saver}, ${server.name}`);
      }
    }
  });
}

test("init fills a folder from which the member boots as the only voter", {
  skip: false,
}, async (t) => {
  const dir = scratch(t);
  await using member = await memberOf(quoin, dir, "first");
  const where = restoreFlags(member);
  const token = "--initial-cluster-token=token";
  await run("quoin", "etcdutl", "init", ...where, token);
  // A Job runs again when its success was lost; another cluster's folder is refused.
  await run("quoin", "etcdutl", "init", ...where, token);
  const other = ["init", ...where, "--initial-cluster-token=other"];
  const refused = await attempt("quoin", "etcdutl", other);
  assert.equal(refused.status, 1);
  assert.match(refused.stderr, /^Error: data dir .* holds a member already/m);
  member.start();
  await member.ready();
  using client = new Client({ endpoints: [member.endpoint] });
  const { members } = await client.cluster.memberList();
  assert.deepEqual(
    members.map(({ name, isLearner }) => ({ name, isLearner })),
    [{ name: "first", isLearner: false }],
  );
  assert.equal((await client.kv.put("a", "b")).header?.revision, 2);
});
