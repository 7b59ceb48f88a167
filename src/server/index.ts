/**
 * One member of a cluster: `boot` opens its data, `Member` runs it. `initDataDir` gives an empty
 * data folder the right to form a cluster.
 */

export {
  type AuthApplied,
  type Credentials,
  createTokens,
  Passwords,
  permissionToProto,
  TokenOptionsError,
  type Tokens,
} from "./auth/index.ts";
export { type Booted, boot } from "./boot.ts";
export { initDataDir } from "./bootstrap.ts";
export { type CompactionPolicy, Compactor } from "./compactor.ts";
export { DataDirError, type DataDirErrorCode } from "./data-dir.ts";
export { BootError, type BootErrorCode, DiscoveryError, exitCodeOf, exitCodes } from "./errors.ts";
export { type ForceNewOptions, type ForceNewResult, forceNew, forgetFormer } from "./force-new.ts";
export { type DataDirReport, inspectDataDir } from "./inspect.ts";
export { Measures } from "./measures.ts";
export { type LogPosition, Member } from "./member.ts";
export type { Discovery, MemberOptions, MemberPorts } from "./options.ts";
export { type MemberRoutes, memberRoutes, versionJson } from "./peer-routes.ts";
export { sliceKeys } from "./read-turns.ts";
export type { HashKvResult, SnapshotSource } from "./reads.ts";
export type { Reply } from "./requests.ts";
export type { Applied } from "./state-machine.ts";
export type { AskPeer, OutgoingSnapshot, Transport, TransportHandler } from "./transport.ts";
