import { goQuote, parseInitialCluster } from "../../core/membership/index.ts";
import type { LogLevel } from "../../ports/index.ts";
import {
  type BuildInfo,
  flagsText,
  quoinVersion,
  unknownBuild,
  usageText,
  versionText,
} from "./about.ts";
import { advertiseMissing, checkFlags } from "./check.ts";
import { type Environment, readCommandLine, readEnvironment, variableOf } from "./command-line.ts";
import { readConfigFile } from "./config-file.ts";
import { isDiscovered, registryConfig, srvConfig } from "./discovery.ts";
import { featureGates, flagTable } from "./flag-table.ts";
import { FlagValues } from "./flag-values.ts";
import { logRotation } from "./log-rotation.ts";
import { clientTlsConfig, peerTlsConfig } from "./tls.ts";
import type {
  AutoCompaction,
  ConfigLogLine,
  LogRotationConfig,
  ParsedConfig,
  ServerConfig,
} from "./types.ts";
import { fail, ok, type Parsed, parseDuration } from "./values.ts";

/**
 * Reads flags (without the program's name) and environment. Order, texts and exit codes are
 * etcd's: 2 for what does not parse, 1 for what is refused, 0 for -h and --version.
 */
export function parseServerConfig(
  argv: readonly string[],
  env: Environment,
  build: BuildInfo = unknownBuild,
  readFile: (path: string) => string = noFile,
): ParsedConfig {
  let values = new FlagValues();
  const line = readCommandLine(argv, values);
  if (line.kind === "bad") return exit(2, { stderr: `${line.message}\n${usageText}` });
  if (line.kind === "help") return exit(0, { stdout: `${flagsText()}\n`, stderr: usageText });
  const log: ConfigLogLine[] = [];
  if (line.rest.length > 0) {
    return refuse(log, `${goQuote(line.rest[0] as string)} is not a valid flag`);
  }
  if (values.bool("version")) return exit(0, { stdout: versionText(build) });

  const path = values.text("config-file") || env["ETCD_CONFIG_FILE"] || "";
  if (path !== "") {
    // All else that was given is forgotten.
    values = new FlagValues();
    const problem = fromFile(path, readFile, values);
    if (problem !== undefined) return refuse(log, problem);
    const msg =
      "loaded server configuration, other configuration command line flags and environment variables will be ignored if provided";
    log.push({ level: "info", msg, fields: { path } });
  } else {
    const fromEnv = readEnvironment(env, values);
    log.push(...fromEnv.log);
    if (fromEnv.isFatal) return exit(1, { log });
    if (fromEnv.error !== undefined) return refuse(log, fromEnv.error);
  }
  const level = logLevel(values.text("log-level"));
  if (level === undefined) {
    // etcd panics here, which also ends with 2.
    const stderr = `unrecognized level: ${goQuote(values.text("log-level"))}\n`;
    return exit(2, { stderr, log });
  }
  const problem = checkFlags(values, log) ?? checkSupport(values, env) ?? checkOwn(values);
  if (problem !== undefined) return refuse(log, problem);
  const rotation = logRotation(values);
  if (!rotation.ok) return refuse(log, rotation.error);
  const compaction = autoCompaction(values);
  if (!compaction.ok) return dieLater(log, compaction.error);
  log.push(...warnings(values));
  return {
    kind: "config",
    config: buildConfig(values, level, compaction.value, rotation.value),
    log,
  };
}

const noFile = (path: string): string => {
  throw new Error(`open ${path}: no files are read here`);
};

/** What is wrong with the file, or undefined. */
function fromFile(
  path: string,
  readFile: (path: string) => string,
  values: FlagValues,
): string | undefined {
  let text: string;
  try {
    text = readFile(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? `open ${path}: no such file or directory` : message;
  }
  return readConfigFile(text, values);
}

interface Output {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly log?: readonly ConfigLogLine[];
}

function exit(code: 0 | 1 | 2, { stdout = "", stderr = "", log = [] }: Output): ParsedConfig {
  return { kind: "exit", code, stdout, stderr, log };
}

function refuse(log: ConfigLogLine[], error: string): ParsedConfig {
  log.push({ level: "warn", msg: "failed to verify flags", fields: { error } });
  if (error === advertiseMissing) {
    log.push({ level: "warn", msg: "advertise client URLs are not set", fields: { error } });
  }
  return exit(1, { log });
}

/** What etcd finds out only while it starts. */
function dieLater(log: ConfigLogLine[], error: string): ParsedConfig {
  log.push({ level: "fatal", msg: "discovery failed", fields: { error } });
  return exit(1, { log });
}

/** Refuses the first flag that asks for what Quoin does not do. */
function checkSupport(values: FlagValues, env: Environment): string | undefined {
  for (const spec of flagTable.values()) {
    if (spec.support !== "refused" || !values.isChanged(spec)) continue;
    const key = variableOf(spec.name);
    const action = env[key] === undefined ? `remove --${spec.name}` : `unset ${key}`;
    return `${action}: Quoin ${quoinVersion} does not support it (${spec.help})`;
  }
  return undefined;
}

function checkOwn(values: FlagValues): string | undefined {
  const id = values.text("quoin-cluster-id");
  if (id === "" || /^[0-9a-f]{1,16}$/.test(id)) return undefined;
  return `give --quoin-cluster-id as up to 16 hexadecimal digits instead of ${goQuote(id)}`;
}

/**
 * Gates that do here what they do in etcd. LeaseCheckpointPersist does nothing in either: from cluster version
 * 3.6 on, checkpoints are always persisted (lease/lessor.go shouldPersistCheckpoints).
 */
const honoured = new Set([
  "CompactHashCheck",
  "InitialCorruptCheck",
  "LeaseCheckpoint",
  "LeaseCheckpointPersist",
]);

function warnings(values: FlagValues): ConfigLogLine[] {
  const lines: ConfigLogLine[] = [];
  for (const spec of flagTable.values()) {
    if (spec.support !== "harmless" || !values.isChanged(spec)) continue;
    const fields = { flag: `--${spec.name}`, reason: spec.help };
    lines.push({ level: "warn", msg: "flag has no effect in Quoin", fields });
  }
  for (const [gate, on] of values.gates("feature-gates")) {
    if (on === featureGates.get(gate) || gate.startsWith("All") || honoured.has(gate)) continue;
    lines.push({ level: "warn", msg: "feature gate has no effect in Quoin yet", fields: { gate } });
  }
  if (values.isSet("max-snapshots")) {
    const msg = "--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8.";
    lines.push({ level: "warn", msg, fields: {} });
  }
  return lines;
}

/** zap's level names; the panics are fatal here. */
function logLevel(text: string): LogLevel | undefined {
  switch (text.toLowerCase()) {
    case "debug":
      return "debug";
    case "":
    case "info":
      return "info";
    case "warn":
    case "warning":
      return "warn";
    case "error":
      return "error";
    case "dpanic":
    case "panic":
    case "fatal":
      return "fatal";
    default:
      return undefined;
  }
}

/** embed.parseCompactionRetention: a plain number is hours or revisions, else a duration. */
function autoCompaction(values: FlagValues): Parsed<AutoCompaction> {
  const revisions = values.text("auto-compaction-mode") === "revision";
  const text = values.text("auto-compaction-retention") || "0";
  const hourMs = 3_600_000;
  if (/^\+?\d{1,15}$/.test(text)) {
    const n = Number(text);
    if (n === 0) return ok({ mode: "off" });
    return ok(
      revisions
        ? { mode: "revision", revisions: n }
        : { mode: "periodic", retentionMs: n * hourMs },
    );
  }
  const duration = parseDuration(text);
  if (!duration.ok) return fail(`error parsing CompactionRetention: ${duration.error}`);
  if (duration.value <= 0) return ok({ mode: "off" });
  // etcd takes a duration's nanoseconds for revisions.
  if (revisions) return ok({ mode: "revision", revisions: Math.round(duration.value * 1e6) });
  return ok({ mode: "periodic", retentionMs: duration.value });
}

/**
 * What --initial-cluster is or, where only the name was given, comes to: `name=url,...` of our own URLs. With a
 * registry these are what we bring there; with SRV records there is nothing yet.
 */
function initialClusterText(v: FlagValues): string {
  const text = v.text("initial-cluster");
  const name = v.text("name");
  const byDefault = flagTable.get("initial-cluster")?.initial;
  const isSelf = name !== "default" && text === byDefault;
  if (isDiscovered(v) && v.list("discovery-endpoints").length === 0) {
    return v.isSet("initial-cluster") ? text : "";
  }
  if (!isDiscovered(v) && !isSelf) return text;
  const own = name === "" && !isDiscovered(v) ? "default" : name;
  return v
    .urls("initial-advertise-peer-urls")
    .map((u) => `${own}=${u.text}`)
    .join(",");
}

function buildConfig(
  v: FlagValues,
  level: LogLevel,
  compaction: AutoCompaction,
  rotation: LogRotationConfig | undefined,
): ServerConfig {
  const initial = parseInitialCluster(initialClusterText(v));
  const heartbeatMs = v.number("heartbeat-interval");
  const electionMs = v.number("election-timeout");
  const name = v.text("name");
  const registry = registryConfig(v);
  return {
    name,
    dataDir: v.text("data-dir") || `${name}.etcd`,
    walDir: v.text("wal-dir") || undefined,
    listenPeerUrls: v.urls("listen-peer-urls"),
    listenClientUrls: v.urls("listen-client-urls"),
    listenClientHttpUrls: v.urls("listen-client-http-urls"),
    listenMetricsUrls: v.urls("listen-metrics-urls"),
    initialAdvertisePeerUrls: v.urls("initial-advertise-peer-urls"),
    advertiseClientUrls: v.urls("advertise-client-urls"),
    clientTls: clientTlsConfig(v),
    peerTls: peerTlsConfig(v),
    enableGrpcGateway: v.bool("enable-grpc-gateway"),
    cors: new Set(v.urls("cors").map((u) => u.text)),
    hostWhitelist: new Set(v.list("host-whitelist")),
    initialCluster: initial.ok ? initial.value : new Map(),
    initialClusterProblem: initial.ok ? undefined : initial.error,
    initialClusterState: v.text("initial-cluster-state") as "new" | "existing",
    initialClusterToken: registry?.token ?? v.text("initial-cluster-token"),
    registry,
    srv: srvConfig(v),
    strictReconfigCheck: v.bool("strict-reconfig-check"),
    maxLearners: v.number("max-learners"),
    forceNewCluster: v.bool("force-new-cluster"),
    heartbeatMs,
    electionMs,
    electionTicks: Math.trunc(electionMs / heartbeatMs),
    initialElectionTickAdvance: v.bool("initial-election-tick-advance"),
    preVote: v.bool("pre-vote"),
    raftReadTimeoutMs: Math.max(5000, v.number("raft-read-timeout")),
    raftWriteTimeoutMs: Math.max(5000, v.number("raft-write-timeout")),
    snapshotCount: v.number("snapshot-count") || 10_000,
    snapshotCatchUpEntries: v.number("snapshot-catchup-entries") || 5000,
    maxSnapshots: v.number("max-snapshots"),
    quotaBackendBytes: v.number("quota-backend-bytes"),
    ...requestLimits(v),
    autoCompaction: compaction,
    corruptCheckMs: v.number("corrupt-check-time"),
    compactHashCheckMs: v.number("compact-hash-check-time"),
    downgradeCheckMs: v.number("downgrade-check-time"),
    compactionBatchLimit: v.number("compaction-batch-limit") || 1000,
    compactionSleepIntervalMs: v.number("compaction-sleep-interval") || 10,
    watchProgressNotifyIntervalMs: v.number("watch-progress-notify-interval"),
    log: {
      level,
      format: v.text("log-format") as "json" | "console",
      outputs: v.list("log-outputs"),
      rotation,
    },
    metrics: v.text("metrics") === "extensive" ? "extensive" : "basic",
    authToken: v.text("auth-token"),
    authTokenTtlMs: v.number("auth-token-ttl") * 1000,
    bcryptCost: v.number("bcrypt-cost"),
    enablePprof: v.bool("enable-pprof"),
    warningApplyDurationMs: v.number("warning-apply-duration"),
    warningUnaryRequestDurationMs: v.number("warning-unary-request-duration") || 300,
    featureGates: v.gates("feature-gates"),
    quoin: {
      memoryBytes: v.number("quoin-memory-bytes") || undefined,
      joinWaitMs: v.number("quoin-join-wait"),
      clusterId: v.text("quoin-cluster-id") || undefined,
      quickLearners: v.bool("quoin-quick-learners"),
    },
  };
}

function requestLimits(v: FlagValues) {
  return {
    maxTxnOps: v.number("max-txn-ops"),
    maxRequestBytes: v.number("max-request-bytes"),
    maxConcurrentStreams: v.number("max-concurrent-streams"),
    grpcKeepAliveMinTimeMs: v.number("grpc-keepalive-min-time"),
    grpcKeepAliveIntervalMs: v.number("grpc-keepalive-interval"),
    grpcKeepAliveTimeoutMs: v.number("grpc-keepalive-timeout"),
    socketReusePort: v.bool("socket-reuse-port"),
  };
}
