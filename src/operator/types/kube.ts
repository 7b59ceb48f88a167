/**
 * Kubernetes objects as they stand in JSON. Specs come from the client library's types; the
 * metadata is our own record, because the library's has Date where JSON has strings.
 */
import type {
  V1CronJobSpec,
  V1CronJobStatus,
  V1JobSpec,
  V1JobStatus,
  V1PersistentVolumeClaimSpec,
  V1PersistentVolumeClaimStatus,
  V1PodDisruptionBudgetSpec,
  V1PodSpec,
  V1PodStatus,
  V1ServiceSpec,
  V1StatefulSetSpec,
  V1StatefulSetStatus,
} from "@kubernetes/client-node";

export type {
  V1Affinity,
  V1Container,
  V1EnvVar,
  V1JobSpec,
  V1PodSpec,
  V1PodTemplateSpec,
  V1ResourceRequirements,
  V1Toleration,
  V1TopologySpreadConstraint,
} from "@kubernetes/client-node";

export type Labels = Readonly<Record<string, string>>;

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Labels;
  readonly annotations?: Labels;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
}

/** Any object of the API; `Spec` and `Status` are what the caller knows of it. */
export interface KubeObject<Spec = unknown, Status = unknown> {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly spec?: Spec;
  readonly status?: Status;
}

export type StatefulSet = KubeObject<V1StatefulSetSpec, V1StatefulSetStatus>;
export type Pod = KubeObject<V1PodSpec, V1PodStatus>;
export type Service = KubeObject<V1ServiceSpec>;
export type Job = KubeObject<V1JobSpec, V1JobStatus>;
export type CronJob = KubeObject<V1CronJobSpec, V1CronJobStatus>;
export type Volume = KubeObject<V1PersistentVolumeClaimSpec, V1PersistentVolumeClaimStatus>;
export type DisruptionBudget = KubeObject<V1PodDisruptionBudgetSpec>;

export interface Secret extends KubeObject {
  readonly type?: string;
  /** Base64. */
  readonly data?: Readonly<Record<string, string>>;
}

/** The reference that makes this object the controller of its children. */
export function controllerRef(owner: KubeObject): OwnerReference {
  return {
    apiVersion: owner.apiVersion,
    kind: owner.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

/** Whether `child` is controlled by the object with this UID. */
export function isControlledBy(child: KubeObject, uid: string): boolean {
  return (child.metadata.ownerReferences ?? []).some((r) => r.controller === true && r.uid === uid);
}

/** Whose object this is, as "EtcdCluster orders"; undefined when nobody controls it. */
export function controllerOf(child: KubeObject): string | undefined {
  const owner = child.metadata.ownerReferences?.find((r) => r.controller === true);
  return owner && `${owner.kind} ${owner.name}`;
}
