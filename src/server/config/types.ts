import type { MemberUrl, UrlsMap } from "../../core/membership/index.ts";
import type { Fields, LogLevel } from "../../ports/index.ts";
import type { RegistryConfig, SrvConfig } from "./discovery.ts";
import type { TlsConfig } from "./tls.ts";

/**
 * What a member is told by flags and environment, checked. Names follow etcd's flags; times are
 * milliseconds, sizes bytes. Every default is etcd's.
 */
export interface ServerConfig {
  /** --name */
  readonly name: string;
  /** --data-dir; never empty (etcd's default is `<name>.etcd`). */
  readonly dataDir: string;
  /** --wal-dir; undefined means `<data-dir>/member/wal`. */
  readonly walDir: string | undefined;
  readonly listenPeerUrls: readonly MemberUrl[];
  readonly listenClientUrls: readonly MemberUrl[];
  /** --listen-client-http-urls; when not empty, HTTP/1.1 is served here and only gRPC there. */
  readonly listenClientHttpUrls: readonly MemberUrl[];
  readonly listenMetricsUrls: readonly MemberUrl[];
  readonly initialAdvertisePeerUrls: readonly MemberUrl[];
  readonly advertiseClientUrls: readonly MemberUrl[];
  /** Undefined: no flag asks for TLS there. */
  readonly clientTls: TlsConfig | undefined;
  readonly peerTls: TlsConfig | undefined;

  /** The JSON gateway below /v3/. */
  readonly enableGrpcGateway: boolean;
  /** Origins whose browsers may ask; none given means any. */
  readonly cors: ReadonlySet<string>;
  /** Host names that plain HTTP is answered under; "*" for any. */
  readonly hostWhitelist: ReadonlySet<string>;

  /** --initial-cluster, parsed; only read where the data dir is empty. */
  readonly initialCluster: UrlsMap;
  /** Why --initial-cluster does not parse; `verifyBootstrap` and `verifyJoin` tell it. */
  readonly initialClusterProblem: string | undefined;
  readonly initialClusterState: "new" | "existing";
  /** With discovery by a registry its token, as in etcd. */
  readonly initialClusterToken: string;
  /** --discovery-endpoints and -token: initialCluster is this member alone until the registry is full. */
  readonly registry: RegistryConfig | undefined;
  /** --discovery-srv: initialCluster is empty until DNS was asked. */
  readonly srv: SrvConfig | undefined;
  readonly strictReconfigCheck: boolean;
  readonly maxLearners: number;
  /** --force-new-cluster: a member with data removes all others from its cluster. */
  readonly forceNewCluster: boolean;

  readonly heartbeatMs: number;
  readonly electionMs: number;
  /** electionMs / heartbeatMs, rounded down. */
  readonly electionTicks: number;
  readonly initialElectionTickAdvance: boolean;
  readonly preVote: boolean;
  readonly raftReadTimeoutMs: number;
  readonly raftWriteTimeoutMs: number;

  /** Applied entries between two snapshots of the log. */
  readonly snapshotCount: number;
  /** Entries kept behind a snapshot for slow followers. */
  readonly snapshotCatchUpEntries: number;
  /** .snap and WAL files kept; 0 keeps all. */
  readonly maxSnapshots: number;
  /** 0 means the default of 2 GiB, negative no quota at all. */
  readonly quotaBackendBytes: number;

  readonly maxTxnOps: number;
  readonly maxRequestBytes: number;
  readonly maxConcurrentStreams: number;
  readonly grpcKeepAliveMinTimeMs: number;
  /** 0 switches the server's pings off. */
  readonly grpcKeepAliveIntervalMs: number;
  readonly grpcKeepAliveTimeoutMs: number;
  readonly socketReusePort: boolean;

  readonly autoCompaction: AutoCompaction;
  readonly compactionBatchLimit: number;
  readonly compactionSleepIntervalMs: number;
  /** --corrupt-check-time; 0: never. */
  readonly corruptCheckMs: number;
  /** --compact-hash-check-time; only with the gate CompactHashCheck. */
  readonly compactHashCheckMs: number;
  readonly downgradeCheckMs: number;
  /** 0 means the default of ten minutes. */
  readonly watchProgressNotifyIntervalMs: number;

  readonly log: LogConfig;
  readonly metrics: "basic" | "extensive";
  /** --auth-token, as given; `createTokens` reads it. */
  readonly authToken: string;
  /** --auth-token-ttl; 0 means the default of five minutes. */
  readonly authTokenTtlMs: number;
  /** --bcrypt-cost; out of range it means 10. */
  readonly bcryptCost: number;
  readonly enablePprof: boolean;
  readonly warningApplyDurationMs: number;
  readonly warningUnaryRequestDurationMs: number;
  /** State of each of etcd's gates, e.g. `CompactHashCheck`. */
  readonly featureGates: ReadonlyMap<string, boolean>;

  readonly quoin: OwnConfig;
}

/** --auto-compaction-mode and -retention. */
export type AutoCompaction =
  | { readonly mode: "off" }
  | { readonly mode: "periodic"; readonly retentionMs: number }
  | { readonly mode: "revision"; readonly revisions: number };

export interface LogConfig {
  readonly level: LogLevel;
  /** json or console. */
  readonly format: "json" | "console";
  /** "default" and "stderr" are standard error, "stdout" standard output, else a file to append. */
  readonly outputs: readonly string[];
  /** --enable-log-rotation with --log-rotation-config-json; undefined: files grow. */
  readonly rotation: LogRotationConfig | undefined;
}

/** Old files are kept for ever, and all of them, where the limit is 0. */
export interface LogRotationConfig {
  readonly maxBytes: number;
  readonly maxAgeMs: number;
  readonly maxBackups: number;
  readonly localTime: boolean;
  readonly compress: boolean;
}

/** What only Quoin knows: flags `--quoin-*`, variables `ETCD_QUOIN_*`. */
export interface OwnConfig {
  /**
   * --quoin-memory-bytes: the memory the whole process may use; undefined means by the
   * container's limit.
   */
  readonly memoryBytes: number | undefined;
  /**
   * --quoin-join-wait: with --initial-cluster-state=existing, how long to go on asking the
   * cluster until it knows this member (0: once, as etcd).
   */
  readonly joinWaitMs: number;
  /**
   * --quoin-cluster-id: the cluster the data must belong to, and this member of it; hexadecimal; undefined takes
   * whatever data is there, as etcd.
   */
  readonly clusterId: string | undefined;
  /** --quoin-quick-learners: --strict-reconfig-check leaves learners alone; etcd's does not. */
  readonly quickLearners: boolean;
}

/** A line for the log, in etcd's words. */
export interface ConfigLogLine {
  readonly level: LogLevel;
  readonly msg: string;
  readonly fields: Fields;
}

/**
 * `config`: start. `exit`: print both texts, write the log lines, end with the code: 0 for -h and
 * --version, 2 for a flag that does not parse, 1 for what is refused later (as etcd does).
 */
export type ParsedConfig =
  | {
      readonly kind: "config";
      readonly config: ServerConfig;
      readonly log: readonly ConfigLogLine[];
    }
  | {
      readonly kind: "exit";
      readonly code: 0 | 1 | 2;
      readonly stdout: string;
      readonly stderr: string;
      readonly log: readonly ConfigLogLine[];
    };
