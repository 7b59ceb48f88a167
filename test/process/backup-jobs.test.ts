// Jobs of backups against a cluster of three processes: whatever breaks, nothing half is ever visible,
// and the next run succeeds. The tests share the cluster, in order.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client } from "../../src/client/index.ts";
import type { LeaseId } from "../../src/core/types.ts";
import { TcpProxy } from "../backup/tcp-proxy.ts";
import { freePorts } from "../free-ports.ts";
import { NotYet, until } from "../until.ts";
import { contents, type EndedJob, filesBelow, runJob, startJob, tempDir } from "./backup-rig.ts";
import { createMembers, etcd, Member, quoin } from "./member.ts";

const keyCount = 1000;
const valueBytes = 8192;
/** Stands in every value, so that a proxy finds something to damage. */
const mark = "marked-for-damage";
const leaseId = 4711n as LeaseId;

let dir: Awaited<ReturnType<typeof tempDir>>;
let members: readonly Member[];
let leader: Member;
let followers: readonly Member[];

before(async () => {
  dir = await tempDir();
  members = await createMembers(quoin, join(dir.path, "members"), 3);
  for (const member of members) member.start();
  await Promise.all(members.map((member) => member.ready()));
  using client = new Client({
    endpoints: members.map((m) => m.endpoint),
    requestTimeoutMs: 60_000,
  });
  await client.lease.grant(100_000, { id: leaseId });
  // Not compressible, so that the stored object is long too.
  const value = (i: number): Buffer => {
    const bytes = Buffer.alloc(valueBytes, mark);
    for (let at = mark.length; at < valueBytes; at++) bytes[at] = (at * at + 31 * i * at) >>> 3;
    return bytes;
  };
  await Promise.all(
    Array.from({ length: 16 }, async (_, worker) => {
      for (let i = worker; i < keyCount; i += 16) {
        await client.kv.put(`k${i}`, value(i), i % 10 === 0 ? { lease: leaseId } : {});
      }
    }),
  );
  for (let i = 0; i < 50; i++) await client.kv.put("k1", `over and over ${i}`);
  await client.kv.delete("k2");
  await client.kv.compact(keyCount + 20);
  await findLeader();
});

after(async () => {
  for (const member of members ?? []) await member[Symbol.asyncDispose]();
  await dir?.[Symbol.asyncDispose]();
});

async function findLeader(): Promise<void> {
  using client = new Client({ endpoints: members.map((m) => m.endpoint) });
  leader = await until("a leader", async () => {
    const statuses = await Promise.all(
      members.map(async (member) => {
        const status = await client.maintenance.status(member.endpoint);
        return { member, leads: status.leader === status.header?.memberId };
      }),
    );
    return statuses.find(({ leads }) => leads)?.member;
  });
  followers = members.filter((member) => member !== leader);
}

const endpointsOf = (list: readonly { readonly endpoint: string }[]): string =>
  `--endpoints=${list.map(({ endpoint }) => endpoint).join(",")}`;

const saveFlags = (directory: string): string[] => [
  "save",
  "--cluster=ns/c1",
  "--lineage=l1",
  "--backup=ns/b1",
  `--directory=${directory}`,
  `--scratch-dir=${join(dir.path, "scratch")}`,
];

const folder = (name: string): string => join(dir.path, name);

function assertSucceeded(job: EndedJob): NonNullable<EndedJob["report"]> {
  assert.equal(job.report?.outcome, "Succeeded", `${JSON.stringify(job.report)}\n${job.log}`);
  assert.equal(job.code, 0);
  return job.report as NonNullable<EndedJob["report"]>;
}

test("a follower in sync is backed up, and the drill boots a member with the same HashKV", async () => {
  const directory = folder("drilled");
  const job = await runJob(...saveFlags(directory), endpointsOf(members), "--verify=Restore");
  const { manifest } = assertSucceeded(job);
  assert.ok(manifest);
  assert.match(job.log, /"role":"follower"/);
  using client = new Client({ endpoints: [leader.endpoint] });
  const { header, hash, compactRevision } = await client.maintenance.hashKv(leader.endpoint);
  assert.deepEqual(
    [manifest.revision, manifest.hashKV, manifest.compactRevision, manifest.possiblyStale],
    [Number(header?.revision), hash, compactRevision, false],
  );
  assert.equal(manifest.verified?.kind, "Restore");
  assert.deepEqual(filesBelow(directory), [manifest.key, `${manifest.key}.manifest.json`]);
  const stored = readFileSync(join(directory, `${manifest.key}.manifest.json`), "utf8");
  assert.deepEqual(JSON.parse(stored), manifest);
  assert.deepEqual(filesBelow(folder("scratch")), []);
});

test("a stream that breaks is tried again with another member, under another key", async () => {
  const directory = folder("broken");
  await findLeader(); // Members before it are asked first, and a busy machine may have elected another.
  await using first = await TcpProxy.start(followers[0]?.endpoint as string);
  await using second = await TcpProxy.start(followers[1]?.endpoint as string);
  for (const proxy of [first, second]) proxy.cutAfterDown(1_000_000);
  const job = await runJob(...saveFlags(directory), endpointsOf([first, second, leader]));
  const { manifest } = assertSucceeded(job);
  assert.deepEqual([first.cuts, second.cuts], [1, 1]);
  assert.equal(job.log.match(/the attempt failed and left nothing/g)?.length, 2);
  assert.deepEqual(filesBelow(directory), [manifest?.key, `${manifest?.key}.manifest.json`]);
});

test("a snapshot that was changed on its way is not stored", async () => {
  const directory = folder("changed");
  await using proxy = await TcpProxy.start(leader.endpoint);
  proxy.damageDown(mark);
  const job = await runJob(...saveFlags(directory), endpointsOf([proxy]));
  assert.equal(job.report?.reason, "HashMismatch", job.log);
  assert.notEqual(job.code, 0);
  assert.deepEqual(filesBelow(directory), []);
});

/** A save that hangs in the midst of its stream. */
async function hangingSave(directory: string) {
  const proxy = await TcpProxy.start(leader.endpoint);
  proxy.holdAfterDown(4_000_000);
  const job = startJob(...saveFlags(directory), endpointsOf([proxy]), "--compression=none");
  const isBegun = (): boolean => filesBelow(directory).length > 0 && proxy.downBytes > 3_000_000;
  await until("the save to be in its midst", isBegun);
  return { proxy, ...job };
}

const isArtifact = (file: string): boolean => /\.db/.test(file);

test("SIGTERM takes back what was begun, and the report says so", async () => {
  const directory = folder("told-to-end");
  const { proxy, child, ended } = await hangingSave(directory);
  await using _ = proxy;
  child.kill("SIGTERM");
  const { code, report } = await ended;
  assert.deepEqual([code, report?.outcome, report?.reason], [1, "Failed", "Interrupted"]);
  assert.deepEqual(filesBelow(directory), []);
});

test("kill -9 leaves nothing visible, and the next run sweeps what is left", async () => {
  const directory = folder("killed");
  const { proxy, child, ended } = await hangingSave(directory);
  await using _ = proxy;
  child.kill("SIGKILL");
  await ended;
  const left = filesBelow(directory);
  assert.equal(left.length, 1);
  assert.deepEqual(left.filter(isArtifact), []);
  const next = await runJob(...saveFlags(directory), endpointsOf(members), "--sweep-after=0s");
  const { manifest } = assertSucceeded(next);
  assert.deepEqual(filesBelow(directory), [manifest?.key, `${manifest?.key}.manifest.json`]);
});

test("what changed in the storage since is not verified, restored or deleted by another lineage", async () => {
  const directory = folder("drilled");
  const key = filesBelow(directory)[0] as string;
  const flags = [`--directory=${directory}`, `--key=${key}`];
  const other = await runJob("delete", ...flags, "--lineage=l2");
  assert.equal(other.report?.outcome, "Failed");
  const good = await runJob("verify", ...flags, "--verify=Checksum");
  assertSucceeded(good);
  const path = join(directory, key);
  const bytes = readFileSync(path);
  bytes[bytes.byteLength >> 1] = (bytes[bytes.byteLength >> 1] ?? 0) ^ 1;
  await writeFile(path, bytes);
  for (const job of [
    await runJob("verify", ...flags, "--verify=Checksum"),
    await runJob("restore", ...flags, ...restoreFlags(folder("never"), "token")),
  ]) {
    assert.equal(job.report?.outcome, "Failed");
    assert.match(job.report?.reason ?? "", /^(HashMismatch|InvalidSnapshot)$/);
  }
  assert.deepEqual(filesBelow(folder("never")), []);
  assertSucceeded(await runJob("delete", ...flags, "--lineage=l1"));
  assert.deepEqual(filesBelow(directory), []);
});

function restoreFlags(volume: string, token: string, peerUrl = "http://127.0.0.1:1"): string[] {
  return [
    `--data-dir=${join(volume, "data")}`,
    "--name=m1",
    `--initial-cluster=m1=${peerUrl}`,
    `--initial-cluster-token=${token}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    "--revision-bump=1000000",
  ];
}

/** The only artefact of a folder that another test filled. */
const artifactIn = (directory: string): string =>
  filesBelow(directory).find((file) => /\.db(\.zst)?$/.test(file)) as string;

test("a restore killed at any point is done by the next run: keys, leases and revisions are there", async () => {
  const directory = folder("broken");
  const flags = ["restore", `--directory=${directory}`, `--key=${artifactIn(directory)}`];
  const members1 = await createMembers(quoin, folder("restored"), 1);
  await using restored = members1[0] as Member;
  const volume = folder("volume");
  const all = [...flags, ...restoreFlags(volume, "new-token", restored.peerUrl)];
  const moments = [/^restore\.part$/, /^data\/member\.restoring/, /^data\/member\//];
  for (const moment of moments) {
    const { child, ended } = startJob(...all);
    let isOver = false;
    void ended.then(() => {
      isOver = true;
    });
    const isThere = (): boolean => filesBelow(volume).some((file) => moment.test(file));
    await until(String(moment), () => isThere() || isOver);
    child.kill("SIGKILL");
    await ended;
  }
  const report = assertSucceeded(await runJob(...all));
  assert.equal(report.restored?.revision, (report.manifest?.revision ?? 0) + 1_000_000);
  assert.deepEqual(
    filesBelow(volume).filter((file) => !file.startsWith("data/member/")),
    [],
  );
  const again = assertSucceeded(await runJob(...all));
  assert.deepEqual({ ...again.restored, found: true }, { ...report.restored, found: true });
  assert.equal(again.restored?.found, true);
  const stranger = await runJob(...flags, ...restoreFlags(volume, "other", restored.peerUrl));
  assert.equal(stranger.report?.reason, "AlreadyExists");

  await rename(join(volume, "data"), restored.dataDir);
  restored.start();
  await restored.ready();
  assert.deepEqual(await contents(restored.endpoint), await contents(leader.endpoint));
  using client = new Client({ endpoints: [restored.endpoint] });
  const lease = await client.lease.timeToLive(leaseId, { keys: true });
  assert.deepEqual([lease.grantedTtl, lease.keys.length], [100_000, keyCount / 10]);
  await assert.rejects(client.kv.get("k1", { revision: report.manifest?.revision ?? 0 }), {
    message: /required revision has been compacted/,
  });
});

/** A volume of this size; undefined where none can be mounted. */
async function smallVolume(name: string, size: string) {
  const path = folder(name);
  mkdirSync(path);
  const mount = ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path];
  if (spawnSync("mount", mount).status !== 0) return undefined;
  return { path, [Symbol.dispose]: () => void spawnSync("umount", ["-l", path]) };
}

test("full volumes: the backup's, the drill's and the seed's are told apart and left clean", async (t) => {
  using volume = await smallVolume("full", "3m");
  if (volume === undefined) {
    t.skip("needs the right to mount a tmpfs");
    return;
  }
  const endpoints = endpointsOf(members);
  const save = await runJob(...saveFlags(volume.path), endpoints, "--compression=none");
  assert.deepEqual([save.code, save.report?.reason], [3, "DestinationFull"], save.log);
  assert.deepEqual(filesBelow(volume.path), []);

  const directory = folder("no-scratch");
  const flags = ["--verify=Restore", `--scratch-dir=${volume.path}`];
  const drill = await runJob(...saveFlags(directory), endpoints, ...flags);
  assert.deepEqual([drill.code, drill.report?.reason], [3, "NotEnoughSpace"], drill.log);
  assert.deepEqual(filesBelow(volume.path), []);
  // Whole, though not verified; the report says which.
  const key = artifactIn(directory);
  assert.deepEqual(
    [drill.report?.manifest?.key, drill.report?.manifest?.verified],
    [key, undefined],
  );

  const restore = ["restore", `--directory=${directory}`, `--key=${key}`];
  const restored = await runJob(...restore, ...restoreFlags(volume.path, "token"));
  assert.deepEqual([restored.code, restored.report?.reason], [3, "NotEnoughSpace"], restored.log);
  assert.deepEqual(filesBelow(volume.path), []);
});

test("a learner is passed over; without a quorum the newest member is taken, possibly stale", async () => {
  const small = await createMembers(quoin, folder("pair"), 2, ["--quoin-quick-learners"]);
  await using _first = small[0] as Member;
  await using _second = small[1] as Member;
  for (const member of small) member.start();
  await Promise.all(small.map((member) => member.ready()));
  using client = new Client({ endpoints: small.map((m) => m.endpoint) });
  await client.kv.put("k", "v");
  const learner = await addLearner(small, client);
  await using _third = learner;
  const directory = folder("stale");
  const all = endpointsOf([learner, ...small]);
  const whole = await runJob(...saveFlags(folder("whole")), all);
  assert.equal(assertSucceeded(whole).manifest?.possiblyStale, false);
  assert.ok(!whole.log.includes(`"endpoint":"${learner.endpoint}","role"`), whole.log);
  await small[0]?.stop("SIGKILL");
  const job = await runJob(...saveFlags(directory), all, "--verify=Restore");
  const { manifest } = assertSucceeded(job);
  assert.match(job.log, new RegExp(`no quorum.*"endpoint":"${small[1]?.endpoint}"`));
  assert.deepEqual([manifest?.possiblyStale, manifest?.verified?.kind], [true, "Restore"]);
  const strangers = await runJob(
    ...saveFlags(directory),
    endpointsOf([...small, leader]),
    `--cluster-id=${manifest?.cluster.clusterID}`,
  );
  const { clusterID } = assertSucceeded(strangers).manifest?.cluster ?? {};
  assert.equal(clusterID, manifest?.cluster.clusterID);
  assert.match(strangers.log, /members of another cluster answer/);
  await small[1]?.stop("SIGKILL");
  const none = await runJob(...saveFlags(directory), endpointsOf(small));
  assert.deepEqual([none.code, none.report?.reason], [1, "ClusterUnreachable"]);
});

async function addLearner(small: readonly Member[], client: Client): Promise<Member> {
  const [client1, peer1] = (await freePorts(2)) as [number, number];
  const learner = new Member({
    program: quoin,
    name: "learner",
    folder: folder("pair"),
    clientPort: client1,
    peerPort: peer1,
    initialCluster: [
      ...small.map(({ name, peerUrl }) => `${name}=${peerUrl}`),
      `learner=http://127.0.0.1:${peer1}`,
    ].join(","),
    flags: ["--initial-cluster-state=existing"],
  });
  await client.cluster.memberAdd([learner.peerUrl], { learner: true });
  learner.start();
  using own = new Client({ endpoints: [learner.endpoint], dialTimeoutMs: 500 });
  await until("the learner to follow", async () => {
    const status = await own.maintenance.status(learner.endpoint).catch(() => undefined);
    if (status?.isLearner === true && status.raftAppliedIndex > 3) return true;
    throw new NotYet(learner.logTail());
  });
  return learner;
}

test("a real etcd is backed up and drilled; its own snapshot files restore", async (t) => {
  const program = etcd();
  if (program === undefined) {
    t.skip("needs Go to build etcd");
    return;
  }
  const [member] = await createMembers(program, folder("etcd"), 1);
  await using real = member as Member;
  real.start();
  await real.ready();
  using client = new Client({ endpoints: [real.endpoint] });
  for (let i = 0; i < 40; i++) await client.kv.put(`k${i % 7}`, `v${i}`);
  await client.kv.delete("k3");
  await client.kv.compact(20);
  const directory = folder("of-etcd");
  const job = await runJob(...saveFlags(directory), endpointsOf([real]), "--verify=Restore");
  const { manifest } = assertSucceeded(job);
  const found = await client.maintenance.hashKv(real.endpoint);
  assert.deepEqual(
    [manifest?.revision, manifest?.hashKV, manifest?.compactRevision],
    [Number(found.header?.revision), found.hash, found.compactRevision],
  );
  // The bare file, as `etcdctl snapshot save` leaves it: without a manifest.
  const chunks: Uint8Array[] = [];
  for await (const { blob } of client.maintenance.snapshot()) chunks.push(Buffer.from(blob));
  const whole = Buffer.concat(chunks);
  await mkdir(folder("files"));
  await writeFile(join(folder("files"), "snapshot.db"), whole);
  await writeFile(join(folder("files"), "copy.db"), whole.subarray(0, -32));
  await writeFile(join(folder("files"), "cut.db"), whole.subarray(0, -5000));
  const restore = (key: string, volume: string, ...more: string[]): Promise<EndedJob> =>
    runJob(
      "restore",
      `--directory=${folder("files")}`,
      `--key=${key}`,
      ...restoreFlags(folder(volume), "token"),
      ...more,
    );
  const report = assertSucceeded(await restore("snapshot.db", "from-file"));
  assert.equal(report.restored?.revision, (manifest?.revision ?? 0) + 1_000_000);
  assert.equal((await restore("copy.db", "from-copy")).report?.reason, "InvalidSnapshot");
  assertSucceeded(await restore("copy.db", "from-copy", "--skip-hash-check"));
  assert.match(
    (await restore("cut.db", "from-cut", "--skip-hash-check")).report?.reason ?? "",
    /^InvalidSnapshot$/,
  );
  assert.deepEqual(filesBelow(folder("from-cut")), []);
  assert.equal((await restore("gone.db", "from-gone")).report?.reason, "ArtifactMissing");
});
