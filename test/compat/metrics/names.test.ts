// The metrics page has etcd's names, types, labels and buckets, and figures behind those that etcd's
// alerts and dashboards read: one cluster of an etcd and a Quoin that went through the same.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts } from "../../free-ports.ts";
import { etcd, Member, type Program, quoin } from "../../process/member.ts";
import { until } from "../../until.ts";
import { type Shape, shapes } from "./shape.ts";

const oracle = etcd();
const skip = oracle === undefined ? "real etcd needs Go to build" : false;

/** What etcd's page has and ours has not. */
const missing: readonly (readonly [RegExp, string])[] = [
  [/^go_/, "of Go's runtime; nodejs_* tells of ours"],
  [/^etcd_server_go_version$/, "there is no Go"],
  [/^etcd_debugging_store_(reads|writes)_total$/, "of the store of v2"],
  [/^etcd_debugging_mvcc_pending_events_total$/, "streams are bounded in bytes, not counted"],
];

/** What an alert or a dashboard of etcd's mixin reads, beside what every member has at once. */
const filled = [
  "etcd_disk_wal_fsync_duration_seconds",
  "etcd_disk_backend_commit_duration_seconds",
  "etcd_network_peer_round_trip_time_seconds",
  "etcd_network_peer_sent_bytes_total",
  "etcd_network_peer_received_bytes_total",
  "etcd_network_active_peers",
  "grpc_server_started_total",
  "grpc_server_handled_total",
  "grpc_server_handling_seconds",
  "etcd_server_client_requests_total",
  "etcd_server_apply_duration_seconds",
  "etcd_server_request_duration_seconds",
  "etcd_server_range_duration_seconds",
  "etcd_debugging_lease_ttl_total",
  "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
  "etcd_debugging_mvcc_events_total",
  "etcd_mvcc_hash_rev_duration_seconds",
  "etcd_snap_fsync_duration_seconds",
  "process_resident_memory_bytes",
];

/** What people and scripts wait for in a member's log, in the order of its life. */
const lines: readonly RegExp[] = [
  /"msg":"starting an etcd server".*"etcd-version":"3\.7\.3".*"snapshot-catchup-entries":5/,
  /"msg":"starting local member".*"cluster-id":"/,
  /"msg":"starting etcd server".*"local-server-version":"3\.7\.3"/,
  /"msg":"serving peer traffic","address":"/,
  /"msg":"added member".*"added-peer-peer-urls":\["http/,
  /"msg":"raft\.node: [0-9a-f]+ elected leader [0-9a-f]+ at term \d+"/,
  /"msg":"published local member to cluster through raft".*"local-member-id":"/,
  /"msg":"ready to serve client requests"/,
  /"msg":"set initial cluster version".*"cluster-version":"3\.7"/,
  /"msg":"serving client traffic insecurely; this is strongly discouraged!"/,
  /"msg":"saved snapshot to disk".*"snapshot-index":\d+/,
  /"msg":"finished scheduled compaction".*"compact-revision":\d+/,
  /"msg":"received signal; shutting down","signal":"terminated"/,
  /"msg":"closing etcd server","name":"m\d","data-dir":"/,
  /"msg":"closed etcd server","name":"m\d","data-dir":"/,
];

function linesMissing(member: Member): string[] {
  const log = readFileSync(member.logFile, "utf8");
  return lines.filter((line) => !line.test(log)).map(String);
}

async function pair(folder: string): Promise<[Member, Member]> {
  const [c1 = 0, c2 = 0, p1 = 0, p2 = 0] = await freePorts(4);
  const initialCluster = `m1=http://127.0.0.1:${p1},m2=http://127.0.0.1:${p2}`;
  const cuts = ["--snapshot-count=20", "--snapshot-catchup-entries=5"];
  // Without the other one no write succeeds: neither is given up for a pause of two seconds.
  const calm = ["--election-timeout=3000"];
  const flags = [...cuts, ...calm, "--metrics=extensive"];
  const common = { folder, initialCluster };
  return [
    new Member({
      ...common,
      program: oracle as Program,
      name: "m1",
      clientPort: c1,
      peerPort: p1,
      flags,
    }),
    new Member({
      ...common,
      program: quoin,
      name: "m2",
      clientPort: c2,
      peerPort: p2,
      flags: [...flags, "--warning-unary-request-duration=1ns"],
    }),
  ];
}

/** Something of everything that is counted. */
async function use(member: Member): Promise<void> {
  const client = member.client();
  try {
    const { kv, lease, maintenance, watch } = client;
    for (let i = 0; i < 30; i++) await kv.put("k", "v".repeat(100));
    await kv.get("k");
    await kv.get("k", { serializable: true });
    await lease.grant(60);
    const { header } = await kv.put("k", "w");
    for await (const { events } of watch.watch("k", { startRevision: header?.revision ?? 0 })) {
      if (events.length > 0) break;
    }
    await kv.compact(header?.revision ?? 0, { physical: true });
    await maintenance.hashKv(member.endpoint);
  } finally {
    client.close();
  }
}

const page = async (member: Member): Promise<string> =>
  await (await fetch(`${member.endpoint}/metrics`)).text();

/** Values of a metric that are not zero; of a histogram, its counts. */
const figures = (text: string, name: string): number[] =>
  [...text.matchAll(new RegExp(`^${name}(?:_count)?(?:\\{.*\\})? (\\S+)$`, "gm"))]
    .map((m) => Number(m[1]))
    .filter((n) => n > 0);

const same = (a: Shape, b: Shape): boolean =>
  a.type === b.type &&
  (a.lines === 0 || b.lines === 0 || a.labels.join() === b.labels.join()) &&
  (a.lines === 0 || b.lines === 0 || a.buckets.join() === b.buckets.join());

test("the page has etcd's names, types, labels and buckets, and figures; slow requests are told", {
  skip,
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "quoin-metrics-"));
  const [real, ours] = await pair(folder);
  try {
    for (const m of [real, ours]) m.start();
    for (const m of [real, ours]) await m.ready();
    for (const m of [real, ours]) await use(m);
    const [theirText, ourText] = await until("every figure is there", async () => {
      const [a, b] = [await page(real), await page(ours)];
      const lacking = filled.filter((name) => figures(b, name).length === 0);
      if (lacking.length > 0) throw new Error(`without a figure: ${lacking.join()}`);
      return [a, b] as const;
    });
    const [theirs, own] = [shapes(theirText), shapes(ourText)];
    const differing = [...theirs].flatMap(([name, shape]) => {
      const here = own.get(name);
      if (here === undefined) return missing.some(([m]) => m.test(name)) ? [] : [`no ${name}`];
      return same(shape, here) ? [] : [`${name}: ${text(shape)} is ${text(here)} here`];
    });
    assert.deepEqual(differing, []);
    const stale = missing.filter(([m]) => [...own.keys()].some((name) => m.test(name)));
    assert.deepEqual(stale, [], "these are not missing any more");
    const log = readFileSync(ours.logFile, "utf8");
    assert.match(log, /"level":"warn".*"msg":"request stats".*\/etcdserverpb\.KV\/Range/);
    // In a cluster of two the last one tries in vain to hand its leadership on.
    for (const m of [ours, real]) await m.stop("SIGTERM", 60_000);
    assert.deepEqual(linesMissing(ours), [], "lines that a real etcd's log is searched for");
    assert.deepEqual(linesMissing(real), [], "lines that etcd has no more");
  } finally {
    await Promise.all([real, ours].map((m) => m[Symbol.asyncDispose]()));
    rmSync(folder, { recursive: true, force: true });
  }
});

const text = (s: Shape): string => `${s.type} {${s.labels}} [${s.buckets}]`;
