/** Figures of clusters, as their status tells them. */
import { Gauge, type Registry } from "prom-client";
import type { EtcdCluster, EtcdClusterStatus } from "../types/index.ts";

type Cluster = "namespace" | "name";
type ConditionLabel = Cluster | "type" | "status" | "reason";

export class ClusterMetrics {
  readonly #available: Gauge<Cluster>;
  readonly #healthy: Gauge<Cluster>;
  readonly #wanted: Gauge<Cluster>;
  readonly #condition: Gauge<ConditionLabel>;
  /** The label sets under which each cluster's conditions are shown. */
  readonly #shown = new Map<string, Record<ConditionLabel, string>[]>();

  constructor(registry: Registry) {
    const registers = [registry];
    const labelNames: Cluster[] = ["namespace", "name"];
    const gauge = (name: string, help: string) =>
      new Gauge<Cluster>({ name: `quoin_cluster_${name}`, help, labelNames, registers });
    this.#available = gauge("available", "1 while the cluster's condition Available is True.");
    this.#healthy = gauge("healthy_members", "Healthy members of the cluster.");
    this.#wanted = gauge("wanted_members", "Members that the cluster's spec asks for.");
    this.#condition = new Gauge<ConditionLabel>({
      name: "quoin_cluster_condition",
      help: "1 for each condition as it is now.",
      labelNames: [...labelNames, "type", "status", "reason"],
      registers,
    });
  }

  /** Shows the status that was just written. */
  show({ metadata, spec }: EtcdCluster, status: EtcdClusterStatus): void {
    const { namespace = "", name } = metadata;
    const conditions = status.conditions ?? [];
    const isAvailable = conditions.some((c) => c.type === "Available" && c.status === "True");
    this.#available.set({ namespace, name }, isAvailable ? 1 : 0);
    const healthy = (status.members ?? []).filter((member) => member.healthy);
    this.#healthy.set({ namespace, name }, healthy.length);
    this.#wanted.set({ namespace, name }, spec.replicas);
    this.#removeConditions(namespace, name);
    const shown = conditions.map(({ type, status: is, reason }) => ({
      namespace,
      name,
      type,
      status: is,
      reason,
    }));
    for (const labels of shown) this.#condition.set(labels, 1);
    this.#shown.set(`${namespace}/${name}`, shown);
  }

  /** The cluster is gone, and with it all that was shown of it. */
  forget(namespace: string, name: string): void {
    for (const gauge of [this.#available, this.#healthy, this.#wanted]) {
      gauge.remove({ namespace, name });
    }
    this.#removeConditions(namespace, name);
  }

  #removeConditions(namespace: string, name: string): void {
    const key = `${namespace}/${name}`;
    for (const labels of this.#shown.get(key) ?? []) this.#condition.remove(labels);
    this.#shown.delete(key);
  }
}
