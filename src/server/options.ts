/** What a member is told at its start: the flags that concern it, checked already. */
import type { UrlsMap } from "../core/membership/index.ts";
import type { ClusterId, MemberId } from "../core/types.ts";
import type { Clock, Disk, Engine, Faults, Logger, PeerSight, Random } from "../ports/index.ts";
import type { Tokens } from "./auth/index.ts";
import type { Measures } from "./measures.ts";
import type { AskPeer, Transport, TransportHandler } from "./transport.ts";

export interface MemberOptions {
  readonly name: string;
  /** Holds `member/snap` and, without walDir, `member/wal`. */
  readonly dataDir: string;
  readonly walDir: string | undefined;
  /** Used when there is no data yet; ports.discovery may say another. */
  readonly initialCluster: UrlsMap;
  readonly initialClusterToken: string;
  readonly initialClusterState: "new" | "existing";
  /** Where there is data: every other member is removed. */
  readonly forceNewCluster?: boolean;
  /** The cluster the data must belong to; undefined: whatever is there, as etcd. */
  readonly clusterId?: ClusterId | undefined;
  /** Why a member may not begin in this cluster, or undefined; asked only when there is no data yet. */
  readonly initialProblem?: (initialCluster: UrlsMap) => string | undefined;
  /** How long a joiner goes on asking until the cluster knows it; 0 or undefined: once. */
  readonly joinWaitMs?: number;
  readonly initialAdvertisePeerUrls: readonly string[];
  readonly advertiseClientUrls: readonly string[];
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly preVote: boolean;
  /** --max-snapshots: `.snap` files that are kept, 0 for all; undefined: etcd's 5. */
  readonly maxSnapshots?: number;
  /** Begins with an election timeout nearly run out; undefined: from nothing. */
  readonly initialElectionTickAdvance?: boolean;
  /** Entries between two cuts of the log. */
  readonly snapshotCount: number;
  /** Entries kept below a cut for followers that are a little behind. */
  readonly snapshotCatchupEntries: number;
  readonly maxLearners: number;
  readonly strictReconfigCheck: boolean;
  /** The strict check leaves learners alone; undefined: it does not, as etcd's. */
  readonly quickLearners?: boolean;
  readonly maxRequestBytes: number;
  readonly maxTxnOps: number;
  /** --warning-apply-duration; undefined: nothing is warned of. */
  readonly warningApplyMs?: number;
  /** Gate LeaseCheckpoint; undefined: off. etcd's interval is 300 s. */
  readonly leaseCheckpoints?: { readonly seconds: number } | undefined;
  /** Comparisons with the other members; undefined: none. */
  readonly checks?: CheckOptions;
  /** --compaction-batch-limit and -sleep-interval; undefined: 1000 keys, no pause. */
  readonly compaction?: { readonly batch: number; readonly sleepMs: number };
  /** --downgrade-check-time; undefined: 5 s. */
  readonly downgradeCheckMs?: number;
  readonly quotaBytes: number;
  /** Budget of the memory tier; undefined lets the backend choose. */
  readonly tierBytes: number | undefined;
  /** Budget of Raft's log in memory; undefined: 64 MiB. Below it followers get snapshots. */
  readonly raftLogBytes?: number;
  /** --client-cert-auth: a client without a token is the CN of its certificate. */
  readonly usersByCertificate?: boolean;
}

/** When a member compares its history with the others'. */
export interface CheckOptions {
  /** Gate InitialCorruptCheck: before it serves anybody, where it has data. */
  readonly initial: boolean;
  /** --corrupt-check-time; 0: never. */
  readonly periodicMs: number;
  /** Gate CompactHashCheck with --compact-hash-check-time; 0: never, and hashes only of small histories. */
  readonly compactionMs: number;
}

/**
 * Who says what the initial cluster is, when there is no data yet. `srv`: DNS, before anything is checked.
 * `registry`: the other members meet us there; `own` is `name=url,...`. Both reject with Error.
 */
export type Discovery =
  | { readonly kind: "srv"; find(): Promise<UrlsMap> }
  | { readonly kind: "registry"; join(self: MemberId, own: string): Promise<UrlsMap> };

/** The outside world of one member. */
export interface MemberPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly logger: Logger;
  readonly faults: Faults;
  /** Opens the engine in a folder and takes its lock. */
  readonly openEngine: (dir: string) => Promise<Engine>;
  readonly sha1: (bytes: Uint8Array) => Uint8Array;
  readonly crc32c: (bytes: Uint8Array, seed: number) => number;
  /** Made once the ids are known. */
  readonly createTransport: (
    ids: { readonly memberId: MemberId; readonly clusterId: ClusterId },
    handler: TransportHandler,
  ) => Transport;
  readonly askPeer: AskPeer;
  /** For the metrics page; undefined: nobody asks. */
  readonly measures?: Measures;
  readonly walObserver?: { synced(seconds: number, bytes: number): void };
  /** Where a segment of the log ends; undefined: etcd's 64 MB. Smaller in simulations. */
  readonly walSegmentBytes?: number;
  /** What --auth-token says; undefined: simple tokens. */
  readonly tokens?: Tokens;
  /** Undefined: options.initialCluster is the cluster. */
  readonly discovery?: Discovery | undefined;
  /** Members of a running cluster as one of these peer URLs tells them: GET /members. Rejects when aborted. */
  readonly fetchMembers: (
    urls: readonly string[],
    signal?: AbortSignal,
  ) => Promise<{ readonly clusterId: ClusterId; readonly body: Uint8Array }>;
  /** Aborted when the process is told to end: no new member goes on asking for its cluster. Undefined: never. */
  readonly stopping?: AbortSignal;
  /** Who is at a peer URL, before --force-new-cluster removes him. Never rejects. */
  readonly lookAt: (url: string) => Promise<PeerSight>;
  /** The member cannot go on: a failed disk, a broken invariant. The process ends. */
  readonly onFatal: (error: Error) => void;
  /** The member was removed from the cluster. */
  readonly onRemoved: () => void;
}

/** Ticks of an election timeout. */
export const electionTicks = (o: MemberOptions): number =>
  Math.max(2, Math.floor(o.electionMs / o.heartbeatMs));

/** How long a request may take: etcd's ReqTimeout. */
export const requestTimeoutMs = (o: MemberOptions): number => 5000 + 2 * o.electionMs;

/** Shortest lease, in seconds: etcd's minTTL. */
export const minLeaseTtlSeconds = (o: MemberOptions): number =>
  Math.ceil((3 * electionTicks(o) * o.heartbeatMs) / 2 / 1000);
