/** Server flags from typed options and extra arguments. */
import type { EtcdClusterSpec, EtcdOptions } from "../types/index.ts";

const optionFlags: { readonly [K in keyof Required<EtcdOptions>]: string } = {
  quotaBackendBytes: "quota-backend-bytes",
  autoCompactionMode: "auto-compaction-mode",
  autoCompactionRetention: "auto-compaction-retention",
  snapshotCount: "snapshot-count",
  heartbeatInterval: "heartbeat-interval",
  electionTimeout: "election-timeout",
  maxRequestBytes: "max-request-bytes",
  maxTxnOps: "max-txn-ops",
  logLevel: "log-level",
};

/** Flags that belong to the operator; the same list stands in the CRD's rule on extraArgs. */
export const deniedFlags: readonly string[] = [
  "name",
  "data-dir",
  "wal-dir",
  "listen-client-urls",
  "listen-client-http-urls",
  "listen-peer-urls",
  "listen-metrics-urls",
  "advertise-client-urls",
  "initial-advertise-peer-urls",
  "initial-cluster",
  "initial-cluster-state",
  "initial-cluster-token",
  "force-new-cluster",
  "quoin-cluster-id",
  "config-file",
  "discovery",
  "discovery-srv",
  "discovery-srv-name",
  "discovery-token",
  "discovery-endpoints",
  "cert-file",
  "key-file",
  "client-cert-file",
  "client-key-file",
  "client-cert-auth",
  "trusted-ca-file",
  "auto-tls",
  "peer-cert-file",
  "peer-key-file",
  "peer-client-cert-file",
  "peer-client-key-file",
  "peer-client-cert-auth",
  "peer-trusted-ca-file",
  "peer-skip-client-san-verification",
  "peer-auto-tls",
  "unsafe-no-fsync",
  "version",
  "help",
  ...Object.values(optionFlags),
];

/** The user's part of the command line, in a fixed order. */
export function optionArgs(spec: EtcdClusterSpec): string[] {
  const options = spec.etcdOptions ?? {};
  const args: string[] = [];
  for (const [key, flag] of Object.entries(optionFlags)) {
    const value = options[key as keyof EtcdOptions];
    if (value !== undefined) args.push(`--${flag}=${value}`);
  }
  return [...args, ...(spec.extraArgs ?? [])];
}

/** Why an extra argument is refused, or undefined. The CRD refuses the same ones earlier. */
export function extraArgProblem(arg: string): string | undefined {
  const match = /^--([a-z0-9-]+)(=|$)/.exec(arg);
  if (match === null) return `write ${JSON.stringify(arg)} as --flag=value`;
  const flag = match[1] ?? "";
  if (!deniedFlags.includes(flag)) return undefined;
  return `remove --${flag} from extraArgs: the operator sets it (use spec.etcdOptions where it has a field)`;
}
