/** What the pods of a cluster share: image, security, placement. */
import { createHash } from "node:crypto";
import type {
  EtcdCluster,
  Labels,
  V1Container,
  V1PodSpec,
  V1ResourceRequirements,
} from "../types/index.ts";
import { canonical } from "./canonical.ts";
import { optionArgs } from "./flags.ts";
import { dataMount, podSelector } from "./names.ts";
import { tlsDigestInput } from "./tls.ts";

const uid = 65532;

/**
 * Version and image that hold where the spec names none: those latched in status, from the moment
 * the cluster lives. Before, nothing runs them, and a corrected spec must get rid of a wrong one.
 */
export function latchedVersion(cluster: EtcdCluster): { version?: string; image?: string } {
  const { clusterID, version, image } = cluster.status ?? {};
  if (clusterID === undefined) return {};
  return {
    ...(version === undefined ? {} : { version }),
    ...(image === undefined ? {} : { image }),
  };
}

/** Quoin's image for this cluster: spec first, then what was latched. */
export function serverImage(cluster: EtcdCluster, defaultImage: string): string {
  const { image, version } = cluster.spec;
  const latched = latchedVersion(cluster);
  const fallback = latched.image ?? defaultImage;
  const [fallbackRepository, fallbackTag] = splitImage(fallback);
  const repository = image?.repository ?? fallbackRepository;
  if (image?.digest !== undefined) return `${repository}@${image.digest}`;
  const tag = image?.tag ?? version ?? (image?.repository ? latched.version : undefined);
  if (tag !== undefined) return `${repository}:${tag}`;
  return image?.repository === undefined ? fallback : `${repository}:${fallbackTag || "latest"}`;
}

function splitImage(image: string): [repository: string, tag: string] {
  const name = image.split("@")[0] ?? "";
  const colon = name.lastIndexOf(":");
  if (colon < 0 || name.indexOf("/", colon) >= 0) return [name, ""];
  return [name.slice(0, colon), name.slice(colon + 1)];
}

/** The version a tag of the default image stands for; latched when the spec names none. */
export function imageVersion(image: string): string {
  return splitImage(image)[1] || "latest";
}

/**
 * Digest of everything in the spec that shows in a member's pod. Taken from the spec and not from
 * the built template, so that a new operator version never rolls a cluster by itself.
 */
export function templateDigest(cluster: EtcdCluster, defaultImage: string): string {
  const { spec } = cluster;
  const input = {
    image: serverImage(cluster, defaultImage),
    pullPolicy: spec.image?.pullPolicy,
    pullSecrets: spec.image?.pullSecrets,
    args: optionArgs(spec),
    resources: spec.resources,
    pod: spec.pod,
    tls: tlsDigestInput(cluster),
  };
  return createHash("sha256").update(canonical(input)).digest("hex").slice(0, 16);
}

/**
 * Members grow by learners that the operator promotes itself, so that adding one need not wait for
 * anybody (docs/decisions/002). A variable, because an older server only warns about it.
 */
const ownEnv = [{ name: "ETCD_QUOIN_QUICK_LEARNERS", value: "true" }] as const;

/**
 * A container of our image that may write to its data volume only. No emptyDir for /tmp: nothing
 * needs it, and `kubectl drain` refuses pods that have one.
 */
export function serverContainer(
  cluster: EtcdCluster,
  image: string,
  args: readonly string[],
): V1Container {
  const { spec } = cluster;
  return {
    name: "quoin",
    image,
    ...(spec.image?.pullPolicy ? { imagePullPolicy: spec.image.pullPolicy } : {}),
    args: [...args],
    env: [...ownEnv, ...(spec.pod?.env ?? [])].map((e) => ({ ...e })),
    ...(spec.resources ? { resources: spec.resources as V1ResourceRequirements } : {}),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ["ALL"] },
    },
    terminationMessagePolicy: "FallbackToLogsOnError",
    volumeMounts: [{ name: "data", mountPath: dataMount }],
  };
}

/** A pod around that container: identity, data volume and the member's scheduling constraints. */
export function podSpec(cluster: EtcdCluster, claim: string, container: V1Container): V1PodSpec {
  const { spec } = cluster;
  const pod = spec.pod ?? {};
  return {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    securityContext: {
      runAsNonRoot: true,
      runAsUser: uid,
      runAsGroup: uid,
      fsGroup: uid,
      fsGroupChangePolicy: "OnRootMismatch",
      seccompProfile: { type: "RuntimeDefault" },
    },
    ...(spec.image?.pullSecrets
      ? { imagePullSecrets: spec.image.pullSecrets.map((name) => ({ name })) }
      : {}),
    ...(pod.affinity ? { affinity: pod.affinity } : {}),
    ...(pod.nodeSelector ? { nodeSelector: { ...pod.nodeSelector } } : {}),
    ...(pod.tolerations ? { tolerations: [...pod.tolerations] } : {}),
    ...(pod.priorityClassName ? { priorityClassName: pod.priorityClassName } : {}),
    ...spreadConstraints(cluster),
    containers: [container],
    volumes: [{ name: "data", persistentVolumeClaim: { claimName: claim } }],
  };
}

/** The user's constraints, or one soft constraint over nodes where the user names no placement. */
function spreadConstraints(cluster: EtcdCluster): Pick<V1PodSpec, "topologySpreadConstraints"> {
  const { affinity, topologySpreadConstraints } = cluster.spec.pod ?? {};
  if (topologySpreadConstraints !== undefined) {
    return { topologySpreadConstraints: [...topologySpreadConstraints] };
  }
  if (affinity !== undefined) return {};
  return {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "ScheduleAnyway",
        labelSelector: { matchLabels: podSelector(cluster) as Record<string, string> },
      },
    ],
  };
}

/** The user's pod labels, under ours: nobody may relabel a pod out of its Service. */
export const podLabels = (cluster: EtcdCluster, own: Labels): Labels => ({
  ...cluster.spec.pod?.labels,
  ...own,
});
