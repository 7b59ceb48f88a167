export * from "./backup.ts";
export * from "./etcdcluster.ts";
export * from "./kube.ts";
export * from "./restore.ts";
export * from "./tls.ts";
