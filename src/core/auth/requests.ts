/**
 * May a request be applied? Asked again when its entry is, since permissions may have changed on the
 * way. Source: etcd server/etcdserver/apply/auth.go.
 */
import { emptyBytes, fromLatin1 } from "../../lib/bytes.ts";
import type { LeaseId } from "../types.ts";
import type { AuthStore } from "./store.ts";
import type { AuthInfo, AuthResult } from "./types.ts";

/** What is looked at in requests for keys; etcdserverpb's names. */
interface KeyRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}
interface PutRequest {
  readonly key: Uint8Array;
  readonly lease: LeaseId;
  readonly prevKv: boolean;
}
interface DeleteRequest extends KeyRequest {
  readonly prevKv: boolean;
}
interface RequestOp {
  readonly requestRange: KeyRequest | undefined;
  readonly requestPut: PutRequest | undefined;
  readonly requestDeleteRange: DeleteRequest | undefined;
  readonly requestTxn: TxnRequest | undefined;
}
interface TxnRequest {
  readonly compare: readonly KeyRequest[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

/** Which keys hang on a lease, as latin1; nothing for a lease that is not there. */
export interface LeaseKeys {
  attached(id: LeaseId): Iterable<string>;
}

/** The checks that need both: users and leases. */
export class RequestChecks {
  readonly #store: AuthStore;
  readonly #leases: LeaseKeys;

  constructor(store: AuthStore, leases: LeaseKeys) {
    this.#store = store;
    this.#leases = leases;
  }

  /** Whoever attaches a key to a lease may have to write the others on it: revoking deletes them. */
  put(who: AuthInfo, r: PutRequest): AuthResult {
    return (
      this.#store.checkWrite(who, r.key, emptyBytes) ??
      this.leaseRevoke(who, r.lease) ??
      (r.prevKv ? this.#store.checkRead(who, r.key, emptyBytes) : undefined)
    );
  }

  deleteRange(who: AuthInfo, r: DeleteRequest): AuthResult {
    const refused = this.#store.checkWrite(who, r.key, r.rangeEnd);
    if (refused !== undefined || !r.prevKv) return refused;
    return this.#store.checkRead(who, r.key, r.rangeEnd);
  }

  /** Both branches, whichever is taken, with all that is nested in them. */
  txn(who: AuthInfo, r: TxnRequest): AuthResult {
    for (const c of r.compare) {
      const refused = this.#store.checkRead(who, c.key, c.rangeEnd);
      if (refused !== undefined) return refused;
    }
    return this.#operations(who, r.success) ?? this.#operations(who, r.failure);
  }

  /** Needs to write every key of the lease; root may always. */
  leaseRevoke(who: AuthInfo, id: LeaseId): AuthResult {
    return this.#leaseKeys(who, id, "checkWrite");
  }

  /** As for a revoke: a lease kept alive keeps its keys. */
  leaseRenew(who: AuthInfo, id: LeaseId): AuthResult {
    return this.leaseRevoke(who, id);
  }

  /** Needs to read the keys that are told. */
  leaseRead(who: AuthInfo, id: LeaseId): AuthResult {
    return this.#leaseKeys(who, id, "checkRead");
  }

  #leaseKeys(who: AuthInfo, id: LeaseId, check: "checkRead" | "checkWrite"): AuthResult {
    if (this.#store.checkAdmin(who) === undefined) return undefined;
    for (const key of this.#leases.attached(id)) {
      const refused = this.#store[check](who, fromLatin1(key), emptyBytes);
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  #operations(who: AuthInfo, ops: readonly RequestOp[]): AuthResult {
    for (const op of ops) {
      const refused = this.#operation(who, op);
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  #operation(who: AuthInfo, op: RequestOp): AuthResult {
    const { requestRange: range, requestPut, requestDeleteRange: del, requestTxn } = op;
    if (range !== undefined) return this.#store.checkRead(who, range.key, range.rangeEnd);
    if (requestPut !== undefined) return this.put(who, requestPut);
    if (requestTxn !== undefined) return this.txn(who, requestTxn);
    if (del === undefined) return undefined;
    // Within a txn etcd asks for reading first.
    const refused = del.prevKv ? this.#store.checkRead(who, del.key, del.rangeEnd) : undefined;
    return refused ?? this.#store.checkWrite(who, del.key, del.rangeEnd);
  }
}
