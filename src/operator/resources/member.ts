/** A member's own objects: its volume and its StatefulSet. */
import { createHash } from "node:crypto";
import { bootstrapCluster, parseInitialCluster } from "../../core/membership/index.ts";
import { hexId } from "../../core/types.ts";
import { controllerRef, type EtcdCluster } from "../types/index.ts";
import type { StatefulSet, Volume } from "../types/kube.ts";
import { optionArgs } from "./flags.ts";
import {
  annotationRole,
  annotationSource,
  annotationTemplate,
  clientUrl,
  dataDir,
  inNamespace,
  labelComponent,
  labelToken,
  listenUrl,
  memberLabels,
  peerServiceName,
  peerUrl,
  podSelector,
  ports,
  volumeName,
} from "./names.ts";
import { podLabels, podSpec, serverContainer, serverImage, templateDigest } from "./pod.ts";
import { memberFiles, tlsArgs } from "./tls.ts";

export type Role = "seed" | "member";

export interface VolumeOrder {
  readonly member: string;
  readonly role: Role;
  readonly token: string;
  /** Digest of what a seed's volume is to be filled with; absent: an empty keyspace. */
  readonly source?: string | undefined;
}

/** What a member's StatefulSet is made from. */
export interface MemberOrder {
  readonly member: string;
  readonly token: string;
  /** Its initial-cluster. */
  readonly joinOrder: string;
  /** Name of its volume's claim. */
  readonly claim: string;
}

/**
 * The member's volume, which also carries its identity. Owned by the cluster only where deleting
 * the cluster shall delete the data.
 */
export function buildVolume(cluster: EtcdCluster, order: VolumeOrder): Volume {
  const { storage } = cluster.spec;
  const owned = storage.retentionPolicy?.whenDeleted === "Delete";
  return {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: {
      name: volumeName(order.member),
      ...inNamespace(cluster),
      labels: { ...memberLabels(cluster, order.member), [labelToken]: order.token },
      annotations: {
        [annotationRole]: order.role,
        ...(order.source === undefined ? {} : { [annotationSource]: order.source }),
      },
      ...(owned ? { ownerReferences: [controllerRef(cluster)] } : {}),
    },
    spec: {
      accessModes: ["ReadWriteOnce"],
      ...(storage.storageClassName === undefined
        ? {}
        : { storageClassName: storage.storageClassName }),
      resources: { requests: { storage: storage.size } },
    },
  };
}

/** The command line of a member; it never holds the right to form a cluster. */
export function memberArgs(
  cluster: EtcdCluster,
  { member, token, joinOrder }: Omit<MemberOrder, "claim">,
): string[] {
  return [
    "server",
    `--name=${member}`,
    `--data-dir=${dataDir}`,
    `--listen-client-urls=${listenUrl(cluster, "client")}`,
    `--advertise-client-urls=${clientUrl(cluster, member)}`,
    `--listen-peer-urls=${listenUrl(cluster, "peer")}`,
    `--initial-advertise-peer-urls=${peerUrl(cluster, member)}`,
    `--listen-metrics-urls=http://0.0.0.0:${ports.metrics}`,
    `--initial-cluster=${joinOrder}`,
    "--initial-cluster-state=existing",
    `--initial-cluster-token=${token}`,
    ...clusterIdArg(cluster, token, joinOrder),
    ...tlsArgs(cluster),
    ...optionArgs(cluster.spec),
  ];
}

/**
 * The cluster whose data may be served; other data makes the server end with a code of its own. A
 * seed is alone in its join order, and its cluster's id follows from that and the token before it
 * was ever seen; everybody else joins a cluster that was.
 */
function clusterIdArg(cluster: EtcdCluster, token: string, joinOrder: string): string[] {
  const initial = parseInitialCluster(joinOrder);
  if (initial.ok && initial.value.size === 1) {
    const sha1 = (bytes: Uint8Array): Uint8Array => createHash("sha1").update(bytes).digest();
    const seed = bootstrapCluster(sha1, token, initial.value);
    return seed.ok ? [`--quoin-cluster-id=${hexId(seed.value.clusterId)}`] : [];
  }
  const { clusterToken, clusterID } = cluster.status ?? {};
  return token === clusterToken && clusterID !== undefined
    ? [`--quoin-cluster-id=${clusterID}`]
    : [];
}

/** One member's StatefulSet: one replica, replaced only when its pod is deleted. */
export function buildStatefulSet(
  cluster: EtcdCluster,
  order: MemberOrder,
  defaultImage: string,
): StatefulSet {
  const { member, token } = order;
  const digest = templateDigest(cluster, defaultImage);
  const labels = memberLabels(cluster, member);
  const own = { ...labels, [labelComponent]: "member", [labelToken]: token };
  const image = serverImage(cluster, defaultImage);
  const files = memberFiles(cluster);
  const base = serverContainer(cluster, image, memberArgs(cluster, order));
  const container = {
    ...base,
    volumeMounts: [...(base.volumeMounts ?? []), ...files.volumeMounts],
    ports: Object.entries(ports).map(([name, containerPort]) => ({ name, containerPort })),
    ...probes,
  };
  const pod = podSpec(cluster, order.claim, container);
  return {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: {
      name: member,
      ...inNamespace(cluster),
      labels: { ...labels, [labelToken]: token },
      annotations: { [annotationTemplate]: digest },
      ownerReferences: [controllerRef(cluster)],
    },
    spec: {
      replicas: 1,
      serviceName: peerServiceName(cluster.metadata.name),
      podManagementPolicy: "Parallel",
      updateStrategy: { type: "OnDelete" },
      persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
      revisionHistoryLimit: 2,
      selector: { matchLabels: { ...podSelector(cluster), ...memberKey(labels) } },
      template: {
        metadata: {
          labels: podLabels(cluster, own) as Record<string, string>,
          annotations: { ...cluster.spec.pod?.annotations, [annotationTemplate]: digest },
        },
        spec: {
          ...pod,
          volumes: [...(pod.volumes ?? []), ...files.volumes],
          terminationGracePeriodSeconds: 30,
        },
      },
    },
  };
}

/**
 * All on the plaintext metrics port. Start-up may take long (a replay of the log); liveness asks
 * for a serializable read only, never for a quorum; readiness is /readyz, which says no for a
 * learner.
 */
const probes = {
  startupProbe: {
    httpGet: { path: "/livez", port: ports.metrics },
    periodSeconds: 1,
    timeoutSeconds: 3,
    failureThreshold: 1800,
  },
  livenessProbe: {
    httpGet: { path: "/livez", port: ports.metrics },
    periodSeconds: 10,
    timeoutSeconds: 5,
    failureThreshold: 6,
  },
  readinessProbe: {
    httpGet: { path: "/readyz", port: ports.metrics },
    periodSeconds: 1,
    timeoutSeconds: 3,
    failureThreshold: 5,
  },
};

const memberKey = (labels: Readonly<Record<string, string>>): Record<string, string> => ({
  "quoin.dev/member": labels["quoin.dev/member"] ?? "",
});
