/**
 * What the key space must be after each entry of the log: a slow, plain second implementation, the
 * witness that every answer is checked against.
 */
import { toLatin1 } from "../../../src/lib/bytes.ts";
import type { rpcpb } from "../../../src/proto/index.ts";

/** Keys and values are latin1 strings. */
export interface KeyState {
  readonly key: string;
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly lease: bigint;
}

export interface Change {
  readonly key: string;
  /** Undefined: deleted. */
  readonly now: KeyState | undefined;
  readonly before: KeyState | undefined;
}

export type Expected =
  | { readonly kind: "error"; readonly code: string }
  | { readonly kind: "put"; readonly revision: number; readonly prev: KeyState | undefined }
  | { readonly kind: "deleteRange"; readonly revision: number; readonly prevs: KeyState[] }
  | { readonly kind: "range"; readonly kvs: KeyState[] }
  | {
      readonly kind: "txn";
      readonly revision: number;
      readonly succeeded: boolean;
      readonly responses: Expected[];
    }
  | { readonly kind: "other"; readonly revision: number };

interface Lease {
  readonly ttl: number;
  readonly keys: Set<string>;
}

export class Model {
  revision = 1;
  compactRevision = -1;
  /** Changes by revision, in order within it. */
  readonly changes: Change[][] = [];
  readonly leases = new Map<bigint, Lease>();
  readonly #leaseOf = new Map<string, bigint>();
  /** All states of a key, oldest first. */
  readonly #states = new Map<string, { revision: number; state: KeyState | undefined }[]>();
  /** Changes of the entry that is being applied. */
  #open: Change[] = [];

  /** Applies one entry's request and tells what a member must answer. */
  apply(r: rpcpb.InternalRaftRequest): Expected {
    this.#open = [];
    const expected = this.#run(r);
    if (this.#open.length > 0) {
      this.revision++;
      this.changes[this.revision] = this.#open;
    }
    return expected;
  }

  /** The key as of the end of a revision. */
  at(key: string, revision: number): KeyState | undefined {
    const states = this.#states.get(key) ?? [];
    for (let i = states.length - 1; i >= 0; i--) {
      const s = states[i];
      if (s !== undefined && s.revision <= revision) return s.state;
    }
    return undefined;
  }

  /** Keys in [start, end) as of the end of a revision, in order. */
  range(start: string, end: string, revision: number): KeyState[] {
    const found: KeyState[] = [];
    for (const key of [...this.#states.keys()].sort()) {
      const state = key >= start && key < end ? this.at(key, revision) : undefined;
      if (state !== undefined) found.push(state);
    }
    return found;
  }

  /** Changes of keys in [start, end) in revisions [from, to], each with its revision. */
  events(start: string, end: string, from: number, to: number): (Change & { revision: number })[] {
    const found: (Change & { revision: number })[] = [];
    for (let revision = from; revision <= Math.min(to, this.revision); revision++) {
      for (const c of this.changes[revision] ?? []) {
        if (c.key >= start && c.key < end) found.push({ ...c, revision });
      }
    }
    return found;
  }

  #run(r: rpcpb.InternalRaftRequest): Expected {
    if (r.put !== undefined) return this.#putError(r.put) ?? this.#put(r.put);
    if (r.deleteRange !== undefined) return this.#delete(r.deleteRange);
    if (r.txn !== undefined) return this.#txn(r.txn);
    if (r.compaction !== undefined) return this.#compact(r.compaction.revision);
    if (r.leaseGrant !== undefined) {
      const { id, ttl } = r.leaseGrant;
      if (this.leases.has(id)) return error("LeaseExist");
      this.leases.set(id, { ttl, keys: new Set() });
    } else if (r.leaseRevoke !== undefined) {
      const lease = this.leases.get(r.leaseRevoke.id);
      if (lease === undefined) return error("LeaseNotFound");
      this.leases.delete(r.leaseRevoke.id);
      for (const key of [...lease.keys].sort()) this.#set(key, undefined);
    }
    return { kind: "other", revision: this.#after };
  }

  /** The revision that answers of this entry carry. */
  get #after(): number {
    return this.revision + (this.#open.length > 0 ? 1 : 0);
  }

  #now(key: string): KeyState | undefined {
    return this.#states.get(key)?.at(-1)?.state;
  }

  #set(key: string, now: KeyState | undefined): void {
    const before = this.#now(key);
    const old = this.#leaseOf.get(key);
    if (old !== undefined) this.leases.get(old)?.keys.delete(key);
    this.#leaseOf.delete(key);
    if (now !== undefined && now.lease !== 0n) {
      this.#leaseOf.set(key, now.lease);
      this.leases.get(now.lease)?.keys.add(key);
    }
    let states = this.#states.get(key);
    if (states === undefined) {
      states = [];
      this.#states.set(key, states);
    }
    states.push({ revision: this.revision + 1, state: now });
    this.#open.push({ key, now, before });
  }

  #putError(r: rpcpb.PutRequest): Expected | undefined {
    return r.lease !== 0n && !this.leases.has(r.lease) ? error("LeaseNotFound") : undefined;
  }

  #put(r: rpcpb.PutRequest): Expected {
    const key = toLatin1(r.key);
    const prev = this.#now(key);
    const mod = this.revision + 1;
    this.#set(key, {
      key,
      value: toLatin1(r.value),
      create: prev?.create ?? mod,
      mod,
      version: (prev?.version ?? 0) + 1,
      lease: r.lease,
    });
    return { kind: "put", revision: mod, prev: r.prevKv ? prev : undefined };
  }

  #inRange(key: Uint8Array, rangeEnd: Uint8Array): KeyState[] {
    const [start, end] = bounds(key, rangeEnd);
    return this.range(start, end, Number.MAX_SAFE_INTEGER);
  }

  #delete(r: rpcpb.DeleteRangeRequest): Expected {
    const prevs = this.#inRange(r.key, r.rangeEnd);
    for (const { key } of prevs) this.#set(key, undefined);
    return { kind: "deleteRange", revision: this.#after, prevs };
  }

  /** Compares of value and mod revision for equality only: the workload has no others. */
  #txn(r: rpcpb.TxnRequest): Expected {
    const succeeded = r.compare.every((c) => {
      const state = this.#now(toLatin1(c.key));
      if (c.value !== undefined) return state !== undefined && state.value === toLatin1(c.value);
      return (state?.mod ?? 0) === (c.modRevision ?? 0);
    });
    const ops = succeeded ? r.success : r.failure;
    for (const op of ops) {
      const refused = op.requestPut === undefined ? undefined : this.#putError(op.requestPut);
      if (refused !== undefined) return refused;
    }
    const responses = ops.map((op): Expected => {
      if (op.requestPut !== undefined) return this.#put(op.requestPut);
      if (op.requestDeleteRange !== undefined) return this.#delete(op.requestDeleteRange);
      if (op.requestRange === undefined) throw new Error("an operation the model does not know");
      const { key, rangeEnd } = op.requestRange;
      return { kind: "range", kvs: this.#inRange(key, rangeEnd) };
    });
    return { kind: "txn", revision: this.#after, succeeded, responses };
  }

  #compact(at: number): Expected {
    if (at <= this.compactRevision) return error("Compacted");
    if (at > this.revision) return error("FutureRev");
    this.compactRevision = at;
    return { kind: "other", revision: this.revision };
  }
}

const error = (code: string): Expected => ({ kind: "error", code });

/** A request's range as latin1 strings [start, end). */
export function bounds(key: Uint8Array, rangeEnd: Uint8Array): [string, string] {
  const start = toLatin1(key);
  return [start, rangeEnd.length === 0 ? `${start}\0` : toLatin1(rangeEnd)];
}
