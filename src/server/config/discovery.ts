/** The flags by which new members find each other (etcd embed.Config DiscoveryCfg and DNSCluster). */
import type { FlagValues } from "./flag-values.ts";

/** A registry in another etcd cluster: --discovery-*. Times are milliseconds, files PEM paths. */
export interface RegistryConfig {
  /** Never empty, none of them blank. */
  readonly endpoints: readonly string[];
  /** The new cluster's name there; never empty. */
  readonly token: string;
  readonly dialTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeMs: number;
  readonly keepAliveTimeoutMs: number;
  /** Endpoints without a scheme are spoken to without TLS. */
  readonly insecureTransport: boolean;
  readonly insecureSkipVerify: boolean;
  /** Empty where not given. */
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
  /** Undefined unless both are there: etcd does not log in with half of them either. */
  readonly user: { readonly name: string; readonly password: string } | undefined;
}

/** SRV records: --discovery-srv and -name. */
export interface SrvConfig {
  readonly domain: string;
  /** Behind `_etcd-server` in the records' names; empty: none. */
  readonly serviceName: string;
}

/** Whether --initial-cluster has no default (etcdmain/config.go configFromCmdLine). */
export const isDiscovered = (v: FlagValues): boolean =>
  v.list("discovery-endpoints").length > 0 ||
  v.text("discovery-srv") !== "" ||
  v.text("discovery-srv-name") !== "";

/** Undefined when no registry is named. */
export function registryConfig(v: FlagValues): RegistryConfig | undefined {
  const endpoints = v.list("discovery-endpoints");
  if (endpoints.length === 0) return undefined;
  return {
    endpoints: endpoints.map((e) => e.trim()),
    token: v.text("discovery-token"),
    dialTimeoutMs: v.number("discovery-dial-timeout"),
    requestTimeoutMs: v.number("discovery-request-timeout"),
    keepAliveTimeMs: v.number("discovery-keepalive-time"),
    keepAliveTimeoutMs: v.number("discovery-keepalive-timeout"),
    insecureTransport: v.bool("discovery-insecure-transport"),
    insecureSkipVerify: v.bool("discovery-insecure-skip-tls-verify"),
    certFile: v.text("discovery-cert"),
    keyFile: v.text("discovery-key"),
    caFile: v.text("discovery-cacert"),
    user: userOf(v.text("discovery-user"), v.text("discovery-password")),
  };
}

/** `name:password` is what etcd's help promises; its server takes it for a name alone. */
function userOf(user: string, password: string): RegistryConfig["user"] {
  if (user === "") return undefined;
  if (password !== "") return { name: user, password };
  const colon = user.indexOf(":");
  if (colon <= 0 || colon === user.length - 1) return undefined;
  return { name: user.slice(0, colon), password: user.slice(colon + 1) };
}

/** Undefined when no domain is named. */
export function srvConfig(v: FlagValues): SrvConfig | undefined {
  const domain = v.text("discovery-srv");
  return domain === "" ? undefined : { domain, serviceName: v.text("discovery-srv-name") };
}
