/**
 * Every flag of etcd 3.7 and our own: type, default and what we do with it. Source: etcd
 * server/embed/config.go AddFlags, server/etcdmain/config.go.
 */
export type FlagType =
  | "string"
  | "bool"
  | "uint"
  | "int"
  | "uint32"
  | "duration"
  /** Comma-separated URLs, sorted, without doubles. */
  | "urls"
  /** As urls, or the given word. */
  | "origins"
  /** Comma-separated words, sorted, without doubles. */
  | "set"
  /** Comma-separated words. */
  | "list"
  /** One of the given words. */
  | "choice"
  /** Comma-separated, each one of the given words. */
  | "choices"
  | "gates"
  /** Accepted with or without a value and forgotten. */
  | "forgotten";

/**
 * `used`: it does what it says. `harmless`: accepted; a warning when it would change anything.
 * `refused`: we would do something else than the user asks for; setting it to another value than
 * the default ends the start with `reason`.
 */
export type Support = "used" | "harmless" | "refused";

export interface FlagSpec {
  readonly name: string;
  readonly type: FlagType;
  /** As one would type it. */
  readonly initial: string;
  readonly support: Support;
  /** For -h; for flags that are not used, why. */
  readonly help: string;
  readonly words?: readonly string[];
}

type Row = readonly [name: string, type: FlagType, initial: string, help: string, words?: string[]];

const section = (support: Support, rows: readonly Row[]): FlagSpec[] =>
  rows.map(([name, type, initial, help, words]) => ({
    name,
    type,
    initial,
    support,
    help,
    ...(words === undefined ? {} : { words }),
  }));

const used = section("used", [
  ["name", "string", "default", "name of this member"],
  ["data-dir", "string", "", "folder of this member's data (<name>.etcd by default)"],
  ["wal-dir", "string", "", "folder of the write-ahead log, when it is not to be in data-dir"],
  ["snapshot-count", "uint", "10000", "applied entries between two snapshots"],
  ["snapshot-catchup-entries", "uint", "5000", "entries kept for slow followers"],
  ["max-snapshots", "uint", "5", "snapshot files kept (0: all)"],
  ["heartbeat-interval", "uint", "100", "milliseconds between two heartbeats"],
  ["election-timeout", "uint", "1000", "milliseconds without a leader until an election"],
  ["initial-election-tick-advance", "bool", "true", "elect sooner after a boot"],
  ["pre-vote", "bool", "true", "ask before an election that would disturb"],
  ["listen-peer-urls", "urls", "http://localhost:2380", "where other members reach this one"],
  ["listen-client-urls", "urls", "http://localhost:2379", "where clients reach this member"],
  ["listen-client-http-urls", "urls", "", "where HTTP clients reach it; gRPC stays on the former"],
  ["listen-metrics-urls", "urls", "", "where metrics and health are served besides"],
  ["quota-backend-bytes", "int", "0", "size of the store that raises NOSPACE (0: 2 GiB)"],
  ["max-txn-ops", "uint", "128", "operations in one transaction"],
  ["max-request-bytes", "uint", "1572864", "size of one request"],
  ["max-concurrent-streams", "uint32", "4294967295", "streams on one client connection"],
  ["grpc-keepalive-min-time", "duration", "5s", "clients may ping this often"],
  ["grpc-keepalive-interval", "duration", "2h", "the server pings idle clients (0: never)"],
  ["grpc-keepalive-timeout", "duration", "20s", "a ping's answer is waited for (0: for ever)"],
  ["socket-reuse-port", "bool", "false", "listen with SO_REUSEPORT"],
  ["raft-read-timeout", "duration", "5s", "a silent peer connection is broken (at least 5s)"],
  ["raft-write-timeout", "duration", "5s", "a stuck peer connection is broken (at least 5s)"],
  ["initial-advertise-peer-urls", "urls", "http://localhost:2380", "peer URLs told to others"],
  ["initial-cluster", "string", "default=http://localhost:2380", "members, as name=url,..."],
  ["initial-cluster-state", "choice", "new", "form a cluster or join one", ["new", "existing"]],
  ["force-new-cluster", "bool", "false", "with data: remove every other member, none may run"],
  ["initial-cluster-token", "string", "etcd-cluster", "makes ids of this cluster unique"],
  ["advertise-client-urls", "urls", "http://localhost:2379", "client URLs told to others"],
  ["strict-reconfig-check", "bool", "true", "refuse member changes that endanger the quorum"],
  ["max-learners", "int", "1", "learners in the cluster at a time"],
  ["auto-compaction-mode", "string", "periodic", "periodic or revision"],
  ["auto-compaction-retention", "string", "0", "hours, a duration or revisions kept (0: all)"],
  ["compaction-batch-limit", "int", "0", "revisions removed in one batch (0: 1000)"],
  ["compaction-sleep-interval", "duration", "0s", "pause between two batches (0: 10ms)"],
  ["watch-progress-notify-interval", "duration", "0s", "progress notices (0: every 10m)"],
  ["enable-grpc-gateway", "bool", "true", "serve JSON over HTTP below /v3/"],
  ["cors", "origins", "*", "origins whose browsers may ask", ["*"]],
  ["host-whitelist", "set", "*", "host names that plain HTTP is answered under"],
  ["log-level", "string", "info", "debug, info, warn, error, panic or fatal"],
  ["log-format", "string", "json", "json or console"],
  ["log-outputs", "set", "default", "default, stderr, stdout or files"],
  [
    "corrupt-check-time",
    "duration",
    "0s",
    "how often a leader compares the members' data (0: never)",
  ],
  [
    "compact-hash-check-time",
    "duration",
    "1m",
    "the same by hashes of compactions (gate CompactHashCheck)",
  ],
  ["downgrade-check-time", "duration", "5s", "how often a leader looks at the members' versions"],
  ["enable-log-rotation", "bool", "false", "begin a new file when one is full"],
  ["log-rotation-config-json", "string", defaultRotation(), "when and how, as JSON"],
  ["metrics", "string", "basic", "basic or extensive"],
  ["enable-pprof", "bool", "false", "serve profiles under /debug/pprof/"],
  ["warning-apply-duration", "duration", "100ms", "an entry that takes longer is logged"],
  ["warning-unary-request-duration", "duration", "300ms", "a request that takes longer is logged"],
  ["feature-gates", "gates", "", "Name=bool,..."],
  [
    "auth-token",
    "string",
    "simple",
    "simple, or jwt,sign-method=...,priv-key=...,pub-key=...,ttl=...",
  ],
  ["auth-token-ttl", "uint", "300", "seconds that a simple token lives after its last use"],
  ["bcrypt-cost", "uint", "10", "work that goes into a password's hash, 4 to 31"],
  ["cert-file", "string", "", "certificate shown to clients"],
  ["key-file", "string", "", "its key"],
  ["client-cert-file", "string", "", "accepted; a member dials no clients"],
  ["client-key-file", "string", "", "accepted; a member dials no clients"],
  ["client-cert-auth", "bool", "false", "clients must show a certificate"],
  ["client-crl-file", "string", "", "serial numbers of clients to refuse"],
  ["client-cert-allowed-hostname", "list", "", "names that clients' certificates must have"],
  ["trusted-ca-file", "string", "", "who signs clients' certificates; makes them required"],
  ["peer-cert-file", "string", "", "certificate shown to other members"],
  ["peer-key-file", "string", "", "its key"],
  ["peer-client-cert-file", "string", "", "certificate shown when dialling, if another"],
  ["peer-client-key-file", "string", "", "its key"],
  ["peer-client-cert-auth", "bool", "false", "other members must show a certificate"],
  ["peer-trusted-ca-file", "string", "", "who signs members' certificates"],
  ["peer-crl-file", "string", "", "serial numbers of members to refuse"],
  ["peer-cert-allowed-cn", "list", "", "CNs that members' certificates must have"],
  ["peer-cert-allowed-hostname", "list", "", "names that members' certificates must have"],
  ["peer-skip-client-san-verification", "bool", "false", "members may dial from anywhere"],
  ["auto-tls", "bool", "false", "TLS for clients with a certificate made here"],
  ["peer-auto-tls", "bool", "false", "TLS between members with certificates made there"],
  ["self-signed-cert-validity", "uint", "1", "years such a certificate is good for"],
  ["tls-min-version", "string", "TLS1.2", "TLS1.2 or TLS1.3"],
  ["tls-max-version", "string", "", "TLS1.2 or TLS1.3 (empty: the newest)"],
  ["cipher-suites", "list", "", "of TLS 1.2, by Go's names (empty: the usual ones)"],
  ["config-file", "string", "", "YAML with flags by name; flags and variables are then ignored"],
  ["version", "bool", "false", "print the version and exit"],
  ["quoin-memory-bytes", "uint", "0", "memory of the whole process (0: the container's limit)"],
  ["quoin-join-wait", "duration", "0s", "ask a running cluster this long until it knows us"],
  ["quoin-cluster-id", "string", "", "refuse data of another cluster than this, in hexadecimal"],
  ["quoin-quick-learners", "bool", "false", "strict-reconfig-check lets every learner in"],
]);

const discovery = section("used", [
  ["discovery-endpoints", "set", "", "etcd members that hold the registry new members meet in"],
  ["discovery-token", "string", "", "the new cluster's name in the registry; never used twice"],
  ["discovery-dial-timeout", "duration", "2s", "how long connecting to it may take"],
  ["discovery-request-timeout", "duration", "5s", "how long its answers may take"],
  [
    "discovery-keepalive-time",
    "duration",
    "2s",
    "a silent connection to it is pinged (at least 10s)",
  ],
  ["discovery-keepalive-timeout", "duration", "6s", "such a ping's answer is waited for"],
  ["discovery-insecure-transport", "bool", "true", "no TLS to it where the endpoint does not say"],
  ["discovery-insecure-skip-tls-verify", "bool", "false", "take any certificate of it: for tests"],
  ["discovery-cert", "string", "", "certificate shown to it"],
  ["discovery-key", "string", "", "its key"],
  ["discovery-cacert", "string", "", "who signs the registry's certificate"],
  ["discovery-user", "string", "", "name, or name:password, to log in there with"],
  ["discovery-password", "string", "", "the password, when it is not in the former"],
  ["discovery-fallback", "choice", "exit", "what follows its failure: exit", ["exit", "proxy"]],
  ["discovery-srv", "string", "", "DNS domain whose SRV records name the new cluster's members"],
  ["discovery-srv-name", "string", "", "suffix of the records: _etcd-server-NAME._tcp"],
]);

const noTraces = "spans are not sent anywhere";

const refused = section("refused", [["enable-distributed-tracing", "bool", "false", noTraces]]);

const noBbolt = "there is no bbolt in Quoin";

const harmless = section("harmless", [
  ["max-wals", "uint", "5", "log files go as soon as no snapshot needs them"],
  ["socket-reuse-address", "bool", "false", "sockets always listen with SO_REUSEADDR"],
  ["backend-bbolt-freelist-type", "string", "", noBbolt],
  ["backend-batch-interval", "duration", "0s", noBbolt],
  ["backend-batch-limit", "int", "0", noBbolt],
  ["bootstrap-defrag-threshold-megabytes", "uint", "0", "nothing to defragment"],
  ["memory-mlock", "bool", "false", noBbolt],
  ["unsafe-no-fsync", "bool", "false", "Quoin always waits for the disk"],
  ["logger", "string", "zap", "the log has one shape"],
  ["distributed-tracing-address", "string", "localhost:4317", noTraces],
  ["distributed-tracing-service-name", "string", "etcd", noTraces],
  ["distributed-tracing-instance-id", "string", "", noTraces],
  ["distributed-tracing-sampling-rate", "int", "0", noTraces],
  ["v2-deprecation", "choices", "", "etcd 3.7 has one stage left", v2Stages()],
]);

const forgotten = section(
  "used",
  [
    "cluster-active-size",
    "cluster-remove-delay",
    "cluster-sync-interval",
    "config",
    "force",
    "max-result-buffer",
    "max-retry-attempts",
    "peer-heartbeat-interval",
    "peer-election-timeout",
    "retry-interval",
    "snapshot",
    "v",
    "vv",
    "test.coverprofile",
    "test.outputdir",
  ].map((name): Row => [name, "forgotten", "", "accepted and ignored, as etcd does"]),
);

/** All flags by name. */
export const flagTable: ReadonlyMap<string, FlagSpec> = new Map(
  [...used, ...discovery, ...refused, ...harmless, ...forgotten].map((f) => [f.name, f]),
);

/**
 * etcd's gates with their defaults (server/features/etcd_features.go); those that are off are
 * alpha, those that are on beta. AllAlpha and AllBeta set them together.
 */
export const featureGates: ReadonlyMap<string, boolean> = new Map([
  ["AllAlpha", false],
  ["AllBeta", false],
  ["CompactHashCheck", false],
  ["FastLeaseKeepAlive", true],
  ["InitialCorruptCheck", false],
  ["LeaseCheckpoint", false],
  ["LeaseCheckpointPersist", false],
  ["PriorityRequest", false],
  ["SetMemberLocalAddr", false],
  ["StopGRPCServiceOnDefrag", false],
  ["TxnModeWriteWithSharedBuffer", true],
]);

/** etcd's stages: alpha is off by default, beta on; AllBeta is neither. */
export const isBeta = (gate: string): boolean =>
  gate === "AllBeta" || featureGates.get(gate) === true;

function defaultRotation(): string {
  const fields = { maxsize: 100, maxage: 0, maxbackups: 0, localtime: false, compress: false };
  const pairs = Object.entries(fields).map(([key, value]) => `"${key}": ${value}`);
  return `{${pairs.join(", ")}}`;
}

function v2Stages(): string[] {
  return ["write-only", "write-only-skip-check", "write-only-drop-data", "gone"];
}
