/**
 * The vocabulary every room shares: counters and identifiers as brands.
 *
 * Counters are plain numbers (2^53 lasts 285 years at one million a second); the edge clamps what
 * clients send beyond that. Identifiers are opaque 64-bit values: compared and printed, never
 * computed with.
 */

declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Raft term; starts at 0, only grows. */
export type Term = Brand<number, "Term">;
/** Raft log index; the first entry has index 1. */
export type Index = Brand<number, "Index">;
/** Main revision of the key space; an empty store is at revision 1. */
export type Revision = Brand<number, "Revision">;
/** Version of one key since its last creation; 0 means deleted. */
export type Version = Brand<number, "Version">;

/** Member id: unsigned 64-bit; 0 means none. */
export type MemberId = Brand<bigint, "MemberId">;
/** Cluster id: unsigned 64-bit. */
export type ClusterId = Brand<bigint, "ClusterId">;
/** Lease id: signed 64-bit; 0 means no lease. */
export type LeaseId = Brand<bigint, "LeaseId">;
/** Watch id: signed 64-bit on the wire, small in practice; unique per watch stream. */
export type WatchId = Brand<number, "WatchId">;

export const term = (n: number): Term => counter(n) as Term;
export const index = (n: number): Index => counter(n) as Index;
export const revision = (n: number): Revision => counter(n) as Revision;
export const version = (n: number): Version => counter(n) as Version;
export const watchId = (n: number): WatchId => n as WatchId;
export const memberId = (n: bigint): MemberId => BigInt.asUintN(64, n) as MemberId;
export const clusterId = (n: bigint): ClusterId => BigInt.asUintN(64, n) as ClusterId;
export const leaseId = (n: bigint): LeaseId => BigInt.asIntN(64, n) as LeaseId;

export const noMember = 0n as MemberId;
export const noLease = 0n as LeaseId;

/** Lower-case hexadecimal without leading zeros, as etcd prints ids. */
export const hexId = (id: bigint): string => BigInt.asUintN(64, id).toString(16);

function counter(n: number): number {
  if (!Number.isSafeInteger(n)) throw new RangeError(`counter ${n} is not a safe integer`);
  return n;
}
