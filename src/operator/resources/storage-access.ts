/** How a Job's container reaches a backup storage: flags, environment and mounts (CONTRACT: no secret in flags). */
import type { V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import type { BackupDestination, V1Container, V1EnvVar } from "../types/index.ts";

export interface StorageAccess {
  readonly args: readonly string[];
  /** Keys of the credentials' Secret become variables; without one the pod's identity speaks. */
  readonly envFrom: NonNullable<V1Container["envFrom"]>;
  readonly env: readonly V1EnvVar[];
  readonly volumes: readonly V1Volume[];
  readonly volumeMounts: readonly V1VolumeMount[];
}

const backupMount = "/backup";
const caMount = "/etc/quoin/backup-ca";

const trim = (path: string): string => path.replace(/^\/+|\/+$/g, "");

/** `readOnly` mounts a claim so that nothing on it can be changed. */
export function storageAccess(d: BackupDestination, readOnly = false): StorageAccess {
  const none = { envFrom: [], env: [], volumes: [], volumeMounts: [] };
  if (d.pvc !== undefined) {
    const { claimName, subPath } = d.pvc;
    const sub = subPath ? `/${trim(subPath)}` : "";
    return {
      ...none,
      args: [`--directory=${backupMount}${sub}`, `--directory-uri=pvc://${claimName}${sub}`],
      volumes: [{ name: "backup", persistentVolumeClaim: { claimName } }],
      volumeMounts: [{ name: "backup", mountPath: backupMount, ...(readOnly ? { readOnly } : {}) }],
    };
  }
  const s3 = d.s3 ?? { bucket: "" };
  const { credentialsSecretRef: credentials, caSecretRef: ca } = s3;
  return {
    ...none,
    args: [
      `--s3-bucket=${s3.bucket}`,
      ...(s3.prefix ? [`--s3-prefix=${s3.prefix}`] : []),
      ...(s3.endpoint ? [`--s3-endpoint=${s3.endpoint}`] : []),
      ...(s3.region ? [`--s3-region=${s3.region}`] : []),
      ...(s3.forcePathStyle === undefined ? [] : [`--s3-force-path-style=${s3.forcePathStyle}`]),
      ...(ca ? [`--s3-ca-file=${caMount}/ca.crt`] : []),
    ],
    envFrom: credentials ? [{ secretRef: { name: credentials.name } }] : [],
    volumes: ca
      ? [
          {
            name: "backup-ca",
            secret: { secretName: ca.name, items: [{ key: "ca.crt", path: "ca.crt" }] },
          },
        ]
      : [],
    volumeMounts: ca ? [{ name: "backup-ca", mountPath: caMount, readOnly: true }] : [],
  };
}

/** How people write where an object lies: s3://bucket/key or pvc://claim/path. */
export function storageUri(d: BackupDestination, key: string): string {
  const [root, folder] = d.pvc
    ? [`pvc://${d.pvc.claimName}`, d.pvc.subPath]
    : [`s3://${d.s3?.bucket ?? ""}`, d.s3?.prefix];
  return [root, trim(folder ?? ""), trim(key)].filter((part) => part !== "").join("/");
}

/** The key of an object of that URI in this storage; undefined when it lies elsewhere. */
export function storageKey(d: BackupDestination, uri: string): string | undefined {
  const root = `${storageUri(d, "")}/`;
  return uri.startsWith(root) ? uri.slice(root.length) : undefined;
}
