// One cluster of two real etcd members and one of ours, over etcd's peer protocol: writes at every
// member, our member as follower and as leader, requests forwarded both ways over /leases, and
// both kinds catch up with each other by a snapshot. HashKV decides.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Client } from "../../src/client/index.ts";
import { freePorts } from "../free-ports.ts";
import { until } from "../until.ts";
import { etcd, Member, quoin } from "./member.ts";

const real = etcd();
const skip = real === undefined ? "real etcd needs Go to build" : false;
/** Logs are cut so early that whoever was away for `many` writes needs a snapshot. */
const flags = ["--snapshot-count=50", "--snapshot-catchup-entries=10"];
const many = 130;

test("a Quoin member and two etcd members are one cluster", {
  skip,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-mixed-"));
  const [e1, e2, q] = await startAll(folder);
  const all = [e1, e2, q];
  try {
    await writeAtEach(all, "first", 30);
    await sameHash(all);

    await q.lead(all);
    await writeAtEach(all, "led", 30);
    await leaseThrough(e1, e2);
    await sameHash(all);

    // An etcd member that was away comes back to our leader, which has restarted and so holds
    // nothing of its log before the last cut.
    await e2.stop("SIGKILL");
    await write(e1, "away", many);
    await q.stop();
    q.start();
    await q.ready();
    await q.lead(all);
    e2.start();
    await Promise.all(all.map((m) => m.ready()));
    await sameHash(all);
    assert.match(e2.logTail(1000), /applied snapshot/);

    // And our member comes back to a leader that is etcd.
    await q.stop();
    await write(e1, "again", many);
    q.start();
    await q.ready();
    await sameHash(all);
    assert.match(q.logTail(1000), /received and saved database snapshot/);
    for (const m of all) assert.doesNotMatch(m.logTail(2000), /panic|"level":"fatal"/);
  } catch (error) {
    for (const m of all) console.error(m.logTail(15));
    throw error;
  } finally {
    await Promise.all(all.map((m) => m[Symbol.asyncDispose]()));
  }
  rmSync(folder, { recursive: true, force: true });
});

async function startAll(folder: string): Promise<[Member, Member, Member]> {
  const ports = await freePorts(6);
  const names = ["e1", "e2", "q"];
  const initialCluster = names.map((n, i) => `${n}=http://127.0.0.1:${ports[i]}`).join(",");
  const members = names.map((name, i) => {
    const peerPort = ports[i] as number;
    const clientPort = ports[3 + i] as number;
    const program = name === "q" ? quoin : real!;
    return new Member({ program, name, folder, clientPort, peerPort, initialCluster, flags });
  });
  for (const m of members) m.start();
  await Promise.all(members.map((m) => m.ready()));
  return members as [Member, Member, Member];
}

async function using<T>(member: Member, f: (client: Client) => Promise<T>): Promise<T> {
  const client = member.client();
  try {
    return await f(client);
  } finally {
    client.close();
  }
}

const write = (member: Member, prefix: string, count: number): Promise<void> =>
  using(member, async (client) => {
    for (let i = 0; i < count; i++) {
      // One may be lost with a leader that has just left, or that a late machine deposes.
      await until("a write", () => client.kv.put(`${prefix}/${i}`, `value ${i}`));
    }
  });

async function writeAtEach(members: readonly Member[], prefix: string, count: number) {
  for (const m of members) await write(m, `${prefix}/${m.name}`, count / members.length);
}

/** A lease at one follower, kept alive and asked for at another: both ask the leader. */
async function leaseThrough(a: Member, b: Member): Promise<void> {
  const id = await using(a, async (client) => {
    const { id } = await client.lease.grant(100);
    await client.kv.put("leased", "x", { lease: id });
    return id;
  });
  await using(b, async (client) => {
    assert.equal((await client.lease.keepAliveOnce(id)).ttl, 100);
    const answer = await client.lease.timeToLive(id, { keys: true });
    assert.equal(answer.grantedTtl, 100);
    assert.deepEqual(
      answer.keys.map((k) => Buffer.from(k).toString()),
      ["leased"],
    );
  });
}

async function sameHash(members: readonly Member[]): Promise<void> {
  const revision = await using(members[0] as Member, async (client) => {
    return (await client.kv.get("x")).header?.revision ?? 0;
  });
  const hashes = await Promise.all(
    members.map((m) =>
      using(m, async (client) => {
        // A linearizable read first: then the member has applied what counts.
        await client.kv.get("x");
        return (await client.maintenance.hashKv(m.endpoint, revision)).hash;
      }),
    ),
  );
  assert.equal(new Set(hashes).size, 1, `hashes ${hashes} at revision ${revision}`);
}
