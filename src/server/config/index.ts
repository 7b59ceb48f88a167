/**
 * etcd's flags and ETCD_* variables (server/embed/config.go, etcdmain/config.go), parsed as Go's
 * flag package does and checked in etcd's words. Pure.
 *
 * `parseServerConfig` needs no disk, so it cannot know whether the member exists already: a boot
 * that finds an empty data dir calls `verifyBootstrap` (state new) or `verifyJoin` (existing).
 */
export type { BuildInfo } from "./about.ts";
export { quoinVersion } from "./about.ts";
export type { Environment } from "./command-line.ts";
export type { RegistryConfig, SrvConfig } from "./discovery.ts";
export { isBeta } from "./flag-table.ts";
export { parseServerConfig } from "./parse.ts";
export type { TlsConfig, TlsVersion } from "./tls.ts";
export type {
  AutoCompaction,
  ConfigLogLine,
  LogConfig,
  OwnConfig,
  ParsedConfig,
  ServerConfig,
} from "./types.ts";
export { verifyBootstrap, verifyJoin } from "./verify.ts";
