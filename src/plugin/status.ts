/** `kubectl quoin status`: the clusters of a namespace, or all about one. */
import { isNotFound, type Resource, resources } from "../operator/runtime/index.ts";
import type {
  EtcdBackup,
  EtcdBackupSchedule,
  EtcdCluster,
  EtcdRestore,
  KubeObject,
} from "../operator/types/index.ts";
import type { CommandLine } from "./command-line.ts";
import { type CommandContext, Refusal } from "./context.ts";
import { describeCluster } from "./describe.ts";
import { age, table } from "./table.ts";
import { type ClusterView, lastVerified } from "./view.ts";

/** Resolves to the exit code: 1 when a cluster that was asked for is not Available. */
export async function status(line: CommandLine, context: CommandContext): Promise<number> {
  const { cluster, flags } = line;
  const namespace = flags["all-namespaces"] ? undefined : context.namespace;
  if (cluster !== "" && namespace === undefined) {
    throw new TypeError("name a cluster or give --all-namespaces, not both");
  }
  const views = await readViews(namespace, cluster, context);
  const nowMs = context.clock.wallMs();
  if (cluster === "") {
    context.stdout(listClusters(views, namespace, nowMs));
    return 0;
  }
  const [view] = views;
  if (view === undefined) {
    throw new Refusal(`there is no EtcdCluster ${cluster} in namespace ${context.namespace}`);
  }
  context.stdout(describeCluster(view, nowMs));
  const available = view.cluster.status?.conditions?.find(({ type }) => type === "Available");
  return available?.status === "True" ? 0 : 1;
}

async function readViews(
  namespace: string | undefined,
  name: string,
  { api }: CommandContext,
): Promise<ClusterView[]> {
  const read = async <T extends KubeObject>(resource: Resource): Promise<readonly T[]> => {
    try {
      return (await api.list<T>(resource, { namespace })).items;
    } catch (error) {
      if (isNotFound(error)) return []; // an older installation does not serve it
      throw error;
    }
  };
  const [clusters, schedules, backups, restores] = await Promise.all([
    read<EtcdCluster>(resources.etcdClusters),
    read<EtcdBackupSchedule>(resources.etcdBackupSchedules),
    read<EtcdBackup>(resources.etcdBackups),
    read<EtcdRestore>(resources.etcdRestores),
  ]);
  return clusters
    .filter(({ metadata }) => name === "" || metadata.name === name)
    .map((cluster) => {
      const isOf = (it: EtcdBackup | EtcdBackupSchedule | EtcdRestore): boolean =>
        it.spec.clusterRef.name === cluster.metadata.name &&
        it.metadata.namespace === cluster.metadata.namespace;
      return {
        cluster,
        schedules: schedules.filter(isOf),
        backups: backups.filter(isOf).sort(newestFirst),
        restores: restores.filter(isOf).sort(newestFirst),
      };
    });
}

const newestFirst = (a: KubeObject, b: KubeObject): number =>
  (b.metadata.creationTimestamp ?? "").localeCompare(a.metadata.creationTimestamp ?? "");

function listClusters(
  views: readonly ClusterView[],
  namespace: string | undefined,
  nowMs: number,
): string {
  if (views.length === 0) {
    return `no EtcdCluster in ${namespace === undefined ? "any namespace" : `namespace ${namespace}`}\n`;
  }
  const head = ["NAME", "READY", "AVAILABLE", "DOING", "PROBLEM", "LAST VERIFIED BACKUP"];
  const rows = views.map(({ cluster, backups, schedules }) => {
    const { metadata, spec, status: now } = cluster;
    const condition = (type: string) => now?.conditions?.find((it) => it.type === type);
    const degraded = condition("Degraded");
    return [
      namespace === undefined ? `${metadata.namespace}/${metadata.name}` : metadata.name,
      `${now?.readyReplicas ?? 0}/${spec.replicas}`,
      condition("Available")?.status,
      condition("Progressing")?.reason,
      degraded?.status === "True" ? degraded.reason : undefined,
      age(lastVerified(backups, schedules), nowMs),
    ];
  });
  return table(head, rows);
}
