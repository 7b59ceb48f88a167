/**
 * Sorts a cluster's objects by the life they belong to. A life is the members of one
 * initial-cluster-token; beside the present one there may be that of status.transition. Pure.
 */
import { labelToken } from "../resources/index.ts";
import type { EtcdCluster, Job, KubeObject, Pod, StatefulSet, Volume } from "../types/index.ts";
import { isMemberPod, memberOf } from "./digest.ts";

export interface Objects {
  readonly sets: readonly StatefulSet[];
  readonly pods: readonly Pod[];
  readonly volumes: readonly Volume[];
  readonly jobs: readonly Job[];
}

export interface Lives {
  readonly present: Objects;
  /** While status.transition names another token than status.clusterToken. */
  readonly next?: Objects;
  /** Volumes of neither: kept out of both. */
  readonly foreign: readonly Volume[];
  /** Pods of members of either life: a pod of any other token is not asked anything. */
  readonly asked: readonly Pod[];
}

const tokenOf = (o: KubeObject): string => o.metadata.labels?.[labelToken] ?? "";

/**
 * Volumes and pods of members belong by their token alone: a pod that somebody started with an old
 * token is nobody's. Other objects of no known token are put to the present life, which cleans up what
 * its member list does not have.
 */
export function splitLives(cluster: EtcdCluster, objects: Objects): Lives {
  const { clusterToken, transition } = cluster.status ?? {};
  const token = transition?.token === clusterToken ? undefined : transition?.token;
  const isNext = (o: KubeObject): boolean =>
    token !== undefined && (tokenOf(o) === token || memberOf(o) === transition?.seed);
  const known = new Set([clusterToken, token].filter((t) => t !== undefined));
  const isStray = (pod: Pod): boolean => isMemberPod(pod) && !known.has(tokenOf(pod));
  const life = (of: boolean): Objects => ({
    sets: objects.sets.filter((o) => isNext(o) === of),
    pods: objects.pods.filter((o) => isNext(o) === of && !isStray(o)),
    jobs: objects.jobs.filter((o) => isNext(o) === of),
    volumes: objects.volumes.filter((v) => tokenOf(v) === (of ? token : clusterToken)),
  });
  return {
    present: life(false),
    ...(token === undefined ? {} : { next: life(true) }),
    foreign: objects.volumes.filter((v) => !known.has(tokenOf(v))),
    asked: objects.pods.filter((p) => isMemberPod(p) && !isStray(p)),
  };
}
