/**
 * The v3 client that ctl, the operator and tests use: failover over endpoints, deadlines,
 * AbortSignal, RpcError with etcd's texts. Requests and answers are the records of src/proto.
 */
export type { Auth, PermissionRange } from "./auth.ts";
export { type CallOptions, Client, type ClientOptions } from "./client.ts";
export type { Cluster } from "./cluster.ts";
export { Election, type Proclamation } from "./election.ts";
export { type CodeName, isEtcdError, RpcError } from "./errors.ts";
export {
  type Bytes,
  type DeleteOptions,
  type GetOptions,
  type Kv,
  keyRange,
  type PutOptions,
  prefixEnd,
  toBytes,
} from "./kv.ts";
export type { Lease } from "./lease.ts";
export type { Maintenance } from "./maintenance.ts";
export { type Method, methods } from "./methods.ts";
export { Mirror } from "./mirror.ts";
export { Mutex } from "./mutex.ts";
export { Session } from "./session.ts";
export type { TlsOptions } from "./tls.ts";
export { type Watch, WatchCanceledError, type WatchOptions, type WatchStream } from "./watch.ts";
