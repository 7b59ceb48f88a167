// TLS of a member from its flags: what etcd checks and says before it listens (embed/etcd.go
// configurePeerListeners, configureClientListeners).

import { join } from "node:path";
import { goQuote, type MemberUrl } from "../core/membership/index.ts";
import { createClock } from "../io/index.ts";
import type { Logger } from "../ports/index.ts";
import type { ServerConfig, TlsConfig } from "../server/config/index.ts";
import { isSecure, selfSignedFiles, TlsContexts, unknownSuite } from "../tls/index.ts";

/** Undefined where no flag asks for it. */
export interface MemberTls {
  readonly client: TlsContexts | undefined;
  readonly peer: TlsContexts | undefined;
}

/** Reads the files. Throws Error, in etcd's words, for what cannot be served as the flags ask. */
export async function openTls(config: ServerConfig, logger: Logger): Promise<MemberTls> {
  checkFlags(config);
  const own = ownCertificates(config, logger);
  const peerTls = await own("peer");
  const peer = peerTls && new TlsContexts({ files: peerTls, trustAnyone: peerTls.autoTls, logger });
  if (peer?.canServe) tell("starting with peer TLS", peerTls, logger);
  const securePeer = config.listenPeerUrls.find(isSecure);
  if (securePeer !== undefined && !peer?.canServe) {
    const why = "KeyFile and CertFile are not presented";
    throw new Error(`cannot listen on TLS for ${securePeer.host}: ${why}`);
  }
  warnOfHttp(config.listenPeerUrls, peerTls, "peer", logger);
  const clientTls = await own("client");
  warnOfHttp(config.listenClientUrls, clientTls, "client", logger);
  warnOfHttp(config.listenClientHttpUrls, clientTls, "client", logger);
  return { client: openClientTls(config, clientTls, logger), peer };
}

/** What can be said without a file. */
function checkFlags(config: ServerConfig): void {
  for (const tls of [config.peerTls, config.clientTls]) {
    if (tls === undefined) continue;
    const unknown = unknownSuite(tls.cipherSuites);
    if (unknown !== undefined) throw new Error(`unexpected TLS cipher suite ${goQuote(unknown)}`);
    const { allowedCns, allowedHostnames } = tls;
    if (allowedCns.length === 0 || allowedHostnames.length === 0) continue;
    const [cns, hostnames] = [allowedCns, allowedHostnames].map((l) => l.map(goQuote).join(" "));
    const what = "AllowedCNs and AllowedHostnames are mutually exclusive";
    throw new Error(`${what} (cns=[${cns}], hostnames=[${hostnames}])`);
  }
  const grpc = new Set(config.listenClientUrls.map((url) => url.host + url.path));
  const shared = config.listenClientHttpUrls.find((url) => grpc.has(url.host + url.path));
  if (shared === undefined) return;
  const flags = "--listen-client-urls and --listen-client-http-urls";
  throw new Error(`cannot bind both ${flags} on the same url ${shared.text}`);
}

/** HTTP/2's own minimum (RFC 9113 section 9.2.2), which Go checks before it serves. */
function checkHttp2Suites(tls: TlsConfig): void {
  const { cipherSuites, minVersion } = tls;
  if (cipherSuites.length === 0 || minVersion === "TLSv1.3") return;
  const needed = ["RSA", "ECDSA"].map((kind) => `TLS_ECDHE_${kind}_WITH_AES_128_GCM_SHA256`);
  if (needed.some((name) => cipherSuites.includes(name))) return;
  const what =
    "http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher";
  throw new Error(`${what} (need at least one of ${needed.join(" or ")})`);
}

function openClientTls(
  config: ServerConfig,
  clientTls: TlsConfig | undefined,
  logger: Logger,
): TlsContexts | undefined {
  const hasCertificate = clientTls?.certFile !== undefined || clientTls?.keyFile !== undefined;
  const urls = [...config.listenClientUrls, ...config.listenClientHttpUrls];
  const secure = urls.find(isSecure);
  const metrics = config.listenMetricsUrls.find(isSecure);
  if (secure === undefined && metrics === undefined) return undefined;
  if (clientTls === undefined || !hasCertificate) {
    const what = "TLS key/cert (--cert-file, --key-file) must be provided for";
    if (secure !== undefined)
      throw new Error(`${what} client url ${secure.text} with HTTPS scheme`);
    throw new Error(`client ${what} metrics secure url`);
  }
  tell("starting with client TLS", clientTls, logger);
  if (secure !== undefined) checkHttp2Suites(clientTls);
  return new TlsContexts({ files: clientTls, logger });
}

/**
 * The flags of one side, or with auto-tls those of a certificate made here, which nobody is asked to
 * trust: no other TLS flag counts then but versions and suites (embed ClientSelfCert, PeerSelfCert).
 */
function ownCertificates(config: ServerConfig, logger: Logger) {
  return async (side: "client" | "peer"): Promise<TlsConfig | undefined> => {
    const given = side === "peer" ? config.peerTls : config.clientTls;
    if (!given?.autoTls) return given;
    if (given.certFile !== undefined || given.keyFile !== undefined) {
      logger.warn(`ignoring ${side} auto TLS since certs given`);
      return { ...given, autoTls: false };
    }
    const urls =
      side === "peer"
        ? config.listenPeerUrls
        : [...config.listenClientUrls, ...config.listenClientHttpUrls];
    // Of a socket file too: clients ask for its name without what looks like a port.
    const hosts = urls.map(({ host }) => host.replace(/:\d*$/, "").replace(/^\[|\]$/g, ""));
    const made = await selfSignedFiles({
      folder: join(config.dataDir, "fixtures", side),
      hosts,
      validityYears: given.selfSignedCertValidityYears,
      clock: createClock(),
      logger,
    });
    return {
      ...given,
      ...made,
      clientCertFile: undefined,
      clientKeyFile: undefined,
      trustedCaFile: undefined,
      clientCertAuth: false,
      crlFile: undefined,
      allowedCns: [],
      allowedHostnames: [],
      skipClientSanVerify: false,
    };
  };
}

function tell(msg: string, c: TlsConfig | undefined, logger: Logger): void {
  const files = [
    `cert = ${c?.certFile ?? ""}`,
    `key = ${c?.keyFile ?? ""}`,
    `client-cert=${c?.clientCertFile ?? ""}`,
    `client-key=${c?.clientKeyFile ?? ""}`,
    `trusted-ca = ${c?.trustedCaFile ?? ""}`,
    `client-cert-auth = ${c?.clientCertAuth ?? false}`,
    `crl-file = ${c?.crlFile ?? ""}`,
  ];
  logger.info(msg, { "tls-info": files.join(", "), "cipher-suites": c?.cipherSuites ?? [] });
}

function warnOfHttp(
  urls: readonly MemberUrl[],
  tls: TlsConfig | undefined,
  side: "peer" | "client",
  logger: Logger,
): void {
  for (const url of urls) {
    // Of a peer's unix URL etcd says nothing.
    if (isSecure(url) || (side === "peer" && url.scheme !== "http")) continue;
    const fields = { [`${side}-url`]: url.text };
    const scheme = side === "peer" ? "scheme is HTTP" : "scheme is http or unix";
    if (tls?.certFile !== undefined || tls?.keyFile !== undefined) {
      const what = "while key and cert files are present; ignoring key and cert files";
      logger.warn(`${scheme} ${what}`, fields);
    }
    if (!tls?.clientCertAuth) continue;
    const flag = side === "peer" ? "--peer-client-cert-auth" : "--client-cert-auth";
    logger.warn(
      `${scheme} while ${flag} is enabled; ignoring client cert auth for this URL`,
      fields,
    );
  }
}
