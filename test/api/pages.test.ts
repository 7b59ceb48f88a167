import assert from "node:assert/strict";
import { test } from "node:test";
import { hexId } from "../../src/core/types.ts";
import { memberOptions, put, startMember, tempDir } from "../server/rig.ts";
import { Served } from "./rig.ts";

test("pages answer as etcd's do: status, type and body", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using served = await Served.of(member);
  const ask = async (path: string, method = "GET") => {
    const r = await fetch(served.http + path, { method });
    return [r.status, r.headers.get("content-type"), await r.text()];
  };
  const text = "text/plain; charset=utf-8";
  assert.deepEqual(await ask("/health"), [200, text, '{"health":"true","reason":""}']);
  assert.deepEqual(await ask("/livez"), [200, text, "ok\n"]);
  const lines = ["data_corruption", "serializable_read", "linearizable_read", "non_learner"];
  const wordy = `${lines.map((n) => `[+]${n} ok\n`).join("")}ok\n`;
  assert.deepEqual(await ask("/readyz?verbose"), [200, text, wordy]);
  assert.deepEqual(await ask("/readyz?exclude=nope"), [200, text, "ok\n"]);
  const one = "/livez/serializable_read?verbose";
  assert.deepEqual(await ask(one), [200, text, "[+]serializable_read ok\nok\n"]);
  for (const path of ["/nope", "/", "/readyz/", "/readyz/nope", "/health/", "/version/"]) {
    assert.deepEqual(await ask(path), [404, text, "404 page not found\n"], path);
    assert.equal((await ask(path, "POST"))[0], 404, path);
  }
  for (const path of ["/health", "/livez", "/readyz", "/version"]) {
    assert.deepEqual(await ask(path, "POST"), [405, text, "Method Not Allowed\n"], path);
    assert.deepEqual(await ask(path, "HEAD"), [405, text, ""], path);
  }
  const [status, type, version] = await ask("/version");
  assert.deepEqual([status, type], [200, "application/json"]);
  const { etcdserver, etcdcluster, storage } = JSON.parse(version as string);
  assert.deepEqual([etcdserver, etcdcluster, storage], ["3.7.3", "3.7.0", "3.7.0"]);
  await member.stop();
});

test("/quoin/log tells where the durable log ends, on our own terms", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using served = await Served.of(member);
  await put(member, "k", "v");
  const page = await (await fetch(`${served.http}/quoin/log`)).json();
  assert.deepEqual(page, {
    name: "m1",
    memberID: hexId(member.id),
    clusterID: hexId(member.clusterId),
    term: member.term,
    leader: hexId(member.id),
    learner: false,
    lastLogTerm: member.term,
    lastLogIndex: member.appliedIndex,
    commitIndex: member.commitIndex,
    appliedIndex: member.appliedIndex,
    revision: 2,
  });
  await member.stop();
});

/** Names and types as a real etcd 3.7.3 gives them. */
const types = {
  etcd_server_has_leader: "gauge",
  etcd_server_leader_changes_seen_total: "counter",
  etcd_server_proposals_failed_total: "counter",
  etcd_server_proposals_pending: "gauge",
  etcd_server_proposals_committed_total: "gauge",
  etcd_server_proposals_applied_total: "gauge",
  etcd_server_slow_read_indexes_total: "counter",
  etcd_server_read_indexes_failed_total: "counter",
  etcd_server_health_success: "counter",
  etcd_server_health_failures: "counter",
  etcd_network_client_grpc_sent_bytes_total: "counter",
  etcd_network_client_grpc_received_bytes_total: "counter",
  etcd_disk_wal_write_bytes_total: "gauge",
  etcd_disk_wal_fsync_duration_seconds: "histogram",
  etcd_mvcc_db_total_size_in_bytes: "gauge",
  etcd_cluster_version: "gauge",
  grpc_server_started_total: "counter",
  grpc_server_handled_total: "counter",
};

test("/metrics has etcd's names with etcd's types", async () => {
  await using dir = await tempDir();
  const member = await startMember(memberOptions(dir.path));
  await using served = await Served.of(member);
  await put(member, "k", "v");
  await fetch(`${served.http}/health`);
  await (await fetch(`${served.http}/metrics`)).text();
  const page = await (await fetch(`${served.http}/metrics`)).text();
  for (const [name, type] of Object.entries(types)) {
    assert.ok(page.includes(`# TYPE ${name} ${type}\n`), `${name} is no ${type}`);
  }
  assert.match(page, /^etcd_server_health_success 1$/m);
  assert.match(page, /^etcd_server_leader_changes_seen_total 1$/m, "read twice, counted once");
  assert.match(page, /^etcd_cluster_version\{cluster_version="3\.7"\} 1$/m);
  await member.stop();
});
