import { type authpb, rpcpb } from "../proto/client/index.ts";
import { authMethods } from "./auth-methods.ts";
import type { Caller, CallOptions } from "./client.ts";
import { type Bytes, toBytes } from "./kv.ts";

/** The keys of one permission: one key, or from it to `rangeEnd` (one zero byte: to the end). */
export interface PermissionRange {
  readonly key: Bytes;
  readonly rangeEnd?: Bytes;
}

/**
 * The Auth service: users, roles and the switch. Only the user root may change anything once
 * authentication is on. Throws RpcError; `etcd` names the refusal (UserNotFound, RoleAlreadyExist,
 * ...) as in etcd's rpctypes.
 */
export class Auth {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Throws RootUserNotExist, RootRoleNotExist. */
  enable(options?: CallOptions): Promise<rpcpb.AuthEnableResponse> {
    return this.#caller.call(authMethods.enable, {}, options);
  }

  disable(options?: CallOptions): Promise<rpcpb.AuthDisableResponse> {
    return this.#caller.call(authMethods.disable, {}, options);
  }

  /** Needs no token. */
  status(options?: CallOptions): Promise<rpcpb.AuthStatusResponse> {
    return this.#caller.call(authMethods.status, {}, options);
  }

  /** `noPassword`: a user that only the CN of a client certificate can be. */
  userAdd(
    name: string,
    password: string,
    options: CallOptions & { readonly noPassword?: boolean } = {},
  ): Promise<rpcpb.AuthUserAddResponse> {
    const request = rpcpb.newAuthUserAddRequest({
      name,
      password,
      options: { noPassword: options.noPassword ?? false },
    });
    return this.#caller.call(authMethods.userAdd, request, options);
  }

  userGet(name: string, options?: CallOptions): Promise<rpcpb.AuthUserGetResponse> {
    return this.#caller.call(authMethods.userGet, { name }, options);
  }

  userList(options?: CallOptions): Promise<rpcpb.AuthUserListResponse> {
    return this.#caller.call(authMethods.userList, {}, options);
  }

  userDelete(name: string, options?: CallOptions): Promise<rpcpb.AuthUserDeleteResponse> {
    return this.#caller.call(authMethods.userDelete, { name }, options);
  }

  userChangePassword(
    name: string,
    password: string,
    options?: CallOptions,
  ): Promise<rpcpb.AuthUserChangePasswordResponse> {
    const request = rpcpb.newAuthUserChangePasswordRequest({ name, password });
    return this.#caller.call(authMethods.userChangePassword, request, options);
  }

  userGrantRole(
    user: string,
    role: string,
    options?: CallOptions,
  ): Promise<rpcpb.AuthUserGrantRoleResponse> {
    return this.#caller.call(authMethods.userGrantRole, { user, role }, options);
  }

  userRevokeRole(
    name: string,
    role: string,
    options?: CallOptions,
  ): Promise<rpcpb.AuthUserRevokeRoleResponse> {
    return this.#caller.call(authMethods.userRevokeRole, { name, role }, options);
  }

  roleAdd(name: string, options?: CallOptions): Promise<rpcpb.AuthRoleAddResponse> {
    return this.#caller.call(authMethods.roleAdd, { name }, options);
  }

  roleGet(role: string, options?: CallOptions): Promise<rpcpb.AuthRoleGetResponse> {
    return this.#caller.call(authMethods.roleGet, { role }, options);
  }

  roleList(options?: CallOptions): Promise<rpcpb.AuthRoleListResponse> {
    return this.#caller.call(authMethods.roleList, {}, options);
  }

  roleDelete(role: string, options?: CallOptions): Promise<rpcpb.AuthRoleDeleteResponse> {
    return this.#caller.call(authMethods.roleDelete, { role }, options);
  }

  /** `permType` 0 read, 1 write, 2 both. */
  roleGrantPermission(
    name: string,
    permType: authpb.PermissionType,
    range: PermissionRange,
    options?: CallOptions,
  ): Promise<rpcpb.AuthRoleGrantPermissionResponse> {
    const perm = { permType, ...bytesOf(range) };
    return this.#caller.call(authMethods.roleGrantPermission, { name, perm }, options);
  }

  roleRevokePermission(
    role: string,
    range: PermissionRange,
    options?: CallOptions,
  ): Promise<rpcpb.AuthRoleRevokePermissionResponse> {
    const request = { role, ...bytesOf(range) };
    return this.#caller.call(authMethods.roleRevokePermission, request, options);
  }
}

const bytesOf = ({
  key,
  rangeEnd,
}: PermissionRange): { key: Uint8Array; rangeEnd: Uint8Array } => ({
  key: toBytes(key),
  rangeEnd: toBytes(rangeEnd ?? ""),
});
