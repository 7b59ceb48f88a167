/** Authentication on one member: entries of the log, tokens, passwords, who calls. */
export { type AuthApplied, AuthMachine } from "./apply.ts";
export { Authority, type Credentials } from "./authority.ts";
export { Passwords } from "./passwords.ts";
export { permissionToProto } from "./rows.ts";
export { createTokens, TokenOptionsError } from "./token-options.ts";
export { defaultTokenTtlMs, noTokens, RememberedTokens, type Tokens } from "./tokens.ts";
