// The RPCs of etcdserverpb, and what of an answer two servers must share.

import protobuf from "protobufjs";
import { root, typeOf } from "./questions.ts";
import { bytesField, numberField } from "./raw.ts";

export interface Rpc {
  readonly path: string;
  readonly request: string;
  readonly response: string;
  /** Bidirectional: a second question behind the first, and how to know its answer. */
  readonly sentinel?: { readonly bytes: Buffer; readonly last: (message: Buffer) => boolean };
  /** Only code and text are compared: the answer holds what differs between two servers. */
  readonly bare?: boolean;
}

const rpc = (service: string, name: string, request: string, response: string): Rpc => ({
  path: `/etcdserverpb.${service}/${name}`,
  request: `${request}Request`,
  response: `${response}Response`,
});

const same = (service: string, ...names: readonly string[]): Rpc[] =>
  names.map((name) => rpc(service, name, name, name));

const sentinelId = 424242;

const watchSentinel = {
  bytes: bytesField(
    1,
    Buffer.concat([bytesField(1, Buffer.from("sentinel")), numberField(7, BigInt(sentinelId))]),
  ),
  last: (m: Buffer) => Number(decode("WatchResponse", m)["watch_id"]) === sentinelId,
};

const keepAliveSentinel = {
  bytes: numberField(1, BigInt(sentinelId)),
  last: (m: Buffer) => Number(decode("LeaseKeepAliveResponse", m)["ID"]) === sentinelId,
};

export const services: Readonly<Record<string, readonly Rpc[]>> = {
  KV: [
    ...same("KV", "Range", "Put", "DeleteRange", "Txn"),
    rpc("KV", "Compact", "Compaction", "Compaction"),
    rpc("KV", "RangeStream", "Range", "RangeStream"),
  ],
  Watch: [{ ...rpc("Watch", "Watch", "Watch", "Watch"), sentinel: watchSentinel }],
  Lease: [
    ...same("Lease", "LeaseGrant", "LeaseTimeToLive", "LeaseLeases", "LeaseRevoke"),
    {
      ...rpc("Lease", "LeaseKeepAlive", "LeaseKeepAlive", "LeaseKeepAlive"),
      sentinel: keepAliveSentinel,
    },
  ],
  Cluster: same(
    "Cluster",
    "MemberAdd",
    "MemberRemove",
    "MemberUpdate",
    "MemberList",
    "MemberPromote",
  ),
  Maintenance: [
    ...same("Maintenance", "Alarm", "Defragment", "HashKV", "MoveLeader", "Downgrade"),
    ...same("Maintenance", "Status", "Hash", "Snapshot").map((r) => ({ ...r, bare: true })),
  ],
  Auth: [
    ...same("Auth", "AuthStatus", "Authenticate", "AuthEnable", "AuthDisable"),
    ...["Add", "Get", "List", "ChangePassword", "GrantRole", "RevokeRole", "Delete"].map((n) =>
      rpc("Auth", `User${n}`, `AuthUser${n}`, `AuthUser${n}`),
    ),
    ...["Add", "Get", "List", "GrantPermission", "RevokePermission", "Delete"].map((n) =>
      rpc("Auth", `Role${n}`, `AuthRole${n}`, `AuthRole${n}`),
    ),
  ],
};

/** Requests that no client sends by themselves. */
const inner = new Set([
  "DowngradeVersionTestRequest",
  "InternalAuthenticateRequest",
  "InternalRaftRequest",
  "LeaseCheckpointRequest",
  "WatchCancelRequest",
  "WatchCreateRequest",
  "WatchProgressRequest",
]);

/** Request types of the .proto file that no RPC above takes. */
export function unasked(): string[] {
  const asked = new Set(Object.values(services).flatMap((list) => list.map((r) => r.request)));
  const all = (root.lookup("rpcpb") as protobuf.Namespace).nestedArray;
  return all
    .filter((t) => t instanceof protobuf.Type && t.name.endsWith("Request"))
    .map((t) => t.name)
    .filter((name) => !asked.has(name) && !inner.has(name));
}

export function decode(typeName: string, message: Buffer): Record<string, unknown> {
  const type = typeOf(typeName);
  return type.toObject(type.decode(message), { longs: String, bytes: String, enums: Number });
}

/** An answer without what chance and place decide: ids, ports, seconds left. */
export function comparable(rpc: Rpc, messages: readonly Buffer[]): unknown {
  if (rpc.bare === true) return undefined;
  const all = messages.map((m) => masked(decode(rpc.response, m), rpc.response));
  // That its start is compacted a watcher hears at some time: other tests look at that.
  return rpc.response !== "WatchResponse"
    ? all
    : all.filter((m) => (m as { compact_revision?: string }).compact_revision === undefined);
}

function masked(value: unknown, within: string): unknown {
  if (Array.isArray(value)) {
    const list = value.map((v) => masked(v, within));
    // In order of expiry, which is equal for many.
    return within === "leases" ? list.map((v) => JSON.stringify(v)).sort() : list;
  }
  if (typeof value !== "object" || value === null) return value;
  const result: Record<string, unknown> = {};
  for (const [name, v] of Object.entries(value)) {
    if (name === "cluster_id" || name === "member_id" || name === "raft_term") {
      result[name] = v !== "0";
    } else if (within === "members" && name !== "isLearner") continue;
    else if (name === "ID" && isChosen(v)) result[name] = "chosen";
    else if (name === "watch_id" || name === "hash_revision") result[name] = clamped(v);
    else if (name === "TTL" && Number(v) > 60) result[name] = "some";
    else result[name] = masked(v, name);
  }
  return result;
}

/** Watch ids and revisions are numbers with us, exact up to 2^53 - 1 and held there above it. */
const clamped = (n: unknown): number =>
  Math.max(-Number.MAX_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(BigInt(String(n)))));

/** An id that a server made up; those of the questions are small or at the ends of the range. */
const isChosen = (id: unknown): boolean => {
  const n = BigInt(String(id));
  return n > 1n << 54n && n < (1n << 63n) - 2n;
};
