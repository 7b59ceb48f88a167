// Every RPC as somebody: what is asked, of whom, in which order.

import type { LeaseId, MemberId, Revision, WatchId } from "../../../src/core/types.ts";
import { authpb, rpcpb, v3electionpb, v3lockpb } from "../../../src/proto/index.ts";

/** One question. `last`: the client ends a stream once this message has come. */
export interface Question {
  readonly path: string;
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly last?: (message: Buffer) => boolean;
  /** Nobody needs to be let in for this to be asked: it would end the walk. */
  readonly onlyRefused?: boolean;
}

const bytes = (text: string): Uint8Array => Buffer.from(text);
const etcdserver = (name: string): string => `/etcdserverpb.${name}`;
const ask = (name: string, what: string, encoded: Uint8Array): Question => ({
  path: etcdserver(name),
  what,
  bytes: encoded,
});
const first = (q: Question): Question => ({ ...q, last: () => true });

export const leases = { empty: 11n as LeaseId, ofA: 12n as LeaseId, ofZ: 13n as LeaseId };

const range = (key: string, end = "", serializable = false): rpcpb.RangeRequest =>
  rpcpb.newRangeRequest({ key: bytes(key), rangeEnd: bytes(end), serializable });
const put = (key: string, more: Partial<rpcpb.PutRequest> = {}): rpcpb.PutRequest =>
  rpcpb.newPutRequest({ key: bytes(key), value: bytes("v"), ...more });
const del = (key: string, end = "", prevKv = false): rpcpb.DeleteRangeRequest =>
  rpcpb.newDeleteRangeRequest({ key: bytes(key), rangeEnd: bytes(end), prevKv });
const op = rpcpb.newRequestOp;
const txn = rpcpb.newTxnRequest;
const compare = (key: string): rpcpb.Compare => rpcpb.newCompare({ key: bytes(key) });

const ranges: readonly [string, rpcpb.RangeRequest][] = [
  ["one key", range("a")],
  ["its range", range("a", "c")],
  ["part of it", range("a5", "b5")],
  ["beyond", range("a", "d")],
  ["before", range("A", "b")],
  ["from its key on", range("a", "\0")],
  ["backwards", range("b", "a")],
  ["serializable", range("a", "c", true)],
  ["another key, serializable", range("z", "", true)],
  ["everything", range("\0", "\0")],
];

const nested = (inner: rpcpb.TxnRequest): rpcpb.TxnRequest =>
  txn({ success: [op({ requestTxn: inner })] });

const txns: readonly [string, rpcpb.TxnRequest][] = [
  ["nothing", txn()],
  ["a compare in reach", txn({ compare: [compare("a")] })],
  ["a compare out of reach", txn({ compare: [compare("z")] })],
  ["a read", txn({ success: [op({ requestRange: range("a", "c") })] })],
  ["a read in the branch not taken", txn({ failure: [op({ requestRange: range("z") })] })],
  ["a write", txn({ success: [op({ requestPut: put("a1") })] })],
  ["a write that reads", txn({ success: [op({ requestPut: put("a1", { prevKv: true }) })] })],
  ["a write out of reach", txn({ failure: [op({ requestPut: put("z1") })] })],
  ["a delete", txn({ success: [op({ requestDeleteRange: del("a2", "a3") })] })],
  ["a delete that reads", txn({ success: [op({ requestDeleteRange: del("a2", "a3", true) })] })],
  ["a nested write", nested(txn({ success: [op({ requestPut: put("a4") })] }))],
  ["a nested write out of reach", nested(txn({ failure: [op({ requestPut: put("z4") })] }))],
  ["a nested read out of reach", nested(nested(txn({ compare: [compare("z")] })))],
];

const kv: readonly Question[] = [
  ...ranges.map(([what, r]) => ask("KV/Range", what, rpcpb.encodeRangeRequest(r))),
  ...ranges.map(([what, r]) => ask("KV/RangeStream", what, rpcpb.encodeRangeRequest(r))),
  ask("KV/Range", "an empty key", rpcpb.encodeRangeRequest(range(""))),
  ask("KV/Put", "in reach", rpcpb.encodePutRequest(put("b"))),
  ask("KV/Put", "out of reach", rpcpb.encodePutRequest(put("d"))),
  ask("KV/Put", "reading", rpcpb.encodePutRequest(put("b", { prevKv: true }))),
  ask("KV/Put", "an empty key", rpcpb.encodePutRequest(put(""))),
  ask("KV/Put", "on a lease", rpcpb.encodePutRequest(put("b", { lease: leases.empty }))),
  ask("KV/Put", "on another's lease", rpcpb.encodePutRequest(put("b", { lease: leases.ofZ }))),
  ask("KV/Put", "on no lease", rpcpb.encodePutRequest(put("b", { lease: 99n as LeaseId }))),
  ask("KV/DeleteRange", "in reach", rpcpb.encodeDeleteRangeRequest(del("b3"))),
  ask("KV/DeleteRange", "out of reach", rpcpb.encodeDeleteRangeRequest(del("b3", "d"))),
  ask("KV/DeleteRange", "reading", rpcpb.encodeDeleteRangeRequest(del("b3", "b4", true))),
  ...txns.map(([what, t]) => ask("KV/Txn", what, rpcpb.encodeTxnRequest(t))),
  ask(
    "KV/Compact",
    "the future",
    rpcpb.encodeCompactionRequest({ revision: 1e6 as Revision, physical: false }),
  ),
];

const lease: readonly Question[] = [
  ask(
    "Lease/LeaseGrant",
    "a new one",
    rpcpb.encodeLeaseGrantRequest({ id: 0n as LeaseId, ttl: 600 }),
  ),
  ...Object.entries({ ...leases, absent: 98n as LeaseId }).flatMap(([what, id]) => [
    ask("Lease/LeaseTimeToLive", what, rpcpb.encodeLeaseTimeToLiveRequest({ id, keys: false })),
    ask(
      "Lease/LeaseTimeToLive",
      `${what}, keys`,
      rpcpb.encodeLeaseTimeToLiveRequest({ id, keys: true }),
    ),
    first(ask("Lease/LeaseKeepAlive", what, rpcpb.encodeLeaseKeepAliveRequest({ id }))),
  ]),
  ask("Lease/LeaseLeases", "", rpcpb.encodeLeaseLeasesRequest({})),
  ask("Lease/LeaseRevoke", "absent", rpcpb.encodeLeaseRevokeRequest({ id: 98n as LeaseId })),
  ask("Lease/LeaseRevoke", "another's", rpcpb.encodeLeaseRevokeRequest({ id: leases.ofZ })),
];

const watch: readonly Question[] = ranges.flatMap(([what, { key, rangeEnd }]) =>
  [0, -1].map((start) => {
    const createRequest = rpcpb.newWatchCreateRequest({
      key,
      rangeEnd,
      startRevision: start as Revision,
      watchId: 7n as unknown as WatchId,
    });
    const request = rpcpb.newWatchRequest({
      createRequest: { ...createRequest, watchId: 7 as WatchId },
    });
    return first(ask("Watch/Watch", `${what} from ${start}`, rpcpb.encodeWatchRequest(request)));
  }),
);

const nobodyHere = 4711n as MemberId;
const cluster: readonly Question[] = [
  ask("Cluster/MemberList", "", rpcpb.encodeMemberListRequest({ linearizable: true })),
  ask("Cluster/MemberList", "local", rpcpb.encodeMemberListRequest({ linearizable: false })),
  ask(
    "Cluster/MemberAdd",
    "bad URLs",
    rpcpb.encodeMemberAddRequest({ peerURLs: ["x"], isLearner: true }),
  ),
  {
    ...ask(
      "Cluster/MemberAdd",
      "a learner",
      rpcpb.encodeMemberAddRequest({ peerURLs: ["http://127.0.0.1:1"], isLearner: true }),
    ),
    onlyRefused: true,
  },
  ask("Cluster/MemberRemove", "nobody", rpcpb.encodeMemberRemoveRequest({ id: nobodyHere })),
  ask(
    "Cluster/MemberUpdate",
    "nobody",
    rpcpb.encodeMemberUpdateRequest({ id: nobodyHere, peerURLs: ["http://127.0.0.1:1"] }),
  ),
  ask("Cluster/MemberPromote", "nobody", rpcpb.encodeMemberPromoteRequest({ id: nobodyHere })),
];

const alarm = (action: rpcpb.AlarmAction): Uint8Array =>
  rpcpb.encodeAlarmRequest({ action, memberId: 0n as MemberId, alarm: rpcpb.AlarmType.NOSPACE });
const maintenance: readonly Question[] = [
  ask("Maintenance/Alarm", "get", alarm(rpcpb.AlarmAction.GET)),
  ask("Maintenance/Alarm", "disarm", alarm(rpcpb.AlarmAction.DEACTIVATE)),
  ask("Maintenance/Status", "", rpcpb.encodeStatusRequest({})),
  ask("Maintenance/Defragment", "", rpcpb.encodeDefragmentRequest({})),
  ask("Maintenance/Hash", "", rpcpb.encodeHashRequest({})),
  ask("Maintenance/HashKV", "", rpcpb.encodeHashKVRequest({ revision: 0 as Revision })),
  ask("Maintenance/Snapshot", "", rpcpb.encodeSnapshotRequest({})),
  ask("Maintenance/MoveLeader", "nobody", rpcpb.encodeMoveLeaderRequest({ targetId: nobodyHere })),
  ask(
    "Maintenance/Downgrade",
    "validate",
    rpcpb.encodeDowngradeRequest({ action: rpcpb.DowngradeAction.VALIDATE, version: "3.6.0" }),
  ),
];

const login = (name: string, password: string): Question =>
  ask(
    "Auth/Authenticate",
    `${name} ${password}`,
    rpcpb.encodeAuthenticateRequest({ name, password }),
  );

const perm = (key: string, rangeEnd = ""): authpb.Permission =>
  authpb.newPermission({ permType: 2, key: bytes(key), rangeEnd: bytes(rangeEnd) });
const grantPerm = (name: string, p: authpb.Permission | undefined, what: string): Question =>
  ask(
    "Auth/RoleGrantPermission",
    what,
    rpcpb.encodeAuthRoleGrantPermissionRequest({ name, perm: p }),
  );

const auth: readonly Question[] = [
  ask("Auth/AuthStatus", "", rpcpb.encodeAuthStatusRequest({})),
  ask("Auth/AuthEnable", "", rpcpb.encodeAuthEnableRequest({})),
  login("reader", "wrong"),
  login("nobody", "x"),
  login("cn", "x"),
  login("", ""),
  ...["root", "reader", "writer", "none", "nobody", ""].map((name) =>
    ask("Auth/UserGet", name, rpcpb.encodeAuthUserGetRequest({ name })),
  ),
  ...["root", "reads", "writes", "nothing", ""].map((role) =>
    ask("Auth/RoleGet", role, rpcpb.encodeAuthRoleGetRequest({ role })),
  ),
  ask("Auth/UserList", "", rpcpb.encodeAuthUserListRequest({})),
  ask("Auth/RoleList", "", rpcpb.encodeAuthRoleListRequest({})),
  ask("Auth/UserAdd", "a known one", rpcpb.encodeAuthUserAddRequest(user("reader", "x"))),
  ask("Auth/UserAdd", "no name", rpcpb.encodeAuthUserAddRequest(user("", "x"))),
  ask("Auth/UserAdd", "a long password", rpcpb.encodeAuthUserAddRequest(user("u", "x".repeat(73)))),
  ask("Auth/UserDelete", "nobody", rpcpb.encodeAuthUserDeleteRequest({ name: "nobody" })),
  ask("Auth/UserDelete", "root", rpcpb.encodeAuthUserDeleteRequest({ name: "root" })),
  ask(
    "Auth/UserChangePassword",
    "nobody",
    rpcpb.encodeAuthUserChangePasswordRequest(password("nobody")),
  ),
  ask(
    "Auth/UserChangePassword",
    "a hash that is none",
    rpcpb.encodeAuthUserChangePasswordRequest({ name: "none", password: "", hashedPassword: "?" }),
  ),
  ...(
    [
      ["nobody", "reads"],
      ["none", "nothing"],
      ["reader", "reads"],
    ] as const
  ).map(([u, role]) =>
    ask(
      "Auth/UserGrantRole",
      `${u} ${role}`,
      rpcpb.encodeAuthUserGrantRoleRequest({ user: u, role }),
    ),
  ),
  ...(
    [
      ["nobody", "reads"],
      ["none", "reads"],
      ["root", "root"],
    ] as const
  ).map(([name, role]) =>
    ask(
      "Auth/UserRevokeRole",
      `${name} ${role}`,
      rpcpb.encodeAuthUserRevokeRoleRequest({ name, role }),
    ),
  ),
  ask("Auth/RoleAdd", "a known one", rpcpb.encodeAuthRoleAddRequest({ name: "reads" })),
  ask("Auth/RoleAdd", "no name", rpcpb.encodeAuthRoleAddRequest({ name: "" })),
  ask("Auth/RoleDelete", "nothing", rpcpb.encodeAuthRoleDeleteRequest({ role: "nothing" })),
  ask("Auth/RoleDelete", "root", rpcpb.encodeAuthRoleDeleteRequest({ role: "root" })),
  grantPerm("reads", undefined, "none"),
  grantPerm("reads", perm(""), "no key"),
  grantPerm("reads", perm("b", "a"), "backwards"),
  grantPerm("nothing", perm("a"), "to nothing"),
  ask(
    "Auth/RoleRevokePermission",
    "not granted",
    rpcpb.encodeAuthRoleRevokePermissionRequest({
      role: "reads",
      key: bytes("q"),
      rangeEnd: bytes(""),
    }),
  ),
  { ...ask("Auth/AuthDisable", "", rpcpb.encodeAuthDisableRequest({})), onlyRefused: true },
];

function user(name: string, secret: string): rpcpb.AuthUserAddRequest {
  return rpcpb.newAuthUserAddRequest({ name, password: secret });
}

function password(name: string): rpcpb.AuthUserChangePasswordRequest {
  return rpcpb.newAuthUserChangePasswordRequest({ name, password: "new" });
}

const lockName = bytes("zlock");
const recipes: readonly Question[] = [
  {
    path: "/v3lockpb.Lock/Lock",
    what: "out of reach",
    bytes: v3lockpb.encodeLockRequest({ name: lockName, lease: leases.empty }),
    onlyRefused: true,
  },
  {
    path: "/v3lockpb.Lock/Unlock",
    what: "out of reach",
    bytes: v3lockpb.encodeUnlockRequest({ key: bytes("zlock/1") }),
  },
  {
    path: "/v3electionpb.Election/Leader",
    what: "out of reach",
    bytes: v3electionpb.encodeLeaderRequest({ name: lockName }),
  },
];

export const questions: readonly Question[] = [
  ...kv,
  ...lease,
  ...watch,
  ...cluster,
  ...maintenance,
  ...auth,
  ...recipes,
];

/** Who asks, the least trusted first: root's questions change the most. */
export const askers = [
  "no token",
  "wrong token",
  "malformed token",
  "none",
  "reader",
  "writer",
  "root",
] as const;
export type Asker = (typeof askers)[number];

/** Users by name, with their roles; the password is the name. */
export const users: Readonly<Record<string, readonly string[]>> = {
  root: ["root"],
  none: [],
  reader: ["reads"],
  writer: ["writes"],
};

export const roles: Readonly<Record<string, authpb.PermissionType>> = { reads: 0, writes: 1 };
