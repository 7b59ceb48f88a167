/** The auth store's rows, byte for byte etcd's (server/storage/schema/auth*.go). */
import type { AuthRows, AuthStore, Permission, Role, User } from "../../core/auth/index.ts";
import { emptyBytes } from "../../lib/bytes.ts";
import { authpb } from "../../proto/index.ts";
import type { Backend } from "../../storage/backend/index.ts";

const enabledKey = Buffer.from("authEnabled");
const revisionKey = Buffer.from("authRevision");

export const permissionToProto = (p: Permission): authpb.Permission =>
  authpb.newPermission({
    permType: p.permType as authpb.PermissionType,
    key: p.key,
    rangeEnd: p.rangeEnd,
  });

/** `backend` is asked at every write: a snapshot puts another in its place. */
export function authRows(backend: () => Backend): AuthRows {
  return {
    putUser: ({ name, password, roles, options }) => {
      const key = Buffer.from(name);
      const user = authpb.newUser({ name: key, password, roles: [...roles], options });
      backend().putRow("authUsers", key, authpb.encodeUser(user));
    },
    deleteUser: (name) => backend().deleteRow("authUsers", Buffer.from(name)),
    putRole: ({ name, permissions }) => {
      const key = Buffer.from(name);
      const role = { name: key, keyPermission: permissions.map(permissionToProto) };
      backend().putRow("authRoles", key, authpb.encodeRole(role));
    },
    deleteRole: (name) => backend().deleteRow("authRoles", Buffer.from(name)),
    putEnabled: (enabled) => backend().putRow("auth", enabledKey, Uint8Array.of(enabled ? 1 : 0)),
    putRevision: (revision) => {
      const value = Buffer.alloc(8);
      value.writeBigUInt64BE(BigInt(revision));
      backend().putRow("auth", revisionKey, value);
    },
  };
}

/** Reads everything back; until then the store stays as it was. */
export async function restoreAuth(backend: Backend, store: AuthStore): Promise<void> {
  const roles: Role[] = [];
  const users: User[] = [];
  for await (const rows of backend.scan("authRoles")) {
    for (const [, value] of rows) {
      const role = authpb.decodeRole(value);
      roles.push({ name: text(role.name), permissions: role.keyPermission });
    }
  }
  for await (const rows of backend.scan("authUsers")) {
    for (const [, value] of rows) {
      const user = authpb.decodeUser(value);
      users.push({ ...user, name: text(user.name) });
    }
  }
  let enabled = false;
  let revision = 0;
  for await (const rows of backend.scan("auth")) {
    for (const [key, value] of rows) {
      if (enabledKey.equals(key)) enabled = value.byteLength === 1 && value[0] === 1;
      else if (revisionKey.equals(key)) revision = counter(value);
    }
  }
  store.restore({ users, roles, enabled, revision });
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes ?? emptyBytes).toString();

const counter = (value: Uint8Array): number =>
  Number(Buffer.from(value.buffer, value.byteOffset, value.byteLength).readBigUInt64BE());
