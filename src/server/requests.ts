/**
 * Proposals on their way through Raft: their ids, their bytes and who waits for the outcome.
 * Source of the id's shape: etcd pkg/idutil (member, time, count), here 24 + 40 bits.
 */
import type { AuthInfo } from "../core/auth/index.ts";
import { EtcdError, Reader, rpcpb, sizeHalves, sizeU32, Writer } from "../proto/index.ts";

/** What an applied proposal gives to whoever waits for it. */
export type Reply<T> = (error: EtcdError | undefined, value?: T) => void;

/** A proposal that waits to be applied. */
export interface Pending {
  /** The low 40 bits of the request id; unique in this process. */
  readonly seq: number;
  /** The request as it was encoded; a leader applies it without decoding the entry again. */
  readonly request: rpcpb.InternalRaftRequest;
  readonly data: Uint8Array;
  readonly expiresMs: number;
  readonly reply: Reply<unknown>;
}

const seqBits = 40n;
const seqMask = (1n << seqBits) - 1n;
const seqLimit = 2 ** 40;
const two32 = 2 ** 32;
/** InternalRaftRequest.header and RequestHeader.ID. */
const headerTag = 100 * 8 + 2;
const headerIdTag = 8;

/**
 * The registry. A proposal of ours comes back either as the very bytes that were proposed (on a
 * leader) or as a copy that carries its id (after it went over the wire). Bounded in number and
 * bytes.
 */
export class PendingRequests {
  readonly #byData = new Map<Uint8Array, Pending>();
  readonly #bySeq = new Map<number, Pending>();
  readonly #prefix: bigint;
  /** The prefix as it stands in the high half of an id. */
  readonly #high: number;
  readonly #limit: number;
  readonly #limitBytes: number;
  #next: number;
  #bytes = 0;
  #failed = 0;
  /** Hears of each request that is given up, before whoever waits for it does. */
  onFailed: (pending: Pending) => void = () => undefined;

  /** `seed`: 64 random bits, fresh for every start, so that ids do not repeat. */
  constructor(seed: bigint, limits: { readonly count: number; readonly bytes: number }) {
    this.#prefix = (seed >> seqBits) & 0xffffffn;
    this.#high = Number(this.#prefix) * 2 ** (Number(seqBits) - 32);
    this.#next = Number(seed & 0xffffffffn);
    this.#limit = limits.count;
    this.#limitBytes = limits.bytes;
  }

  get size(): number {
    return this.#bySeq.size;
  }

  /** How many were given up since the start. */
  get failed(): number {
    return this.#failed;
  }

  get #full(): boolean {
    return this.#bySeq.size >= this.#limit || this.#bytes >= this.#limitBytes;
  }

  /**
   * Registers a request and gives it its id; undefined when too many wait already. `who` proposes
   * it; apply asks whether they may.
   */
  add(
    request: rpcpb.InternalRaftRequest,
    expiresMs: number,
    reply: Reply<unknown>,
    who?: AuthInfo,
  ): Pending | undefined {
    if (this.#full) return undefined;
    const seq = this.#nextSeq();
    request.header = headerOf(this.#idOf(seq), who);
    const data = rpcpb.encodeInternalRaftRequest(request);
    return this.#register({ seq, request, data, expiresMs, reply });
  }

  /**
   * As `add`, for a request whose own bytes came from the client: they are carried over as they
   * are. `field` is its number in InternalRaftRequest (below 16).
   */
  addEncoded(
    field: number,
    encoded: Uint8Array,
    request: rpcpb.InternalRaftRequest,
    expiresMs: number,
    reply: Reply<unknown>,
    who?: AuthInfo,
  ): Pending | undefined {
    if (this.#full) return undefined;
    const seq = this.#nextSeq();
    // The id by halves: made of bigints it would cost as much as all the rest.
    const hi = this.#high + Math.floor(seq / two32);
    const lo = seq >>> 0;
    let header: rpcpb.RequestHeader | undefined;
    let headerBytes = 1 + sizeHalves(hi, lo);
    if (who !== undefined) {
      header = headerOf(this.#idOf(seq), who);
      request.header = header;
      headerBytes = rpcpb.sizeRequestHeader(header);
    }
    const size =
      1 + sizeU32(encoded.byteLength) + encoded.byteLength + 2 + sizeU32(headerBytes) + headerBytes;
    const w = new Writer(size);
    w.u32(field * 8 + 2);
    w.blob(encoded);
    w.u32(headerTag);
    w.u32(headerBytes);
    if (header === undefined) {
      w.u32(headerIdTag);
      w.halves(hi, lo);
    } else rpcpb.writeRequestHeader(header, w);
    return this.#register({ seq, request, data: w.bytes, expiresMs, reply });
  }

  #nextSeq(): number {
    return this.#next++ % seqLimit;
  }

  #idOf(seq: number): bigint {
    return (this.#prefix << seqBits) | BigInt(seq);
  }

  #register(pending: Pending): Pending {
    this.#byData.set(pending.data, pending);
    this.#bySeq.set(pending.seq, pending);
    this.#bytes += pending.data.byteLength;
    return pending;
  }

  has(data: Uint8Array): boolean {
    return this.#byData.has(data);
  }

  /** The waiting proposal whose bytes these are, and forgets it. */
  takeByData(data: Uint8Array): Pending | undefined {
    const pending = this.#byData.get(data);
    if (pending !== undefined) this.#forget(pending);
    return pending;
  }

  /** The waiting proposal with this id (0 when the entry has none), and forgets it. */
  takeById(id: bigint): Pending | undefined {
    if (id >> seqBits !== this.#prefix) return undefined;
    const pending = this.#bySeq.get(Number(id & seqMask));
    if (pending !== undefined) this.#forget(pending);
    return pending;
  }

  /** Fails those whose time is over; they are in the order of their deadlines. */
  expire(nowMs: number, error: EtcdError): void {
    for (const pending of this.#bySeq.values()) {
      if (pending.expiresMs > nowMs) return;
      this.#fail(pending, error);
    }
  }

  failAll(error: EtcdError): void {
    for (const pending of [...this.#bySeq.values()]) this.#fail(pending, error);
  }

  #fail(pending: Pending, error: EtcdError): void {
    this.#failed++;
    this.#forget(pending);
    this.onFailed(pending);
    pending.reply(error);
  }

  #forget(pending: Pending): void {
    this.#byData.delete(pending.data);
    this.#bySeq.delete(pending.seq);
    this.#bytes -= pending.data.byteLength;
  }
}

const headerOf = (id: bigint, who: AuthInfo | undefined): rpcpb.RequestHeader => ({
  id,
  username: who?.username ?? "",
  authRevision: who?.revision ?? 0,
});

/** The request of an entry; what a client nested as deep as it may is one level deeper in the log. */
export const decodeLogged = (data: Uint8Array): rpcpb.InternalRaftRequest =>
  rpcpb.readInternalRaftRequest(new Reader(data, 1));

/** The error of a request that was not answered in time. */
export const timeoutError = (): EtcdError => new EtcdError("Timeout");
