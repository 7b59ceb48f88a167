// An EtcdCluster in a namespace of its own, as its user handles it.

import { Client } from "../../src/client/index.ts";
import { type Resource, resources } from "../../src/operator/runtime/index.ts";
import type {
  ConditionType,
  EtcdCluster,
  EtcdClusterStatus,
  KubeObject,
  Pod,
  Service,
  Volume,
} from "../../src/operator/types/index.ts";
import type { rpcpb } from "../../src/proto/index.ts";
import { NotYet, until } from "../../test/until.ts";
import { type Access, accessTo, etcdctl } from "./access.ts";
import { api, kubectl } from "./environment.ts";

const settleSeconds = 180;

/** A namespace under the strictest pod security, so that what the operator makes must be fit for it. */
export async function createNamespace(name: string): Promise<void> {
  const labels = { "pod-security.kubernetes.io/enforce": "restricted" };
  const object = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
  await kubectl(["delete", "namespace", name, "--ignore-not-found", "--timeout=300s"]);
  await kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(object));
}

/** Does not wait: the next test need not. */
export async function deleteNamespace(name: string): Promise<void> {
  await kubectl(["delete", "namespace", name, "--ignore-not-found", "--wait=false"]);
}

/** What a manifest of the cluster holds. */
export const manifest = (namespace: string, name: string, spec: object): string =>
  JSON.stringify({
    apiVersion: "quoin.dev/v1alpha1",
    kind: "EtcdCluster",
    metadata: { name, namespace },
    spec,
  });

/** "status reason" of a condition, as "True QuorumHealthy". */
export function condition(cluster: EtcdCluster, type: ConditionType): string {
  const found = cluster.status?.conditions?.find((it) => it.type === type);
  return found === undefined ? "absent" : `${found.status} ${found.reason}`;
}

/** Ready, and not on its way out. */
export const isReady = (pod: Pod): boolean =>
  pod.metadata.deletionTimestamp === undefined &&
  (pod.status?.conditions ?? []).some((it) => it.type === "Ready" && it.status === "True");

export class TestCluster {
  readonly namespace: string;
  readonly name: string;

  constructor(namespace: string, name: string) {
    this.namespace = namespace;
    this.name = name;
  }

  /** kubectl apply: the whole spec, as a user writes it. */
  async apply(spec: object): Promise<void> {
    const text = manifest(this.namespace, this.name, spec);
    await kubectl(["apply", "--server-side", "-f", "-"], text);
  }

  /** kubectl patch of the spec. */
  async patch(spec: object): Promise<void> {
    const patch = JSON.stringify({ spec });
    await this.kubectl("patch", "etcdcluster", this.name, "--type=merge", "-p", patch);
  }

  async scale(replicas: number): Promise<void> {
    await this.kubectl("scale", "etcdcluster", this.name, `--replicas=${replicas}`);
  }

  kubectl(...args: string[]): Promise<string> {
    return kubectl(["-n", this.namespace, ...args]);
  }

  get(): Promise<EtcdCluster> {
    return api.get(resources.etcdClusters, this.namespace, this.name);
  }

  /** kubectl delete, without waiting for what the cluster owns. */
  async delete(): Promise<void> {
    await this.kubectl("delete", "etcdcluster", this.name, "--timeout=300s");
  }

  /** When the condition has this status, of the spec as it is now. */
  reaches(type: ConditionType, status: "True" | "False"): Promise<EtcdCluster> {
    return this.#until(`${type} to be ${status}`, (cluster) =>
      condition(cluster, type).startsWith(`${status} `),
    );
  }

  /** When all is as the spec says: this many voters, all healthy, and nothing left to do. */
  async settled(replicas: number): Promise<EtcdCluster> {
    return this.#until(`${replicas} members and nothing to do`, async (cluster) => {
      const { members = [] } = cluster.status ?? {};
      if (
        condition(cluster, "Progressing") !== "False Stable" ||
        members.length !== replicas ||
        !members.every((member) => member.healthy && !member.learner)
      ) {
        return false;
      }
      // Status may lag behind a pod that went a moment ago. A dead node keeps pods of former members.
      const pods = (await this.pods()).filter((pod) =>
        members.some((it) => it.name === pod.metadata.labels?.["quoin.dev/member"]),
      );
      return pods.length === replicas && pods.every(isReady);
    });
  }

  /** When the operator has seen that it is to keep its hands off. */
  isPaused(): Promise<EtcdCluster> {
    return this.#until("Paused", (cluster) => condition(cluster, "Progressing") === "False Paused");
  }

  /** When `holds` is true of the status. */
  statusShows(what: string, holds: (status: EtcdClusterStatus) => boolean): Promise<EtcdCluster> {
    return this.#until(what, ({ status }) => status !== undefined && holds(status));
  }

  #until(
    what: string,
    holds: (cluster: EtcdCluster) => boolean | Promise<boolean>,
  ): Promise<EtcdCluster> {
    return until(
      `${this.name}: ${what}`,
      async () => {
        const cluster = await this.get();
        const isSeen = cluster.status?.observedGeneration === cluster.metadata.generation;
        if (isSeen && (await holds(cluster))) return cluster;
        throw new NotYet(JSON.stringify(cluster.status?.conditions ?? "no status"));
      },
      settleSeconds,
    );
  }

  /** Everything of this kind with the cluster's label. */
  async owned<T extends KubeObject>(resource: Resource): Promise<readonly T[]> {
    const labelSelector = `quoin.dev/cluster=${this.name}`;
    return (await api.list<T>(resource, { namespace: this.namespace, labelSelector })).items;
  }

  /** Pods of members, in the order of their names. */
  async pods(): Promise<readonly Pod[]> {
    const pods = await this.owned<Pod>(resources.pods);
    return pods
      .filter((pod) => pod.metadata.labels?.["quoin.dev/component"] === "member")
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  volumes(): Promise<readonly Volume[]> {
    return this.owned(resources.volumes);
  }

  /** When nothing of these kinds is left. */
  async gone(...kinds: readonly Resource[]): Promise<void> {
    const isGone = async (): Promise<boolean> => {
      const left = (await Promise.all(kinds.map((kind) => this.owned(kind)))).flat();
      if (left.length === 0) return true;
      throw new NotYet(left.map((it) => `${it.kind} ${it.metadata.name}`).join(", "));
    };
    await until(`${this.name}: nothing left of it`, isGone, settleSeconds);
  }

  /** The pod whose member leads, by its own word. */
  leader(): Promise<Pod> {
    return until(`${this.name}: a leader`, async () => {
      for (const pod of await this.pods()) {
        const status = await this.#memberStatus(pod);
        if (status !== undefined && status.leader === status.header?.memberId) return pod;
      }
      return undefined;
    });
  }

  /** The highest term a member tells of; it rises with every election. */
  term(): Promise<number> {
    return until(`${this.name}: a term`, async () => {
      const statuses = await Promise.all((await this.pods()).map((pod) => this.#memberStatus(pod)));
      const term = Math.max(...statuses.map((status) => status?.raftTerm ?? 0));
      return term > 0 && term;
    });
  }

  /** The value of a key in this member's own copy, without asking the others. */
  async getFrom(pod: string, key: string): Promise<string> {
    const { status } = await api.get<Pod>(resources.pods, this.namespace, pod);
    const access = await accessTo(await this.get(), status?.podIP ?? "", this.hostOf(pod));
    return (await etcdctl(access, ["get", "--consistency=s", "--print-value-only", key])).trim();
  }

  /** Ids of the members, sorted. */
  async memberIds(): Promise<string[]> {
    const lines = (await this.etcdctl("member", "list")).trim().split("\n");
    return lines.map((line) => line.split(",")[0] ?? "").sort();
  }

  /** The DNS name of a member's pod. */
  hostOf(pod: string): string {
    return `${pod}.${this.name}-peer.${this.namespace}.svc`;
  }

  /** Through the client Service, with what the client's Secret holds. */
  async access(): Promise<Access> {
    const name = `${this.name}-client`;
    const service = await api.get<Service>(resources.services, this.namespace, name);
    const host = `${name}.${this.namespace}.svc`;
    return accessTo(await this.get(), service.spec?.clusterIP ?? "", host);
  }

  /** Of this one member. */
  async accessToPod(pod: Pod): Promise<Access> {
    return accessTo(await this.get(), pod.status?.podIP ?? "", this.hostOf(pod.metadata.name));
  }

  /** The real etcdctl, through the client Service. */
  async etcdctl(...args: string[]): Promise<string> {
    return etcdctl(await this.access(), args);
  }

  /** Undefined while the member starts or ends. */
  async #memberStatus(pod: Pod): Promise<rpcpb.StatusResponse | undefined> {
    try {
      const access = await this.accessToPod(pod);
      using client = new Client({ ...access, requestTimeoutMs: 3000 });
      return await client.maintenance.status(access.endpoints[0] ?? "");
    } catch {
      return undefined;
    }
  }
}
