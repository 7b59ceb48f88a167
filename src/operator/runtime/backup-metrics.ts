/** Figures of backups, by cluster and schedule (empty where a backup was ordered by hand). */
import { Counter, Gauge, type Registry } from "prom-client";

export type BackupLabel = "namespace" | "cluster" | "schedule";

export interface BackupMetrics {
  readonly lastSuccess: Gauge<BackupLabel>;
  readonly lastVerified: Gauge<BackupLabel>;
  readonly sizeBytes: Gauge<BackupLabel>;
  readonly durationSeconds: Gauge<BackupLabel>;
  readonly failures: Counter<BackupLabel | "reason">;
  readonly failuresInARow: Gauge<BackupLabel>;
  readonly ready: Gauge<BackupLabel>;
  readonly rpoSeconds: Gauge<BackupLabel>;
}

/** `wallMs` is read when the ages are scraped. */
export function createBackupMetrics(registry: Registry, wallMs: () => number): BackupMetrics {
  const labelNames: BackupLabel[] = ["namespace", "cluster", "schedule"];
  const registers = [registry];
  const gauge = (name: string, help: string) =>
    new Gauge<BackupLabel>({ name: `quoin_backup_${name}`, help, labelNames, registers });
  const lastVerified = gauge(
    "last_verified_timestamp_seconds",
    "When the newest verified backup began: it holds all that was acknowledged before.",
  );
  new Gauge<BackupLabel>({
    name: "quoin_backup_age_seconds",
    help: "Age of the newest verified backup: what a restore from it would lose.",
    labelNames,
    registers,
    async collect() {
      this.reset();
      for (const { labels, value } of (await lastVerified.get()).values) {
        this.set(labels, wallMs() / 1000 - value);
      }
    },
  });
  return {
    lastVerified,
    lastSuccess: gauge("last_success_timestamp_seconds", "When the newest backup was complete."),
    sizeBytes: gauge("size_bytes", "Stored bytes of the newest backup."),
    durationSeconds: gauge("duration_seconds", "How long the newest backup took, verified."),
    failures: new Counter({
      name: "quoin_backup_failures_total",
      help: "Backups that failed or whose result is unknown, seen by this process.",
      labelNames: [...labelNames, "reason"],
      registers,
    }),
    failuresInARow: gauge(
      "consecutive_failures",
      "Failures since the schedule's last success, as far as their EtcdBackups are kept.",
    ),
    ready: gauge("ready", "1 while the schedule's condition BackupReady is True."),
    rpoSeconds: gauge("rpo_seconds", "The age the newest verified backup shall never exceed."),
  };
}
