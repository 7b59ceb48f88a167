/** What one side, clients' or peers', is told by flags; server/config's TlsConfig is one. */
export interface TlsFiles {
  /** The certificate (with what lies between it and its root) and key we show when dialled. */
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** What we show when we dial; undefined: the former two. */
  readonly clientCertFile: string | undefined;
  readonly clientKeyFile: string | undefined;
  /** Whom we trust; undefined: the system's authorities. */
  readonly trustedCaFile: string | undefined;
  /** Dialling needs a certificate of a trusted authority; so it does with trustedCaFile alone. */
  readonly clientCertAuth: boolean;
  /** Serial numbers that are refused where we are dialled. DER or PEM. */
  readonly crlFile: string | undefined;
  /** A certificate's CN, or one of its names, must be one of these; empty: any. */
  readonly allowedCns: readonly string[];
  readonly allowedHostnames: readonly string[];
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly maxVersion: "TLSv1.2" | "TLSv1.3" | undefined;
  /** Go's names; empty: Node's choice. */
  readonly cipherSuites: readonly string[];
}

/** Certificate and key, PEM, that belong together. */
export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}
