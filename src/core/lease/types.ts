/** The records of the lessor. Times are milliseconds of a monotonic clock that the caller passes. */
import type { LeaseId } from "../types.ts";

/** Longest TTL a client may ask for, in seconds (etcd's MaxLeaseTTL). */
export const maxTtlSeconds = 9_000_000_000;

/** leasepb.Lease: what is persisted per lease. */
export interface LeaseRecord {
  readonly id: LeaseId;
  readonly ttl: number;
  readonly remainingTtl: number;
}

export type LeaseErrorCode =
  | "ErrLeaseNotFound"
  | "ErrLeaseExist"
  | "ErrLeaseTTLTooLarge"
  | "ErrNotPrimary";

export interface LeaseError {
  readonly kind: "error";
  readonly code: LeaseErrorCode;
}

export interface Granted {
  readonly kind: "granted";
  /** To persist in the lease rows and to answer with. */
  readonly lease: LeaseRecord;
}

export interface Revoked {
  readonly kind: "revoked";
  /** Attached keys as latin1 strings, sorted: delete them in one revision (KvStore.deleteKeys). */
  readonly keys: readonly string[];
}

export interface Renewed {
  readonly kind: "renewed";
  readonly ttl: number;
  /** True when a remaining TTL was checkpointed: propose a checkpoint of 0 so that it is forgotten. */
  readonly clearCheckpoint: boolean;
}

/** The lease has expired and waits for its revoke; ask again after the revoke was applied. */
export interface Expiring {
  readonly kind: "expiring";
}

export interface TimeToLive {
  /** Seconds left; -1 when there is no such lease. */
  readonly ttl: number;
  readonly grantedTtl: number;
  /** Attached keys, sorted; empty unless asked for. */
  readonly keys: readonly Uint8Array[];
}

export interface Checkpoint {
  readonly id: LeaseId;
  readonly remainingTtl: number;
}

export interface LessorOptions {
  /** ceil(1.5 x election timeout) in etcd; shorter requests are raised to it. */
  readonly minTtlSeconds: number;
  /** Uniform 64 random bits; used only to choose an id. */
  readonly random: () => bigint;
  /** How often the remaining TTL of long leases is checkpointed; 0 never (etcd: 300). */
  readonly checkpointIntervalSeconds?: number;
}

/**
 * The leases of one member. Pure: the time is passed in. Only the primary (the leader's) counts
 * time; elsewhere leases never expire. Has the shape of core/mvcc's LeaseTable.
 */
export interface Lessor {
  readonly primary: boolean;
  readonly count: number;

  /** A free positive id for a grant that asks the server to choose; call before proposing. */
  chooseId(): LeaseId;
  /** Errors: ErrLeaseNotFound (id 0), ErrLeaseTTLTooLarge, ErrLeaseExist. */
  grant(id: LeaseId, ttlSeconds: number, nowMs: number): Granted | LeaseError;
  /**
   * Forgets the lease and returns its keys, still attached in the table until they are deleted.
   * Errors: ErrLeaseNotFound.
   */
  revoke(id: LeaseId): Revoked | LeaseError;
  /** Errors: ErrNotPrimary, ErrLeaseNotFound. */
  renew(id: LeaseId, nowMs: number): Renewed | Expiring | LeaseError;
  timeToLive(id: LeaseId, withKeys: boolean, nowMs: number): TimeToLive;
  /** All ids, soonest to expire first. */
  leases(): LeaseId[];
  /** Every lease as persisted, for a snapshot. */
  records(): LeaseRecord[];
  /** Applies a LeaseCheckpointRequest's entry; returns the record to persist, if the lease exists. */
  checkpoint(id: LeaseId, remainingTtl: number, nowMs: number): LeaseRecord | undefined;
  /** Checkpoints that are due, at most `limit`, for the primary to propose. */
  dueCheckpoints(nowMs: number, limit: number): Checkpoint[];

  /** Becomes primary: every lease lives its full (or checkpointed) TTL plus `extendMs` from now. */
  promote(extendMs: number, nowMs: number): void;
  /** Stops counting time. */
  demote(): void;
  /** Leases past their time, at most `limit`; each is offered again later until it is revoked. */
  expired(nowMs: number, limit: number): LeaseId[];
  /** When `expired` may next have something; undefined if never. */
  nextExpiryMs(): number | undefined;

  /** Forgets everything, before a restore. */
  reset(): void;
  /** One persisted lease, at a restore, before the keys. */
  restoreLease(record: LeaseRecord): void;

  has(id: LeaseId): boolean;
  /** Attached keys as latin1 strings; none when there is no such lease. */
  attached(id: LeaseId): Iterable<string>;
  leaseOf(key: string): LeaseId;
  attach(id: LeaseId, key: string): void;
}
