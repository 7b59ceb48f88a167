// Fixed sequences for what the generator cannot reach: time, alarms, membership.

import type { LeaseId, MemberId, Revision, WatchId } from "../../src/core/types.ts";
import { rpcpb } from "../../src/proto/index.ts";
import { type Operation, theLearner } from "./operations.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);

const put = (key: string, value: string, lease = 0n): Operation => ({
  op: "put",
  request: rpcpb.newPutRequest({ key: bytes(key), value: bytes(value), lease: lease as LeaseId }),
});

const get = (key: string): Operation => ({
  op: "range",
  request: rpcpb.newRangeRequest({ key: bytes(key) }),
});

const grant = (id: bigint, ttl: number): Operation => ({
  op: "leaseGrant",
  request: { id: id as LeaseId, ttl },
});

const alarm = (action: rpcpb.AlarmAction, type: rpcpb.AlarmType): Operation => ({
  op: "alarm",
  request: { action, memberId: 0n as MemberId, alarm: type },
});

const hash: Operation = { op: "hashKv", request: { revision: 0 as Revision } };

const watch = (stream: number, start: number, watchId = 0): Operation => ({
  op: "watch",
  stream,
  requests: [
    rpcpb.newWatchCreateRequest({
      key: bytes("\0"),
      rangeEnd: bytes("\0"),
      startRevision: start as Revision,
      watchId: watchId as WatchId,
      prevKv: true,
    }),
  ],
});

/** A name and the operations, each answered equally by both servers. */
export const stories: Readonly<Record<string, readonly Operation[]>> = {
  "a lease expires and takes its keys along in one revision": [
    grant(5n, 6),
    watch(1, 0),
    put("x", "1", 5n),
    put("y", "2", 5n),
    put("z", "3"),
    { op: "untilGone", key: bytes("x") },
    { op: "watchSync" },
    get("y"),
    { op: "leaseTimeToLive", request: { id: 5n as LeaseId, keys: true } },
    hash,
  ],
  "a lease below the minimum TTL gets the minimum": [grant(6n, 1), grant(7n, 0), grant(8n, -5)],
  "a learner is added, cannot be promoted before it runs, and is removed": [
    { op: "memberAdd", request: { peerURLs: ["http://127.0.0.1:1"], isLearner: true } },
    { op: "memberList", request: { linearizable: true } },
    { op: "memberAdd", request: { peerURLs: ["http://127.0.0.1:1"], isLearner: true } },
    { op: "memberAdd", request: { peerURLs: ["http://127.0.0.1:2"], isLearner: true } },
    { op: "memberPromote", request: { id: theLearner } },
    { op: "moveLeader", request: { targetId: 1n as MemberId } },
    put("a", "1"),
    { op: "restart", signal: "SIGKILL" },
    { op: "memberList", request: { linearizable: true } },
    { op: "memberRemove", request: { id: theLearner } },
    { op: "memberList", request: { linearizable: false } },
    put("a", "2"),
    hash,
  ],
  "the newest tombstone is compacted away and the revision survives a restart": [
    put("a", "1"),
    { op: "deleteRange", request: rpcpb.newDeleteRangeRequest({ key: bytes("a") }) },
    { op: "compact", request: { revision: 3 as Revision, physical: true } },
    hash,
    { op: "restart", signal: "SIGKILL" },
    get("a"),
    hash,
    put("a", "2"),
    watch(1, 2),
    watch(2, 3),
    { op: "watchSync" },
    hash,
  ],
  "a NOSPACE alarm refuses what grows and allows what shrinks": [
    grant(9n, 1000),
    put("a", "1"),
    alarm(1, 1),
    alarm(0, 0),
    put("a", "2"),
    grant(10n, 1000),
    {
      op: "txn",
      request: rpcpb.newTxnRequest({
        success: [
          rpcpb.newRequestOp({
            requestPut: rpcpb.newPutRequest({ key: bytes("b"), value: bytes("1") }),
          }),
        ],
      }),
    },
    get("a"),
    { op: "deleteRange", request: rpcpb.newDeleteRangeRequest({ key: bytes("a") }) },
    { op: "compact", request: { revision: 3 as Revision, physical: true } },
    alarm(2, 1),
    alarm(0, 0),
    put("a", "3"),
    hash,
  ],
  // etcd computes a hash while it compacts and answers HashKV at that revision with it, together
  // with the compact revision of before (server/storage/mvcc/hash.go HashByRev).
  "HashKV at the very revision of a compaction": [
    put("a", "1"),
    put("b", "1"),
    put("a", "2"),
    { op: "compact", request: { revision: 3 as Revision, physical: true } },
    put("a", "3"),
    { op: "compact", request: { revision: 4 as Revision, physical: true } },
    { op: "hashKv", request: { revision: 4 as Revision } },
    hash,
  ],
};
