/** The kinds the operator deals with and their paths. */
export interface Resource {
  /** Empty for the core group. */
  readonly group: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  /** As "status"; appended to an object's path. */
  readonly subresource?: string;
}

const resource = (apiVersion: string, kind: string, plural: string): Resource => ({
  group: apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "",
  apiVersion,
  kind,
  plural,
});

export const resources = {
  etcdClusters: resource("quoin.dev/v1alpha1", "EtcdCluster", "etcdclusters"),
  etcdBackups: resource("quoin.dev/v1alpha1", "EtcdBackup", "etcdbackups"),
  etcdBackupSchedules: resource("quoin.dev/v1alpha1", "EtcdBackupSchedule", "etcdbackupschedules"),
  etcdRestores: resource("quoin.dev/v1alpha1", "EtcdRestore", "etcdrestores"),
  pods: resource("v1", "Pod", "pods"),
  services: resource("v1", "Service", "services"),
  secrets: resource("v1", "Secret", "secrets"),
  volumes: resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims"),
  statefulSets: resource("apps/v1", "StatefulSet", "statefulsets"),
  jobs: resource("batch/v1", "Job", "jobs"),
  cronJobs: resource("batch/v1", "CronJob", "cronjobs"),
  budgets: resource("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets"),
  certificates: resource("cert-manager.io/v1", "Certificate", "certificates"),
  leases: resource("coordination.k8s.io/v1", "Lease", "leases"),
  events: resource("events.k8s.io/v1", "Event", "events"),
} as const;

const byKind = new Map(Object.values(resources).map((r) => [r.kind, r]));

/** The resource of an object's kind; throws for a kind the operator does not know. */
export function resourceOf(kind: string): Resource {
  const found = byKind.get(kind);
  if (found === undefined) throw new RangeError(`unknown kind ${kind}`);
  return found;
}

/** Path of a collection, in one namespace or in all. */
export function resourcePath(r: Resource, namespace?: string): string {
  const root = r.group === "" ? "/api/v1" : `/apis/${r.apiVersion}`;
  return namespace === undefined
    ? `${root}/${r.plural}`
    : `${root}/namespaces/${encodeURIComponent(namespace)}/${r.plural}`;
}

export const objectPath = (r: Resource, namespace: string | undefined, name: string): string =>
  `${resourcePath(r, namespace)}/${encodeURIComponent(name)}${r.subresource ? `/${r.subresource}` : ""}`;
