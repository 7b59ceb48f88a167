// The nodes of the test cluster: their power, and the disks of their pods as root sees them.

import { join } from "node:path";
import { type Resource, resources } from "../../src/operator/runtime/index.ts";
import type { KubeObject, Pod, Volume } from "../../src/operator/types/index.ts";
import { execute, root } from "./commands.ts";
import { api } from "./environment.ts";

const persistentVolumes: Resource = {
  group: "",
  apiVersion: "v1",
  kind: "PersistentVolume",
  plural: "persistentvolumes",
};

/** `node2` is node 2. */
const numberOf = (node: string): string => node.replace(/^node/, "");

const nodeSh = (command: string, node: string, ...args: string[]): Promise<string> =>
  execute(["bash", join(root, "e2e", "cluster", "node.sh"), command, numberOf(node), ...args]);

/** Everything on it dies at once; its disks stay. Not node1: it carries the control plane. */
export const powerOff = (node: string): Promise<string> => nodeSh("off", node);

export const powerOn = (node: string): Promise<string> => nodeSh("on", node);

/** A member's disk: the folder on its node that its volume is. */
export class MemberDisk {
  readonly node: string;
  readonly #path: string;

  private constructor(node: string, path: string) {
    this.node = node;
    this.#path = path;
  }

  static async of(pod: Pod): Promise<MemberDisk> {
    const claim = pod.spec?.volumes?.find((it) => it.persistentVolumeClaim)?.persistentVolumeClaim;
    const namespace = pod.metadata.namespace ?? "";
    const { spec } = await api.get<Volume>(resources.volumes, namespace, claim?.claimName ?? "");
    type Persistent = KubeObject<{ readonly local: { readonly path: string } }>;
    const volume = await api.get<Persistent>(persistentVolumes, undefined, spec?.volumeName ?? "");
    const path = volume.spec?.local.path;
    if (path === undefined) throw new Error(`${volume.metadata.name} is no local volume`);
    return new MemberDisk(pod.spec?.nodeName ?? "", path);
  }

  /** A shell line, run on the node in the volume's folder; `data` is the data directory. */
  sh(line: string): Promise<string> {
    return nodeSh("exec", this.node, "sh", "-euc", `cd ${this.#path}; ${line}`);
  }
}
