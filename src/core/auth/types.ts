/** The records of users, roles and permissions, named as in etcd's authpb. */

/** Who asks, as of which revision of the auth store. Revision 0: nobody was named. */
export interface AuthInfo {
  readonly username: string;
  readonly revision: number;
}

/** authpb.PermissionType. */
export const PermissionType = { Read: 0, Write: 1, ReadWrite: 2 } as const;

/** authpb.Permission: a key (`rangeEnd` empty), a range, or all from `key` on (`rangeEnd` one zero byte). */
export interface Permission {
  readonly permType: number;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

/** authpb.User. `password` is what bcrypt made of it, as ASCII; empty for a user without one. */
export interface User {
  readonly name: string;
  readonly password: Uint8Array;
  /** Sorted by bytes. */
  readonly roles: readonly string[];
  /** Absent in rows of old etcds. */
  readonly options: { readonly noPassword: boolean } | undefined;
}

/** authpb.Role; permissions are sorted by key. */
export interface Role {
  readonly name: string;
  readonly permissions: readonly Permission[];
}

/** Where the rows of users, roles and the store itself are kept. */
export interface AuthRows {
  putUser(user: User): void;
  deleteUser(name: string): void;
  putRole(role: Role): void;
  deleteRole(name: string): void;
  putEnabled(enabled: boolean): void;
  putRevision(revision: number): void;
}

/** Names of src/proto's errors. */
export type AuthErrorCode =
  | "RootUserNotExist"
  | "RootRoleNotExist"
  | "UserAlreadyExist"
  | "UserEmpty"
  | "UserNotFound"
  | "RoleAlreadyExist"
  | "RoleNotFound"
  | "RoleEmpty"
  | "AuthFailed"
  | "NoPasswordUser"
  | "PermissionNotGiven"
  | "PermissionDenied"
  | "RoleNotGranted"
  | "PermissionNotGranted"
  | "AuthNotEnabled"
  | "AuthOldRevision"
  | "InvalidAuthMgmt";

/** Undefined: permitted, or done. */
export type AuthResult = AuthErrorCode | undefined;
