/**
 * What requests cost against the quota, and which of them an alarm refuses. The log's entries are
 * refused alike on every member, so the rules are etcd's to the letter.
 * Source: etcd server/storage/quota.go, server/etcdserver/apply/{capped,corrupt}.go.
 */
import { EtcdError, rpcpb } from "../proto/index.ts";
import type { Alarms } from "./alarms.ts";

/** An estimate of what a key costs beside its bytes, and of what a lease costs. */
const keyOverheadBytes = 256;
const leaseBytes = 64;

/** Bytes that a request may add; 0 for one that adds nothing. */
export function costBytes(r: rpcpb.InternalRaftRequest): number {
  if (r.put !== undefined) return putCost(r.put);
  if (r.txn !== undefined) return txnCost(r.txn);
  return r.leaseGrant === undefined ? 0 : leaseBytes;
}

const putCost = (r: rpcpb.PutRequest): number =>
  keyOverheadBytes + r.key.byteLength + r.value.byteLength;

function txnCost(r: rpcpb.TxnRequest): number {
  let success = 0;
  let failure = 0;
  for (const op of r.success) success += opCost(op);
  for (const op of r.failure) failure += opCost(op);
  return Math.max(success, failure);
}

function opCost(op: rpcpb.RequestOp): number {
  if (op.requestPut !== undefined) return putCost(op.requestPut);
  return op.requestTxn === undefined ? 0 : txnCost(op.requestTxn);
}

/** The refusal of an entry while an alarm is raised. */
export function refusedByAlarm(
  alarms: Alarms,
  r: rpcpb.InternalRaftRequest,
): EtcdError | undefined {
  if (alarms.none) return undefined;
  if (alarms.has(rpcpb.AlarmType.CORRUPT) && touchesData(r)) return new EtcdError("Corrupt");
  if (alarms.has(rpcpb.AlarmType.NOSPACE) && costBytes(r) > 0) return new EtcdError("NoSpace");
  return undefined;
}

const touchesData = (r: rpcpb.InternalRaftRequest): boolean =>
  r.put !== undefined ||
  r.txn !== undefined ||
  r.deleteRange !== undefined ||
  r.compaction !== undefined ||
  r.leaseGrant !== undefined ||
  r.leaseRevoke !== undefined;
