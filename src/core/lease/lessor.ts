/**
 * Leases and their expiry (etcd's server/lease/lessor.go). Which leases exist and what hangs on them
 * is replicated state and the same everywhere; when they expire is known to the primary only.
 */
import { assert } from "../../lib/assert.ts";
import { fromLatin1 } from "../../lib/bytes.ts";
import { type LeaseId, leaseId, noLease } from "../types.ts";
import { DeadlineQueue } from "./deadline-queue.ts";
import {
  type Checkpoint,
  type Expiring,
  type Granted,
  type LeaseError,
  type LeaseRecord,
  type Lessor,
  type LessorOptions,
  maxTtlSeconds,
  type Renewed,
  type Revoked,
  type TimeToLive,
} from "./types.ts";

/** An expired lease is offered again after this long if it was not revoked meanwhile. */
const retryMs = 3000;
/** Leases that may be revoked per second; a promotion spreads a pile-up to three quarters of it. */
const revokesPerSecond = 1000;
const secondMs = 1000;
const maxInt63 = (1n << 63n) - 1n;

interface Lease {
  readonly id: LeaseId;
  /** Seconds, as granted. */
  readonly ttl: number;
  /** Seconds left at the last checkpoint; 0 when there was none since the last renewal. */
  remainingTtl: number;
  /** Infinity unless this lessor is primary. */
  expiresAtMs: number;
  /** Attached keys, latin1. */
  readonly keys: Set<string>;
}

/** A lessor without leases, not primary. */
export const createLessor = (options: LessorOptions): Lessor => new LeaseTable(options);

class LeaseTable implements Lessor {
  readonly #options: LessorOptions;
  readonly #leases = new Map<LeaseId, Lease>();
  readonly #leaseOfKey = new Map<string, LeaseId>();
  readonly #expiries = new DeadlineQueue<Lease>();
  readonly #checkpoints = new DeadlineQueue<Lease>();
  #primary = false;

  constructor(options: LessorOptions) {
    this.#options = options;
  }

  get primary(): boolean {
    return this.#primary;
  }

  get count(): number {
    return this.#leases.size;
  }

  chooseId(): LeaseId {
    for (;;) {
      const id = leaseId(this.#options.random() & maxInt63);
      if (id !== noLease && !this.#leases.has(id)) return id;
    }
  }

  grant(id: LeaseId, ttlSeconds: number, nowMs: number): Granted | LeaseError {
    if (id === noLease) return { kind: "error", code: "ErrLeaseNotFound" };
    if (ttlSeconds > maxTtlSeconds) return { kind: "error", code: "ErrLeaseTTLTooLarge" };
    if (this.#leases.has(id)) return { kind: "error", code: "ErrLeaseExist" };
    const lease = this.#add({ id, ttl: ttlSeconds, remainingTtl: 0 });
    if (this.#primary) {
      this.#refresh(lease, 0, nowMs);
      this.#scheduleCheckpoint(lease, nowMs);
    }
    return { kind: "granted", lease: recordOf(lease) };
  }

  revoke(id: LeaseId): Revoked | LeaseError {
    const lease = this.#leases.get(id);
    if (lease === undefined) return { kind: "error", code: "ErrLeaseNotFound" };
    this.#leases.delete(id);
    this.#expiries.delete(lease);
    this.#checkpoints.delete(lease);
    return { kind: "revoked", keys: [...lease.keys].sort() };
  }

  renew(id: LeaseId, nowMs: number): Renewed | Expiring | LeaseError {
    if (!this.#primary) return { kind: "error", code: "ErrNotPrimary" };
    const lease = this.#leases.get(id);
    if (lease === undefined) return { kind: "error", code: "ErrLeaseNotFound" };
    if (lease.expiresAtMs <= nowMs) return { kind: "expiring" };
    this.#expireAt(lease, nowMs + lease.ttl * secondMs);
    return { kind: "renewed", ttl: lease.ttl, clearCheckpoint: lease.remainingTtl > 0 };
  }

  timeToLive(id: LeaseId, withKeys: boolean, nowMs: number): TimeToLive {
    const lease = this.#leases.get(id);
    if (lease === undefined) return { ttl: -1, grantedTtl: 0, keys: [] };
    const left = Math.trunc((lease.expiresAtMs - nowMs) / secondMs);
    return {
      ttl: Number.isFinite(left) ? left : remaining(lease),
      grantedTtl: lease.ttl,
      keys: withKeys ? [...lease.keys].sort().map(fromLatin1) : [],
    };
  }

  leases(): LeaseId[] {
    return this.#byExpiry().map((lease) => lease.id);
  }

  records(): LeaseRecord[] {
    return [...this.#leases.values()].map(recordOf);
  }

  checkpoint(id: LeaseId, remainingTtl: number, nowMs: number): LeaseRecord | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    lease.remainingTtl = remainingTtl;
    if (this.#primary) this.#scheduleCheckpoint(lease, nowMs);
    return recordOf(lease);
  }

  dueCheckpoints(nowMs: number, limit: number): Checkpoint[] {
    const due: Checkpoint[] = [];
    while (due.length < limit) {
      const lease = this.#checkpoints.due(nowMs);
      if (lease === undefined) break;
      this.#checkpoints.delete(lease);
      if (lease.expiresAtMs <= nowMs) continue;
      const remainingTtl = Math.ceil((lease.expiresAtMs - nowMs) / secondMs);
      if (remainingTtl < lease.ttl) due.push({ id: lease.id, remainingTtl });
    }
    return due;
  }

  promote(extendMs: number, nowMs: number): void {
    this.#primary = true;
    for (const lease of this.#leases.values()) {
      this.#refresh(lease, extendMs, nowMs);
      this.#scheduleCheckpoint(lease, nowMs);
    }
    if (this.#leases.size >= revokesPerSecond) this.#spread(extendMs, nowMs);
  }

  demote(): void {
    this.#primary = false;
    for (const lease of this.#leases.values()) lease.expiresAtMs = Number.POSITIVE_INFINITY;
    this.#expiries.clear();
    this.#checkpoints.clear();
  }

  expired(nowMs: number, limit: number): LeaseId[] {
    const ids: LeaseId[] = [];
    while (ids.length < limit) {
      const lease = this.#expiries.due(nowMs);
      if (lease === undefined) break;
      this.#expiries.set(lease, nowMs + retryMs);
      if (lease.expiresAtMs <= nowMs) ids.push(lease.id);
    }
    return ids;
  }

  nextExpiryMs(): number | undefined {
    return this.#expiries.nextMs;
  }

  reset(): void {
    this.demote();
    this.#leases.clear();
    this.#leaseOfKey.clear();
  }

  restoreLease(record: LeaseRecord): void {
    this.#add(record);
  }

  attached(id: LeaseId): Iterable<string> {
    return this.#leases.get(id)?.keys ?? [];
  }

  has(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  leaseOf(key: string): LeaseId {
    return this.#leaseOfKey.size === 0 ? noLease : (this.#leaseOfKey.get(key) ?? noLease);
  }

  attach(id: LeaseId, key: string): void {
    const old = this.#leaseOfKey.get(key);
    if (old !== undefined) {
      this.#leases.get(old)?.keys.delete(key);
      this.#leaseOfKey.delete(key);
    }
    if (id === noLease) return;
    const lease = this.#leases.get(id);
    assert(lease !== undefined, "attach to a lease that does not exist");
    lease.keys.add(key);
    this.#leaseOfKey.set(key, id);
  }

  #add(record: LeaseRecord): Lease {
    const lease: Lease = {
      id: record.id,
      ttl: Math.max(record.ttl, this.#options.minTtlSeconds),
      remainingTtl: record.remainingTtl,
      expiresAtMs: Number.POSITIVE_INFINITY,
      keys: new Set(),
    };
    this.#leases.set(lease.id, lease);
    return lease;
  }

  #refresh(lease: Lease, extendMs: number, nowMs: number): void {
    this.#expireAt(lease, nowMs + extendMs + remaining(lease) * secondMs);
  }

  #expireAt(lease: Lease, atMs: number): void {
    lease.expiresAtMs = atMs;
    this.#expiries.set(lease, atMs);
  }

  #scheduleCheckpoint(lease: Lease, nowMs: number): void {
    const interval = this.#options.checkpointIntervalSeconds ?? 0;
    if (interval === 0 || remaining(lease) <= interval) return;
    this.#checkpoints.set(lease, nowMs + interval * secondMs);
  }

  #byExpiry(): Lease[] {
    return [...this.#leases.values()].sort((a, b) => {
      if (a.expiresAtMs !== b.expiresAtMs) return a.expiresAtMs - b.expiresAtMs;
      return a.id < b.id ? -1 : 1;
    });
  }

  /**
   * After a promotion many leases may expire in the same second. Moves those beyond what can be
   * revoked in it to later seconds, the later the more there are.
   */
  #spread(extendMs: number, nowMs: number): void {
    const perSecond = (3 * revokesPerSecond) / 4;
    let windowStart = Number.NEGATIVE_INFINITY;
    let windowEnd = Number.NEGATIVE_INFINITY;
    let expires = 0;
    for (const lease of this.#byExpiry()) {
      const left = lease.expiresAtMs - nowMs;
      if (left > windowEnd) {
        windowStart = left;
        windowEnd = left + secondMs;
        expires = 1;
        continue;
      }
      expires++;
      if (expires <= perSecond) continue;
      const delay = secondMs * (expires / perSecond) - (left - windowStart);
      windowEnd = windowStart + delay;
      this.#refresh(lease, delay + extendMs, nowMs);
      this.#scheduleCheckpoint(lease, nowMs);
    }
  }
}

/** Seconds a refreshed lease lives: what the last checkpoint left, else all. */
const remaining = (lease: Lease): number =>
  lease.remainingTtl > 0 ? lease.remainingTtl : lease.ttl;

const recordOf = (lease: Lease): LeaseRecord => ({
  id: lease.id,
  ttl: lease.ttl,
  remainingTtl: lease.remainingTtl,
});
