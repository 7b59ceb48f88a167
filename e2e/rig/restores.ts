// EtcdRestores in a namespace, as their user handles them.

import { resources } from "../../src/operator/runtime/index.ts";
import type { EtcdRestore, RestorePhase } from "../../src/operator/types/index.ts";
import { NotYet, until } from "../../test/until.ts";
import { api, kubectl } from "./environment.ts";

const restoreSeconds = 240;
const over: readonly RestorePhase[] = ["Completed", "Failed", "Rejected"];

export class Restores {
  readonly namespace: string;

  constructor(namespace: string) {
    this.namespace = namespace;
  }

  /** Makes an EtcdRestore in place of this cluster. */
  async begin(name: string, cluster: string, spec: object): Promise<void> {
    await this.make(name, { mode: "InPlace", clusterRef: { name: cluster }, ...spec });
  }

  async make(name: string, spec: object): Promise<void> {
    const metadata = { name, namespace: this.namespace };
    const object = { apiVersion: "quoin.dev/v1alpha1", kind: "EtcdRestore", metadata, spec };
    await kubectl(["apply", "--server-side", "-f", "-"], JSON.stringify(object));
  }

  get(name: string): Promise<EtcdRestore> {
    return api.get(resources.etcdRestores, this.namespace, name);
  }

  /** When it has come to this phase, or one after it. Rejects when it ends otherwise. */
  reaches(name: string, phase: RestorePhase): Promise<EtcdRestore> {
    return until(
      `EtcdRestore ${name} to reach ${phase}`,
      async () => {
        const restore = await this.get(name);
        const { phases = [], message } = restore.status ?? {};
        const now = restore.status?.phase ?? "Pending";
        if (phases.some((p) => p.phase === phase)) return restore;
        const text = `it is ${now}: ${message}`;
        if (over.includes(now)) return { ended: text };
        throw new NotYet(text);
      },
      restoreSeconds,
    ).then((found) => {
      if ("ended" in found) throw new Error(`EtcdRestore ${name}: ${found.ended}`);
      return found;
    });
  }

  /** "Restoring 12.0 s, ...": how long each step took by the record. */
  async times(name: string): Promise<string> {
    const { status } = await this.get(name);
    return (status?.phases ?? [])
      .map(({ phase, startTime, completionTime }) => {
        const ms = Date.parse(completionTime ?? startTime) - Date.parse(startTime);
        return `${phase} ${ms / 1000} s`;
      })
      .join(", ");
  }
}
