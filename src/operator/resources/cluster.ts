/** The objects a cluster has once: two Services and a disruption budget. */
import { isDeepStrictEqual } from "node:util";
import {
  controllerRef,
  type DisruptionBudget,
  type EtcdCluster,
  type Service,
} from "../types/index.ts";
import {
  budgetName,
  clientServiceName,
  clusterLabels,
  inNamespace,
  labelToken,
  peerServiceName,
  podSelector,
  ports,
} from "./names.ts";

/** Voters that must agree. */
export const quorum = (voters: number): number => Math.floor(voters / 2) + 1;

/** Headless and with unready pods: members must find each other before they are ready. */
export function buildPeerService(cluster: EtcdCluster): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: meta(cluster, peerServiceName(cluster.metadata.name)),
    spec: {
      type: "ClusterIP",
      clusterIP: "None",
      publishNotReadyAddresses: true,
      selector: podSelector(cluster) as Record<string, string>,
      ports: [port("peer"), port("client"), port("metrics")],
    },
  };
}

/** For clients: ready members only, and only those of this token. */
export function buildClientService(cluster: EtcdCluster, token: string): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: meta(cluster, clientServiceName(cluster.metadata.name)),
    spec: {
      type: "ClusterIP",
      selector: { ...podSelector(cluster), [labelToken]: token },
      ports: [port("client")],
    },
  };
}

/**
 * Keeps a quorum of `voters`, and `extra` pods that are none, through evictions. minAvailable, since maxUnavailable counts the
 * controllers of existing pods only; a pod that is not healthy may always be evicted.
 */
export function buildBudget(cluster: EtcdCluster, voters: number, extra = 0): DisruptionBudget {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: meta(cluster, budgetName(cluster.metadata.name)),
    spec: {
      minAvailable: quorum(voters) + extra,
      selector: { matchLabels: podSelector(cluster) as Record<string, string> },
      unhealthyPodEvictionPolicy: "AlwaysAllow",
    },
  };
}

const meta = (cluster: EtcdCluster, name: string) => ({
  name,
  ...inNamespace(cluster),
  labels: clusterLabels(cluster),
  ownerReferences: [controllerRef(cluster)],
});

const port = (name: keyof typeof ports) => ({
  name,
  port: ports[name],
  targetPort: ports[name],
  protocol: "TCP",
});

/**
 * Whether every field of `desired` stands in `live`: what the operator wants holds, whatever
 * defaults the API server or other managers have added. Lists must be equal in length, selectors
 * equal altogether: a key added to one would empty a Service.
 */
export function covers(live: unknown, desired: unknown): boolean {
  if (desired === undefined) return true;
  if (Array.isArray(desired)) {
    return (
      Array.isArray(live) &&
      live.length === desired.length &&
      desired.every((d, i) => covers(live[i], d))
    );
  }
  if (typeof desired !== "object" || desired === null) return live === desired;
  if (typeof live !== "object" || live === null) return false;
  const fields = live as Record<string, unknown>;
  return Object.entries(desired).every(([key, d]) =>
    key === "selector" ? isDeepStrictEqual(fields[key], d) : covers(fields[key], d),
  );
}
