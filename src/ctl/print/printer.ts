import type { rpcpb } from "../../proto/client/index.ts";
import { CommandError, exitCode } from "../exit.ts";

export interface EndpointHealth {
  readonly endpoint: string;
  readonly health: boolean;
  /** As Go prints a duration; empty when there was no connection. */
  readonly took: string;
  /** Empty when healthy. */
  readonly error: string;
}

export interface EndpointStatus {
  readonly endpoint: string;
  readonly status: rpcpb.StatusResponse;
}

export interface EndpointHashKv {
  readonly endpoint: string;
  readonly hashKv: rpcpb.HashKVResponse;
}

/** One way to show answers. A kind of answer that a way cannot show ends with exit code 4. */
export interface Printer {
  readonly kind: "fields" | "json" | "protobuf" | "simple" | "table";
  put(r: rpcpb.PutResponse): void;
  /** `valueOnly` is asked for of the simple printer alone. */
  get(r: rpcpb.RangeResponse, valueOnly: boolean): void;
  del(r: rpcpb.DeleteRangeResponse): void;
  txn(r: rpcpb.TxnResponse): void;
  watch(r: rpcpb.WatchResponse): void;
  grant(r: rpcpb.LeaseGrantResponse): void;
  revoke(id: bigint, r: rpcpb.LeaseRevokeResponse): void;
  keepAlive(r: rpcpb.LeaseKeepAliveResponse): void;
  timeToLive(r: rpcpb.LeaseTimeToLiveResponse, keys: boolean): void;
  leases(r: rpcpb.LeaseLeasesResponse): void;
  memberAdd(r: rpcpb.MemberAddResponse): void;
  memberRemove(id: bigint, r: rpcpb.MemberRemoveResponse): void;
  memberUpdate(id: bigint, r: rpcpb.MemberUpdateResponse): void;
  memberPromote(id: bigint, r: rpcpb.MemberPromoteResponse): void;
  memberList(r: rpcpb.MemberListResponse): void;
  endpointHealth(list: readonly EndpointHealth[]): void;
  endpointStatus(list: readonly EndpointStatus[]): void;
  endpointHashKv(list: readonly EndpointHashKv[]): void;
  moveLeader(leader: bigint, target: bigint, r: rpcpb.MoveLeaderResponse): void;
  downgrade(action: string, r: rpcpb.DowngradeResponse): void;
  alarm(r: rpcpb.AlarmResponse): void;
  /** A change of users or roles, of which the answer has only a header; `text` says it to people. */
  changed(text: string, r: { readonly header: rpcpb.ResponseHeader | undefined }): void;
  roleGet(role: string, r: rpcpb.AuthRoleGetResponse): void;
  roleList(r: rpcpb.AuthRoleListResponse): void;
  userGet(name: string, r: rpcpb.AuthUserGetResponse): void;
  userList(r: rpcpb.AuthUserListResponse): void;
  authStatus(r: rpcpb.AuthStatusResponse): void;
}

/** What a format does with an answer that it cannot show. */
export const unsupported = (format: string) => (): never => {
  throw new CommandError(exitCode.badFeature, `${format} not supported as output format`);
};

export const alarmName = (alarm: rpcpb.AlarmType): string =>
  ["NONE", "NOSPACE", "CORRUPT"][alarm] ?? String(alarm);
