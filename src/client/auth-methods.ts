import { rpcpb as p } from "../proto/client/index.ts";
import { method, read } from "./methods.ts";

/** The Auth service's RPCs but Authenticate, which the client itself calls. */
export const authMethods = {
  enable: method("Auth/AuthEnable", p.encodeAuthEnableRequest, p.decodeAuthEnableResponse),
  disable: method("Auth/AuthDisable", p.encodeAuthDisableRequest, p.decodeAuthDisableResponse),
  status: read("Auth/AuthStatus", p.encodeAuthStatusRequest, p.decodeAuthStatusResponse),
  userAdd: method("Auth/UserAdd", p.encodeAuthUserAddRequest, p.decodeAuthUserAddResponse),
  userGet: read("Auth/UserGet", p.encodeAuthUserGetRequest, p.decodeAuthUserGetResponse),
  userList: read("Auth/UserList", p.encodeAuthUserListRequest, p.decodeAuthUserListResponse),
  userDelete: method(
    "Auth/UserDelete",
    p.encodeAuthUserDeleteRequest,
    p.decodeAuthUserDeleteResponse,
  ),
  userChangePassword: method(
    "Auth/UserChangePassword",
    p.encodeAuthUserChangePasswordRequest,
    p.decodeAuthUserChangePasswordResponse,
  ),
  userGrantRole: method(
    "Auth/UserGrantRole",
    p.encodeAuthUserGrantRoleRequest,
    p.decodeAuthUserGrantRoleResponse,
  ),
  userRevokeRole: method(
    "Auth/UserRevokeRole",
    p.encodeAuthUserRevokeRoleRequest,
    p.decodeAuthUserRevokeRoleResponse,
  ),
  roleAdd: method("Auth/RoleAdd", p.encodeAuthRoleAddRequest, p.decodeAuthRoleAddResponse),
  roleGet: read("Auth/RoleGet", p.encodeAuthRoleGetRequest, p.decodeAuthRoleGetResponse),
  roleList: read("Auth/RoleList", p.encodeAuthRoleListRequest, p.decodeAuthRoleListResponse),
  roleDelete: method(
    "Auth/RoleDelete",
    p.encodeAuthRoleDeleteRequest,
    p.decodeAuthRoleDeleteResponse,
  ),
  roleGrantPermission: method(
    "Auth/RoleGrantPermission",
    p.encodeAuthRoleGrantPermissionRequest,
    p.decodeAuthRoleGrantPermissionResponse,
  ),
  roleRevokePermission: method(
    "Auth/RoleRevokePermission",
    p.encodeAuthRoleRevokePermissionRequest,
    p.decodeAuthRoleRevokePermissionResponse,
  ),
} as const;
