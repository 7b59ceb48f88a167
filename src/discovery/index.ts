/**
 * How the first members of a cluster find each other when no flag names them: a registry in another
 * etcd cluster (v3 discovery), or SRV records of DNS. Only members without data ask.
 */
export { joinRegistry, type RegistryOptions } from "./registry.ts";
export { findBySrv, type Resolver, type SrvFound, type SrvOptions } from "./srv.ts";
