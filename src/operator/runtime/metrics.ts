/** The operator's own figures, for Prometheus. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { type BackupMetrics, createBackupMetrics } from "./backup-metrics.ts";
import { ClusterMetrics } from "./cluster-metrics.ts";

export interface OperatorMetrics {
  readonly registry: Registry;
  /** Passes by how they ended: step, wait, stop, error. */
  readonly passes: Counter<"result">;
  readonly passSeconds: Histogram;
  readonly steps: Counter<"kind" | "result">;
  readonly watchRestarts: Counter<"resource" | "reason">;
  readonly leader: Gauge;
  readonly cluster: ClusterMetrics;
  readonly backup: BackupMetrics;
}

/** `queueDepth`, `watchSilence` (seconds by resource) and `wallMs` are read when scraped. */
export function createMetrics(
  queueDepth: () => number,
  watchSilence: () => ReadonlyMap<string, number>,
  wallMs: () => number,
): OperatorMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  new Gauge({
    name: "quoin_operator_queue_depth",
    help: "Clusters waiting for a pass.",
    registers,
    collect() {
      this.set(queueDepth());
    },
  });
  new Gauge({
    name: "quoin_operator_watch_silent_seconds",
    help: "Time since the API server was last heard on this watch.",
    labelNames: ["resource"],
    registers,
    collect() {
      for (const [resource, seconds] of watchSilence()) this.set({ resource }, seconds);
    },
  });
  return {
    registry,
    backup: createBackupMetrics(registry, wallMs),
    passes: new Counter({
      name: "quoin_operator_passes_total",
      help: "Passes over a cluster by how they ended.",
      labelNames: ["result"],
      registers,
    }),
    passSeconds: new Histogram({
      name: "quoin_operator_pass_duration_seconds",
      help: "Duration of one pass: observe, plan, act.",
      buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
      registers,
    }),
    steps: new Counter({
      name: "quoin_operator_steps_total",
      help: "Steps taken by kind and result.",
      labelNames: ["kind", "result"],
      registers,
    }),
    watchRestarts: new Counter({
      name: "quoin_operator_watch_restarts_total",
      help: "Watches that ended early, by reason.",
      labelNames: ["resource", "reason"],
      registers,
    }),
    leader: new Gauge({
      name: "quoin_operator_leader",
      help: "1 while this process leads.",
      registers,
    }),
    cluster: new ClusterMetrics(registry),
  };
}
