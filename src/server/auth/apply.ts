/**
 * Entries of the log under authentication: whether they may be applied, and those that change users
 * and roles. Source: etcd server/etcdserver/apply/auth.go, backend.go.
 */
import {
  type AuthInfo,
  type AuthResult,
  AuthStore,
  type LeaseKeys,
  type Permission,
  RequestChecks,
} from "../../core/auth/index.ts";
import type { Clock, Logger } from "../../ports/index.ts";
import { EtcdError, type rpcpb } from "../../proto/index.ts";
import type { Backend } from "../../storage/backend/index.ts";
import { authRows, restoreAuth } from "./rows.ts";
import type { Tokens } from "./tokens.ts";

/** What an applied request of the Auth service answers. */
export type AuthApplied =
  | { readonly kind: "auth" }
  | { readonly kind: "authStatus"; readonly enabled: boolean; readonly revision: number }
  | { readonly kind: "authToken"; readonly token: string }
  | { readonly kind: "authNames"; readonly names: readonly string[] }
  | { readonly kind: "authPermissions"; readonly permissions: readonly Permission[] };

type Request = rpcpb.InternalRaftRequest;

export interface AuthMachineOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tokens: Tokens;
  readonly leases: LeaseKeys;
  readonly backend: () => Backend;
}

/** An entry without a header names nobody. */
const nobody: AuthInfo = { username: "", revision: 0 };
const done: AuthApplied = { kind: "auth" };

export class AuthMachine {
  readonly store: AuthStore;
  readonly tokens: Tokens;
  readonly checks: RequestChecks;
  readonly #o: AuthMachineOptions;

  constructor(options: AuthMachineOptions) {
    this.#o = options;
    this.tokens = options.tokens;
    this.store = new AuthStore(authRows(options.backend));
    this.checks = new RequestChecks(this.store, options.leases);
  }

  /**
   * What the backend holds. The entries whose place a snapshot took may have deleted users, changed
   * passwords or ended authentication: whoever shows a token from before that is nobody.
   */
  async restore(backend: Backend): Promise<void> {
    const { store, tokens } = this;
    const known = store.userNames().map((name) => store.user(name));
    await restoreAuth(backend, store);
    if (!store.enabled) tokens.forgetAll();
    for (const before of known) {
      if (before === undefined) continue;
      const now = store.user(before.name);
      const isSame = now !== undefined && Buffer.compare(now.password, before.password) === 0;
      if (!isSame) tokens.forgetUser(before.name);
    }
  }

  /** Why an entry may not be applied by whom its header names; only asked while `enabled`. */
  refuse(r: Request): EtcdError | undefined {
    const who = infoOf(r);
    const refused = needsAdmin(r) ? this.store.checkAdmin(who) : this.#refuseKeys(who, r);
    return refused === undefined ? undefined : new EtcdError(refused);
  }

  #refuseKeys(who: AuthInfo, r: Request): AuthResult {
    if (r.put !== undefined) return this.checks.put(who, r.put);
    if (r.txn !== undefined) return this.checks.txn(who, r.txn);
    if (r.deleteRange !== undefined) return this.checks.deleteRange(who, r.deleteRange);
    if (r.leaseRevoke !== undefined) return this.checks.leaseRevoke(who, r.leaseRevoke.id);
    if (r.range !== undefined) {
      return this.store.checkRead(who, r.range.key, r.range.rangeEnd);
    }
    if (r.authUserGet !== undefined) {
      const refused = this.store.checkAdmin(who);
      return r.authUserGet.name === who.username ? undefined : refused;
    }
    if (r.authRoleGet !== undefined) {
      const refused = this.store.checkAdmin(who);
      return this.store.hasRole(who.username, r.authRoleGet.role) ? undefined : refused;
    }
    return undefined;
  }

  /** Applies a request of the Auth service; undefined when it is none. */
  apply(r: Request, index: number, waited: boolean): AuthApplied | EtcdError | undefined {
    if (r.authenticate !== undefined) return this.#authenticate(r.authenticate, index, waited);
    if (r.authStatus !== undefined) {
      const { enabled, revision } = this.store;
      return { kind: "authStatus", enabled, revision };
    }
    if (r.authEnable !== undefined) return this.#enable();
    if (r.authDisable !== undefined) {
      this.store.disable();
      this.tokens.forgetAll();
      return this.#changed("disabled authentication", undefined);
    }
    return this.#users(r) ?? this.#roles(r);
  }

  #enable(): AuthApplied | EtcdError {
    if (this.store.enabled) return done;
    return this.#changed("enabled authentication", this.store.enable());
  }

  /** The password was checked before the proposal, at the revision that the proposer compares. */
  #authenticate(
    r: rpcpb.InternalAuthenticateRequest,
    index: number,
    waited: boolean,
  ): AuthApplied | EtcdError {
    if (!this.store.enabled) return new EtcdError("AuthNotEnabled");
    const user = this.store.user(r.name);
    if (user === undefined || user.options?.noPassword === true) return new EtcdError("AuthFailed");
    const token = this.tokens.assign({
      username: r.name,
      revision: this.store.revision,
      prefix: r.simpleToken,
      // etcd's consistent index is still that of the entry before.
      index: index - 1,
      nowMs: this.#o.clock.nowMs(),
      waited,
    });
    return typeof token === "string" ? { kind: "authToken", token } : token;
  }

  #users(r: Request): AuthApplied | EtcdError | undefined {
    const { store } = this;
    if (r.authUserAdd !== undefined) {
      const { name, hashedPassword, options } = r.authUserAdd;
      const password = decodeBase64(hashedPassword);
      const added = store.userAdd(name, password, options ?? { noPassword: false });
      return this.#changed("added a user", added, { "user-name": name });
    }
    if (r.authUserDelete !== undefined) {
      const { name } = r.authUserDelete;
      const deleted = store.userDelete(name);
      if (deleted === undefined) this.tokens.forgetUser(name);
      return this.#changed("deleted a user", deleted, { "user-name": name });
    }
    if (r.authUserChangePassword !== undefined) {
      const { name, hashedPassword } = r.authUserChangePassword;
      const changed = store.userChangePassword(name, decodeBase64(hashedPassword));
      if (changed === undefined) this.tokens.forgetUser(name);
      return this.#changed("changed a password of a user", changed, { "user-name": name });
    }
    if (r.authUserGrantRole !== undefined) {
      const { user, role } = r.authUserGrantRole;
      const fields = { "user-name": user, "added-role-name": role };
      return this.#changed("granted a role to a user", store.userGrantRole(user, role), fields);
    }
    if (r.authUserRevokeRole !== undefined) {
      const { name, role } = r.authUserRevokeRole;
      const fields = { "user-name": name, "revoked-role-name": role };
      return this.#changed("revoked a role from a user", store.userRevokeRole(name, role), fields);
    }
    if (r.authUserGet !== undefined) {
      const user = store.user(r.authUserGet.name);
      if (user === undefined) return new EtcdError("UserNotFound");
      return { kind: "authNames", names: user.roles };
    }
    if (r.authUserList !== undefined) return { kind: "authNames", names: store.userNames() };
    return undefined;
  }

  #roles(r: Request): AuthApplied | EtcdError | undefined {
    const { store } = this;
    if (r.authRoleAdd !== undefined) {
      const { name } = r.authRoleAdd;
      return this.#changed("created a role", store.roleAdd(name), { "role-name": name });
    }
    if (r.authRoleDelete !== undefined) {
      const { role } = r.authRoleDelete;
      return this.#changed("deleted a role", store.roleDelete(role), { "role-name": role });
    }
    if (r.authRoleGrantPermission !== undefined) {
      const { name, perm } = r.authRoleGrantPermission;
      const granted = store.roleGrantPermission(name, perm);
      return this.#changed("granted/updated a permission to a user", granted, {
        "user-name": name,
      });
    }
    if (r.authRoleRevokePermission !== undefined) {
      const { role, key, rangeEnd } = r.authRoleRevokePermission;
      const revoked = store.roleRevokePermission(role, key, rangeEnd);
      return this.#changed("revoked a permission on range", revoked, { "role-name": role });
    }
    if (r.authRoleGet !== undefined) {
      const permissions = store.rolePermissions(r.authRoleGet.role);
      if (permissions === undefined) return new EtcdError("RoleNotFound");
      return { kind: "authPermissions", permissions };
    }
    if (r.authRoleList !== undefined) return { kind: "authNames", names: store.roleNames() };
    return undefined;
  }

  #changed(
    message: string,
    result: AuthResult,
    fields: Record<string, string> = {},
  ): AuthApplied | EtcdError {
    if (result !== undefined) return new EtcdError(result);
    this.#o.logger.info(message, fields);
    return done;
  }
}

function infoOf(r: Request): AuthInfo {
  const { header } = r;
  if (header === undefined) return nobody;
  return { username: header.username, revision: header.authRevision };
}

/** What only root may have proposed. */
const needsAdmin = (r: Request): boolean =>
  r.authEnable !== undefined ||
  r.authDisable !== undefined ||
  r.authUserAdd !== undefined ||
  r.authUserDelete !== undefined ||
  r.authUserChangePassword !== undefined ||
  r.authUserGrantRole !== undefined ||
  r.authUserRevokeRole !== undefined ||
  r.authUserList !== undefined ||
  r.authRoleAdd !== undefined ||
  r.authRoleDelete !== undefined ||
  r.authRoleGrantPermission !== undefined ||
  r.authRoleRevokePermission !== undefined ||
  r.authRoleList !== undefined;

/** As Go's base64.StdEncoding reads it; undefined when it does not. */
function decodeBase64(encoded: string): Uint8Array | undefined {
  const text = encoded.replace(/[\r\n]/g, "");
  const isSound = text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text);
  return isSound ? Buffer.from(text, "base64") : undefined;
}
