// The operations that are sent to both servers, and how they are printed.

import type { MemberId } from "../../src/core/types.ts";
import type { rpcpb } from "../../src/proto/index.ts";

/**
 * Stands for the learner, whose id differs between the two servers.
 */
export const theLearner = 0n as MemberId;

/** A request by the name of its RPC, or something done to the servers and streams. */
export type Operation =
  | { readonly op: "range"; readonly request: rpcpb.RangeRequest }
  | { readonly op: "put"; readonly request: rpcpb.PutRequest }
  | { readonly op: "deleteRange"; readonly request: rpcpb.DeleteRangeRequest }
  | { readonly op: "txn"; readonly request: rpcpb.TxnRequest }
  | { readonly op: "compact"; readonly request: rpcpb.CompactionRequest }
  | { readonly op: "leaseGrant"; readonly request: rpcpb.LeaseGrantRequest }
  | { readonly op: "leaseRevoke"; readonly request: rpcpb.LeaseRevokeRequest }
  | { readonly op: "leaseKeepAlive"; readonly request: rpcpb.LeaseKeepAliveRequest }
  | { readonly op: "leaseTimeToLive"; readonly request: rpcpb.LeaseTimeToLiveRequest }
  | { readonly op: "leaseLeases" }
  | { readonly op: "hashKv"; readonly request: rpcpb.HashKVRequest }
  | { readonly op: "memberList"; readonly request: rpcpb.MemberListRequest }
  | { readonly op: "memberAdd"; readonly request: rpcpb.MemberAddRequest }
  | { readonly op: "memberRemove"; readonly request: rpcpb.MemberRemoveRequest }
  | { readonly op: "memberUpdate"; readonly request: rpcpb.MemberUpdateRequest }
  | { readonly op: "memberPromote"; readonly request: rpcpb.MemberPromoteRequest }
  | { readonly op: "moveLeader"; readonly request: rpcpb.MoveLeaderRequest }
  | { readonly op: "alarm"; readonly request: rpcpb.AlarmRequest }
  | { readonly op: "status" }
  | { readonly op: "defragment" }
  /** Opens stream `stream` with one watch after the other. */
  | {
      readonly op: "watch";
      readonly stream: number;
      readonly requests: readonly rpcpb.WatchCreateRequest[];
    }
  | { readonly op: "watchCancel"; readonly stream: number; readonly watchId: number }
  | { readonly op: "watchEnd"; readonly stream: number }
  /** Brings every stream up to date and compares what the watches have delivered. */
  | { readonly op: "watchSync" }
  /** Reads until the key is gone: waits for a lease to expire. */
  | { readonly op: "untilGone"; readonly key: Uint8Array }
  /** Ends both servers with the signal and starts them on their data. */
  | { readonly op: "restart"; readonly signal: "SIGTERM" | "SIGKILL" };

const showBytes = (b: Uint8Array): string => {
  const text = Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString("latin1");
  return text.length > 64
    ? `${JSON.stringify(text.slice(0, 16))}...(${text.length} bytes)`
    : JSON.stringify(text);
};

/** A record in one line without its zero fields; bytes as latin1 text. */
export function show(value: unknown): string {
  if (value instanceof Uint8Array) return showBytes(value);
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).filter(([, v]) => !isZero(v));
    return `{${fields.map(([k, v]) => `${k}: ${show(v)}`).join(", ")}}`;
  }
  return typeof value === "bigint" ? `${value}` : JSON.stringify(value);
}

const isZero = (v: unknown): boolean =>
  v === undefined ||
  v === 0 ||
  v === 0n ||
  v === false ||
  v === "" ||
  (v instanceof Uint8Array && v.length === 0) ||
  (Array.isArray(v) && v.length === 0);

export function showOperation(operation: Operation): string {
  const { op, ...rest } = operation;
  return `${op} ${show("request" in rest ? rest.request : rest)}`;
}
