// The first line of a member's log: who runs what, with which settings. Names of fields are etcd's.

import { type MemberUrl, serverVersion } from "../core/membership/index.ts";
import { quoinVersion } from "../lib/version.ts";
import type { ServerConfig } from "../server/config/index.ts";

export function startFields(c: ServerConfig): Readonly<Record<string, unknown>> {
  return {
    quoin: quoinVersion,
    "etcd-version": serverVersion,
    "node-version": process.version,
    name: c.name,
    "data-dir": c.dataDir,
    ...(c.walDir === undefined ? {} : { "wal-dir": c.walDir }),
    "heartbeat-interval": `${c.heartbeatMs}ms`,
    "election-timeout": `${c.electionMs}ms`,
    "initial-election-tick-advance": c.initialElectionTickAdvance,
    "snapshot-count": c.snapshotCount,
    "max-snapshots": c.maxSnapshots,
    "snapshot-catchup-entries": c.snapshotCatchUpEntries,
    "initial-advertise-peer-urls": texts(c.initialAdvertisePeerUrls),
    "listen-peer-urls": texts(c.listenPeerUrls),
    "advertise-client-urls": texts(c.advertiseClientUrls),
    "listen-client-urls": texts(c.listenClientUrls),
    "listen-metrics-urls": texts(c.listenMetricsUrls),
    "initial-cluster-state": c.initialClusterState,
    "initial-cluster-token": c.initialClusterToken,
    ...discoveryFields(c),
    "quota-backend-bytes": c.quotaBackendBytes,
    "max-request-bytes": c.maxRequestBytes,
    "max-concurrent-streams": c.maxConcurrentStreams,
    "pre-vote": c.preVote,
    "feature-gates": [...c.featureGates].map(([name, on]) => `${name}=${on}`).join(","),
    "corrupt-check-time-interval": `${c.corruptCheckMs}ms`,
    "auto-compaction-mode": c.autoCompaction.mode,
  };
}

function discoveryFields({ registry, srv }: ServerConfig): Readonly<Record<string, unknown>> {
  if (srv !== undefined) {
    return { "discovery-srv": srv.domain, "discovery-srv-name": srv.serviceName };
  }
  if (registry === undefined) return {};
  return {
    "discovery-token": registry.token,
    "discovery-endpoints": registry.endpoints.join(","),
    "discovery-dial-timeout": `${registry.dialTimeoutMs}ms`,
    "discovery-request-timeout": `${registry.requestTimeoutMs}ms`,
    "discovery-keepalive-time": `${registry.keepAliveTimeMs}ms`,
    "discovery-keepalive-timeout": `${registry.keepAliveTimeoutMs}ms`,
    "discovery-insecure-transport": registry.insecureTransport,
    "discovery-insecure-skip-tls-verify": registry.insecureSkipVerify,
    "discovery-cert": registry.certFile,
    "discovery-key": registry.keyFile,
    "discovery-cacert": registry.caFile,
    "discovery-user": registry.user?.name ?? "",
  };
}

const texts = (urls: readonly MemberUrl[]): string[] => urls.map((u) => u.text);
