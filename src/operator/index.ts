/** The Kubernetes operator of EtcdCluster. `main.ts` is its program. */
export { ClientAdmin, type EtcdAdmin, type EtcdMember, type EtcdStatus } from "./etcd/index.ts";
export { Operator, type OperatorDeps } from "./operator.ts";
export { type OperatorOptions, parseOptions, usage } from "./options.ts";
export { type OperatorIo, runOperator } from "./run.ts";
export { KubeApi } from "./runtime/index.ts";
export type { EtcdCluster, EtcdClusterSpec, EtcdClusterStatus } from "./types/index.ts";
