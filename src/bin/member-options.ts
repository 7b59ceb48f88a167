// What the server's flags mean to its member, and to its share of the machine's memory.

import { totalmem } from "node:os";
import type { MemberUrl, UrlsMap } from "../core/membership/index.ts";
import { clusterId } from "../core/types.ts";
import { type ServerConfig, verifyBootstrap, verifyJoin } from "../server/config/index.ts";
import type { MemberOptions } from "../server/index.ts";

/** etcd's default quota. */
const defaultQuotaBytes = 2 * 1024 ** 3;

export function memberOptions(c: ServerConfig): MemberOptions {
  return {
    name: c.name,
    dataDir: c.dataDir,
    walDir: c.walDir,
    initialCluster: c.initialCluster,
    initialClusterToken: c.initialClusterToken,
    initialClusterState: c.initialClusterState,
    forceNewCluster: c.forceNewCluster,
    initialProblem: (initialCluster) => initialProblem(c, initialCluster),
    joinWaitMs: c.quoin.joinWaitMs,
    clusterId:
      c.quoin.clusterId === undefined ? undefined : clusterId(BigInt(`0x${c.quoin.clusterId}`)),
    initialAdvertisePeerUrls: texts(c.initialAdvertisePeerUrls),
    advertiseClientUrls: texts(c.advertiseClientUrls),
    heartbeatMs: c.heartbeatMs,
    electionMs: c.electionMs,
    preVote: c.preVote,
    maxSnapshots: c.maxSnapshots,
    initialElectionTickAdvance: c.initialElectionTickAdvance,
    snapshotCount: c.snapshotCount,
    snapshotCatchupEntries: c.snapshotCatchUpEntries,
    maxLearners: c.maxLearners,
    strictReconfigCheck: c.strictReconfigCheck,
    quickLearners: c.quoin.quickLearners,
    usersByCertificate: c.clientTls?.clientCertAuth ?? false,
    maxRequestBytes: c.maxRequestBytes,
    maxTxnOps: c.maxTxnOps,
    downgradeCheckMs: c.downgradeCheckMs,
    warningApplyMs: c.warningApplyDurationMs,
    leaseCheckpoints: c.featureGates.get("LeaseCheckpoint") === true ? { seconds: 300 } : undefined,
    checks: {
      initial: c.featureGates.get("InitialCorruptCheck") === true,
      periodicMs: c.corruptCheckMs,
      compactionMs: c.featureGates.get("CompactHashCheck") === true ? c.compactHashCheckMs : 0,
    },
    compaction: { batch: c.compactionBatchLimit, sleepMs: c.compactionSleepIntervalMs },
    quotaBytes: c.quotaBackendBytes === 0 ? defaultQuotaBytes : c.quotaBackendBytes,
    tierBytes: tierBytes(c.quoin.memoryBytes ?? containerLimit()),
  };
}

/** What etcd finds wrong with the initial cluster. */
function initialProblem(c: ServerConfig, initialCluster: UrlsMap): string | undefined {
  const own = initialCluster.get(c.name);
  // A record of DNS was found to be ours by its address: its URL may name it by another word.
  const isOurs = c.srv !== undefined && own?.length === c.initialAdvertisePeerUrls.length;
  const named = { ...c, initialCluster, ...(isOurs ? { initialAdvertisePeerUrls: own } : {}) };
  return c.initialClusterState === "new" ? verifyBootstrap(named) : verifyJoin(named);
}

/**
 * The memory ledger (STORE 15): of a container's limit V8 takes a quarter for its heap by itself,
 * the engine about 100 MiB, the log up to 64 MiB; an eighth is for values.
 */
function tierBytes(limit: number | undefined): number | undefined {
  if (limit === undefined) return undefined;
  return Math.min(Math.max(Math.floor(limit / 8), 16 * 2 ** 20), 2 ** 30);
}

/** The memory limit of the process's cgroup; undefined when it has none below the machine's. */
export function containerLimit(): number | undefined {
  const limit = process.constrainedMemory();
  return limit > 0 && limit < totalmem() ? limit : undefined;
}

const texts = (urls: readonly MemberUrl[]): string[] => urls.map((u) => u.text);
