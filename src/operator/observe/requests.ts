/** What asks for another life of this cluster: an EtcdRestore, or its own spec.bootstrap.restore. */
import { bootstrapRequest } from "../resources/index.ts";
import { isNotFound, resources } from "../runtime/index.ts";
import { type EtcdCluster, type EtcdRestore, isFinal } from "../types/index.ts";
import type { ObserveContext } from "./observe.ts";
import { type Resolution, resolveSource } from "./source.ts";
import type { Observed, RestoreRequest } from "./types.ts";

/** How an EtcdRestore is named in status.transition. */
export const requestOf = ({ metadata }: EtcdRestore): string =>
  `${metadata.namespace}/${metadata.name}/${metadata.uid}`;

/** Rejects with KubeError when the API server does not answer. */
export async function observeRequests(
  cluster: EtcdCluster,
  c: ObserveContext,
): Promise<Pick<Observed, "request" | "bootstrapSource">> {
  const bootstrapSource = await resolveBootstrap(cluster, c);
  const request = nextRequest(cluster, await listRestores(cluster, c));
  return { ...(bootstrapSource ? { bootstrapSource } : {}), ...(request ? { request } : {}) };
}

/** Once it is latched the newest backup of a schedule may change: it is not looked for again. */
async function resolveBootstrap(
  cluster: EtcdCluster,
  c: ObserveContext,
): Promise<Resolution | undefined> {
  const { status = {}, spec, metadata } = cluster;
  const restore = spec.bootstrap?.restore;
  if (restore === undefined || status.clusterID !== undefined) return undefined;
  if (status.transition?.request === bootstrapRequest(restore)) return undefined;
  return resolveSource(c.api, metadata.namespace ?? "", restore.source, c.signal);
}

async function listRestores(
  cluster: EtcdCluster,
  c: ObserveContext,
): Promise<readonly EtcdRestore[]> {
  const { namespace } = cluster.metadata;
  try {
    const list = await c.api.list<EtcdRestore>(resources.etcdRestores, {
      namespace,
      signal: c.signal,
    });
    return list.items;
  } catch (error) {
    if (isNotFound(error)) return []; // Its CRD is not installed.
    throw error;
  }
}

/**
 * The oldest one that is ready to be taken. Pure. None while the one whose transition is on record has
 * not been told its outcome: it would look as if it had never been taken.
 */
export function nextRequest(
  cluster: EtcdCluster,
  restores: readonly EtcdRestore[],
): RestoreRequest | undefined {
  const open = restores.filter(
    (r) => !(r.status?.phase && isFinal(r.status.phase)) && isFor(cluster, r),
  );
  const recorded = cluster.status?.transition?.request;
  if (open.some((r) => requestOf(r) === recorded)) return undefined;
  const [next] = open
    .filter((r) => r.status?.phase === "Restoring" && r.metadata.deletionTimestamp === undefined)
    .sort((a, b) => (ageKey(a) < ageKey(b) ? -1 : 1));
  const source = next?.status?.source;
  if (next === undefined || source === undefined) return undefined;
  const { revisionBump, skipHashCheck, job } = next.spec;
  return {
    request: requestOf(next),
    restore: {
      source: { location: source.location },
      ...(revisionBump === undefined ? {} : { revisionBump }),
      ...(skipHashCheck === undefined ? {} : { skipHashCheck }),
      ...(job === undefined ? {} : { job }),
    },
    ...(source.revision === undefined ? {} : { revision: source.revision }),
  };
}

/** The cluster of that UID, not another one of its name. */
const isFor = (cluster: EtcdCluster, { spec, status }: EtcdRestore): boolean =>
  spec.mode === "InPlace" &&
  spec.clusterRef.name === cluster.metadata.name &&
  status?.targetUID === cluster.metadata.uid;

const ageKey = ({ metadata }: EtcdRestore): string =>
  `${metadata.creationTimestamp ?? ""} ${metadata.name}`;
