/** Everything a client can call. */
import type { Method } from "../rpc/index.ts";
import { electionMethods, lockMethods } from "./concurrency/index.ts";
import { LocalClient } from "./local/index.ts";
import { healthMethods, reflectionMethods } from "./standard/index.ts";
import { type ApiContext, v3Methods } from "./v3/index.ts";

/** By full name, for the rpc server and the gateway. */
export function apiMethods(ctx: ApiContext): ReadonlyMap<string, Method> {
  const v3 = v3Methods(ctx);
  const client = new LocalClient(v3, ctx.clock);
  return new Map([
    ...v3,
    ...lockMethods(ctx, client),
    ...electionMethods(ctx, client),
    ...healthMethods(ctx),
    ...reflectionMethods(),
  ]);
}
