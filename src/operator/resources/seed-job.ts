/** The Job that gives a seed its data: the only thing that may ever form a cluster (OPERATOR 4). */
import { createHash } from "node:crypto";
import { assertNever } from "../../lib/assert.ts";

import {
  controllerRef,
  type EtcdCluster,
  type Job,
  type RestoreOptions,
  type V1PodSpec,
  type V1ResourceRequirements,
} from "../types/index.ts";
import { canonical } from "./canonical.ts";
import {
  annotationSource,
  annotationTemplate,
  dataDir,
  inNamespace,
  labelComponent,
  memberLabels,
  peerUrl,
  seedJobName,
} from "./names.ts";
import { podLabels, podSpec, serverContainer, serverImage, templateDigest } from "./pod.ts";
import { storageAccess } from "./storage-access.ts";

/** Where a seed's data comes from. */
export type SeedSource =
  /** An empty keyspace. */
  | { readonly kind: "init" }
  /** A backup; `restore.source.location` is resolved. */
  | { readonly kind: "restore"; readonly restore: RestoreOptions }
  /** What lies on the volume already: a survivor's data, made a cluster of one. */
  | { readonly kind: "recovery"; readonly survivor: string };

export interface SeedOrder {
  readonly member: string;
  readonly token: string;
  /** Name of its volume's claim. */
  readonly claim: string;
  readonly source: SeedSource;
}

const revisionBumpDefault = 1_000_000_000;

/** Added to the restored revision, so that nobody sees one revision with two contents. */
export const revisionBump = (restore: RestoreOptions): number =>
  restore.revisionBump ?? revisionBumpDefault;

/** Names what a volume is to be filled with; undefined for an empty keyspace. */
export function sourceDigest(source: SeedSource): string | undefined {
  if (source.kind === "init") return undefined;
  return digestOf(source);
}

/** How spec.bootstrap.restore is named in status.transition: a changed one has another name. */
export const bootstrapRequest = (restore: RestoreOptions): string =>
  `bootstrap/${digestOf(restore)}`;

/** Sorted keys: the API server does not keep their order. */
const digestOf = (value: unknown): string =>
  createHash("sha256").update(canonical(value)).digest("hex").slice(0, 16);

/**
 * Placed as its member will be: where it runs is where the volume is made. Only a restore's Job holds the
 * storage's credentials.
 */
export function buildSeedJob(cluster: EtcdCluster, order: SeedOrder, defaultImage: string): Job {
  const { member, claim, source } = order;
  const labels = { ...memberLabels(cluster, member), [labelComponent]: "seed-job" };
  const image = serverImage(cluster, defaultImage);
  const container = serverContainer(cluster, image, seedArgs(cluster, order));
  const digest = sourceDigest(source);
  const spec: V1PodSpec = { ...podSpec(cluster, claim, container), restartPolicy: "OnFailure" };
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name: seedJobName(member),
      ...inNamespace(cluster),
      labels,
      annotations: {
        [annotationTemplate]: templateDigest(cluster, defaultImage),
        ...(digest === undefined ? {} : { [annotationSource]: digest }),
      },
      ownerReferences: [controllerRef(cluster)],
    },
    spec: {
      backoffLimit: source.kind === "restore" ? restoreTriesMax : 6,
      template: {
        metadata: { labels: podLabels(cluster, labels) as Record<string, string> },
        spec: source.kind === "restore" ? restorePodSpec(spec, source.restore) : spec,
      },
    },
  };
}

/** A wrong key or a missing bucket may be put right at any time: it is tried again, ever more slowly. */
const restoreTriesMax = 100_000;

/** The storage, and what the user gives restore Jobs, on top of what any seed's Job has. */
function restorePodSpec(spec: V1PodSpec, { source, job = {} }: RestoreOptions): V1PodSpec {
  const access = storageAccess(source.location ?? {}, true);
  const secrets = [...(spec.imagePullSecrets ?? []), ...(job.imagePullSecrets ?? [])];
  const tolerations = [...(spec.tolerations ?? []), ...(job.tolerations ?? [])];
  return {
    ...spec,
    ...(job.serviceAccountName ? { serviceAccountName: job.serviceAccountName } : {}),
    ...(secrets.length > 0 ? { imagePullSecrets: secrets.map(({ name = "" }) => ({ name })) } : {}),
    ...(tolerations.length > 0 ? { tolerations } : {}),
    ...(job.nodeSelector ? { nodeSelector: { ...spec.nodeSelector, ...job.nodeSelector } } : {}),
    containers: spec.containers.map((c) => ({
      ...c,
      env: [...(c.env ?? []), ...access.env],
      envFrom: [...access.envFrom],
      ...(job.resources ? { resources: job.resources as V1ResourceRequirements } : {}),
      volumeMounts: [...(c.volumeMounts ?? []), ...access.volumeMounts],
    })),
    volumes: [...(spec.volumes ?? []), ...access.volumes],
  };
}

function seedArgs(cluster: EtcdCluster, { member, token, source }: SeedOrder): string[] {
  const identity = [
    `--data-dir=${dataDir}`,
    `--name=${member}`,
    `--initial-advertise-peer-urls=${peerUrl(cluster, member)}`,
    `--initial-cluster=${member}=${peerUrl(cluster, member)}`,
    `--initial-cluster-token=${token}`,
  ];
  switch (source.kind) {
    case "init":
      return ["util", "init", ...identity];
    case "restore":
      return ["backup", "restore", ...restoreArgs(source.restore), ...identity];
    case "recovery": {
      // Clients may have seen revisions that are lost now.
      const bump = [`--bump-revision=${revisionBumpDefault}`, "--mark-compacted"];
      return ["util", "force-new", ...bump, ...identity];
    }
    default:
      return assertNever(source);
  }
}

function restoreArgs(restore: RestoreOptions): string[] {
  const { location } = restore.source;
  const bump = revisionBump(restore);
  return [
    ...storageAccess(location ?? {}).args,
    `--key=${location?.key ?? ""}`,
    ...(location?.checksum ? [`--checksum=${location.checksum}`] : []),
    `--revision-bump=${bump}`,
    ...(bump > 0 ? ["--mark-compacted"] : []),
    ...(restore.skipHashCheck ? ["--skip-hash-check"] : []),
  ];
}
