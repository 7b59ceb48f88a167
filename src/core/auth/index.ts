export { type LeaseKeys, RequestChecks } from "./requests.ts";
export { SimpleTokens } from "./simple-tokens.ts";
export { AuthStore, root } from "./store.ts";
export {
  type AuthErrorCode,
  type AuthInfo,
  type AuthResult,
  type AuthRows,
  type Permission,
  PermissionType,
  type Role,
  type User,
} from "./types.ts";
