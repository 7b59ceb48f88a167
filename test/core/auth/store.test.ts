import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthStore, RequestChecks, type Role, type User } from "../../../src/core/auth/index.ts";
import type { LeaseId } from "../../../src/core/types.ts";

const bytes = (text: string): Uint8Array => Buffer.from(text);
const nothing = bytes("");
const hash = bytes("$2a$");

/** A store over rows in memory. */
function newStore() {
  const users = new Map<string, User>();
  const roles = new Map<string, Role>();
  const rows = { users, roles, enabled: false, revision: 0 };
  const store = new AuthStore({
    putUser: (user) => void users.set(user.name, user),
    deleteUser: (name) => void users.delete(name),
    putRole: (role) => void roles.set(role.name, role),
    deleteRole: (name) => void roles.delete(name),
    putEnabled: (enabled) => {
      rows.enabled = enabled;
    },
    putRevision: (revision) => {
      rows.revision = revision;
    },
  });
  store.restore({ users: [], roles: [], enabled: false, revision: 0 });
  return { store, rows };
}

/** With root, and u who may read a to c and write b. */
function enabled() {
  const made = newStore();
  const { store } = made;
  for (const name of ["root", "u"]) store.userAdd(name, hash, { noPassword: false });
  store.roleAdd("r");
  store.roleGrantPermission("r", { permType: 0, key: bytes("a"), rangeEnd: bytes("c") });
  store.roleGrantPermission("r", { permType: 1, key: bytes("b"), rangeEnd: nothing });
  store.userGrantRole("u", "r");
  store.userGrantRole("root", "root");
  assert.equal(store.enable(), undefined);
  return { ...made, u: { username: "u", revision: store.revision } };
}

test("a new store begins with revision 1, and writes it down", () => {
  const { store, rows } = newStore();
  assert.deepEqual([store.revision, rows.revision, store.enabled], [1, 1, false]);
});

test("enable() needs the user root with the role root", () => {
  const { store, rows } = newStore();
  assert.equal(store.enable(), "RootUserNotExist");
  store.userAdd("root", hash, { noPassword: false });
  assert.equal(store.enable(), "RootRoleNotExist");
  store.userGrantRole("root", "root");
  const { revision } = store;
  assert.equal(store.enable(), undefined);
  assert.deepEqual([rows.enabled, store.revision], [true, revision]);
  store.disable();
  assert.deepEqual([rows.enabled, store.revision], [false, revision + 1]);
});

test("while authentication is on, root can be neither deleted nor deprived", () => {
  const { store } = enabled();
  assert.equal(store.userDelete("root"), "InvalidAuthMgmt");
  assert.equal(store.userRevokeRole("root", "root"), "InvalidAuthMgmt");
  assert.equal(store.roleDelete("root"), "InvalidAuthMgmt");
});

test("permissions hold at the revision they were asked for, and not after a change", () => {
  const { store, u } = enabled();
  assert.equal(store.checkRead(u, bytes("a"), bytes("c")), undefined);
  assert.equal(store.checkRead(u, bytes("a"), bytes("d")), "PermissionDenied");
  assert.equal(store.checkWrite(u, bytes("b"), nothing), undefined);
  assert.equal(store.checkWrite(u, bytes("a"), nothing), "PermissionDenied");
  store.roleRevokePermission("r", bytes("b"), nothing);
  assert.equal(store.checkWrite(u, bytes("b"), nothing), "AuthOldRevision");
  const now = { username: "u", revision: store.revision };
  assert.equal(store.checkWrite(now, bytes("b"), nothing), "PermissionDenied");
  assert.equal(store.checkRead({ username: "", revision: 0 }, bytes("a"), nothing), "UserEmpty");
});

test("roleDelete() takes the role from its users", () => {
  const { store, rows, u } = enabled();
  store.roleDelete("r");
  assert.deepEqual(rows.users.get("u")?.roles, []);
  const now = { ...u, revision: store.revision };
  assert.equal(store.checkRead(now, bytes("a"), nothing), "PermissionDenied");
});

test("names and roles are in the order of their bytes", () => {
  const { store } = newStore();
  // UTF-16 puts the second before the first.
  const names = ["a", "ab", "\uffee", "\u{1f600}"];
  for (const name of [...names].reverse()) {
    store.userAdd(name, hash, { noPassword: false });
    store.roleAdd(name);
    store.userGrantRole("a", name);
  }
  for (const name of [...names].reverse()) store.userGrantRole("a", name);
  assert.deepEqual(store.userNames(), names);
  assert.deepEqual(store.roleNames(), names);
  assert.deepEqual(store.user("a")?.roles, names);
});

test("a txn is checked in both branches and all that is nested in it", () => {
  const { store, u } = enabled();
  const checks = new RequestChecks(store, { attached: () => [] });
  type Txn = Parameters<typeof checks.txn>[1];
  type Op = Txn["success"][number];
  const none: Op = {
    requestRange: undefined,
    requestPut: undefined,
    requestDeleteRange: undefined,
    requestTxn: undefined,
  };
  const put = (key: string): Op => ({
    ...none,
    requestPut: { key: bytes(key), lease: 0n as LeaseId, prevKv: false },
  });
  const txn: Txn = { compare: [], success: [], failure: [] };
  const nested = (inner: Op): Op => ({ ...none, requestTxn: { ...txn, failure: [inner] } });
  const deep = (key: string): Txn => ({ ...txn, success: [nested(nested(put(key)))] });
  assert.equal(checks.txn(u, deep("b")), undefined);
  assert.equal(checks.txn(u, deep("a")), "PermissionDenied");
  const compare = [{ key: bytes("x"), rangeEnd: nothing }];
  assert.equal(checks.txn(u, { ...txn, compare }), "PermissionDenied");
});

test("a lease may be used by whoever may write all that hangs on it", () => {
  const { store, u } = enabled();
  const keys = new Map([
    [1n, ["b"]],
    [2n, ["a", "b"]],
  ]);
  const checks = new RequestChecks(store, { attached: (id) => keys.get(id) ?? [] });
  const put = (lease: bigint) => ({ key: bytes("b"), lease: lease as LeaseId, prevKv: false });
  assert.equal(checks.put(u, put(1n)), undefined);
  assert.equal(checks.put(u, put(2n)), "PermissionDenied");
  assert.equal(checks.leaseRevoke(u, 2n as LeaseId), "PermissionDenied");
  assert.equal(checks.leaseRead(u, 2n as LeaseId), undefined);
  const root = { username: "root", revision: 1 };
  assert.equal(checks.leaseRevoke(root, 2n as LeaseId), undefined, "at any revision");
});
