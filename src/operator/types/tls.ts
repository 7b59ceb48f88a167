/** spec.tls of an EtcdCluster: where the certificates of clients and of peers come from. */

/**
 * Operator: an authority of the cluster's own. CertManager: Certificate objects for an issuer. Secret: given ones. Each
 * side's is chosen when the cluster is made, and kept.
 */
export type TlsMode = "Operator" | "CertManager" | "Secret" | "Disabled";

/** An issuer of cert-manager. */
export interface IssuerRef {
  readonly name: string;
  /** Default Issuer. */
  readonly kind?: string;
  /** Default cert-manager.io. */
  readonly group?: string;
}

/** A Secret in the cluster's namespace with tls.crt, tls.key and ca.crt. */
export interface SecretRef {
  readonly name: string;
}

export interface ClientTls {
  readonly mode?: TlsMode;
  readonly issuerRef?: IssuerRef;
  /** What the members show. */
  readonly secretRef?: SecretRef;
  /** What the operator and its Jobs show to the members; never given to applications. */
  readonly clientSecretRef?: SecretRef;
  /** What applications show: copied into `<cluster>-client`, which without it has ca.crt and endpoints alone. */
  readonly applicationSecretRef?: SecretRef;
  /** Further DNS names and addresses of the members' certificate, as clients dial them. */
  readonly extraHosts?: readonly string[];
}

export interface PeerTls {
  readonly mode?: TlsMode;
  readonly issuerRef?: IssuerRef;
  readonly secretRef?: SecretRef;
}

export interface TlsOptions {
  readonly client?: ClientTls;
  readonly peer?: PeerTls;
  /** Of certificates; Go duration, default 2160h (90 days). They are renewed after two thirds of it. */
  readonly certificateDuration?: string;
  /** Of the operator's own authorities; Go duration, default 87600h (10 years). */
  readonly authorityDuration?: string;
}

/** What was chosen when the cluster was made; absent in status: no TLS. */
export interface LatchedTls {
  readonly client: TlsMode;
  readonly peer: TlsMode;
  /** The name that a certificate needs on the peer port; latched once the members' own was seen to have it. */
  readonly peerHostname?: string;
}
