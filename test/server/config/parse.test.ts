import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  parseServerConfig,
  quoinVersion,
  type ServerConfig,
  verifyBootstrap,
  verifyJoin,
} from "../../../src/server/config/index.ts";

const config = (argv: string[], env: Record<string, string> = {}): ServerConfig => {
  const parsed = parseServerConfig(argv, env);
  assert.equal(parsed.kind, "config", JSON.stringify(parsed));
  return (parsed as { config: ServerConfig }).config;
};

const refusal = (argv: string[], env: Record<string, string> = {}): string => {
  const parsed = parseServerConfig(argv, env);
  if (parsed.kind !== "exit") return "started";
  const fields = parsed.log.at(-1)?.fields ?? {};
  return `${parsed.code} ${fields["error"] ?? parsed.stderr.split("\n")[0]}`;
};

test("parseServerConfig() gives etcd's defaults when nothing is said", () => {
  const c = config([]);
  assert.equal(c.name, "default");
  assert.equal(c.dataDir, "default.etcd");
  assert.deepEqual(c.listenPeerUrls, [
    { text: "http://localhost:2380", scheme: "http", host: "localhost:2380", path: "" },
  ]);
  assert.equal(c.electionTicks, 10);
  assert.equal(c.snapshotCount, 10_000);
  assert.equal(c.maxRequestBytes, 1_572_864);
  assert.deepEqual(c.autoCompaction, { mode: "off" });
  assert.deepEqual([...c.initialCluster.keys()], ["default"]);
  assert.equal(c.featureGates.get("FastLeaseKeepAlive"), true);
  assert.equal(verifyBootstrap(c), undefined);
});

test("parseServerConfig() reads every form of a flag, the last one counting", () => {
  const argv = ["-name", "a", "--name=b", "--pre-vote=false", "-initial-election-tick-advance"];
  const c = config([...argv, "--max-txn-ops", "0x10", "--election-timeout=1_000"]);
  assert.equal(c.name, "b");
  assert.equal(c.preVote, false);
  assert.equal(c.initialElectionTickAdvance, true);
  assert.equal(c.maxTxnOps, 16);
  assert.equal(c.electionMs, 1000);
});

test("parseServerConfig() names the initial cluster after the member", () => {
  const url = "http://127.0.0.1:1234";
  const c = config([
    "--name=m0",
    `--initial-advertise-peer-urls=${url}`,
    `--listen-peer-urls=${url}`,
  ]);
  assert.deepEqual(
    [...c.initialCluster].map(([n, u]) => [n, u[0]?.text]),
    [["m0", url]],
  );
  assert.equal(c.dataDir, "m0.etcd");
});

test("parseServerConfig() sorts URLs and drops doubles", () => {
  const c = config([
    "--listen-client-urls=http://127.0.0.1:3,http://127.0.0.1:1,http://127.0.0.1:3",
    "--advertise-client-urls=http://b:1",
  ]);
  assert.deepEqual(
    c.listenClientUrls.map((u) => u.text),
    ["http://127.0.0.1:1", "http://127.0.0.1:3"],
  );
});

test("parseServerConfig() takes variables, and dies when a flag contradicts one", () => {
  const env = { ETCD_NAME: "v", ETCD_HEARTBEAT_INTERVAL: "50", PATH: "/bin", ETCDCTL_API: "3" };
  assert.equal(config([], env).name, "v");
  assert.equal(config([], env).heartbeatMs, 50);
  const clash = parseServerConfig(["--name=f"], env);
  assert.equal(clash.kind === "exit" && clash.code, 1);
  assert.deepEqual(clash.log.at(-1)?.fields, { "environment-variable": "ETCD_NAME" });
  assert.equal(clash.log.at(-1)?.level, "fatal");
});

test("parseServerConfig() warns of unknown variables and flags without effect", () => {
  const parsed = parseServerConfig(["--unsafe-no-fsync", "--name=a"], { ETCD_FOO: "x" });
  const said = parsed.log.filter((l) => l.level === "warn").map((l) => l.msg);
  assert.ok(said.includes("unrecognized environment variable"));
  assert.ok(said.includes("flag has no effect in Quoin"));
});

test("parseServerConfig() makes records of the TLS flags, or none where TLS is not asked for", () => {
  const plain = config(["--tls-min-version=TLS1.3", "--cert-file="]);
  assert.deepEqual([plain.clientTls, plain.peerTls], [undefined, undefined]);
  const { clientTls, peerTls } = config([
    "--cert-file=c.pem",
    "--key-file=k.pem",
    "--trusted-ca-file=ca.pem",
    "--peer-client-cert-auth",
    "--peer-cert-allowed-cn=a,b",
    "--cipher-suites=TLS_RSA_WITH_AES_128_GCM_SHA256",
    "--tls-max-version=TLS1.2",
  ]);
  assert.equal(clientTls?.trustedCaFile, "ca.pem");
  assert.equal(clientTls?.clientCertAuth, false);
  assert.deepEqual([clientTls?.minVersion, clientTls?.maxVersion], ["TLSv1.2", "TLSv1.2"]);
  assert.equal(peerTls?.certFile, undefined);
  assert.equal(peerTls?.clientCertAuth, true);
  assert.deepEqual(peerTls?.allowedCns, ["a", "b"]);
  assert.deepEqual(peerTls?.cipherSuites, ["TLS_RSA_WITH_AES_128_GCM_SHA256"]);
});

test("parseServerConfig() refuses by name what it does not support, unless it is the default", () => {
  const traced = { ETCD_ENABLE_DISTRIBUTED_TRACING: "true" };
  assert.match(refusal([], traced), /^1 unset ETCD_ENABLE_DISTRIBUTED_TRACING: /);
  assert.equal(refusal(["--cert-file=", "--auto-tls=false"]), "started");
  assert.match(
    refusal(["--enable-distributed-tracing"]),
    /^1 remove --enable-distributed-tracing: /,
  );
  assert.equal(refusal(["--distributed-tracing-address=localhost:1"]), "started");
});

test("parseServerConfig() reads a registry: this member alone begins, under the registry's token", () => {
  const flags = ["--discovery-endpoints=b:1, a:1", "--discovery-token=t", "--name=m0"];
  const c = config([...flags, "--discovery-request-timeout=3s", "--discovery-user=root:a:b"]);
  assert.deepEqual([...c.initialCluster.keys()], ["m0"]);
  assert.equal(c.initialClusterToken, "t");
  assert.deepEqual(c.registry?.endpoints, ["a:1", "b:1"]);
  assert.equal(c.registry?.requestTimeoutMs, 3000);
  assert.deepEqual(c.registry?.user, { name: "root", password: "a:b" });
  assert.equal(config([...flags, "--discovery-user=root"]).registry?.user, undefined);
  assert.equal(verifyBootstrap(c), undefined);
  assert.match(verifyJoin(c) ?? "", /^discovery URL should not be set when joining/);
  assert.match(refusal([...flags, "--initial-cluster=m0=http://a:1"]), /^1 multiple discovery or/);
});

test("parseServerConfig() leaves the initial cluster of SRV records to DNS", () => {
  const c = config(["--discovery-srv=example.com", "--discovery-srv-name=blue", "--name=m0"]);
  assert.deepEqual(c.srv, { domain: "example.com", serviceName: "blue" });
  assert.deepEqual([c.registry, c.initialCluster.size], [undefined, 0]);
  // The name of a service alone asks for nothing, but takes the default away.
  const alone = config(["--discovery-srv-name=blue", "--name=m0"]);
  assert.match(verifyBootstrap(alone) ?? "", /^couldn't find local name "m0"/);
});

test("parseServerConfig() reads discovery from its section of a file", () => {
  const text = [
    "discovery-config:",
    "  token: t",
    "  client:",
    "    endpoints: [a:1]",
    "    dial-timeout: 1000000",
    "    secure: {cacert: ca.pem, insecure-transport: false}",
    "    auth: {username: u, password: p}",
  ].join("\n");
  const parsed = parseServerConfig(["--config-file=f"], {}, undefined, () => text);
  assert.equal(parsed.kind, "config", JSON.stringify(parsed));
  const { registry } = (parsed as { config: ServerConfig }).config;
  assert.deepEqual(
    [registry?.token, registry?.dialTimeoutMs, registry?.caFile],
    ["t", 1, "ca.pem"],
  );
  assert.deepEqual(registry?.user, { name: "u", password: "p" });
  assert.equal(registry?.insecureTransport, false);
});

test("parseServerConfig() takes null for the rotation's defaults, as Go does, and no list", () => {
  const flags = ["--enable-log-rotation", "--log-outputs=/tmp/log"];
  const { rotation } = config([...flags, "--log-rotation-config-json=null"]).log;
  assert.deepEqual([rotation?.maxBytes, rotation?.maxBackups], [100 * 2 ** 20, 0]);
  assert.match(refusal([...flags, "--log-rotation-config-json=[]"]), /^1 invalid log rotation/);
});

test("parseServerConfig() reads auto compaction in hours, durations and revisions", () => {
  const read = (mode: string, retention: string) =>
    config([`--auto-compaction-mode=${mode}`, `--auto-compaction-retention=${retention}`])
      .autoCompaction;
  assert.deepEqual(read("periodic", "2"), { mode: "periodic", retentionMs: 7_200_000 });
  assert.deepEqual(read("periodic", "1h30m"), { mode: "periodic", retentionMs: 5_400_000 });
  assert.deepEqual(read("revision", "1000"), { mode: "revision", revisions: 1000 });
  assert.deepEqual(read("revision", "0"), { mode: "off" });
});

test("parseServerConfig() prints version and help with code 0", () => {
  const build = { gitSha: "abc", runtime: "node24", osArch: "linux/arm64" };
  const version = parseServerConfig(["--version"], { ETCD_NAME: "x" }, build);
  assert.ok(version.kind === "exit" && version.code === 0);
  assert.equal(
    version.stdout,
    "etcd Version: 3.7.3\nGit SHA: abc\nGo Version: node24\nGo OS/Arch: linux/arm64\nQuoin Version: 0.1.0\n",
  );
  for (const flag of ["-h", "--help"]) {
    const help = parseServerConfig([flag], {});
    assert.ok(help.kind === "exit" && help.code === 0);
    assert.match(help.stdout, /--data-dir/);
    assert.match(help.stderr, /^Usage:/);
  }
});

test("quoinVersion is the package's", () => {
  const file = new URL("../../../package.json", import.meta.url);
  assert.equal(JSON.parse(readFileSync(file, "utf8")).version, quoinVersion);
});

test("own flags are read", () => {
  const flags = ["--quoin-memory-bytes=1000", "--quoin-join-wait=90s", "--quoin-cluster-id=cafe"];
  assert.deepEqual(config([...flags, "--quoin-quick-learners"]).quoin, {
    memoryBytes: 1000,
    joinWaitMs: 90_000,
    clusterId: "cafe",
    quickLearners: true,
  });
});

test("verifyJoin() does not ask for equal peer URLs, verifyBootstrap() does", () => {
  const c = config(["--name=a", "--initial-cluster=a=http://10.0.0.1:1,b=http://10.0.0.2:1"]);
  assert.equal(verifyJoin(c), undefined);
  assert.match(
    verifyBootstrap(c) ?? "",
    /^--initial-cluster has a=http:\/\/10.0.0.1:1 but missing/,
  );
});

test("a configuration file stands for all flags and variables", () => {
  const text = [
    "name: filed",
    "data-dir: /data",
    "election-timeout: 2000",
    "grpc-keepalive-interval: 5000000000",
    "listen-client-urls: http://127.0.0.1:1,http://127.0.0.1:2",
    "advertise-client-urls: http://127.0.0.1:1",
    "log-outputs: [stderr, stdout]",
    "feature-gates: CompactHashCheck=true",
    "strict-reconfig-check: false",
    "socket-options: {reuse-port: true}",
    "client-transport-security: {cert-file: /c, key-file: /k, client-cert-auth: true, trusted-ca-file: /ca}",
    "no-such-flag: 1",
  ].join("\n");
  const parsed = parseServerConfig(
    ["--config-file=/etc/quoin.yaml", "--name=flag"],
    { ETCD_DATA_DIR: "/env" },
    undefined,
    (path) => (path === "/etc/quoin.yaml" ? text : assert.fail(path)),
  );
  assert.ok(parsed.kind === "config", JSON.stringify(parsed));
  const c = parsed.config;
  assert.deepEqual(
    [c.name, c.dataDir, c.electionMs, c.grpcKeepAliveIntervalMs, c.strictReconfigCheck],
    ["filed", "/data", 2000, 5000, false],
  );
  assert.equal(c.listenClientUrls.length, 2);
  assert.deepEqual([...c.log.outputs], ["stderr", "stdout"]);
  assert.equal(c.featureGates.get("CompactHashCheck"), true);
  assert.equal(c.socketReusePort, true);
  assert.equal(c.clientTls?.certFile, "/c");
});
