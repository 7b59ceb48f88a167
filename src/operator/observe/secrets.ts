/** The Secrets of a cluster with TLS, each read by its name, and cert-manager's orders for them. */
import {
  type CertificateFacts,
  isIssuedBy,
  isKeyOf,
  readCertificate,
  splitBundle,
} from "../../pki/index.ts";
import {
  annotationCopiedFrom,
  annotationLeaf,
  annotationTrustedSince,
  authoritySecretName,
  clientSecretName,
  clientSourceName,
  hasTls,
  leavesOf,
  memberSecretName,
  operatorSecretName,
  type TlsSide,
  tlsOf,
} from "../resources/index.ts";
import { orUndefined, resources } from "../runtime/index.ts";
import {
  controllerOf,
  type EtcdCluster,
  isControlledBy,
  type KubeObject,
  type Secret,
} from "../types/index.ts";
import type { ObserveContext } from "./observe.ts";

/** What a Secret holds, without its private key. */
export interface ObservedSecret {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly controlled: boolean;
  /** Whose it is, as "EtcdCluster a"; absent: nobody's. */
  readonly controller?: string;
  /** Of tls.crt; absent unless tls.crt and tls.key can be read and belong together. */
  readonly certificate?: CertificateFacts;
  /** ca.crt; of an authority's Secret: everybody it wants trusted, itself too. */
  readonly trusted: string;
  /** The certificates in it. */
  readonly trustedCount: number;
  /** When it became so; of Secrets that the operator writes. */
  readonly trustedSinceMs?: number;
  /** Fingerprint of the authority in our authority's Secret that signed it. */
  readonly issuer?: string;
  /** Digest of the order it was issued by. */
  readonly order?: string;
  /** Of `<cluster>-client`, where it is a copy: the Secret it came from. */
  readonly copiedFrom?: string;
}

export interface ObservedTls {
  /** By name; those that there are. */
  readonly secrets: ReadonlyMap<string, ObservedSecret>;
  /** cert-manager's Certificates, by name. */
  readonly certificates: ReadonlyMap<string, KubeObject>;
}

/** How the operator dials members; PEM. */
export interface Credentials {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Undefined for a cluster without TLS: no Secret is read for it. Rejects with KubeError. */
export async function observeTls(
  cluster: EtcdCluster,
  c: ObserveContext,
): Promise<{ tls: ObservedTls; credentials?: Credentials } | undefined> {
  const sides = (["client", "peer"] as const).filter((side) => hasTls(cluster, side));
  if (sides.length === 0) return undefined;
  const { namespace } = cluster.metadata;
  const get = <T extends KubeObject>(resource: (typeof resources)["secrets"], name: string) =>
    orUndefined(c.api.get<T>(resource, namespace, name, c.signal));
  const orders = sides
    .filter((side) => tlsOf(cluster)[side] === "CertManager")
    .flatMap((side) => leavesOf(cluster, side).map((leaf) => leaf.secret));
  const [secrets, certificates] = await Promise.all([
    Promise.all(secretNames(cluster, sides).map((name) => get<Secret>(resources.secrets, name))),
    Promise.all(orders.map((name) => get(resources.certificates, name))),
  ]);
  const found = secrets.filter((s) => s !== undefined);
  const own = found.find((s) => s.metadata.name === operatorSecretName(cluster));
  const credentials = hasTls(cluster, "client") && own ? credentialsOf(own) : undefined;
  const made = certificates.filter((o) => o !== undefined);
  const tls = {
    secrets: digestSecrets(cluster, found),
    certificates: new Map(made.map((o) => [o.metadata.name, o])),
  };
  return { tls, ...(credentials ? { credentials } : {}) };
}

function secretNames(cluster: EtcdCluster, sides: readonly TlsSide[]): string[] {
  const { name } = cluster.metadata;
  const names = sides.flatMap((side) => [
    ...(tlsOf(cluster)[side] === "Operator" ? [authoritySecretName(name, side)] : []),
    memberSecretName(cluster, side),
    ...(side === "client" ? [operatorSecretName(cluster), clientSecretName(name)] : []),
    ...(side === "client" ? [clientSourceName(cluster)].filter((n) => n !== undefined) : []),
  ]);
  return [...new Set(names)];
}

/** The facts of all, each leaf's beside those of the authority of its side. Pure. */
export function digestSecrets(
  cluster: EtcdCluster,
  secrets: readonly Secret[],
): Map<string, ObservedSecret> {
  const { name } = cluster.metadata;
  const byName = new Map(secrets.map((s) => [s.metadata.name, s]));
  const sideOf = (secret: string): TlsSide =>
    secret === memberSecretName(cluster, "peer") || secret === authoritySecretName(name, "peer")
      ? "peer"
      : "client";
  return new Map(
    secrets.map((s) => {
      const authority = byName.get(authoritySecretName(name, sideOf(s.metadata.name)));
      return [s.metadata.name, digestSecret(cluster, s, textOf(authority, "ca.crt"))];
    }),
  );
}

function digestSecret(cluster: EtcdCluster, secret: Secret, authorities: string): ObservedSecret {
  const { name, uid = "", resourceVersion = "", annotations } = secret.metadata;
  const cert = textOf(secret, "tls.crt");
  const certificate = factsOf(cert, textOf(secret, "tls.key"));
  const signer = certificate && issuerOf(cert, authorities);
  const controller = controllerOf(secret);
  const order = annotations?.[annotationLeaf];
  const copiedFrom = annotations?.[annotationCopiedFrom];
  const sinceMs = Date.parse(annotations?.[annotationTrustedSince] ?? "");
  const trusted = splitBundle(textOf(secret, "ca.crt"));
  return {
    ...{ name, uid, resourceVersion },
    controlled: isControlledBy(secret, cluster.metadata.uid ?? ""),
    ...(controller === undefined ? {} : { controller }),
    trusted: trusted.join(""),
    trustedCount: trusted.length,
    ...(Number.isNaN(sinceMs) ? {} : { trustedSinceMs: sinceMs }),
    ...(certificate ? { certificate } : {}),
    ...(signer ? { issuer: signer } : {}),
    ...(order ? { order } : {}),
    ...(copiedFrom ? { copiedFrom } : {}),
  };
}

/** Undefined for what cannot be read, which is then as good as missing. */
function factsOf(cert: string, key: string): CertificateFacts | undefined {
  try {
    return isKeyOf(cert, key) ? readCertificate(cert) : undefined;
  } catch {
    return undefined;
  }
}

function issuerOf(cert: string, authorities: string): string | undefined {
  try {
    const found = splitBundle(authorities).find((authority) => isIssuedBy(cert, authority));
    return found && readCertificate(found).fingerprint;
  } catch {
    return undefined;
  }
}

function credentialsOf(secret: Secret): Credentials | undefined {
  const cert = textOf(secret, "tls.crt");
  const key = textOf(secret, "tls.key");
  const ca = textOf(secret, "ca.crt");
  return factsOf(cert, key) === undefined || ca === "" ? undefined : { ca, cert, key };
}

/** A field of a Secret as text; empty where it has none. */
export const textOf = (secret: Secret | undefined, field: string): string =>
  Buffer.from(secret?.data?.[field] ?? "", "base64").toString("utf8");
