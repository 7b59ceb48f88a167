// The seeded generator: mostly sensible operations on a small key space, and every way to be wrong.

import type { LeaseId, MemberId, Revision, Version, WatchId } from "../../src/core/types.ts";
import type { Random } from "../../src/ports/index.ts";
import { rpcpb } from "../../src/proto/index.ts";
import type { Operation } from "./operations.ts";

/** What the oracle's answers have told so far: makes revisions and leases plausible. */
export interface World {
  revision: number;
  compactRevision: number;
  /** Every revision that was ever compacted at. */
  compactions: Set<number>;
  /** Granted and not revoked. */
  leases: bigint[];
  /** Every lease id ever used, so that TTLs differ and lists have one order. */
  leasesGranted: number;
  streams: number[];
  streamsOpened: number;
}

export const newWorld = (): World => ({
  revision: 1,
  compactRevision: -1,
  compactions: new Set(),
  leases: [],
  leasesGranted: 0,
  streams: [],
  streamsOpened: 0,
});

const maxStreams = 8;
const maxTxnOps = 128;
const maxRequestBytes = 1.5 * 1024 * 1024;
const zero = Buffer.from([0]);
const keys: readonly Uint8Array[] = [
  ...["a", "aa", "ab", "b", "b/1", "b/2", "b/3", "c", "k0", "k1", "k2", "k3", "k4", "k5"].map((k) =>
    Buffer.from(k),
  ),
  ...["\0", "\0\0", "a\0", "a\xff", "\xff", "\xff\xff", "\x80", "z"].map((k) =>
    Buffer.from(k, "latin1"),
  ),
];

export class Generator {
  readonly #random: Random;
  readonly #world: World;

  /**
   * Whether the txn under construction deletes or has puts with ignore_value and ignore_lease. Not
   * both: a put of that kind behind the delete of its key makes etcd 3.7.3 panic in apply.
   */
  #txnDeletes = false;

  constructor(random: Random, world: World) {
    this.#random = random;
    this.#world = world;
  }

  next(): Operation {
    return this.#weighted<() => Operation>([
      [300, () => ({ op: "put", request: this.put() })],
      [230, () => ({ op: "range", request: this.range() })],
      [110, () => ({ op: "deleteRange", request: this.deleteRange() })],
      [170, () => ({ op: "txn", request: this.#topTxn() })],
      [14, () => this.#compact()],
      [75, () => this.#lease()],
      [22, () => this.#watch()],
      [12, () => this.#watchCancel()],
      [10, () => ({ op: "watchSync" })],
      [14, () => ({ op: "hashKv", request: { revision: this.#hashRevision() } })],
      [12, () => this.#member()],
      [6, () => this.#maintenance()],
      [2, () => this.#tooLarge()],
    ])();
  }

  put(mayIgnore = true): rpcpb.PutRequest {
    const request = rpcpb.newPutRequest({ key: this.#key(), prevKv: this.#chance(30) });
    if (mayIgnore && this.#chance(8)) request.ignoreValue = true;
    if (mayIgnore && this.#chance(8)) request.ignoreLease = true;
    if (!request.ignoreValue || this.#chance(10)) request.value = this.#value();
    if ((!request.ignoreLease && this.#chance(25)) || this.#chance(2))
      request.lease = this.#leaseId();
    return request;
  }

  range(): rpcpb.RangeRequest {
    const request = rpcpb.newRangeRequest({ ...this.#span(), serializable: this.#chance(30) });
    if (this.#chance(40)) request.revision = this.#revision();
    if (this.#chance(40)) request.limit = this.#chance(3) ? -1 : this.#below(6);
    if (this.#chance(40)) request.sortOrder = this.#below(3) as rpcpb.SortOrder;
    if (this.#chance(35)) request.sortTarget = this.#below(5) as rpcpb.SortTarget;
    if (this.#chance(2)) request.sortOrder = 7 as rpcpb.SortOrder;
    if (this.#chance(2)) request.sortTarget = 9 as rpcpb.SortTarget;
    if (this.#chance(15)) request.keysOnly = true;
    if (this.#chance(12)) request.countOnly = true;
    if (this.#chance(8)) request.minModRevision = this.#revision();
    if (this.#chance(8)) request.maxModRevision = this.#revision();
    if (this.#chance(8)) request.minCreateRevision = this.#revision();
    if (this.#chance(8)) request.maxCreateRevision = this.#revision();
    return request;
  }

  deleteRange(): rpcpb.DeleteRangeRequest {
    // Wide deletes are rare, else the store is always empty.
    const span = this.#chance(8) ? this.#span() : { key: this.#key(), rangeEnd: this.#narrowEnd() };
    return rpcpb.newDeleteRangeRequest({ ...span, prevKv: this.#chance(35) });
  }

  #topTxn(): rpcpb.TxnRequest {
    this.#txnDeletes = this.#chance(60);
    return this.txn(2);
  }

  txn(depth: number): rpcpb.TxnRequest {
    const list = <T>(max: number, make: () => T): T[] =>
      Array.from({ length: this.#below(max + 1) }, make);
    const request = rpcpb.newTxnRequest({
      compare: list(3, () => this.#compare()),
      success: list(4, () => this.#requestOp(depth)),
      failure: list(3, () => this.#requestOp(depth)),
    });
    if (this.#chance(1)) {
      const n = maxTxnOps - 1 + this.#below(3);
      request.success = Array.from({ length: n }, () =>
        rpcpb.newRequestOp({ requestRange: rpcpb.newRangeRequest({ key: this.#key() }) }),
      );
    }
    if (this.#chance(1)) {
      const n = maxTxnOps - 1 + this.#below(3);
      request.compare = Array.from({ length: n }, () => this.#compare());
    }
    return request;
  }

  #requestOp(depth: number): rpcpb.RequestOp {
    const make = this.#weighted<() => Partial<rpcpb.RequestOp>>([
      [45, () => ({ requestPut: this.put(!this.#txnDeletes) })],
      [30, () => ({ requestRange: this.range() })],
      [this.#txnDeletes ? 20 : 0, () => ({ requestDeleteRange: this.deleteRange() })],
      [depth > 0 ? 14 : 0, () => ({ requestTxn: this.txn(depth - 1) })],
    ]);
    return rpcpb.newRequestOp(make());
  }

  #compare(): rpcpb.Compare {
    const target = this.#below(5) as rpcpb.CompareTarget;
    const compare = rpcpb.newCompare({
      key: this.#key(),
      result: (this.#chance(1) ? 8 : this.#below(4)) as rpcpb.CompareResult,
      target,
    });
    if (this.#chance(15)) compare.rangeEnd = this.#chance(50) ? zero : this.#key();
    // Now and then the value of another target, or none: it then compares with zero.
    const given = this.#chance(4) ? this.#below(6) : target;
    if (given === 0) compare.version = this.#below(4) as Version;
    if (given === 1) compare.createRevision = this.#revision();
    if (given === 2) compare.modRevision = this.#revision();
    if (given === 3) compare.value = this.#value();
    if (given === 4) compare.lease = this.#leaseId();
    return compare;
  }

  #compact(): Operation {
    const { revision, compactRevision } = this.#world;
    const to = this.#weighted<() => number>([
      // Mostly a step forward that leaves some history.
      [
        70,
        () =>
          Math.max(compactRevision, 0) +
          1 +
          this.#below(Math.max(1, revision - Math.max(compactRevision, 0))),
      ],
      [10, () => compactRevision],
      [10, () => revision],
      [5, () => revision + 1 + this.#below(3)],
      [5, () => this.#below(3) - 1],
    ])();
    return {
      op: "compact",
      request: { revision: to as Revision, physical: true },
    };
  }

  #lease(): Operation {
    const id = this.#leaseId();
    return this.#weighted<() => Operation>([
      [30, () => this.#grant()],
      [10, () => ({ op: "leaseRevoke", request: { id } })],
      [10, () => ({ op: "leaseKeepAlive", request: { id } })],
      [15, () => ({ op: "leaseTimeToLive", request: { id, keys: this.#chance(70) } })],
      [10, () => ({ op: "leaseLeases" })],
    ])();
  }

  #grant(): Operation {
    const n = ++this.#world.leasesGranted;
    // A hundred seconds apart: renewals do not change the order of the list within a run.
    let ttl = 1000 + n * 100;
    let id = BigInt(n * 7919) as LeaseId;
    if (this.#chance(10)) id = -id as LeaseId;
    if (this.#chance(10)) id = this.#leaseId();
    if (this.#chance(4)) ttl = 9_000_000_001;
    return { op: "leaseGrant", request: { id: id === 0n ? (1n as LeaseId) : id, ttl } };
  }

  #watch(): Operation {
    if (this.#world.streams.length >= maxStreams) {
      return { op: "watchEnd", stream: this.#pick(this.#world.streams)! };
    }
    const stream = ++this.#world.streamsOpened;
    const count = this.#chance(25) ? 1 + this.#below(3) : 1;
    const requests = Array.from({ length: count }, () => this.#watchCreate());
    // etcd never reports progress on a stream of which one watch was lost to compaction.
    const readable = Math.max(this.#world.compactRevision, 0);
    for (const request of count > 1 ? requests : []) {
      if (request.startRevision < readable) request.startRevision = 0 as Revision;
    }
    return { op: "watch", stream, requests };
  }

  #watchCreate(): rpcpb.WatchCreateRequest {
    const request = rpcpb.newWatchCreateRequest({
      ...this.#span(),
      prevKv: this.#chance(40),
      fragment: this.#chance(15),
    });
    if (this.#chance(50)) {
      const revision = this.#revision();
      // Watches of the future are left out: they block progress of their stream.
      request.startRevision = (revision > this.#world.revision ? 0 : revision) as Revision;
    }
    if (this.#chance(2)) request.startRevision = -1 as Revision;
    if (this.#chance(15)) request.filters = [this.#below(2) as rpcpb.FilterType];
    if (this.#chance(3)) request.filters = [0, 1];
    if (this.#chance(10)) request.watchId = this.#below(3) as WatchId;
    return request;
  }

  #watchCancel(): Operation {
    const stream = this.#pick(this.#world.streams);
    if (stream === undefined) return { op: "watchSync" };
    return { op: "watchCancel", stream, watchId: this.#chance(20) ? 77 : this.#below(2) };
  }

  #member(): Operation {
    const id = this.#random.bits64() as MemberId;
    return this.#weighted<() => Operation>([
      [10, () => ({ op: "memberList", request: { linearizable: this.#chance(70) } })],
      [2, () => ({ op: "memberRemove", request: { id } })],
      [2, () => ({ op: "memberPromote", request: { id } })],
      [2, () => ({ op: "memberUpdate", request: { id, peerURLs: ["http://127.0.0.1:1"] } })],
      [2, () => ({ op: "moveLeader", request: { targetId: id } })],
      [1, () => ({ op: "memberAdd", request: { peerURLs: ["not a url"], isLearner: true } })],
      [1, () => ({ op: "memberAdd", request: { peerURLs: [], isLearner: true } })],
    ])();
  }

  #maintenance(): Operation {
    return this.#weighted<() => Operation>([
      [3, () => ({ op: "status" })],
      [1, () => ({ op: "defragment" })],
      [2, () => ({ op: "alarm", request: { action: 0, memberId: 0n as MemberId, alarm: 0 } })],
    ])();
  }

  #tooLarge(): Operation {
    const size = maxRequestBytes + this.#below(64 * 1024) - 100;
    return {
      op: "put",
      request: rpcpb.newPutRequest({ key: this.#key(), value: Buffer.alloc(size, "x") }),
    };
  }

  #span(): { key: Uint8Array; rangeEnd: Uint8Array } {
    const key = this.#key();
    return this.#weighted<() => { key: Uint8Array; rangeEnd: Uint8Array }>([
      [35, () => ({ key, rangeEnd: this.#narrowEnd() })],
      [15, () => ({ key, rangeEnd: zero })],
      [10, () => ({ key: zero, rangeEnd: zero })],
      [15, () => ({ key: Buffer.from("b/"), rangeEnd: Buffer.from("b0") })],
      [20, () => ({ key, rangeEnd: this.#key() })],
    ])();
  }

  #narrowEnd(): Uint8Array {
    return this.#chance(85) ? Buffer.alloc(0) : this.#key();
  }

  #key(): Uint8Array {
    if (this.#chance(1)) return Buffer.alloc(0);
    return this.#pick(keys)!;
  }

  #value(): Uint8Array {
    return this.#weighted<() => Uint8Array>([
      [70, () => Buffer.from(`v${this.#below(20)}`)],
      [10, () => Buffer.alloc(0)],
      [10, () => Buffer.from([0, 255, 128, this.#below(256)])],
      [5, () => Buffer.alloc(1000 + this.#below(1000), "y")],
    ])();
  }

  /** Mostly between the compacted and the current revision, now and then outside. */
  #revision(): Revision {
    const { revision, compactRevision } = this.#world;
    const low = Math.max(compactRevision, 1);
    return this.#weighted<() => number>([
      [70, () => low + this.#below(Math.max(1, revision - low + 1))],
      [10, () => revision],
      [5, () => revision + 1 + this.#below(3)],
      [5, () => compactRevision],
      [5, () => Math.max(0, compactRevision - 1)],
      [5, () => 0],
      [1, () => Number.MAX_SAFE_INTEGER],
    ])() as Revision;
  }

  /** None that was compacted at: a story of its own tells of those. */
  #hashRevision(): Revision {
    let revision = Math.max(0, this.#revision());
    while (this.#world.compactions.has(revision)) revision++;
    return revision as Revision;
  }

  #leaseId(): LeaseId {
    const known = this.#chance(88) ? this.#pick(this.#world.leases) : undefined;
    return (known ?? BigInt(1 + this.#below(500))) as LeaseId;
  }

  #below(n: number): number {
    return this.#random.below(n);
  }

  #chance(percent: number): boolean {
    return this.#random.below(100) < percent;
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : items[this.#random.below(items.length)];
  }

  #weighted<T>(choices: readonly (readonly [weight: number, value: T])[]): T {
    const total = choices.reduce((sum, [weight]) => sum + weight, 0);
    let at = this.#random.below(total);
    for (const [weight, value] of choices) {
      if (at < weight) return value;
      at -= weight;
    }
    throw new Error("unreachable");
  }
}
