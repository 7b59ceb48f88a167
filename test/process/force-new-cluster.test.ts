// --force-new-cluster after two of three members are lost for good: the survivor serves alone with all its
// data and its identity (Quoin's not while they still run); the lost ones are not let back in; without the flag it stays as it is, and grows
// again. The same is asked of real etcd, where there is Go.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Client } from "../../src/client/index.ts";
import { freePorts } from "../free-ports.ts";
import { until } from "../until.ts";
import { createMembers, etcd, Member, type Program, quoin } from "./member.ts";

/** The same member, started with other flags. */
const again = (program: Program, folder: string, of: Member, flags: readonly string[]): Member =>
  new Member({
    program,
    name: of.name,
    folder,
    clientPort: Number(new URL(of.endpoint).port),
    peerPort: Number(new URL(of.peerUrl).port),
    initialCluster: `${of.name}=${of.peerUrl}`,
    flags,
  });

const using = async <T>(member: Member, f: (client: Client) => Promise<T>): Promise<T> => {
  const client = member.client();
  try {
    return await f(client);
  } finally {
    client.close();
  }
};

const identity = async (client: Client) => {
  const { header, members } = await client.cluster.memberList();
  return {
    cluster: header?.clusterId,
    member: header?.memberId,
    names: members.map((m) => m.name).sort(),
  };
};

for (const program of [quoin, etcd()]) {
  const name = program?.name ?? "real etcd";
  const skip = program === undefined ? "real etcd needs Go to build" : false;
  test(`--force-new-cluster of ${name}: the survivor goes on alone`, {
    skip,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "quoin-process-"));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rmSync(folder, { recursive: true, force: true }));
    const members = await createMembers(program as Program, folder, 3);
    for (const m of members) stack.use(m).start();
    await Promise.all(members.map((m) => m.ready()));
    const [lost, survivor] = members as [Member, Member, Member];
    const before = await using(survivor, async (client) => {
      for (let i = 0; i < 50; i++) await client.kv.put(`key/${i}`, `${i}`);
      // etcd drops what the survivor does not know to be committed, as the last put may be.
      await client.kv.put("last", "1");
      return await identity(client);
    });
    if (program === quoin) {
      // While the others run, it would take its members away from a cluster that goes on.
      await survivor.stop("SIGKILL");
      const early = again(program, folder, survivor, ["--force-new-cluster"]);
      stack.use(early).start();
      await until("it is refused", () => !early.running);
      assert.match(early.logTail(), /still runs.*stop it for good, or remove --force-new-cluster/);
    }
    for (const m of members) await m.stop("SIGKILL");

    const forced = again(program as Program, folder, survivor, ["--force-new-cluster"]);
    stack.use(forced).start();
    await forced.ready();
    await using(forced, async (client) => {
      assert.deepEqual(await identity(client), { ...before, names: ["m2"] });
      assert.equal((await client.kv.get("key/", { prefix: true })).count, 50);
      if (program === quoin) assert.equal((await client.kv.get("last")).count, 1);
      await client.kv.put("key/50", "after");
    });
    // A lost one comes back: it was removed, learns so from the survivor, and ends.
    lost.start();
    await until("the lost one ends", () => !lost.running);
    await using(forced, async (client) => {
      assert.deepEqual((await identity(client)).names, ["m2"]);
    });
    await forced.stop();

    const plain = again(program as Program, folder, survivor, []);
    stack.use(plain).start();
    await plain.ready();
    const [clientPort, peerPort] = (await freePorts(2)) as [number, number];
    await using(plain, async (client) => {
      assert.deepEqual(await identity(client), { ...before, names: ["m2"] });
      assert.equal((await client.kv.get("key/", { prefix: true })).count, 51);
      await client.cluster.memberAdd([`http://127.0.0.1:${peerPort}`], { learner: true });
    });
    const fresh = stack.use(
      new Member({
        program: program as Program,
        name: "m4",
        folder,
        clientPort,
        peerPort,
        initialCluster: `m2=${plain.peerUrl},m4=http://127.0.0.1:${peerPort}`,
        flags: ["--initial-cluster-state=existing"],
      }),
    );
    fresh.start();
    // A learner answers serializable reads.
    await until("the new one has it all", () =>
      using(fresh, async (client) => {
        const answer = await client.kv.get("key/", { prefix: true, serializable: true });
        return answer.count === 51;
      }),
    );
  });
}
