/** etcd's v3 gRPC services over one member: translation only. */
import type { Method } from "../../rpc/index.ts";
import { authMethods } from "./auth.ts";
import { clusterMethods } from "./cluster.ts";
import type { ApiContext } from "./context.ts";
import { kvMethods } from "./kv.ts";
import { leaseMethods } from "./lease.ts";
import { maintenanceMethods } from "./maintenance.ts";
import { watchMethods } from "./watch.ts";

export type { ApiContext } from "./context.ts";
export { storageVersion } from "./maintenance.ts";

/** All methods by their full name, for the rpc server. */
export const v3Methods = (ctx: ApiContext): ReadonlyMap<string, Method> =>
  new Map([
    ...kvMethods(ctx),
    ...watchMethods(ctx),
    ...leaseMethods(ctx),
    ...clusterMethods(ctx),
    ...maintenanceMethods(ctx),
    ...authMethods(ctx),
  ]);
