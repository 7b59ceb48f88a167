/** What an EtcdRestore makes: a cluster, or a backup of what is about to be replaced. Pure. */
import { requestOf } from "../observe/index.ts";
import { inNamespace } from "../resources/index.ts";
import {
  apiVersion,
  controllerRef,
  type EtcdBackup,
  type EtcdCluster,
  type EtcdRestore,
  kind,
} from "../types/index.ts";

/** On a cluster that an EtcdRestore made: the request. */
export const annotationRestoredBy = "quoin.dev/restored-by";

export const safetyBackupName = (restore: EtcdRestore): string => `${restore.metadata.name}-safety`;

export const restoredBy = (cluster: EtcdCluster): string | undefined =>
  cluster.metadata.annotations?.[annotationRestoredBy];

/** Without an owner: the cluster outlives the request. */
export function buildCluster(restore: EtcdRestore): EtcdCluster {
  const { clusterRef, clusterSpec, revisionBump, skipHashCheck, job } = restore.spec;
  const location = restore.status?.source?.location;
  const spec = clusterSpec ?? { replicas: 3, storage: { size: "8Gi" } };
  return {
    apiVersion,
    kind,
    metadata: {
      name: clusterRef.name,
      ...inNamespace(restore),
      annotations: { [annotationRestoredBy]: requestOf(restore) },
    },
    spec: {
      ...spec,
      bootstrap: {
        ...spec.bootstrap,
        restore: {
          source: location === undefined ? restore.spec.source : { location },
          ...(revisionBump === undefined ? {} : { revisionBump }),
          ...(skipHashCheck === undefined ? {} : { skipHashCheck }),
          ...(job === undefined ? {} : { job }),
        },
      },
    },
  };
}

/** In the source's storage unless another is named. The object goes with the request, its artefact stays. */
export function buildSafetyBackup(restore: EtcdRestore): EtcdBackup {
  const { clusterRef, safetyBackup, job } = restore.spec;
  const { pvc, s3 } = restore.status?.source?.location ?? {};
  const destination = safetyBackup?.destination ?? {
    ...(pvc ? { pvc } : {}),
    ...(s3 ? { s3 } : {}),
  };
  return {
    apiVersion,
    kind: "EtcdBackup",
    metadata: {
      name: safetyBackupName(restore),
      ...inNamespace(restore),
      ownerReferences: [controllerRef(restore)],
    },
    spec: {
      clusterRef,
      destination,
      verify: "Checksum",
      deletionPolicy: "Retain",
      ...(job === undefined ? {} : { job }),
    },
  };
}
