import { rpcpb as p } from "../proto/client/index.ts";

/** One RPC: its path and codecs. `idempotent` ones may be sent again to another endpoint. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly idempotent: boolean;
  readonly encode: (request: Request) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => Response;
}

export function method<Q, R>(
  path: string,
  encode: (request: Q) => Uint8Array,
  decode: (bytes: Uint8Array) => R,
): Method<Q, R> {
  return { path: `/etcdserverpb.${path}`, idempotent: false, encode, decode };
}

/** A read: sent again without harm. */
export function read<Q, R>(
  path: string,
  encode: (request: Q) => Uint8Array,
  decode: (bytes: Uint8Array) => R,
): Method<Q, R> {
  return { ...method(path, encode, decode), idempotent: true };
}

/** The services of etcdserverpb this client speaks (etcd api/etcdserverpb/rpc.proto). */
export const methods = {
  range: read("KV/Range", p.encodeRangeRequest, p.decodeRangeResponse),
  rangeStream: read("KV/RangeStream", p.encodeRangeRequest, p.decodeRangeStreamResponse),
  put: method("KV/Put", p.encodePutRequest, p.decodePutResponse),
  deleteRange: method("KV/DeleteRange", p.encodeDeleteRangeRequest, p.decodeDeleteRangeResponse),
  txn: method("KV/Txn", p.encodeTxnRequest, p.decodeTxnResponse),
  compact: method("KV/Compact", p.encodeCompactionRequest, p.decodeCompactionResponse),
  watch: read("Watch/Watch", p.encodeWatchRequest, p.decodeWatchResponse),
  leaseGrant: method("Lease/LeaseGrant", p.encodeLeaseGrantRequest, p.decodeLeaseGrantResponse),
  leaseRevoke: method("Lease/LeaseRevoke", p.encodeLeaseRevokeRequest, p.decodeLeaseRevokeResponse),
  leaseKeepAlive: read(
    "Lease/LeaseKeepAlive",
    p.encodeLeaseKeepAliveRequest,
    p.decodeLeaseKeepAliveResponse,
  ),
  leaseTimeToLive: read(
    "Lease/LeaseTimeToLive",
    p.encodeLeaseTimeToLiveRequest,
    p.decodeLeaseTimeToLiveResponse,
  ),
  leaseLeases: read("Lease/LeaseLeases", p.encodeLeaseLeasesRequest, p.decodeLeaseLeasesResponse),
  memberAdd: method("Cluster/MemberAdd", p.encodeMemberAddRequest, p.decodeMemberAddResponse),
  memberRemove: method(
    "Cluster/MemberRemove",
    p.encodeMemberRemoveRequest,
    p.decodeMemberRemoveResponse,
  ),
  memberUpdate: method(
    "Cluster/MemberUpdate",
    p.encodeMemberUpdateRequest,
    p.decodeMemberUpdateResponse,
  ),
  memberList: read("Cluster/MemberList", p.encodeMemberListRequest, p.decodeMemberListResponse),
  memberPromote: method(
    "Cluster/MemberPromote",
    p.encodeMemberPromoteRequest,
    p.decodeMemberPromoteResponse,
  ),
  alarm: method("Maintenance/Alarm", p.encodeAlarmRequest, p.decodeAlarmResponse),
  status: read("Maintenance/Status", p.encodeStatusRequest, p.decodeStatusResponse),
  defragment: method(
    "Maintenance/Defragment",
    p.encodeDefragmentRequest,
    p.decodeDefragmentResponse,
  ),
  hash: read("Maintenance/Hash", p.encodeHashRequest, p.decodeHashResponse),
  hashKv: read("Maintenance/HashKV", p.encodeHashKVRequest, p.decodeHashKVResponse),
  snapshot: read("Maintenance/Snapshot", p.encodeSnapshotRequest, p.decodeSnapshotResponse),
  moveLeader: method(
    "Maintenance/MoveLeader",
    p.encodeMoveLeaderRequest,
    p.decodeMoveLeaderResponse,
  ),
  downgrade: method("Maintenance/Downgrade", p.encodeDowngradeRequest, p.decodeDowngradeResponse),
  authenticate: read(
    "Auth/Authenticate",
    p.encodeAuthenticateRequest,
    p.decodeAuthenticateResponse,
  ),
} as const;
