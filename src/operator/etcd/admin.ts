/** What the operator asks of a running cluster; every call names the member that shall answer. */

export interface EtcdMember {
  /** Hexadecimal. */
  readonly id: string;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly learner: boolean;
}

export interface EtcdMemberList {
  /** Hexadecimal. */
  readonly clusterId: string;
  readonly members: readonly EtcdMember[];
}

/** Where a member's durable log ends; only Quoin tells. */
export interface LogPosition {
  readonly lastLogTerm: number;
  readonly lastLogIndex: number;
  readonly revision: number;
}

export interface EtcdStatus {
  readonly clusterId: string;
  readonly memberId: string;
  /** Absent without a leader. */
  readonly leader?: string;
  readonly learner: boolean;
  /** The etcd version it reports; Quoin's own where the member tells it. */
  readonly version: string;
  readonly raftTerm: number;
  readonly raftIndex: number;
  /** The key-value store's. */
  readonly revision?: number;
  readonly dbSizeBytes: number;
  readonly errors: readonly string[];
  readonly log?: LogPosition;
}

/**
 * "notYet" is normal and asks for patience: a learner still catches up, or the members have not
 * been connected for five seconds since the last change (etcd's strict reconfiguration check).
 */
export type ChangeResult = "done" | "notYet";

/** How a member is dialled with TLS; PEM. It has to show `serverName`, whatever address was dialled. */
export interface MemberTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly serverName: string;
}

/** All calls reject when the member does not answer or refuses. Ids are hexadecimal. */
export interface EtcdAdmin {
  /** How this endpoint is dialled from now on; undefined: without TLS. To be said before it is asked. */
  secure(endpoint: string, tls: MemberTls | undefined): void;
  status(endpoint: string, signal: AbortSignal): Promise<EtcdStatus>;
  /** Linearizable: an answer proves a quorum. */
  memberList(endpoint: string, signal: AbortSignal): Promise<EtcdMemberList>;
  /** A member with this peer URL already there is success. */
  memberAddLearner(endpoint: string, peerUrl: string, signal: AbortSignal): Promise<ChangeResult>;
  memberPromote(endpoint: string, id: string, signal: AbortSignal): Promise<ChangeResult>;
  /** A member that is gone is success. */
  memberRemove(endpoint: string, id: string, signal: AbortSignal): Promise<ChangeResult>;
  /** `endpoint` is the leader's. */
  moveLeader(endpoint: string, id: string, signal: AbortSignal): Promise<void>;
  /** Hash over the keyspace's history up to `revision`; members that hold the same agree. */
  hashKV(endpoint: string, revision: number, signal: AbortSignal): Promise<number>;
  /** Closes connections nobody used lately. */
  tidy(): void;
  close(): void;
}
