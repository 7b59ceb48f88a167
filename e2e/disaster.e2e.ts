// Everything is lost and comes back from a backup, as it was; and whoever does the work may be killed at
// any time.

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { request as plainRequest } from "node:http";
import { request as secureRequest } from "node:https";
import { after, test } from "node:test";
import { Client, RpcError, WatchCanceledError } from "../src/client/index.ts";
import { resources } from "../src/operator/runtime/index.ts";
import type {
  KubeObject,
  Pod,
  RestorePhase,
  StatefulSet,
  Volume,
} from "../src/operator/types/index.ts";
import type { TcpProxy } from "../test/backup/tcp-proxy.ts";
import {
  api,
  assertSame,
  Backups,
  condition,
  contents,
  fill,
  hashes,
  killLeadingOperator,
  killProcess,
  kubectl,
  MemberDisk,
  on,
  processOf,
  Restores,
  secondsSince,
  secretField,
  TestCluster,
  TestS3,
  until,
  useNamespace,
} from "./rig/index.ts";

const namespace = useNamespace("disaster", prepare);
const bucket = "vault";
const restores = new Restores(namespace);
let s3: TestS3;

async function prepare(): Promise<void> {
  s3 = await TestS3.start([bucket]);
  await s3.putSecret(namespace);
}
after(() => s3?.stop());
/** Copies of old data, on this machine's disk as on the nodes'. */
const copies: string[] = [];
after(() => copies.forEach((it) => void rmSync(it, { recursive: true, force: true })));

const spec = { replicas: 3, storage: { size: "1Gi" } };
/**
 * Watches on from what it has seen, as clients do, however long nobody answers. Ends with the revision that
 * the server says is compacted: the client has to start over.
 */
async function watchUntilTold(client: Client, seen: () => void): Promise<number> {
  for (let startRevision = 2; ; ) {
    try {
      for await (const answer of client.watch.watch("key-", { prefix: true, startRevision })) {
        startRevision = Math.max(startRevision, (answer.events.at(-1)?.kv?.modRevision ?? 0) + 1);
        if (answer.events.length > 0) seen();
      }
    } catch (error) {
      if (error instanceof WatchCanceledError) return error.compactRevision;
      // Nobody answers now; only a closed client never will.
      if (!(error instanceof RpcError) || error.code === "Canceled") throw error;
    }
  }
}

/** What a person would keep of a member to start it again: its manifests and its data. */
async function keepMember(pod: Pod) {
  const member = pod.metadata.labels?.["quoin.dev/member"] ?? "";
  const disk = await MemberDisk.of(pod);
  const volume = await api.get<Volume>(resources.volumes, namespace, `data-${member}`);
  const set = await api.get<StatefulSet>(resources.statefulSets, namespace, member);
  const pid = processOf(pod, ["quoin", "server"]);
  process.kill(pid, "SIGSTOP"); // So that its files are those of one moment.
  const copy = `/var/tmp/old-${member}`;
  copies.push(copy);
  await disk.sh(`rm -rf ${copy}; cp -a data ${copy}`).finally(() => process.kill(pid, "SIGCONT"));
  return { member, copy, node: disk.node, set, volume };
}

/** Name, labels and our annotations; what else stands there is Kubernetes' own. */
function asManifest({ apiVersion, kind, metadata, spec: asked }: KubeObject): string {
  const { name, labels, annotations = {} } = metadata;
  const ours = Object.entries(annotations).filter(([key]) => key.startsWith("quoin.dev/"));
  const kept = { name, namespace, labels, annotations: Object.fromEntries(ours) };
  return JSON.stringify({ apiVersion, kind, metadata: kept, spec: asked });
}

/**
 * Every member and every volume at once, hard. The pods last: one made anew while its volume is not yet being
 * deleted would hold it for good.
 */
async function destroyAll(cluster: TestCluster): Promise<void> {
  const pids = (await cluster.pods()).map((pod) => processOf(pod, ["quoin", "server"]));
  const uids = new Set((await cluster.volumes()).map((volume) => volume.metadata.uid));
  const label = ["-l", `quoin.dev/cluster=${cluster.name}`];
  await Promise.all(pids.map(killProcess));
  await cluster.kubectl("delete", "pvc", ...label, "--wait=false");
  await cluster.kubectl("delete", "pod", ...label, "--force", "--grace-period=0");
  await until("every volume to be gone", async () =>
    (await cluster.volumes()).every((volume) => !uids.has(volume.metadata.uid)),
  );
}

const ledger = new TestCluster(namespace, "ledger");

test(
  "every pod and volume deleted at once: 100,000 keys come back as they were, watchers are told, an old member stays out",
  on(ledger, async (t) => {
    await ledger.apply(spec);
    const before = await ledger.settled(3);
    using client = new Client(await ledger.access());
    const leases = await Promise.all([3600, 7200, 36_000].map((ttl) => client.lease.grant(ttl)));
    let started = performance.now();
    await fill(
      client,
      100_000,
      leases.map((it) => it.id),
    );
    t.diagnostic(`100,000 keys written: ${secondsSince(started)}`);
    const expected = await contents(client);
    let events = 0;
    const told = watchUntilTold(client, () => events++);
    told.catch(() => {}); // Awaited below, unless something else fails before.
    await until("the watch to see what there is", () => events > 0);

    const backups = new Backups(namespace, ledger.name);
    const destination = s3.destination(bucket, "ledger");
    started = performance.now();
    await backups.begin("whole", { destination });
    const { artifact } = (await backups.succeeded("whole")).status ?? {};
    t.diagnostic(`backed up, ${artifact?.sizeBytes} bytes: ${secondsSince(started)}`);
    await client.kv.put("after-the-backup", "lost");
    const [first] = await ledger.pods();
    assert.ok(first);
    const kept = await keepMember(first);

    await destroyAll(ledger);
    started = performance.now();
    await restores.begin("r1", ledger.name, { source: { backupRef: { name: "whole" } } });
    await restores.reaches("r1", "Completed");
    const { status } = await ledger.settled(3);
    t.diagnostic(
      `all gone to three members: ${secondsSince(started)}; ${await restores.times("r1")}`,
    );
    const { keys, leases: leasesNow } = await contents(client);
    assertSame(keys, expected.keys);
    assert.deepEqual(leasesNow, expected.leases);
    assert.equal((await hashes(ledger)).size, 1, "one HashKV");
    const compacted = await told;
    assert.ok(compacted >= (artifact?.revision ?? 0) + 1_000_000_000, `compacted at ${compacted}`);
    assert.notEqual(status?.clusterID, before.status?.clusterID);
    const table = await ledger.kubectl("get", "etcdrestore", "r1");
    assert.match(
      table,
      /r1 +InPlace +ledger +Completed .*s3:\/\/vault\/ledger\/.* 3 members serve/,
    );

    await oldMemberStaysOut(kept, before.status?.clusterID ?? "");
    assertSame((await contents(client)).keys, expected.keys);
  }),
);

/** Started by hand with its old manifests and data, first with the operator's hands off. */
async function oldMemberStaysOut(
  { member, copy, node, set, volume }: Awaited<ReturnType<typeof keepMember>>,
  oldClusterId: string,
): Promise<void> {
  const members = await ledger.memberIds();
  await ledger.patch({ paused: true });
  await ledger.isPaused();
  const { volumeName: _bound, ...claim } = volume.spec ?? {};
  await kubectl(["apply", "-f", "-"], asManifest({ ...volume, spec: claim }));
  const alone = structuredClone(set) as StatefulSet;
  const template = alone.spec?.template.spec;
  if (template) template.nodeSelector = { "kubernetes.io/hostname": node };
  await kubectl(["apply", "-f", "-"], asManifest(alone));
  const getPod = () => api.get<Pod>(resources.pods, namespace, `${member}-0`);
  // Its volume is made empty where it runs; then it gets its old data and starts again.
  const disk = await until("its new volume", async () => {
    const pod = await getPod();
    return pod.spec?.nodeName !== undefined && MemberDisk.of(pod);
  });
  await disk.sh(`cp -a ${copy} old; rm -rf data ${copy}; mv old data`);
  const { uid } = (await getPod()).metadata;
  await ledger.kubectl("delete", "pod", `${member}-0`, "--wait=false");
  const old = await until("the old member to run", async () => {
    const now = await getPod();
    const [container] = now.status?.containerStatuses ?? [];
    return now.metadata.uid !== uid && container?.state?.running !== undefined && now;
  });
  for (const pod of await ledger.pods()) {
    if (pod.metadata.name !== old.metadata.name) await refusesPeersOf(pod, oldClusterId);
  }
  assert.deepEqual(await ledger.memberIds(), members);
  const service = "kubernetes.io/service-name=ledger-client";
  const addresses = ["get", "endpointslices", "-l", service, "-o", "jsonpath={..addresses}"];
  assert.ok(!(await ledger.kubectl(...addresses)).includes(old.status?.podIP ?? "no address"));

  // It is nobody's StatefulSet: the operator says so, and goes on when it is gone.
  await ledger.patch({ paused: false });
  const { status } = await ledger.reaches("Degraded", "True");
  const degraded = status?.conditions?.find((it) => it.type === "Degraded");
  assert.match(degraded?.message ?? "", new RegExp(`delete or rename StatefulSet ${member}`));
  await ledger.kubectl("delete", "statefulset", member, "--timeout=300s");
  await ledger.settled(3);
  await until("its volume to be put aside", async () => {
    const { metadata } = await api.get<Volume>(resources.volumes, namespace, `data-${member}`);
    return metadata.labels?.["quoin.dev/detached-from"] === ledger.name;
  });
  assert.deepEqual(await ledger.memberIds(), members);
}

/** A member of the old cluster is refused on the wire, whatever it says (etcd's rafthttp). */
async function refusesPeersOf(pod: Pod, clusterId: string): Promise<void> {
  const isPlain = ((await ledger.get()).status?.tls?.peer ?? "Disabled") === "Disabled";
  const scheme = isPlain ? "http" : "https";
  const field = (key: string) => (isPlain ? "" : secretField(namespace, "ledger-peer", key));
  const files = {
    ...{ ca: await field("ca.crt"), cert: await field("tls.crt"), key: await field("tls.key") },
    servername: ledger.hostOf(pod.metadata.name),
  };
  const headers = {
    "x-etcd-cluster-id": clusterId,
    "x-server-version": "3.7.0",
    "x-min-cluster-version": "3.0.0",
  };
  const status = await new Promise((resolve, reject) => {
    const options = { method: "POST", headers, agent: false } as const;
    const url = `${scheme}://${pod.status?.podIP}:2380/raft`;
    const request =
      scheme === "http" ? plainRequest(url, options) : secureRequest(url, { ...options, ...files });
    request.on("error", reject);
    request.on("response", (response) => resolve(response.resume().statusCode));
    request.end(new Uint8Array([1]));
  });
  assert.equal(status, 412);
}

const till = new TestCluster(namespace, "till");
const shop = new TestCluster(namespace, "shop");
const copy = new TestCluster(namespace, "copy");

async function filled(cluster: TestCluster, replicas: number) {
  await cluster.apply({ ...spec, replicas });
  await cluster.settled(replicas);
  using client = new Client(await cluster.access());
  const lease = await client.lease.grant(3600);
  await fill(client, 1_000, [lease.id]);
  const backups = new Backups(namespace, cluster.name);
  const destination = s3.destination(bucket, cluster.name);
  await backups.begin(`${cluster.name}-1`, { destination });
  const { artifact } = (await backups.succeeded(`${cluster.name}-1`)).status ?? {};
  return { expected: (await contents(client)).keys, artifact, lease };
}

test(
  "the operator, and then the restore Job, killed at each phase in turn: the restore is completed all the same",
  on(till, async (t) => {
    const [first, second] = await Promise.all([filled(till, 3), filled(shop, 1)]);
    const phases: RestorePhase[] = [
      "SafetyBackup",
      "Restoring",
      "Validating",
      "Switching",
      "Growing",
    ];
    const operatorStory = async () => {
      const started = performance.now();
      await restores.begin("kill-operator", till.name, {
        source: { backupRef: { name: "till-1" } },
      });
      for (const phase of phases) {
        await restores.reaches("kill-operator", phase);
        await killLeadingOperator();
      }
      await restores.reaches("kill-operator", "Completed");
      t.diagnostic(`operator killed in ${phases.length} phases: ${secondsSince(started)}`);
    };
    const jobStory = async () => {
      const started = performance.now();
      const { uri = "", sizeBytes = 0 } = second.artifact ?? {};
      await killJobs(await s3.slow(Number.POSITIVE_INFINITY), uri, sizeBytes);
      t.diagnostic(`restore Job killed 5 times: ${secondsSince(started)}`);
    };
    await Promise.all([operatorStory(), jobStory()]);
    for (const [cluster, { expected }] of [
      [till, first],
      [shop, second],
    ] as const) {
      await cluster.settled(cluster === till ? 3 : 1);
      using client = new Client(await cluster.access());
      assertSame((await contents(client)).keys, expected);
      assert.equal((await hashes(cluster)).size, 1);
      assert.equal(condition(await cluster.get(), "Degraded"), "False AsExpected");
    }
    const aside = await api.list<Volume>(resources.volumes, { namespace });
    const old = aside.items.filter(
      (it) => it.metadata.labels?.["quoin.dev/detached-from"] === till.name,
    );
    assert.equal(old.length, 3, "the old volumes are kept");
  }),
);

test(
  "an artefact in a bucket becomes a new cluster, without its EtcdBackup",
  on(copy, async () => {
    const { artifact } = (await new Backups(namespace, shop.name).get("shop-1")).status ?? {};
    const key = artifact?.uri.replace(`s3://${bucket}/${shop.name}/`, "");
    const source = { location: { ...s3.destination(bucket, shop.name), key } };
    await shop.kubectl("delete", "etcdbackup", "shop-1");
    const clusterSpec = { ...spec, replicas: 1 };
    const clusterRef = { name: copy.name };
    await restores.make("into-new", { mode: "NewCluster", clusterRef, clusterSpec, source });
    await restores.reaches("into-new", "Completed");
    await copy.settled(1);
    using here = new Client(await copy.access());
    using there = new Client(await shop.access());
    assertSame((await contents(here)).keys, (await contents(there)).keys);
  }),
);

/** The restore's own process: its container, its pod and its Job, while it downloads and when it builds. */
async function killJobs(proxy: TcpProxy, uri: string, sizeBytes: number): Promise<void> {
  const key = uri.replace(`s3://${bucket}/${shop.name}/`, "");
  const location = { ...s3.destination(bucket, shop.name, proxy.endpoint), key };
  proxy.holdAfterDown(2_000);
  await restores.begin("kill-job", shop.name, {
    source: { location },
    safetyBackup: { skip: true },
  });
  let seen = 0;
  const running = (): Promise<RunningJob> =>
    until("the restore to download", () => runningJob(proxy.downBytes > seen), 240);
  const harms = [
    ({ pid }: RunningJob) => killProcess(pid),
    ({ pod }: RunningJob) => shop.kubectl("delete", "pod", pod.metadata.name, "--wait=false"),
    ({ pod }: RunningJob) => {
      const job = pod.metadata.labels?.["batch.kubernetes.io/job-name"] ?? "";
      return shop.kubectl("delete", "job", job, "--cascade=foreground", "--timeout=300s");
    },
  ];
  for (const harm of harms) {
    const found = await running();
    seen = proxy.downBytes;
    proxy.holdAfterDown(2_000);
    await harm(found);
  }
  // Let through, and killed as soon as all has come: it builds now, or has just ended.
  const { pid } = await running();
  seen = proxy.downBytes;
  await killProcess(pid);
  proxy.holdAfterDown(Number.POSITIVE_INFINITY);
  await until("all to be downloaded", () => proxy.downBytes > seen + sizeBytes, 120);
  await runningJob(true).then(
    (found) => found && killProcess(found.pid),
    () => undefined, // It was faster.
  );
  await restores.reaches("kill-job", "Validating");
  await restores.reaches("kill-job", "Completed");
}

interface RunningJob {
  readonly pod: Pod;
  readonly pid: number;
}

/** Undefined until it runs and has read something since it was last harmed. */
async function runningJob(hasRead: boolean): Promise<RunningJob | undefined> {
  const pods = await shop.owned<Pod>(resources.pods);
  const isJobs = (pod: Pod) => pod.metadata.labels?.["quoin.dev/component"] === "seed-job";
  const pod = pods.find((it) => isJobs(it) && it.metadata.deletionTimestamp === undefined);
  if (pod?.status?.phase !== "Running" || !hasRead) return undefined;
  return { pod, pid: processOf(pod, ["quoin", "backup"]) };
}
