/** Names, labels and annotations of the objects that make up a cluster. */
import type { EtcdCluster, KubeObject, Labels, LatchedTls, Pod } from "../types/index.ts";

export const fieldManager = "quoin-operator";

export const labelCluster = "quoin.dev/cluster";
export const labelMember = "quoin.dev/member";
export const labelComponent = "quoin.dev/component";
/** The token as a label: the client Service selects by it, so a restore can switch at once. */
export const labelToken = "quoin.dev/cluster-token";
/** On a volume that was taken out of its cluster; its value is the cluster's name. */
export const labelDetached = "quoin.dev/detached-from";
/** On a detached volume whose member was lost; its value is the cause. */
export const labelLost = "quoin.dev/lost";
export const labelManagedBy = "app.kubernetes.io/managed-by";

/** On a volume: the initial-cluster of its member's join order. Absent: no right to start yet. */
export const annotationJoinOrder = "quoin.dev/initial-cluster";
/** On a volume: `seed` where its member forms the cluster, else `member`. */
export const annotationRole = "quoin.dev/role";
/** On a seed's volume and Job: digest of what it is filled with. Absent: an empty keyspace. */
export const annotationSource = "quoin.dev/source";
/** On a StatefulSet and its pods: digest of what the user's spec asks of the template. */
export const annotationTemplate = "quoin.dev/template";

export const ports = { client: 2379, peer: 2380, metrics: 2381 } as const;
export const dataMount = "/var/lib/quoin";
export const dataDir = `${dataMount}/data`;

/** `<cluster>-<5 characters>` must fit a StatefulSet's 52, with room for a Job's suffix. */
export const clusterNameLengthMax = 40;

export const clientServiceName = (cluster: string): string => `${cluster}-client`;
export const peerServiceName = (cluster: string): string => `${cluster}-peer`;
export const budgetName = (cluster: string): string => cluster;
/** For clients to mount: ca.crt, tls.crt, tls.key, endpoints. */
export const clientSecretName = (cluster: string): string => `${cluster}-client`;
export type TlsSide = "client" | "peer";
/**
 * Of the operator's own authority of that side. Peers have one of their own: whoever may be a client must not be able to
 * pass for a member.
 */
export const authoritySecretName = (cluster: string, side: TlsSide): string =>
  side === "client" ? `${cluster}-ca` : `${cluster}-peer-ca`;
export const volumeName = (member: string): string => `data-${member}`;
export const podName = (member: string): string => `${member}-0`;
export const seedJobName = (member: string): string => `${member}-init`;
export const inspectJobName = (member: string): string => `${member}-inspect`;
/** labelComponent of inspection Jobs and their pods. */
export const componentInspect = "inspect-job";

/** The member's stable DNS name, up to `.svc`: the cluster's domain is nobody's business here. */
export function memberHost(cluster: EtcdCluster, member: string): string {
  const { name, namespace } = cluster.metadata;
  return `${podName(member)}.${peerServiceName(name)}.${namespace}.svc`;
}

/** Where certificates come from: as latched when the cluster was made. */
export const tlsOf = (cluster: EtcdCluster): LatchedTls =>
  cluster.status?.tls ?? { client: "Disabled", peer: "Disabled" };

export const hasTls = (cluster: EtcdCluster, side: TlsSide): boolean =>
  tlsOf(cluster)[side] !== "Disabled";

const scheme = (cluster: EtcdCluster, side: TlsSide): string =>
  hasTls(cluster, side) ? "https" : "http";

export const peerUrl = (cluster: EtcdCluster, member: string): string =>
  `${scheme(cluster, "peer")}://${memberHost(cluster, member)}:${ports.peer}`;

export const clientUrl = (cluster: EtcdCluster, member: string): string =>
  `${scheme(cluster, "client")}://${memberHost(cluster, member)}:${ports.client}`;

/** host:port of a peer URL, the key by which members are matched; undefined if it is no URL. */
export function peerHostPort(url: string): string | undefined {
  const parsed = URL.parse(url);
  if (parsed === null || parsed.hostname === "") return undefined;
  return `${parsed.hostname}:${parsed.port || (parsed.protocol === "https:" ? "443" : "80")}`;
}

/** Labels of every object of a cluster; children inherit none from the EtcdCluster itself. */
export function clusterLabels(cluster: EtcdCluster): Labels {
  return {
    "app.kubernetes.io/name": "quoin",
    "app.kubernetes.io/instance": cluster.metadata.name,
    [labelManagedBy]: fieldManager,
    [labelCluster]: cluster.metadata.name,
  };
}

export const memberLabels = (cluster: EtcdCluster, member: string): Labels => ({
  ...clusterLabels(cluster),
  [labelMember]: member,
});

/** Selects the pods of members, not those of Jobs. */
export const podSelector = (cluster: EtcdCluster): Labels => ({
  [labelCluster]: cluster.metadata.name,
  [labelComponent]: "member",
});

export const selectorText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([k, v]) => `${k}=${v}`)
    .join(",");

/** The pod's Ready condition. */
export function isReady(pod: Pod): boolean {
  return (pod.status?.conditions ?? []).some((c) => c.type === "Ready" && c.status === "True");
}

export const inNamespace = (owner: KubeObject): { namespace: string } => ({
  namespace: owner.metadata.namespace ?? "default",
});

/** Where members listen, on every address. */
export const listenUrl = (cluster: EtcdCluster, side: TlsSide): string =>
  `${scheme(cluster, side)}://0.0.0.0:${ports[side]}`;
