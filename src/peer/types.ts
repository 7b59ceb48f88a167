import type { Message } from "../core/raft/index.ts";
import type { ClusterId, MemberId } from "../core/types.ts";
import type { Clock, Faults, Logger } from "../ports/index.ts";
import type { TlsContexts } from "../tls/index.ts";

/** Who we are on the wire. */
export interface PeerIdentity {
  readonly localId: MemberId;
  readonly clusterId: ClusterId;
  /** Our own peer URLs, told to others in X-PeerURLs so that they can answer. */
  readonly peerURLs: readonly string[];
  /** X-Server-Version, e.g. 3.7.3. */
  readonly serverVersion: string;
  /** X-Min-Cluster-Version, e.g. 3.0.0. */
  readonly minClusterVersion: string;
}

/** What the transport tells the server; every call is synchronous unless it returns a promise. */
export interface PeerHandler {
  /**
   * Messages that arrived in this turn of the loop, in order per sender, to be stepped into Raft.
   * Entries' data are views of network buffers: they may be kept, never written. A MsgSnap comes
   * after its receiveSnapshot has resolved.
   */
  onMessages(messages: Message[]): void;
  /** Whether the id has left the cluster for good: its streams are refused with 410. */
  isRemoved(id: MemberId): boolean;
  /** A message to this member was dropped: Raft probes it again. At most once per turn and member. */
  onUnreachable(id: MemberId): void;
  /** The snapshot to this member has arrived whole and was taken (ok), or has not. */
  onSnapshotSent(id: MemberId, ok: boolean): void;
  /**
   * Opens the database that goes with a MsgSnap Raft wants sent; `message` of the result is what
   * is sent (its snapshot may be newer). Rejecting counts as a failed snapshot.
   */
  openSnapshot(message: Message): Promise<OutgoingSnapshot>;
  /**
   * Takes a database from a peer: writes `body` to disk and makes it durable. Resolves when the
   * MsgSnap may be stepped; rejects when it may not (the sender is told, and tries again). When
   * the sender breaks off, iterating `body` throws.
   */
  receiveSnapshot(message: Message, body: AsyncIterable<Uint8Array>): Promise<void>;
  /** A peer says that we were removed from the cluster: the server stops. May come repeatedly. */
  onRemoved(): void;
  /** The stream this member sends us its log through broke (its process or machine may be gone). */
  onStreamLost?(id: MemberId): void;
}

/** A bbolt file on its way out; read once, in order. */
export interface OutgoingSnapshot {
  readonly message: Message;
  /** Exact size of the database; a source that ends early or late breaks the transfer. */
  readonly sizeBytes: number;
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Called once, whatever happened: the pinned view may go. */
  close(): void | Promise<void>;
}

/** Counters of etcd's rafthttp metrics; every method must be cheap. */
export interface PeerMetrics {
  sent(to: MemberId, bytes: number): void;
  received(from: MemberId, bytes: number): void;
  sendFailed(to: MemberId): void;
  receiveFailed(from: MemberId | undefined): void;
  /** A peer became active or inactive. */
  activity(id: MemberId, active: boolean): void;
  roundTrip(to: MemberId, seconds: number): void;
  snapshotSent(to: MemberId, ok: boolean, seconds: number): void;
  snapshotReceived(from: MemberId, ok: boolean, seconds: number): void;
}

/** Bounds and times; the defaults are etcd's where it has one. */
export interface PeerTimes {
  /** Giving up a connection attempt (default 1000 + election timeout in etcd; here 1000). */
  readonly dialTimeoutMs: number;
  /** A stream on which nothing came for so long is dead (5000). */
  readonly readTimeoutMs: number;
  /** A stream that has taken nothing for so long is dead (5000). */
  readonly writeTimeoutMs: number;
  /** Pause before the first new dial (100), doubled up to the second. */
  readonly dialRetryMs: number;
  readonly dialRetryMaxMs: number;
  /** Between two measurements of the round trip (4000). */
  readonly probeIntervalMs: number;
  /** A snapshot transfer without progress is given up after this (120000). */
  readonly snapshotIdleMs: number;
}

export interface PeerLimits {
  /** Messages that may wait for one stream (4096). */
  readonly queuedMessages: number;
  /** Bytes that may wait for one stream, the kernel's buffers not counted (64 MiB). */
  readonly queuedBytes: number;
  /** Messages that may wait for the pipeline (64) and posts in flight (4). */
  readonly pipelineMessages: number;
  readonly pipelinePosts: number;
  /** Largest message accepted (512 MiB on streams, as etcd). */
  readonly messageBytes: number;
  /** Largest MsgSnap envelope accepted (64 MiB). */
  readonly snapshotMessageBytes: number;
}

export interface TransportOptions {
  readonly identity: PeerIdentity;
  readonly handler: PeerHandler;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Only `raftDropHeartbeat` is hit here, once per message received by stream. */
  readonly faults?: Faults;
  readonly metrics?: PeerMetrics;
  readonly times?: Partial<PeerTimes>;
  readonly limits?: Partial<PeerLimits>;
  /** How https peers are dialled. */
  readonly tls?: TlsContexts | undefined;
}

/** An answer to a request on the peer port that the server gives. */
export interface PeerReply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/** A request on the peer port that the server answers. */
export interface PeerRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** The Authorization header: an auth token, where there is one. */
  readonly authorization: string | undefined;
  /** The whole body; requests above the route's limit were refused with 413. */
  readonly body: Uint8Array;
}

export type PeerRoute = (request: PeerRequest) => PeerReply | Promise<PeerReply>;

/**
 * The server's own routes on the peer port. Methods and the size of the body are checked before;
 * all replies carry X-Etcd-Cluster-ID. A route left out is 404.
 */
export interface PeerRoutes {
  /** GET /members: JSON of core/membership's membersJson. */
  readonly members?: PeerRoute;
  /** POST /members/promote/<decimal id>. */
  readonly promote?: (id: MemberId, request: PeerRequest) => PeerReply | Promise<PeerReply>;
  /** GET /members/hashkv with a JSON HashKVRequest as body. */
  readonly hashKv?: PeerRoute;
  /** POST /leases: LeaseKeepAliveRequest (renewal at the leader). */
  readonly leases?: PeerRoute;
  /** POST /leases/internal: leasepb.LeaseInternalRequest (time to live at the leader). */
  readonly leasesInternal?: PeerRoute;
  /** GET /version. */
  readonly version?: PeerRoute;
  /** GET /downgrade/enabled. */
  readonly downgradeEnabled?: PeerRoute;
}
