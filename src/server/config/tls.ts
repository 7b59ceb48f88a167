/** The TLS flags as records (etcd embed.Config ClientTLSInfo, PeerTLSInfo and what joins them). */
import type { FlagValues } from "./flag-values.ts";

export type TlsVersion = "TLSv1.2" | "TLSv1.3";

/** TLS of the client URLs, or of the peer URLs. Files are PEM paths as given; src/tls reads them. */
export interface TlsConfig {
  /** --cert-file and --key-file, or --peer-...; both undefined with autoTls or without TLS. */
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  /** What we show when we dial; undefined: the former two. */
  readonly clientCertFile: string | undefined;
  readonly clientKeyFile: string | undefined;
  /** Given alone it makes clients' certificates required, as clientCertAuth does. */
  readonly trustedCaFile: string | undefined;
  readonly clientCertAuth: boolean;
  /** DER as etcd wants it; PEM is read too. */
  readonly crlFile: string | undefined;
  /** A certificate's CN, or one of its names, must be one of these; empty: any. */
  readonly allowedCns: readonly string[];
  readonly allowedHostnames: readonly string[];
  /** Peers only: certificates with names need not name the address they come from. */
  readonly skipClientSanVerify: boolean;
  /** Self-signed certificates under `<data-dir>/fixtures`, made where there are none. */
  readonly autoTls: boolean;
  readonly selfSignedCertValidityYears: number;
  readonly minVersion: TlsVersion;
  /** Undefined: the newest. */
  readonly maxVersion: TlsVersion | undefined;
  /** Go's names of TLS 1.2 suites; empty: the defaults. */
  readonly cipherSuites: readonly string[];
}

/** --cert-file and its like; undefined when no flag asks for TLS. */
export function clientTlsConfig(v: FlagValues): TlsConfig | undefined {
  return whereAsked({
    certFile: file(v, "cert-file"),
    keyFile: file(v, "key-file"),
    clientCertFile: file(v, "client-cert-file"),
    clientKeyFile: file(v, "client-key-file"),
    trustedCaFile: file(v, "trusted-ca-file"),
    clientCertAuth: v.bool("client-cert-auth"),
    crlFile: file(v, "client-crl-file"),
    allowedCns: [],
    allowedHostnames: words(v, "client-cert-allowed-hostname"),
    skipClientSanVerify: false,
    autoTls: v.bool("auto-tls"),
    ...shared(v),
  });
}

/** --peer-cert-file and its like; undefined when no flag asks for TLS. */
export function peerTlsConfig(v: FlagValues): TlsConfig | undefined {
  return whereAsked({
    certFile: file(v, "peer-cert-file"),
    keyFile: file(v, "peer-key-file"),
    clientCertFile: file(v, "peer-client-cert-file"),
    clientKeyFile: file(v, "peer-client-key-file"),
    trustedCaFile: file(v, "peer-trusted-ca-file"),
    clientCertAuth: v.bool("peer-client-cert-auth"),
    crlFile: file(v, "peer-crl-file"),
    allowedCns: words(v, "peer-cert-allowed-cn"),
    allowedHostnames: words(v, "peer-cert-allowed-hostname"),
    skipClientSanVerify: v.bool("peer-skip-client-san-verification"),
    autoTls: v.bool("peer-auto-tls"),
    ...shared(v),
  });
}

const file = (v: FlagValues, name: string): string | undefined => v.text(name) || undefined;

/** etcd takes an empty text for no list. */
const words = (v: FlagValues, name: string): readonly string[] => {
  const list = v.list(name);
  return list.length === 1 && list[0] === "" ? [] : list;
};

function shared(v: FlagValues) {
  return {
    selfSignedCertValidityYears: v.number("self-signed-cert-validity"),
    minVersion: version(v.text("tls-min-version")) ?? ("TLSv1.2" as const),
    maxVersion: version(v.text("tls-max-version")),
    cipherSuites: words(v, "cipher-suites"),
  };
}

function version(text: string): TlsVersion | undefined {
  if (text === "TLS1.2") return "TLSv1.2";
  return text === "TLS1.3" ? "TLSv1.3" : undefined;
}

function whereAsked(c: TlsConfig): TlsConfig | undefined {
  const isAsked =
    c.autoTls ||
    c.clientCertAuth ||
    [c.certFile, c.keyFile, c.clientCertFile, c.clientKeyFile, c.trustedCaFile, c.crlFile].some(
      (path) => path !== undefined,
    ) ||
    c.allowedCns.length + c.allowedHostnames.length + c.cipherSuites.length > 0;
  return isAsked ? c : undefined;
}
