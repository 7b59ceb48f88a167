import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { stringify } from "yaml";
import {
  buildBudget,
  buildClientService,
  buildInspectJob,
  buildPeerService,
  buildSeedJob,
  buildStatefulSet,
  buildVolume,
  covers,
  extraArgProblem,
  isNamed,
  leavesOf,
  memberArgs,
  peerHostname,
  peerHostPort,
  serverImage,
  templateDigest,
} from "../../src/operator/resources/index.ts";
import type { EtcdCluster, EtcdClusterSpec } from "../../src/operator/types/index.ts";
import { issueLeaf, makeAuthority } from "../../src/pki/index.ts";
import { isGoodFor } from "../../src/tls/certificate.ts";

const image = "registry.example:5000/quoin:1.0.0";

function cluster(spec: Partial<EtcdClusterSpec> = {}, status?: EtcdCluster["status"]): EtcdCluster {
  return {
    apiVersion: "quoin.dev/v1alpha1",
    kind: "EtcdCluster",
    metadata: { name: "demo", namespace: "shop", uid: "u1", labels: { team: "x" } },
    spec: { replicas: 3, storage: { size: "1Gi" }, ...spec },
    ...(status ? { status } : {}),
  };
}

const full: Partial<EtcdClusterSpec> = {
  image: { pullPolicy: "IfNotPresent", pullSecrets: ["reg"] },
  storage: { size: "8Gi", storageClassName: "fast", retentionPolicy: { whenDeleted: "Delete" } },
  etcdOptions: { quotaBackendBytes: 8589934592, snapshotCount: 5000, logLevel: "debug" },
  extraArgs: ["--max-concurrent-streams=100"],
  resources: { requests: { cpu: "500m", memory: "1Gi" }, limits: { memory: "1Gi" } },
  pod: {
    labels: { tier: "data", "quoin.dev/component": "stolen" },
    annotations: { note: "x" },
    nodeSelector: { disk: "ssd" },
    tolerations: [{ key: "db", operator: "Exists" }],
    priorityClassName: "high",
    env: [{ name: "NODE_OPTIONS", value: "--max-old-space-size=512" }],
  },
};

function allObjects(c: EtcdCluster): unknown[] {
  const member = "demo-aaaaa";
  const claim = "data-demo-aaaaa";
  const order = "demo-aaaaa=http://demo-aaaaa-0.demo-peer.shop.svc:2380";
  return [
    buildPeerService(c),
    buildClientService(c, "token"),
    buildBudget(c, 3),
    buildVolume(c, { member, role: "seed", token: "token" }),
    buildSeedJob(c, { member, token: "token", claim, source: { kind: "init" } }, image),
    buildInspectJob(c, member, claim, image),
    buildStatefulSet(c, { member, token: "token", joinOrder: order, claim }, image),
  ];
}

// A change of these files rolls every cluster whose spec changes next, and shows reviewers what.
for (const [name, c] of [
  ["minimal", cluster()],
  ["full", cluster(full)],
  ["tls", cluster({}, { tls: { client: "Operator", peer: "Operator" } })],
] as const) {
  test(`builders make the objects of testdata/objects-${name}.yaml`, () => {
    const path = new URL(`testdata/objects-${name}.yaml`, import.meta.url).pathname;
    const docs = allObjects(c).map((o) => stringify(o, { aliasDuplicateObjects: false }));
    const actual = docs.join("---\n");
    if (process.env["REWRITE"]) writeFileSync(path, actual);
    assert.equal(actual, readFileSync(path, "utf8"));
  });
}

test("templateDigest() is that of released versions, so a new operator rolls nothing", () => {
  assert.equal(templateDigest(cluster(), image), "e7d493e9fdefcf82");
  assert.equal(templateDigest(cluster(full), image), "f3396a08ba0c52a5");
});

test("templateDigest() is that of released versions for a cluster without TLS, whatever its spec asks", () => {
  const asked = cluster({ tls: { client: { mode: "Operator" } } });
  assert.equal(templateDigest(asked, image), "e7d493e9fdefcf82");
});

test("templateDigest() does not see certificates' durations: they roll nothing", () => {
  const status = { tls: { client: "Operator", peer: "Operator" } } as const;
  const digest = templateDigest(cluster({}, status), image);
  const other = cluster({ tls: { certificateDuration: "24h" } }, status);
  assert.equal(templateDigest(other, image), digest);
  assert.notEqual(digest, templateDigest(cluster(), image));
});

test("templateDigest() ignores what is not in the pod and the order of keys", () => {
  const digest = templateDigest(cluster(), image);
  assert.equal(templateDigest(cluster({ replicas: 5, paused: true }), image), digest);
  const a = cluster({ pod: { labels: { a: "1", b: "2" } } });
  const b = cluster({ pod: { labels: { b: "2", a: "1" } } });
  assert.equal(templateDigest(a, image), templateDigest(b, image));
  assert.notEqual(templateDigest(a, image), digest);
});

test("templateDigest() does not follow the operator's default image once one is latched", () => {
  const latched = cluster({}, { image, version: "1.0.0", clusterID: "1" });
  assert.equal(templateDigest(latched, "quoin:2.0.0"), templateDigest(cluster(), image));
});

test("serverImage() forgets a wrong image that the spec no longer names, until the cluster lives", () => {
  const wrong = cluster({}, { image: "quoin:no-such-tag", version: "no-such-tag" });
  assert.equal(serverImage(wrong, image), image);
});

test("serverImage() prefers digest, tag, version, what is latched, the default, in this order", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  const table: [Partial<EtcdClusterSpec>, string][] = [
    [{}, image],
    [{ version: "1.2.0" }, "registry.example:5000/quoin:1.2.0"],
    [{ version: "1.2.0", image: { tag: "x" } }, "registry.example:5000/quoin:x"],
    [{ image: { digest } }, `registry.example:5000/quoin@${digest}`],
    [{ image: { repository: "a/b" } }, "a/b:1.0.0"],
    [{ version: "2.0.0", image: { repository: "a/b" } }, "a/b:2.0.0"],
  ];
  for (const [spec, expected] of table) assert.equal(serverImage(cluster(spec), image), expected);
});

test("extraArgProblem() refuses the operator's flags and what is no flag", () => {
  assert.equal(extraArgProblem("--max-concurrent-streams=7"), undefined);
  for (const arg of ["--name=x", "--initial-cluster", "--snapshot-count=1", "name=x", "-name"]) {
    assert.ok(extraArgProblem(arg), arg);
  }
});

test("covers() accepts defaults of others and sees changed and added selectors", () => {
  const desired = buildClientService(cluster(), "token");
  const live = structuredClone(desired) as unknown as { spec: Record<string, unknown> };
  live.spec["clusterIP"] = "10.0.0.1";
  assert.ok(covers(live, desired));
  live.spec["selector"] = { ...(live.spec["selector"] as object), extra: "1" };
  assert.ok(!covers(live, desired));
});

test("peerHostPort() keys a member by host and port whatever the scheme", () => {
  assert.equal(peerHostPort("http://a.b.svc:2380"), peerHostPort("https://a.b.svc:2380"));
  assert.equal(peerHostPort("not a url"), undefined);
});

const latchedName = {
  tls: { client: "Operator", peer: "Operator", peerHostname: "member.demo-peer.shop.svc" },
} as const;

const argsOf = (c: EtcdCluster): string[] =>
  memberArgs(c, { member: "demo-a", token: "t", joinOrder: "demo-a=https://x:2380" });

test("memberArgs() asks for the members' name once it is latched, and that rolls nothing", () => {
  const before = cluster({}, { tls: { client: "Operator", peer: "Operator" } });
  const flag = "--peer-cert-allowed-hostname=member.demo-peer.shop.svc";
  assert.ok(!argsOf(before).some((arg) => arg.includes("allowed")));
  const after = cluster({}, latchedName);
  assert.ok(argsOf(after).includes(flag));
  assert.equal(templateDigest(after, image), templateDigest(before, image));
});

test("memberArgs() leaves it to extraArgs who may be a peer: a server refuses both", () => {
  const own = ["--peer-cert-allowed-cn=company"];
  const args = argsOf(cluster({ extraArgs: own }, latchedName));
  assert.deepEqual(
    args.filter((arg) => arg.includes("allowed")),
    own,
  );
});

test("every certificate that we order for peers has the members' name, and no other one", () => {
  const c = cluster({}, latchedName);
  const name = peerHostname(c);
  assert.equal(name, latchedName.tls.peerHostname);
  for (const leaf of leavesOf(c, "peer")) assert.ok(isNamed(leaf.hosts, name), leaf.secret);
  assert.ok(!isNamed(["*.shop.svc", "*.other-peer.shop.svc", "demo-peer.shop.svc"], name));
  assert.ok(isNamed(["*.DEMO-peer.shop.svc"], name));
});

test("a server that asks for the members' name takes what we order for peers, and no stranger", () => {
  const times = { notBefore: new Date(0), notAfter: new Date("2100-01-01") };
  const authority = makeAuthority({ ...times, commonName: "peers" });
  const [order] = leavesOf(cluster({}, latchedName), "peer");
  assert.ok(order);
  const shown = (hosts: readonly string[]) =>
    new X509Certificate(issueLeaf(authority, { ...order, ...times, hosts }).cert);
  assert.ok(isGoodFor(shown(order.hosts), latchedName.tls.peerHostname));
  const strange = ["*.other-peer.shop.svc", "demo-peer.shop.svc", "*.shop.svc"];
  assert.ok(!isGoodFor(shown(strange), latchedName.tls.peerHostname));
});
