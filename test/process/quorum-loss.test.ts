// Three real processes killed at once under load; one disk is left. `quoin util force-new`, killed at
// each of its steps, makes a new cluster of it: every write its log held is there, the old members
// cannot reach it, and a new one joins.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Client } from "../../src/client/index.ts";
import { createDisk } from "../../src/io/index.ts";
import type { FaultPoint } from "../../src/ports/index.ts";
import { rpcpb } from "../../src/proto/index.ts";
import { readLog } from "../../src/storage/wal/index.ts";
import { freePorts } from "../free-ports.ts";
import { until } from "../until.ts";
import { createMembers, Member, quoin } from "./member.ts";

const steps: readonly FaultPoint[] = [
  "forceNewBeforeBuild",
  "forceNewAfterEngine",
  "walBeforeSync",
  "forceNewAfterLog",
  "forceNewBetweenRenames",
  "forceNewAfterRenames",
];

/** `quoin util`; killed at `point` if one is given. */
function util(args: readonly string[], point?: FaultPoint) {
  const [node, file] = quoin.command as [string, string];
  const env = {
    PATH: process.env["PATH"] ?? "",
    ...(point === undefined ? {} : { GOFAIL_FAILPOINTS: `${point}=panic` }),
  };
  return spawnSync(node, [file, "util", ...args], { encoding: "utf8", env });
}

/** Keys of the puts that stand in the log, known to be committed or not. */
async function keysInLog(dataDir: string): Promise<string[]> {
  const log = await readLog(createDisk(), join(dataDir, "member", "wal"), (valid) => valid[0]!);
  return log.contents.entries
    .filter((e) => e.type === 0 && e.data.byteLength > 0)
    .map((e) => rpcpb.decodeInternalRaftRequest(e.data).put?.key)
    .filter((key) => key !== undefined)
    .map((key) => Buffer.from(key).toString());
}

/** Puts through all members as fast as they take them; what was acknowledged, with its revision. */
function writeUntilKilled(members: readonly Member[]) {
  const acknowledged = new Map<string, number>();
  const stop = new AbortController();
  const writers = Array.from({ length: 24 }, async (_, w) => {
    const { endpoint } = members[w % members.length] as Member;
    using client = new Client({ endpoints: [endpoint] });
    for (let i = 0; !stop.signal.aborted; i++) {
      const key = `w${w}/${i}`;
      try {
        const { header } = await client.kv.put(key, key, { timeoutMs: 1000 });
        acknowledged.set(key, header?.revision ?? 0);
      } catch {
        if (members.every((m) => !m.running)) return;
      }
    }
  });
  const end = async (): Promise<void> => {
    stop.abort();
    await Promise.all(writers);
  };
  return { acknowledged, end };
}

test("force-new keeps the survivor's whole log, whatever step it is killed at", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-process-"));
  const flags = ["--snapshot-count=500", "--snapshot-catchup-entries=100"];
  await using stack = new AsyncDisposableStack();
  const members = await createMembers(quoin, folder, 3, flags);
  for (const m of members) stack.use(m).start();
  await Promise.all(members.map((m) => m.ready()));
  const load = writeUntilKilled(members);
  await until("a load", async () => load.acknowledged.size > 2000);
  await Promise.all(members.map((m) => m.stop("SIGKILL")));
  await load.end();

  const survivor = members[1] as Member;
  const held = await keysInLog(survivor.dataDir);
  const inspected = JSON.parse(util(["inspect", `--data-dir=${survivor.dataDir}`]).stdout);
  assert.equal(inspected.name, "m2");
  t.diagnostic(
    `${load.acknowledged.size} acknowledged; the survivor's log ends at ${inspected.lastLogIndex}, its known commit at ${inspected.commitIndex}, applied ${inspected.appliedIndex}`,
  );

  // The old peer URL, so that the old members do reach the new one.
  const [clientPort, learnerClient, learnerPeer] = (await freePorts(3)) as [number, number, number];
  const peerPort = Number(new URL(survivor.peerUrl).port);
  const order = [
    "force-new",
    `--data-dir=${survivor.dataDir}`,
    "--name=n1",
    `--initial-advertise-peer-urls=${survivor.peerUrl}`,
    "--initial-cluster-token=after",
    "--bump-revision=1000000",
    "--mark-compacted",
  ];
  for (const step of steps) {
    const { signal, stdout, stderr } = util(order, step);
    assert.ok(signal === "SIGKILL" || stdout.includes('"already":true'), `${step}: ${stderr}`);
  }
  const done = util(order);
  assert.equal(done.status, 0, done.stderr);
  const made = JSON.parse(done.stdout);
  assert.ok(made.lastLogIndex >= inspected.lastLogIndex);
  assert.notEqual(made.clusterID, inspected.clusterID);

  const forced = stack.use(
    new Member({
      program: quoin,
      name: "n1",
      folder,
      clientPort,
      peerPort,
      initialCluster: `n1=${survivor.peerUrl}`,
      flags: [
        `--data-dir=${survivor.dataDir}`,
        "--initial-cluster-state=existing",
        "--initial-cluster-token=after",
        ...flags,
      ],
    }),
  );
  forced.start();
  await forced.ready();
  const client = stack.use(new Client({ endpoints: [forced.endpoint] }));
  const { kvs, header } = await client.kv.get("w", { prefix: true, timeoutMs: 20_000 });
  const found = new Map(kvs.map((kv) => [Buffer.from(kv.key).toString(), kv.modRevision]));
  assert.deepEqual(
    held.filter((key) => !found.has(key)),
    [],
    "keys of the survivor's log are missing",
  );
  const revision = Math.max(...found.values());
  const due = [...load.acknowledged].filter(([, at]) => at <= revision);
  assert.deepEqual(
    due.filter(([key, at]) => found.get(key) !== at),
    [],
    "acknowledged writes are lost",
  );
  t.diagnostic(
    `${held.length} puts in its log, ${due.length} acknowledged writes kept, ${load.acknowledged.size - due.length} were on the other disks alone`,
  );
  assert.equal(header?.clusterId.toString(16), made.clusterID);
  assert.ok((header?.revision ?? 0) > 1_000_000, "clients see that the past has changed");

  // The old members have a quorum of their own and know the survivor's address: two clusters that do
  // not hear each other.
  const [old1, , old3] = members as [Member, Member, Member];
  old1.start();
  old3.start();
  await Promise.all([old1.ready(), old3.ready()]);
  const learner = stack.use(
    new Member({
      program: quoin,
      name: "n2",
      folder,
      clientPort: learnerClient,
      peerPort: learnerPeer,
      initialCluster: `n1=${survivor.peerUrl},n2=http://127.0.0.1:${learnerPeer}`,
      flags: ["--initial-cluster-state=existing", "--initial-cluster-token=after", ...flags],
    }),
  );
  await client.cluster.memberAdd([learner.peerUrl], { learner: true });
  learner.start();
  const { members: listed } = await client.cluster.memberList({ linearizable: true });
  assert.deepEqual(
    listed.map((m) => m.peerURLs.join()).sort(),
    [survivor.peerUrl, learner.peerUrl].sort(),
  );
  const id = listed.find((m) => m.isLearner)?.id;
  assert.ok(id);
  await until("the learner to be promoted", () =>
    client.cluster.memberPromote(id).then(
      () => true,
      () => false,
    ),
  );
  await learner.ready();
  const put = await client.kv.put("after", "1");
  const at = put.header?.revision ?? 0;
  const hashes = await Promise.all(
    [forced, learner].map(async ({ endpoint }) => {
      using own = new Client({ endpoints: [endpoint] });
      await own.kv.get("after", { timeoutMs: 20_000 });
      return (await own.maintenance.hashKv(endpoint, at)).hash;
    }),
  );
  assert.equal(hashes[0], hashes[1]);
  using old = new Client({ endpoints: [old1.endpoint] });
  const { kvs: unseen } = await old.kv.get("after");
  assert.equal(unseen.length, 0, "the old cluster has not heard of it");
  rmSync(folder, { recursive: true, force: true });
});

test("inspect reports to a file why there is nothing, and tells it by its exit code otherwise", () => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-process-"));
  const args = ["inspect", `--data-dir=${join(folder, "none")}`];
  const plain = util(args);
  assert.equal(plain.status, 80);
  assert.match(plain.stderr, /holds no member/);
  const report = join(folder, "report");
  assert.equal(util([...args, `--report=${report}`]).status, 0);
  assert.equal(JSON.parse(readFileSync(report, "utf8")).error.code, "empty");
  const named = util(["force-new", `--data-dir=${folder}`, "--name=n1"]);
  assert.equal(named.status, 128);
  assert.match(named.stderr, /give --initial-advertise-peer-urls/);
  rmSync(folder, { recursive: true, force: true });
});
