/** The EtcdCluster resource, field for field as crds/quoin.dev_etcdclusters.yaml describes it. */
import type {
  KubeObject,
  V1Affinity,
  V1ResourceRequirements,
  V1Toleration,
  V1TopologySpreadConstraint,
} from "./kube.ts";
import type { Incident, QuorumRecovery, RestoreOptions, Transition } from "./restore.ts";
import type { LatchedTls, TlsOptions } from "./tls.ts";

export const apiGroup = "quoin.dev";
export const apiVersion = "quoin.dev/v1alpha1";
export const kind = "EtcdCluster";

export type RetentionPolicy = "Retain" | "Delete";

export interface ImageSpec {
  /** Without tag; default: the operator's --server-image. */
  readonly repository?: string;
  /** Default: spec.version, else the tag of the operator's --server-image. */
  readonly tag?: string;
  readonly digest?: string;
  readonly pullPolicy?: "Always" | "IfNotPresent" | "Never";
  readonly pullSecrets?: readonly string[];
}

export interface StorageSpec {
  /** A Kubernetes quantity; may only grow. */
  readonly size: string;
  /** Immutable. */
  readonly storageClassName?: string;
  readonly retentionPolicy?: {
    /** What becomes of the volumes when the cluster is deleted. Default Retain. */
    readonly whenDeleted?: RetentionPolicy;
    /** What becomes of a volume when its member was removed by scaling down. Default Delete. */
    readonly whenScaled?: RetentionPolicy;
  };
}

/** Typed server options; each becomes the flag of the same name in kebab-case. */
export interface EtcdOptions {
  readonly quotaBackendBytes?: number;
  readonly autoCompactionMode?: "periodic" | "revision";
  readonly autoCompactionRetention?: string;
  readonly snapshotCount?: number;
  readonly heartbeatInterval?: number;
  readonly electionTimeout?: number;
  readonly maxRequestBytes?: number;
  readonly maxTxnOps?: number;
  readonly logLevel?: "debug" | "info" | "warn" | "error";
}

export interface PodOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly affinity?: V1Affinity;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly tolerations?: readonly V1Toleration[];
  readonly topologySpreadConstraints?: readonly V1TopologySpreadConstraint[];
  readonly priorityClassName?: string;
  readonly env?: readonly { readonly name: string; readonly value: string }[];
}

export interface RepairOptions {
  /** Replace members whose data is lost or whose node is dead, while a quorum holds. Default true. */
  readonly automatic?: boolean;
  /** How long a dead node's member is waited for; Go duration, default 10m. */
  readonly gracePeriod?: string;
}

export interface EtcdClusterSpec {
  readonly replicas: number;
  /** Quoin's own version; latched in status when omitted. */
  readonly version?: string;
  readonly image?: ImageSpec;
  readonly storage: StorageSpec;
  readonly etcdOptions?: EtcdOptions;
  readonly extraArgs?: readonly string[];
  readonly resources?: V1ResourceRequirements;
  readonly pod?: PodOptions;
  readonly paused?: boolean;
  readonly bootstrap?: {
    /** What to do with volumes of this name found at creation. Default Refuse. */
    readonly existingVolumes?: "Refuse" | "Adopt" | "Discard";
    /** Where the first data comes from; without it the cluster begins empty. */
    readonly restore?: RestoreOptions;
  };
  readonly quorumRecovery?: QuorumRecovery;
  readonly repair?: RepairOptions;
  readonly tls?: TlsOptions;
}

export type ConditionType = "Available" | "Progressing" | "Degraded";

export interface Condition<Type extends string = ConditionType> {
  readonly type: Type;
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
  readonly lastTransitionTime: string;
}

export interface MemberStatus {
  readonly name: string;
  /** Hexadecimal, as etcdctl prints it; absent until the cluster knows the member. */
  readonly id?: string;
  readonly pod?: string;
  readonly leader: boolean;
  readonly learner: boolean;
  readonly healthy: boolean;
  readonly version?: string;
  /** Last known figures, refreshed at most once a minute; kept when the member cannot be asked. */
  readonly raftTerm?: number;
  readonly raftIndex?: number;
  readonly dbSizeBytes?: number;
  /** Where its durable log ended, and the revision there. */
  readonly lastLogTerm?: number;
  readonly lastLogIndex?: number;
  readonly revision?: number;
}

/** A member that was lost, and why; its kept volume has the cause as label quoin.dev/lost. */
export interface Replacing {
  readonly member: string;
  readonly cause: string;
  readonly message: string;
  /** RFC 3339. */
  readonly since: string;
}

export interface EtcdClusterStatus {
  readonly observedGeneration?: number;
  readonly replicas?: number;
  readonly readyReplicas?: number;
  readonly selector?: string;
  readonly conditions?: readonly Condition[];
  readonly members?: readonly MemberStatus[];
  readonly leader?: string;
  readonly endpoints?: readonly string[];
  /** Hexadecimal; latched when the cluster was first seen. From then on no seed is ever made. */
  readonly clusterID?: string;
  /** The generated initial-cluster-token: the identity of this cluster's volumes. */
  readonly clusterToken?: string;
  /** Name of the member that forms the cluster; latched before anything is made. */
  readonly seed?: string;
  /** True once the cluster had all its members for the first time. */
  readonly bootstrapped?: boolean;
  /** Version and image that hold while the spec names none; latched at creation. */
  readonly version?: string;
  readonly image?: string;
  /** Where certificates come from, as it was when the cluster was made; absent: it speaks plain text. */
  readonly tls?: LatchedTls;
  /** The member being added; written before its volume is made. */
  readonly joining?: string;
  /** The member being removed; written before it is removed. */
  readonly removing?: string;
  /** The lost member whose place is being filled; until the new one votes. */
  readonly replacing?: Replacing;
  /** Random id of this data's history, the token of its first life: kept by restores in place, and written into manifests. */
  readonly lineage?: string;
  readonly transition?: Transition;
  readonly incident?: Incident;
  /** Incidents a consent was used for; a consent works once. */
  readonly recoveredIncidents?: readonly string[];
}

export type EtcdCluster = KubeObject<EtcdClusterSpec, EtcdClusterStatus> & {
  readonly spec: EtcdClusterSpec;
};
