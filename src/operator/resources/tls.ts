/** TLS of a cluster: which Secrets there are, what is in their certificates, and how pods get them. */
import { createHash } from "node:crypto";
import type { V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import {
  controllerRef,
  type EtcdCluster,
  type KubeObject,
  type LatchedTls,
  type TlsMode,
} from "../types/index.ts";
import { canonical } from "./canonical.ts";
import {
  clientSecretName,
  clientServiceName,
  clusterLabels,
  hasTls,
  inNamespace,
  peerServiceName,
  type TlsSide,
  tlsOf,
} from "./names.ts";

const mount = "/etc/quoin/tls";
const clientMount = `${mount}/client`;
const peerMount = `${mount}/peer`;

/** A month's notice and more: renewed after 60 of 90 days. */
const certificateDurationDefault = "2160h";
const authorityDurationDefault = "87600h";

/** What the spec asks for; `fallback` where it says nothing. */
export function wantedTls(cluster: EtcdCluster, fallback: TlsMode): LatchedTls {
  const { client, peer } = cluster.spec.tls ?? {};
  return { client: client?.mode ?? fallback, peer: peer?.mode ?? fallback };
}

export const certificateDuration = (cluster: EtcdCluster): string =>
  cluster.spec.tls?.certificateDuration ?? certificateDurationDefault;

export const authorityDuration = (cluster: EtcdCluster): string =>
  cluster.spec.tls?.authorityDuration ?? authorityDurationDefault;

/** A certificate that the operator issues, or cert-manager for it. */
export interface LeafPlan {
  readonly secret: string;
  readonly side: TlsSide;
  readonly commonName: string;
  readonly hosts: readonly string[];
  readonly usages: readonly ("server" | "client")[];
}

/** Digest of what a certificate is to say; on its Secret, so that a changed wish is seen. */
export const annotationLeaf = "quoin.dev/certificate";

/** When the ca.crt beside it last changed (RFC 3339); an authority signs only what has been told of it for long enough. */
export const annotationTrustedSince = "quoin.dev/trusted-since";

/** Secret that `<cluster>-client` was copied from; absent on copies made before there was an identity for applications. */
export const annotationCopiedFrom = "quoin.dev/copied-from";

export const leafDigest = (cluster: EtcdCluster, leaf: LeafPlan): string =>
  createHash("sha256")
    .update(canonical({ ...leaf, duration: certificateDuration(cluster) }))
    .digest("hex")
    .slice(0, 16);

/** The Secret mounted by members, of a side that has TLS. */
export function memberSecretName(cluster: EtcdCluster, side: TlsSide): string {
  const given = cluster.spec.tls?.[side]?.secretRef?.name;
  if (tlsOf(cluster)[side] === "Secret" && given !== undefined) return given;
  const { name } = cluster.metadata;
  return side === "client" ? `${name}-server` : `${name}-peer`;
}

/** The Secret of the operator's own identity, which backup Jobs mount too. */
export function operatorSecretName(cluster: EtcdCluster): string {
  const given = cluster.spec.tls?.client?.clientSecretRef?.name;
  if (tlsOf(cluster).client === "Secret" && given !== undefined) return given;
  return `${cluster.metadata.name}-operator`;
}

/**
 * Where `<cluster>-client` is copied from, in the modes in which the operator does not issue it. Undefined in mode
 * Secret: the spec names no identity for applications.
 */
export function clientSourceName(cluster: EtcdCluster): string | undefined {
  const mode = tlsOf(cluster).client;
  if (mode === "CertManager") return `${clientSecretName(cluster.metadata.name)}-tls`;
  return mode === "Secret" ? cluster.spec.tls?.client?.applicationSecretRef?.name : undefined;
}

/** What `<cluster>-client` tells clients to dial: the Service, whose name outlives every member. */
export const clientEndpoints = (cluster: EtcdCluster): string => {
  const { name, namespace } = cluster.metadata;
  return `https://${clientServiceName(name)}.${namespace}.svc:2379`;
};

/** The certificates of a side, in the modes in which somebody issues them by our order. */
export function leavesOf(cluster: EtcdCluster, side: TlsSide): readonly LeafPlan[] {
  const { name } = cluster.metadata;
  const mode = tlsOf(cluster)[side];
  if (mode !== "Operator" && mode !== "CertManager") return [];
  if (side === "peer") {
    const usages = ["server", "client"] as const;
    const secret = memberSecretName(cluster, side);
    return [{ secret, side, commonName: `${name}-peer`, hosts: memberHosts(cluster), usages }];
  }
  const client = { side, hosts: [], usages: ["client"] as const };
  return [
    {
      ...{ secret: memberSecretName(cluster, side), side, commonName: `${name}-server` },
      hosts: serverHosts(cluster),
      usages: ["server"],
    },
    // With auth enabled a certificate's common name is its user: the operator changes members.
    { ...client, secret: operatorSecretName(cluster), commonName: "root" },
    {
      ...client,
      secret: clientSourceName(cluster) ?? clientSecretName(name),
      commonName: `${name}-client`,
    },
  ];
}

/**
 * Every member, now and later, by the one name a wildcard stands for: one certificate serves all, and neither a new
 * member nor a restore has to wait for another.
 */
function memberHosts(cluster: EtcdCluster): string[] {
  const { name, namespace } = cluster.metadata;
  const domain = `${peerServiceName(name)}.${namespace}.svc`;
  return [`*.${domain}`, `*.${domain}.cluster.local`, domain];
}

function serverHosts(cluster: EtcdCluster): string[] {
  const { name, namespace } = cluster.metadata;
  const service = clientServiceName(name);
  const own = [service, `${service}.${namespace}`, `${service}.${namespace}.svc`];
  const extra = cluster.spec.tls?.client?.extraHosts ?? [];
  const all = [
    ...own,
    `${service}.${namespace}.svc.cluster.local`,
    ...memberHosts(cluster),
    // For port-forward, and for a person in the pod.
    ...["localhost", "127.0.0.1", "::1"],
    ...extra,
  ];
  return [...new Set(all)];
}

/** cert-manager's order for one of them (cert-manager.io/v1 Certificate). */
export function buildCertificate(cluster: EtcdCluster, leaf: LeafPlan): KubeObject {
  const issuer = cluster.spec.tls?.[leaf.side]?.issuerRef ?? { name: "" };
  const dnsNames = leaf.hosts.filter((host) => !isAddress(host));
  const ipAddresses = leaf.hosts.filter(isAddress);
  return {
    apiVersion: "cert-manager.io/v1",
    kind: "Certificate",
    metadata: {
      name: leaf.secret,
      ...inNamespace(cluster),
      labels: clusterLabels(cluster),
      ownerReferences: [controllerRef(cluster)],
    },
    spec: {
      secretName: leaf.secret,
      commonName: leaf.commonName,
      duration: certificateDuration(cluster),
      ...(dnsNames.length === 0 ? {} : { dnsNames }),
      ...(ipAddresses.length === 0 ? {} : { ipAddresses }),
      usages: ["digital signature", ...leaf.usages.map((u) => `${u} auth`)],
      privateKey: { algorithm: "ECDSA", size: 256, rotationPolicy: "Always" },
      issuerRef: {
        name: issuer.name,
        kind: issuer.kind ?? "Issuer",
        group: issuer.group ?? "cert-manager.io",
      },
    },
  };
}

const isAddress = (host: string): boolean => /^[0-9.]+$/.test(host) || host.includes(":");

/**
 * A name that only members' certificates are good for: the wildcard that each of them has had from the beginning, since
 * whoever dials a member compares its name. Neither clients nor other clusters of the same issuer have it.
 */
export function peerHostname(cluster: EtcdCluster): string {
  const { name, namespace } = cluster.metadata;
  return `member.${peerServiceName(name)}.${namespace}.svc`;
}

/** Whether a certificate with these alternative names is good for `name` (RFC 6125 6.4.3: a wildcard is one label). */
export function isNamed(hosts: readonly string[], name: string): boolean {
  const wildcard = name.replace(/^[^.]+/, "*");
  return hosts.some((host) => [name, wildcard].includes(host.toLowerCase()));
}

/** Members refuse a peer without that name; where a person says who may be one, that holds. */
function peerNameArgs(cluster: EtcdCluster): string[] {
  const name = tlsOf(cluster).peerHostname;
  const isSaid = (cluster.spec.extraArgs ?? []).some((arg) =>
    arg.startsWith("--peer-cert-allowed-"),
  );
  return name === undefined || isSaid ? [] : [`--peer-cert-allowed-hostname=${name}`];
}

/** How members serve and dial with what is mounted. */
export function tlsArgs(cluster: EtcdCluster): string[] {
  const files = (prefix: string, path: string) => [
    `--${prefix}cert-file=${path}/tls.crt`,
    `--${prefix}key-file=${path}/tls.key`,
    `--${prefix}trusted-ca-file=${path}/ca.crt`,
    `--${prefix}client-cert-auth=true`,
  ];
  return [
    ...(hasTls(cluster, "client") ? files("", clientMount) : []),
    ...(hasTls(cluster, "peer") ? files("peer-", peerMount) : []),
    // A peer is who has a key of the peers' authority. Its address proves nothing more, and DNS learns of a
    // new pod's address seconds late: asking it would keep members apart that must find each other.
    ...(hasTls(cluster, "peer") ? ["--peer-skip-client-san-verification=true"] : []),
    ...(hasTls(cluster, "peer") ? peerNameArgs(cluster) : []),
  ];
}

export interface PodFiles {
  readonly volumes: readonly V1Volume[];
  readonly volumeMounts: readonly V1VolumeMount[];
}

/** The members' Secrets; kubelets write a changed one into running pods, and members read it again. */
export function memberFiles(cluster: EtcdCluster): PodFiles {
  const sides = (["client", "peer"] as const).filter((side) => hasTls(cluster, side));
  return {
    volumes: sides.map((side) => secretVolume(`tls-${side}`, memberSecretName(cluster, side))),
    volumeMounts: sides.map((side) => ({
      name: `tls-${side}`,
      mountPath: `${mount}/${side}`,
      readOnly: true,
    })),
  };
}

/** What a Job needs to ask members as the operator does. */
export function clientFiles(cluster: EtcdCluster): PodFiles & { readonly args: readonly string[] } {
  if (!hasTls(cluster, "client")) return { args: [], volumes: [], volumeMounts: [] };
  return {
    args: [
      `--cacert=${clientMount}/ca.crt`,
      `--cert=${clientMount}/tls.crt`,
      `--key=${clientMount}/tls.key`,
    ],
    volumes: [secretVolume("tls-client", operatorSecretName(cluster))],
    volumeMounts: [{ name: "tls-client", mountPath: clientMount, readOnly: true }],
  };
}

/** Readable by our group alone (fsGroup). */
const secretVolume = (name: string, secretName: string): V1Volume => ({
  name,
  secret: { secretName, defaultMode: 0o440 },
});

/** The part of a member's pod that follows from TLS, for the template's digest; undefined without. */
export function tlsDigestInput(cluster: EtcdCluster): unknown {
  const { client, peer } = tlsOf(cluster);
  if (client === "Disabled" && peer === "Disabled") return undefined;
  const secret = (side: TlsSide) =>
    hasTls(cluster, side) ? memberSecretName(cluster, side) : undefined;
  return { client: secret("client"), peer: secret("peer") };
}
