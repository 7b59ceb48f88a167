/** Responses of watches and renewals, encoded by hand around a header that is encoded once. */
import type { WatchRecord } from "../../core/mvcc/index.ts";
import { type LeaseId, noLease } from "../../core/types.ts";
import { rpcpb, sizeCounter, sizeId, sizeU32, Writer } from "../../proto/index.ts";

/** Field 1 of every response. */
const headerTag = 0x0a;
/** LeaseKeepAliveResponse: ID and TTL. */
const idTag = 0x10;
const ttlTag = 0x18;
/** WatchResponse: watch_id and events. */
const watchIdTag = 0x10;
const eventTag = 0x5a;

/**
 * Responses that go out in large numbers under one header. Ids have 64 bits, which makes a header
 * dearer than the rest of a short response: the last one is kept as bytes.
 */
export class BulkResponses {
  #revision = -1;
  #term = -1;
  #field: Uint8Array = new Uint8Array(0);

  /** A WatchResponse that holds events and says nothing else, as `rpcpb` encodes it. */
  watchEvents(header: rpcpb.ResponseHeader, record: WatchRecord): Uint8Array {
    const { watchId, events } = record;
    const field = this.#fieldOf(header);
    let size = field.length + (watchId === 0 ? 0 : 1 + sizeCounter(watchId));
    for (const event of events) size += 1 + sizeU32(event.length) + event.length;
    const w = new Writer(size);
    put(w, field);
    if (watchId !== 0) {
      w.u32(watchIdTag);
      w.counter(watchId);
    }
    for (const event of events) {
      w.u32(eventTag);
      w.blob(event);
    }
    return w.bytes;
  }

  /** A LeaseKeepAliveResponse, as `rpcpb` encodes it. */
  keepAlive(header: rpcpb.ResponseHeader, id: LeaseId, ttl: number): Uint8Array {
    const field = this.#fieldOf(header);
    const idSize = id === noLease ? 0 : 1 + sizeId(id);
    const w = new Writer(field.length + idSize + (ttl === 0 ? 0 : 1 + sizeCounter(ttl)));
    put(w, field);
    if (id !== noLease) {
      w.u32(idTag);
      w.id(id);
    }
    if (ttl !== 0) {
      w.u32(ttlTag);
      w.counter(ttl);
    }
    return w.bytes;
  }

  /** Cluster and member are the same at every call. */
  #fieldOf(header: rpcpb.ResponseHeader): Uint8Array {
    const { revision, raftTerm } = header;
    if (this.#revision === revision && this.#term === raftTerm) return this.#field;
    const body = rpcpb.encodeResponseHeader(header);
    // A header is shorter than 128 bytes: two ids and two counters.
    this.#field = Buffer.concat([Uint8Array.of(headerTag, body.length), body]);
    this.#revision = revision;
    this.#term = raftTerm;
    return this.#field;
  }
}

/** Byte by byte: for so few that is quicker than a call into the engine. */
function put(w: Writer, bytes: Uint8Array): void {
  const { bytes: out, pos } = w;
  for (let i = 0; i < bytes.length; i++) out[pos + i] = bytes[i]!;
  w.pos = pos + bytes.length;
}
