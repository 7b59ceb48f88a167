/**
 * Users, roles and what they may do. Replicated: every change comes out of the log, and its result
 * depends on nothing else. Source: etcd server/auth/store.go, range_perm_cache.go.
 */
import { emptyBytes, equalBytes, toLatin1 } from "../../lib/bytes.ts";
import { isValidRange, KeySet } from "./key-set.ts";
import {
  type AuthInfo,
  type AuthResult,
  type AuthRows,
  type Permission,
  PermissionType,
  type Role,
  type User,
} from "./types.ts";

/** The user and the role that may do everything. */
export const root = "root";

const rootPermission: Permission = {
  permType: PermissionType.ReadWrite,
  key: emptyBytes,
  rangeEnd: new Uint8Array(1),
};

interface Access {
  readonly read: KeySet;
  readonly write: KeySet;
}

export class AuthStore {
  readonly #rows: AuthRows;
  readonly #users = new Map<string, User>();
  readonly #roles = new Map<string, Role>();
  /** Merged permissions by user name; made when first asked for, dropped by every change. */
  readonly #access = new Map<string, Access>();
  #enabled = false;
  #revision = 1;

  constructor(rows: AuthRows) {
    this.#rows = rows;
  }

  /** While false everybody may do everything. */
  get enabled(): boolean {
    return this.#enabled;
  }

  /** Goes up with every change of users, roles and permissions, and when authentication goes off. */
  get revision(): number {
    return this.#revision;
  }

  user(name: string): User | undefined {
    return this.#users.get(name);
  }

  // --- restore -------------------------------------------------------------------------------

  /**
   * Takes the place of everything, in one turn: while it is prepared nobody is let in. Revision 0
   * stands for a store that was never written; it begins with 1, as etcd's does.
   */
  restore(state: {
    readonly users: readonly User[];
    readonly roles: readonly Role[];
    readonly enabled: boolean;
    readonly revision: number;
  }): void {
    this.#users.clear();
    this.#roles.clear();
    this.#access.clear();
    for (const user of state.users) this.#users.set(user.name, user);
    for (const role of state.roles) this.#roles.set(role.name, role);
    this.#enabled = state.enabled;
    this.#revision = Math.max(1, state.revision);
    if (state.revision === 0) this.#rows.putRevision(this.#revision);
  }

  // --- on and off ----------------------------------------------------------------------------

  enable(): AuthResult {
    if (this.#enabled) return undefined;
    const user = this.#users.get(root);
    if (user === undefined) return "RootUserNotExist";
    if (!user.roles.includes(root)) return "RootRoleNotExist";
    this.#enabled = true;
    this.#rows.putEnabled(true);
    return undefined;
  }

  disable(): void {
    if (!this.#enabled) return;
    this.#enabled = false;
    this.#rows.putEnabled(false);
    this.#commit();
  }

  // --- users ---------------------------------------------------------------------------------

  /** `password`: bcrypt's text; undefined when the request's did not decode. */
  userAdd(
    name: string,
    password: Uint8Array | undefined,
    options: { readonly noPassword: boolean },
  ): AuthResult {
    if (name === "") return "UserEmpty";
    if (this.#users.has(name)) return "UserAlreadyExist";
    if (!options.noPassword && password === undefined) return "NoPasswordUser";
    const kept = options.noPassword ? emptyBytes : (password as Uint8Array);
    this.#putUser({ name, password: kept, roles: [], options });
    this.#commit();
    return undefined;
  }

  userDelete(name: string): AuthResult {
    if (this.#enabled && name === root) return "InvalidAuthMgmt";
    if (!this.#users.delete(name)) return "UserNotFound";
    this.#rows.deleteUser(name);
    this.#commit();
    return undefined;
  }

  /** As `userAdd`; a user without a password stays one. */
  userChangePassword(name: string, password: Uint8Array | undefined): AuthResult {
    const user = this.#users.get(name);
    if (user === undefined) return "UserNotFound";
    const noPassword = user.options?.noPassword === true;
    if (!noPassword && password === undefined) return "NoPasswordUser";
    this.#putUser({ ...user, password: noPassword ? emptyBytes : (password as Uint8Array) });
    this.#commit();
    return undefined;
  }

  userGrantRole(name: string, role: string): AuthResult {
    const user = this.#users.get(name);
    if (user === undefined) return "UserNotFound";
    if (role !== root && !this.#roles.has(role)) return "RoleNotFound";
    if (user.roles.includes(role)) return undefined;
    this.#putUser({ ...user, roles: sortedNames([...user.roles, role]) });
    this.#commit();
    return undefined;
  }

  userRevokeRole(name: string, role: string): AuthResult {
    if (this.#enabled && name === root && role === root) return "InvalidAuthMgmt";
    const user = this.#users.get(name);
    if (user === undefined) return "UserNotFound";
    if (!user.roles.includes(role)) return "RoleNotGranted";
    this.#putUser({ ...user, roles: user.roles.filter((r) => r !== role) });
    this.#commit();
    return undefined;
  }

  /** Sorted by bytes. */
  userNames(): string[] {
    return sortedNames([...this.#users.keys()]);
  }

  // --- roles ---------------------------------------------------------------------------------

  roleAdd(name: string): AuthResult {
    if (name === "") return "RoleEmpty";
    if (this.#roles.has(name)) return "RoleAlreadyExist";
    this.#putRole({ name, permissions: [] });
    this.#commit();
    return undefined;
  }

  roleDelete(name: string): AuthResult {
    if (this.#enabled && name === root) return "InvalidAuthMgmt";
    if (!this.#roles.delete(name)) return "RoleNotFound";
    this.#rows.deleteRole(name);
    for (const user of [...this.#users.values()]) {
      if (!user.roles.includes(name)) continue;
      this.#putUser({ ...user, roles: user.roles.filter((r) => r !== name) });
    }
    this.#commit();
    return undefined;
  }

  /** Takes the place of the permission that the role has on the same range. */
  roleGrantPermission(name: string, permission: Permission | undefined): AuthResult {
    if (permission === undefined) return "PermissionNotGiven";
    if (!isValidRange(permission.key, permission.rangeEnd)) return "InvalidAuthMgmt";
    const role = this.#roles.get(name);
    if (role === undefined) return "RoleNotFound";
    this.#putRole({ name, permissions: withPermission(role.permissions, permission) });
    this.#commit();
    return undefined;
  }

  roleRevokePermission(name: string, key: Uint8Array, rangeEnd: Uint8Array): AuthResult {
    const role = this.#roles.get(name);
    if (role === undefined) return "RoleNotFound";
    const permissions = role.permissions.filter((p) => !isOn(p, key, rangeEnd));
    if (permissions.length === role.permissions.length) return "PermissionNotGranted";
    this.#putRole({ name, permissions });
    this.#commit();
    return undefined;
  }

  /** The role's permissions; of root, that on everything. Undefined: no such role. */
  rolePermissions(name: string): readonly Permission[] | undefined {
    const role = this.#roles.get(name);
    if (role === undefined) return undefined;
    return name === root ? [rootPermission] : role.permissions;
  }

  /** Sorted by bytes. */
  roleNames(): string[] {
    return sortedNames([...this.#roles.keys()]);
  }

  // --- who may do what -----------------------------------------------------------------------

  /** May they write this range (`rangeEnd` empty: this key)? */
  checkWrite(who: AuthInfo, key: Uint8Array, rangeEnd: Uint8Array): AuthResult {
    return this.#check(who, "write", key, rangeEnd);
  }

  checkRead(who: AuthInfo, key: Uint8Array, rangeEnd: Uint8Array): AuthResult {
    return this.#check(who, "read", key, rangeEnd);
  }

  /** Do they have the role root? Their revision may be old. */
  checkAdmin(who: AuthInfo | undefined): AuthResult {
    if (!this.#enabled) return undefined;
    if (who === undefined || who.username === "") return "UserEmpty";
    const user = this.#users.get(who.username);
    if (user === undefined) return "UserNotFound";
    return user.roles.includes(root) ? undefined : "PermissionDenied";
  }

  hasRole(username: string, role: string): boolean {
    return this.#users.get(username)?.roles.includes(role) === true;
  }

  #check(who: AuthInfo, kind: keyof Access, key: Uint8Array, rangeEnd: Uint8Array): AuthResult {
    if (!this.#enabled) return undefined;
    if (who.revision === 0) return "UserEmpty";
    if (who.revision < this.#revision) return "AuthOldRevision";
    const user = this.#users.get(who.username);
    if (user === undefined) return "PermissionDenied";
    if (user.roles.includes(root)) return undefined;
    return this.#accessOf(user)[kind].covers(key, rangeEnd) ? undefined : "PermissionDenied";
  }

  #accessOf(user: User): Access {
    let access = this.#access.get(user.name);
    if (access !== undefined) return access;
    const all = user.roles.flatMap((role) => this.#roles.get(role)?.permissions ?? []);
    const { Read, Write, ReadWrite } = PermissionType;
    const both = (p: Permission): boolean => p.permType === ReadWrite;
    access = {
      read: new KeySet(all.filter((p) => both(p) || p.permType === Read)),
      write: new KeySet(all.filter((p) => both(p) || p.permType === Write)),
    };
    this.#access.set(user.name, access);
    return access;
  }

  #putUser(user: User): void {
    this.#users.set(user.name, user);
    this.#rows.putUser(user);
  }

  #putRole(role: Role): void {
    this.#roles.set(role.name, role);
    this.#rows.putRole(role);
  }

  #commit(): void {
    this.#access.clear();
    this.#revision++;
    this.#rows.putRevision(this.#revision);
  }
}

const isOn = (p: Permission, key: Uint8Array, rangeEnd: Uint8Array): boolean =>
  equalBytes(p.key, key) && equalBytes(p.rangeEnd, rangeEnd);

/**
 * The list with one permission more, or changed. As etcd does: only the first permission of a key
 * is looked at, so one on (a, c) is there twice when it was granted again behind one on (a, b).
 */
function withPermission(list: readonly Permission[], added: Permission): Permission[] {
  const key = toLatin1(added.key);
  const at = list.findIndex((p) => toLatin1(p.key) >= key);
  const found = list[at];
  if (found !== undefined && isOn(found, added.key, added.rangeEnd)) {
    return list.map((p) => (p === found ? { ...p, permType: added.permType } : p));
  }
  return sortByKey([...list, added]);
}

/** Stable, as is Go's sort for up to twelve elements. */
function sortByKey(list: readonly Permission[]): Permission[] {
  const keyed = list.map((permission) => ({ permission, key: toLatin1(permission.key) }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return keyed.map(({ permission }) => permission);
}

/** In the order of their UTF-8, which is that of the code points and not of JavaScript's strings. */
function sortedNames(names: string[]): string[] {
  return names.sort((a, b) => {
    const left = Array.from(a, (c) => c.codePointAt(0) as number);
    const right = Array.from(b, (c) => c.codePointAt(0) as number);
    const at = left.findIndex((c, i) => c !== right[i]);
    if (at === -1) return left.length - right.length;
    return (left[at] as number) - (right[at] ?? -1);
  });
}
