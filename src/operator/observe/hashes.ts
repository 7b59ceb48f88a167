/** Whether the members of a restored or recovered cluster hold the same. */
import type { EtcdCluster } from "../types/index.ts";
import type { ObserveContext } from "./observe.ts";
import type { Observed, ObservedLife } from "./types.ts";

/**
 * HashKV of all voters at the newest revision that all of them have. Looked at only while a transition
 * waits for its last word, since it reads every key. Absent when a member does not answer.
 */
export async function compareHashes(
  cluster: EtcdCluster,
  life: ObservedLife,
  endpoints: ReadonlyMap<string, string>,
  c: ObserveContext,
): Promise<Observed["hashes"]> {
  const { transition, clusterToken } = cluster.status ?? {};
  if (transition?.phase !== "Growing" || transition.token !== clusterToken) return undefined;
  const voters = life.members.filter((m) => m.peer !== undefined && !m.peer.learner);
  const revisions = voters.map((m) => m.probe?.revision ?? 0);
  const revision = Math.min(...revisions);
  if (voters.length < cluster.spec.replicas || !(revision > 0)) return undefined;
  try {
    const hashes = voters.map(async ({ name }) => {
      const hash = await c.etcd.hashKV(endpoints.get(name) ?? "", revision, c.signal);
      return [name, hash] as const;
    });
    return { revision, byMember: new Map(await Promise.all(hashes)) };
  } catch {
    c.signal.throwIfAborted();
    return undefined; // Compacted meanwhile, or a member fell silent: the next pass asks again.
  }
}
