/**
 * v3electionpb.Election. Source: etcd server/etcdserver/api/v3election/election.go,
 * client/v3/concurrency/election.go.
 */
import type { Revision } from "../../core/types.ts";
import { mvccpb, rpcpb, v3electionpb } from "../../proto/index.ts";
import { type Method, Status, type StreamCall } from "../../rpc/index.ts";
import type { LocalClient } from "../local/index.ts";
import { type ApiContext, decodeOrFail, openStream } from "../v3/context.ts";
import { isNew } from "./lock.ts";
import { failWith, keyOf, prefixOf, recipeMethod, storeFor } from "./recipe.ts";
import { prefixEnd, RecipeError, type RecipeStore } from "./store.ts";

export function electionMethods(ctx: ApiContext, client: LocalClient): [string, Method][] {
  const pb = v3electionpb;
  const name = (method: string): string => `/v3electionpb.Election/${method}`;
  return [
    [name("Campaign"), recipeMethod(ctx, client, pb.decodeCampaignRequest, campaign)],
    [name("Proclaim"), recipeMethod(ctx, client, pb.decodeProclaimRequest, proclaim)],
    [name("Leader"), recipeMethod(ctx, client, pb.decodeLeaderRequest, leader)],
    [name("Resign"), recipeMethod(ctx, client, pb.decodeResignRequest, resign)],
    [
      name("Observe"),
      { kind: "stream", type: "server_stream", open: (call) => observe(ctx, client, call) },
    ],
  ];
}

/** Waits until all who campaigned before have gone. */
async function campaign(
  store: RecipeStore,
  { name, value, lease: wanted }: v3electionpb.CampaignRequest,
): Promise<Uint8Array> {
  const lease = await store.lease(wanted);
  const prefix = prefixOf(name);
  const key = keyOf(prefix, lease);
  const requestPut = rpcpb.newPutRequest({ key, value, lease });
  const asked = await store.txn({
    compare: [isNew(key)],
    success: [rpcpb.newRequestOp({ requestPut })],
    failure: [rpcpb.newRequestOp({ requestRange: rpcpb.newRangeRequest({ key }) })],
  });
  const [earlier] = asked.responses[0]?.responseRange?.kvs ?? [];
  const rev = earlier?.createRevision ?? asked.header?.revision ?? (0 as Revision);
  const candidate = v3electionpb.newLeaderKey({ name, key, rev, lease });
  try {
    if (earlier !== undefined && Buffer.compare(earlier.value, value) !== 0) {
      await announce(store, candidate, value);
    }
    await store.untilOldestIs(prefix, rev);
  } catch (error) {
    if (store.isAbandoned) await withdraw(store.detached, candidate).catch(() => undefined);
    throw error;
  }
  return v3electionpb.encodeCampaignResponse({ header: asked.header, leader: candidate });
}

async function proclaim(
  store: RecipeStore,
  request: v3electionpb.ProclaimRequest,
): Promise<Uint8Array> {
  const header = await announce(store, given(request.leader), request.value);
  return v3electionpb.encodeProclaimResponse({ header });
}

async function resign(
  store: RecipeStore,
  request: v3electionpb.ResignRequest,
): Promise<Uint8Array> {
  const header = await withdraw(store, given(request.leader));
  return v3electionpb.encodeResignResponse({ header });
}

async function leader(
  store: RecipeStore,
  request: v3electionpb.LeaderRequest,
): Promise<Uint8Array> {
  const { header, kvs } = await store.first(prefixOf(request.name));
  if (kvs.length === 0) throw new RecipeError(Status.unknown, "election: no leader");
  return v3electionpb.encodeLeaderResponse({ header, kv: kvs[0] });
}

/** A new value for who leads already. */
async function announce(
  store: RecipeStore,
  { key, rev, lease: wanted }: v3electionpb.LeaderKey,
  value: Uint8Array,
): Promise<rpcpb.ResponseHeader | undefined> {
  const lease = await store.lease(wanted);
  const requestPut = rpcpb.newPutRequest({ key, value, lease });
  const { succeeded, header } = await store.txn({
    compare: [isStill(key, rev)],
    success: [rpcpb.newRequestOp({ requestPut })],
  });
  if (!succeeded) throw new RecipeError(Status.unknown, "election: not leader");
  return header;
}

async function withdraw(
  store: RecipeStore,
  { key, rev }: v3electionpb.LeaderKey,
): Promise<rpcpb.ResponseHeader | undefined> {
  const requestDeleteRange = rpcpb.newDeleteRangeRequest({ key });
  const { header } = await store.txn({
    compare: [isStill(key, rev)],
    success: [rpcpb.newRequestOp({ requestDeleteRange })],
  });
  return header;
}

function given(leaderKey: v3electionpb.LeaderKey | undefined): v3electionpb.LeaderKey {
  if (leaderKey !== undefined) return leaderKey;
  throw new RecipeError(Status.unknown, '"leader" field must be provided');
}

const isStill = (key: Uint8Array, createRevision: Revision): rpcpb.Compare =>
  rpcpb.newCompare({
    key,
    target: rpcpb.CompareTarget.CREATE,
    result: rpcpb.CompareResult.EQUAL,
    createRevision,
  });

function observe(ctx: ApiContext, client: LocalClient, call: StreamCall): void {
  const gone = { release: (): void => undefined };
  const release = openStream(ctx, call, { onLost: () => gone.release() });
  if (release === undefined) return;
  call.onMessage = (bytes) => {
    call.onMessage = undefined;
    const request = decodeOrFail(call, v3electionpb.decodeLeaderRequest, bytes);
    if (request === undefined) return;
    const store = storeFor(client, call);
    const abort = call.onCancel;
    call.onCancel = (reason) => {
      release();
      abort?.(reason);
    };
    gone.release = () => abort?.("cancelled");
    follow(store, call, prefixOf(request.name))
      .catch((error: unknown) => failWith(call, error))
      .finally(release);
  };
}

/** Every value of whoever leads, in order; the first is what stands there now. */
async function follow(store: RecipeStore, call: StreamCall, prefix: Uint8Array): Promise<void> {
  for (;;) {
    const found = await store.first(prefix);
    const [kv] = found.kvs;
    const start = kv === undefined ? await firstPut(store, prefix, found) : { ...found, kv };
    await tell(store, call, start.header, start.kv);
    const startRevision = ((start.header?.revision ?? 0) + 1) as Revision;
    for await (const { header, events } of store.watch({ key: start.kv.key, startRevision })) {
      const end = events.findIndex((e) => e.type === mvccpb.EventType.DELETE);
      for (const event of end < 0 ? events : events.slice(0, end)) {
        await tell(store, call, header, event.kv);
      }
      if (end >= 0) break;
    }
  }
}

/** Nobody leads: waits for the first who does. */
async function firstPut(
  store: RecipeStore,
  prefix: Uint8Array,
  { header: since }: rpcpb.RangeResponse,
): Promise<{ header: rpcpb.ResponseHeader | undefined; kv: mvccpb.KeyValue }> {
  const rangeEnd = prefixEnd(prefix);
  const startRevision = since?.revision ?? (0 as Revision);
  for await (const { header, events } of store.watch({ key: prefix, rangeEnd, startRevision })) {
    const kv = events.find((e) => e.type === mvccpb.EventType.PUT)?.kv;
    if (kv === undefined) continue;
    // The answer may be of several revisions: the next watch begins behind this one.
    return { header: rpcpb.newResponseHeader({ ...header, revision: kv.modRevision }), kv };
  }
  throw new RecipeError(Status.unavailable, "the watch ended");
}

/** Waits while the client does not read. */
async function tell(
  store: RecipeStore,
  call: StreamCall,
  header: rpcpb.ResponseHeader | undefined,
  kv: mvccpb.KeyValue | undefined,
): Promise<void> {
  if (call.send(v3electionpb.encodeLeaderResponse({ header, kv }))) return;
  await store.wait((done) => {
    call.onDrain = done;
  });
}
