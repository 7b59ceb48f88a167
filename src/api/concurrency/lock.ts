/** v3lockpb.Lock. Source: etcd server/etcdserver/api/v3lock/lock.go, client/v3/concurrency/mutex.go. */
import { rpcpb, v3lockpb } from "../../proto/index.ts";
import { type Method, Status } from "../../rpc/index.ts";
import type { LocalClient } from "../local/index.ts";
import type { ApiContext } from "../v3/context.ts";
import { keyOf, prefixOf, recipeMethod } from "./recipe.ts";
import { firstBelow, RecipeError, type RecipeStore } from "./store.ts";

export function lockMethods(ctx: ApiContext, client: LocalClient): [string, Method][] {
  return [
    ["/v3lockpb.Lock/Lock", recipeMethod(ctx, client, v3lockpb.decodeLockRequest, lock)],
    ["/v3lockpb.Lock/Unlock", recipeMethod(ctx, client, v3lockpb.decodeUnlockRequest, unlock)],
  ];
}

/** Waits until all who asked before have gone; who gives up leaves the queue. */
async function lock(store: RecipeStore, request: v3lockpb.LockRequest): Promise<Uint8Array> {
  const lease = await store.lease(request.lease);
  const prefix = prefixOf(request.name);
  const key = keyOf(prefix, lease);
  const requestPut = rpcpb.newPutRequest({ key, lease });
  const requestRange = rpcpb.newRangeRequest({ key });
  const owner = rpcpb.newRequestOp({ requestRange: rpcpb.newRangeRequest(firstBelow(prefix)) });
  const asked = await store.txn({
    compare: [isNew(key)],
    success: [rpcpb.newRequestOp({ requestPut }), owner],
    failure: [rpcpb.newRequestOp({ requestRange }), owner],
  });
  const mine = asked.succeeded
    ? (asked.header?.revision ?? 0)
    : (asked.responses[0]?.responseRange?.kvs[0]?.createRevision ?? 0);
  const [holder] = asked.responses[1]?.responseRange?.kvs ?? [];
  if (holder === undefined || holder.createRevision === mine) {
    return v3lockpb.encodeLockResponse({ header: asked.header, key });
  }
  try {
    await store.untilOldestIs(prefix, mine);
    const { kvs, header } = await store.get(key);
    if (kvs.length > 0) return v3lockpb.encodeLockResponse({ header, key });
  } catch (error) {
    await store.detached.delete(key).catch(() => undefined);
    throw error;
  }
  throw new RecipeError(Status.unknown, "mutex: session is expired");
}

async function unlock(store: RecipeStore, request: v3lockpb.UnlockRequest): Promise<Uint8Array> {
  const { header } = await store.delete(request.key);
  return v3lockpb.encodeUnlockResponse({ header });
}

/** True of a key that does not exist. */
export const isNew = (key: Uint8Array): rpcpb.Compare =>
  rpcpb.newCompare({
    key,
    target: rpcpb.CompareTarget.CREATE,
    result: rpcpb.CompareResult.EQUAL,
  });
