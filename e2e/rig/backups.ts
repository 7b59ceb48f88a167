// EtcdBackups and EtcdBackupSchedules in a namespace, as their user handles them.

import { resources } from "../../src/operator/runtime/index.ts";
import type { EtcdBackup, EtcdBackupSchedule, Pod } from "../../src/operator/types/index.ts";
import { NotYet, until } from "../../test/until.ts";
import { api, kubectl } from "./environment.ts";

const backupSeconds = 150;

export class Backups {
  readonly namespace: string;
  readonly cluster: string;

  /** Of one cluster. */
  constructor(namespace: string, cluster: string) {
    this.namespace = namespace;
    this.cluster = cluster;
  }

  /** Makes an EtcdBackup. */
  async begin(name: string, spec: object): Promise<void> {
    await this.#apply("EtcdBackup", name, { clusterRef: { name: this.cluster }, ...spec });
  }

  async makeSchedule(name: string, spec: object): Promise<void> {
    await this.#apply("EtcdBackupSchedule", name, { clusterRef: { name: this.cluster }, ...spec });
  }

  async #apply(kind: string, name: string, spec: object): Promise<void> {
    const metadata = { name, namespace: this.namespace };
    const object = { apiVersion: "quoin.dev/v1alpha1", kind, metadata, spec };
    await kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(object));
  }

  /** kubectl create job --from=cronjob/...: a run of the schedule now. */
  async runNow(schedule: string, name: string): Promise<void> {
    await this.kubectl("create", "job", name, `--from=cronjob/${schedule}-backup`);
  }

  kubectl(...args: string[]): Promise<string> {
    return kubectl(["-n", this.namespace, ...args]);
  }

  get(name: string): Promise<EtcdBackup> {
    return api.get(resources.etcdBackups, this.namespace, name);
  }

  schedule(name: string): Promise<EtcdBackupSchedule> {
    return api.get(resources.etcdBackupSchedules, this.namespace, name);
  }

  /** All of a schedule. */
  async of(schedule: string): Promise<readonly EtcdBackup[]> {
    const labelSelector = `quoin.dev/backup-schedule=${schedule}`;
    const options = { namespace: this.namespace, labelSelector };
    return (await api.list<EtcdBackup>(resources.etcdBackups, options)).items;
  }

  /** When it has ended, whichever way. */
  ended(name: string, seconds = backupSeconds): Promise<EtcdBackup> {
    return until(
      `EtcdBackup ${name} to end`,
      async () => {
        const backup = await this.get(name);
        const { phase, reason, message } = backup.status ?? {};
        if (phase === "Succeeded" || phase === "Failed" || phase === "Unknown") return backup;
        throw new NotYet(`${phase} ${reason}: ${message}`);
      },
      seconds,
    );
  }

  async succeeded(name: string): Promise<EtcdBackup> {
    const backup = await this.ended(name);
    if (backup.status?.phase === "Succeeded") return backup;
    throw new Error(`${name}: ${backup.status?.reason}: ${backup.status?.message}`);
  }

  /** "Failed AccessDenied" and the like. */
  async outcome(name: string): Promise<string> {
    const { status } = await this.ended(name);
    return `${status?.phase} ${status?.reason ?? ""}`.trimEnd();
  }

  /** When the schedule's condition BackupReady says so, as "True UpToDate". */
  readiness(schedule: string, wanted: string): Promise<EtcdBackupSchedule> {
    return until(`${schedule} to be ${wanted}`, async () => {
      const found = await this.schedule(schedule);
      const ready = found.status?.conditions?.find((c) => c.type === "BackupReady");
      const text = `${ready?.status} ${ready?.reason}`;
      if (text === wanted) return found;
      throw new NotYet(`${text}: ${ready?.message}`);
    });
  }

  /** A pod of this Job in this phase. */
  pod(job: string, phase: "Running" | "Succeeded"): Promise<Pod> {
    const labelSelector = `batch.kubernetes.io/job-name=${job}`;
    return until(`a ${phase} pod of ${job}`, async () => {
      const { items } = await api.list<Pod>(resources.pods, {
        namespace: this.namespace,
        labelSelector,
      });
      return items.find((pod) => pod.status?.phase === phase);
    });
  }
}
