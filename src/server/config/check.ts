/** The checks of etcd's embed.Config.Validate, in its order and words. */
import { goQuote, isHostPort, type MemberUrl } from "../../core/membership/index.ts";
import { isDiscovered } from "./discovery.ts";
import type { FlagValues } from "./flag-values.ts";
import type { ConfigLogLine } from "./types.ts";
import { formatDuration } from "./values.ts";

const electionMsMax = 50_000;

export const advertiseMissing =
  "--advertise-client-urls is required when --listen-client-urls is set explicitly";

/** What a user is told besides; filled while checking, as etcd logs on its way. */
export type Notes = ConfigLogLine[];

/** The first thing that is wrong, or undefined. */
export function checkFlags(v: FlagValues, notes: Notes): string | undefined {
  return (
    checkFallback(v) ??
    checkLogging(v) ??
    checkUrls(v, notes) ??
    checkBootstrapFlags(v) ??
    checkTimes(v) ??
    checkAdvertised(v) ??
    checkRest(v, notes)
  );
}

function checkFallback(v: FlagValues): string | undefined {
  if (v.text("discovery-fallback") !== "proxy") return undefined;
  return 'v2 proxy is deprecated, and --discovery-fallback can\'t be configured as "proxy"';
}

function checkLogging(v: FlagValues): string | undefined {
  const logger = v.text("logger");
  if (logger === "capnslog") return "--logger=capnslog is removed in v3.5";
  if (logger !== "zap") return `unknown logger option ${goQuote(logger)}`;
  const outputs = v.list("log-outputs");
  if (outputs.length > 1 && outputs.includes("default")) {
    return 'multi logoutput for "default" is not supported yet';
  }
  if (outputs.includes("")) return 'open sink "": open : no such file or directory';
  const format = v.text("log-format");
  if (format === "json" || format === "console") return undefined;
  return `unknown log format: ${format}, supported values json, console`;
}

function checkUrls(v: FlagValues, notes: Notes): string | undefined {
  const bound = (name: string): string | undefined =>
    v
      .urls(name)
      .map(bindProblem)
      .find((p) => p !== undefined);
  const first =
    bound("listen-peer-urls") ?? bound("listen-client-urls") ?? bound("listen-client-http-urls");
  if (first !== undefined) return first;
  if (v.urls("listen-client-http-urls").length === 0) {
    const msg =
      "Running http and grpc server on single port. This is not recommended for production.";
    notes.push({ level: "warn", msg, fields: {} });
  }
  const metrics = bound("listen-metrics-urls");
  if (metrics !== undefined) return metrics;
  const peers = v.urls("initial-advertise-peer-urls");
  const peer = peers.map(hostProblem).find((p) => p !== undefined);
  if (peer !== undefined) {
    return `--initial-advertise-peer-urls ${joined(peers)} must be "host:port" (${peer})`;
  }
  const clients = v.urls("advertise-client-urls");
  const client = clients.map(hostProblem).find((p) => p !== undefined);
  if (client === undefined) return undefined;
  const forms = '"host:port", "unix:/path/to/socket" or "unixs:/path/to/socket"';
  return `--advertise-client-urls ${joined(clients)} must be in the format ${forms} (${client})`;
}

function checkBootstrapFlags(v: FlagValues): string | undefined {
  const endpoints = v.list("discovery-endpoints");
  const srv = v.text("discovery-srv") !== "";
  const initial = v.isSet("initial-cluster") ? v.text("initial-cluster") !== "" : !isDiscovered(v);
  if ([initial, srv, endpoints.length > 0].filter((set) => set).length > 1) {
    return 'multiple discovery or bootstrap flags are set. Choose one of "initial-cluster", "discovery-endpoints" or "discovery-srv"';
  }
  if ((v.text("discovery-token") !== "") !== endpoints.length > 0) {
    return "both --discovery-token and --discovery-endpoints must be set";
  }
  if (endpoints.some((e) => e.trim() === "")) {
    return "--discovery-endpoints must not contain empty endpoints";
  }
  return undefined;
}

function checkTimes(v: FlagValues): string | undefined {
  const tick = v.number("heartbeat-interval");
  const election = v.number("election-timeout");
  if (tick === 0) return "--heartbeat-interval must be >0 (set to 0ms)";
  if (election === 0) return "--election-timeout must be >0 (set to 0ms)";
  if (5 * tick > election) {
    return `--election-timeout[${election}ms] should be at least as 5 times as --heartbeat-interval[${tick}ms]`;
  }
  if (election <= electionMsMax) return undefined;
  return `--election-timeout[${election}ms] is too long, and should be set less than ${electionMsMax}ms`;
}

function checkAdvertised(v: FlagValues): string | undefined {
  const missing = v.isSet("listen-client-urls") && !v.isSet("advertise-client-urls");
  return missing ? advertiseMissing : undefined;
}

function checkRest(v: FlagValues, notes: Notes): string | undefined {
  const mode = v.text("auto-compaction-mode");
  if (mode === "") return "undefined auto-compaction-mode";
  if (mode !== "periodic" && mode !== "revision") {
    return `unknown auto-compaction-mode ${goQuote(mode)}`;
  }
  const rate = v.number("distributed-tracing-sampling-rate");
  if (v.bool("enable-distributed-tracing") && rate < 0) {
    return "distributed tracing configurition is not valid: (tracing sampling rate must be positive)";
  }
  const gates = v.gates("feature-gates");
  if (gates.get("LeaseCheckpointPersist") === true && gates.get("LeaseCheckpoint") !== true) {
    return "enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint";
  }
  const hashCheckMs = v.number("compact-hash-check-time");
  if (hashCheckMs <= 0) {
    return `--compact-hash-check-time must be >0 (set to ${formatDuration(hashCheckMs)})`;
  }
  if (v.text("name") === "default") {
    const msg =
      "it isn't recommended to use default name, please set a value for --name. " +
      "Note that etcd might run into issue when multiple members have the same default name";
    notes.push({ level: "warn", msg, fields: { name: "default" } });
  }
  return checkTlsVersions(v);
}

function checkTlsVersions(v: FlagValues): string | undefined {
  const known = ["", "TLS1.2", "TLS1.3"];
  const min = v.text("tls-min-version");
  const max = v.text("tls-max-version");
  for (const text of [min, max]) {
    if (!known.includes(text)) {
      return `unexpected TLS version ${goQuote(text)} (must be one of: TLS1.2, TLS1.3)`;
    }
  }
  if (max !== "" && known.indexOf(min) > known.indexOf(max)) {
    return `min version (${min}) is greater than max version (${max})`;
  }
  if (min === "TLS1.3" && v.list("cipher-suites").length > 0) {
    return "cipher suites cannot be configured when only TLS1.3 is enabled";
  }
  return undefined;
}

/** Why one cannot listen there: only addresses and localhost can be bound. */
function bindProblem(u: MemberUrl): string | undefined {
  if (u.scheme.startsWith("unix")) return undefined;
  const host = hostOf(u);
  if (host === "localhost" || isIp(host)) return undefined;
  return `expected IP in URL for binding (${u.text})`;
}

function hostProblem(u: MemberUrl): string | undefined {
  if (u.scheme.startsWith("unix") || hostOf(u) !== "") return undefined;
  return `unexpected empty host (${u.text})`;
}

const hostOf = (u: MemberUrl): string =>
  isHostPort(u.host) ? u.host.slice(0, u.host.lastIndexOf(":")).replace(/^\[|\]$/g, "") : "";

function isIp(host: string): boolean {
  if (host.includes(":")) return URL.canParse(`http://[${host.replace(/%.*$/, "")}]`);
  const parts = host.split(".");
  return parts.length === 4 && parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) < 256);
}

const joined = (urls: readonly MemberUrl[]): string => goQuote(urls.map((u) => u.text).join(","));
