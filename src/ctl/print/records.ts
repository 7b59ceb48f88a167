import type { authpb, mvccpb, rpcpb } from "../../proto/client/index.ts";
import { type Json, omitEmpty } from "./go-json.ts";

// The records of etcdserverpb under the names and in the order of Go's generated structs.

export const header = (h: rpcpb.ResponseHeader | undefined): Json =>
  h && omitEmpty(headerMembers(h));

/** Spread into a record whose Go struct embeds the header. */
export const headerMembers = (h: rpcpb.ResponseHeader): Record<string, Json> => ({
  cluster_id: h.clusterId,
  member_id: h.memberId,
  revision: h.revision,
  raft_term: h.raftTerm,
});

/** With --hex: ids as text, and there even when zero. */
export const hexHeader = (h: rpcpb.ResponseHeader | undefined): Json =>
  h && {
    cluster_id: h.clusterId.toString(16),
    member_id: h.memberId.toString(16),
    revision: h.revision || undefined,
    raft_term: h.raftTerm || undefined,
  };

export const keyValue = (kv: mvccpb.KeyValue | undefined): Json =>
  kv &&
  omitEmpty({
    key: kv.key,
    create_revision: kv.createRevision,
    mod_revision: kv.modRevision,
    version: kv.version,
    value: kv.value,
    lease: kv.lease,
  });

export const range = (r: rpcpb.RangeResponse): Json =>
  omitEmpty({ header: header(r.header), kvs: r.kvs.map(keyValue), more: r.more, count: r.count });

export const put = (r: rpcpb.PutResponse): Json =>
  omitEmpty({ header: header(r.header), prev_kv: keyValue(r.prevKv) });

export const deleteRange = (r: rpcpb.DeleteRangeResponse): Json =>
  omitEmpty({
    header: header(r.header),
    deleted: r.deleted,
    prev_kvs: r.prevKvs.map(keyValue),
  });

export const txn = (r: rpcpb.TxnResponse): Json =>
  omitEmpty({
    header: header(r.header),
    succeeded: r.succeeded,
    responses: r.responses.map((op) => ({ Response: responseOp(op) })),
  });

const responseOp = (op: rpcpb.ResponseOp): Json =>
  omitEmpty({
    response_range: op.responseRange && range(op.responseRange),
    response_put: op.responsePut && put(op.responsePut),
    response_delete_range: op.responseDeleteRange && deleteRange(op.responseDeleteRange),
    response_txn: op.responseTxn && txn(op.responseTxn),
  });

/** clientv3.WatchResponse: a struct without omitempty. */
export const watch = (r: rpcpb.WatchResponse): Json => ({
  Header: header(r.header) ?? null,
  Events:
    r.events.length === 0
      ? null
      : r.events.map((e) =>
          omitEmpty({ type: e.type, kv: keyValue(e.kv), prev_kv: keyValue(e.prevKv) }),
        ),
  CompactRevision: r.compactRevision,
  Canceled: r.canceled,
  Created: r.created,
  CancelReason: r.cancelReason,
});

export const member = (m: rpcpb.Member | undefined): Json =>
  m &&
  omitEmpty({
    ID: m.id,
    name: m.name,
    peerURLs: m.peerURLs,
    clientURLs: m.clientURLs,
    isLearner: m.isLearner,
  });

export const hexMember = (m: rpcpb.Member | undefined): Json =>
  m && {
    ID: m.id.toString(16),
    name: m.name || undefined,
    peerURLs: m.peerURLs.length === 0 ? undefined : m.peerURLs,
    clientURLs: m.clientURLs.length === 0 ? undefined : m.clientURLs,
    isLearner: m.isLearner || undefined,
  };

export const status = (s: rpcpb.StatusResponse): Json =>
  omitEmpty({
    header: header(s.header),
    version: s.version,
    dbSize: s.dbSize,
    leader: s.leader,
    raftIndex: s.raftIndex,
    raftTerm: s.raftTerm,
    raftAppliedIndex: s.raftAppliedIndex,
    errors: s.errors,
    dbSizeInUse: s.dbSizeInUse,
    isLearner: s.isLearner,
    storageVersion: s.storageVersion,
    dbSizeQuota: s.dbSizeQuota,
    downgradeInfo:
      s.downgradeInfo &&
      omitEmpty({
        enabled: s.downgradeInfo.enabled,
        targetVersion: s.downgradeInfo.targetVersion,
      }),
  });

export const hashKv = (r: rpcpb.HashKVResponse): Json =>
  omitEmpty({
    header: header(r.header),
    hash: r.hash,
    compact_revision: r.compactRevision,
    hash_revision: r.hashRevision,
  });

export const alarms = (r: rpcpb.AlarmResponse): Json =>
  omitEmpty({
    header: header(r.header),
    alarms: r.alarms.map((a) => omitEmpty({ memberID: a.memberId, alarm: a.alarm })),
  });

export const permission = (p: authpb.Permission): Json =>
  omitEmpty({ permType: p.permType, key: p.key, range_end: p.rangeEnd });
