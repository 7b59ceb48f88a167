import type { LeaseId, Revision } from "../core/types.ts";
import { rpcpb } from "../proto/client/index.ts";
import type { Client } from "./client.ts";
import { prefixEnd, toBytes } from "./kv.ts";

/** A waiter's key below `prefix`: its lease in hexadecimal (etcd client/v3/concurrency). */
export const waiterKey = (prefix: string, lease: LeaseId): string =>
  `${prefix}${BigInt.asUintN(64, lease).toString(16)}`;

/** The range of the key below `prefix` that was created first: its holder's. */
export const firstCreated = (prefix: string): rpcpb.RangeRequest =>
  rpcpb.newRangeRequest({
    key: toBytes(prefix),
    rangeEnd: prefixEnd(prefix),
    sortOrder: 1,
    sortTarget: 2,
    limit: 1,
  });

/** The compare that holds while the key is the one created at `revision`; 0: while there is none. */
export const createdAt = (key: string, revision: Revision): rpcpb.Compare =>
  rpcpb.newCompare({ key: toBytes(key), target: 1, result: 0, createRevision: revision });

/**
 * Resolves when no key below `prefix` is as old as `maxCreateRevision`. It watches the youngest of
 * them only, so that a departure wakes one waiter and not all. Rejects with RpcError, or the
 * signal's reason.
 */
export async function waitForDeletes(
  client: Client,
  prefix: string,
  maxCreateRevision: Revision,
  signal?: AbortSignal,
): Promise<void> {
  const options = signal === undefined ? {} : { signal };
  for (;;) {
    const request = {
      ...firstCreated(prefix),
      sortOrder: 2 as const,
      maxCreateRevision,
    };
    const { kvs, header } = await client.kv.range(request, options);
    const [youngest] = kvs;
    if (youngest === undefined) return;
    const startRevision = header?.revision ?? 0;
    await waitForDelete(client, youngest.key, startRevision, options);
  }
}

async function waitForDelete(
  client: Client,
  key: Uint8Array,
  startRevision: number,
  options: { readonly signal?: AbortSignal },
): Promise<void> {
  for await (const { events } of client.watch.watch(key, { ...options, startRevision })) {
    if (events.some(({ type }) => type === 1)) return;
  }
}
