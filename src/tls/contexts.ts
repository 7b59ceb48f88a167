import { constants, X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import tls from "node:tls";
import type { Logger } from "../ports/index.ts";
import { commonNameOf, isGoodFor } from "./certificate.ts";
import { readRevokedSerials, trimZeros } from "./crl.ts";
import { FilePart } from "./file-part.ts";
import { parseAuthorities, parseKeyPair } from "./pem.ts";
import { cipherList } from "./suites.ts";
import type { KeyPair, TlsFiles } from "./types.ts";

const notAllowed = "client certificate authentication failed";

export interface TlsContextsOptions {
  readonly files: TlsFiles;
  /** Dial without looking at the other's certificate: both sides signed their own (auto-tls). */
  readonly trustAnyone?: boolean;
  readonly logger: Logger;
}

/**
 * One side's TLS material, read from its files and read again when they change: certificates, keys,
 * authorities and revocations alike. A connection that stands keeps what it began with.
 */
export class TlsContexts {
  readonly #files: TlsFiles;
  readonly #trustAnyone: boolean;
  readonly #logger: Logger;
  readonly #shown: FilePart<KeyPair> | undefined;
  readonly #dialling: FilePart<KeyPair> | undefined;
  readonly #authorities: FilePart<readonly string[]> | undefined;
  readonly #revoked: FilePart<ReadonlySet<string>> | undefined;
  #serverContext: tls.SecureContext | undefined;
  #dialContext: tls.SecureContext | undefined;
  /** What dialled certificates must be good for; undefined: the host that is dialled. */
  #expectedName: string | undefined;
  /** Counts changes of what servers use. */
  #generation = 0;

  /** Throws Error, in etcd's words where it has any, when the files cannot be used now. */
  constructor(options: TlsContextsOptions) {
    const { files } = options;
    this.#files = files;
    this.#trustAnyone = options.trustAnyone ?? false;
    this.#logger = options.logger;
    this.#shown = pairPart(files.certFile, files.keyFile, "");
    this.#dialling =
      this.#shown === undefined
        ? undefined
        : (pairPart(files.clientCertFile, files.clientKeyFile, "Client") ?? this.#shown);
    this.#authorities = part(files.trustedCaFile, parseAuthorities);
    this.#revoked = part(files.crlFile, ([bytes]) => readRevokedSerials(bytes as Buffer));
    for (const needed of [this.#shown, this.#dialling, this.#authorities]) {
      const look = needed?.look();
      if (look?.kind === "broken") throw new Error(look.reason);
    }
    this.#lookAtRevoked();
    // What cannot make a context shall end the start, not the first handshake.
    if (this.#shown !== undefined) this.serverContext();
    if (this.#dialling !== this.#shown) this.dialContext();
  }

  /** Whether there is a certificate to serve with (TLSInfo.Empty). */
  get canServe(): boolean {
    return this.#shown !== undefined;
  }

  /** Whether whoever dials us has to show a certificate. */
  get asksForCertificates(): boolean {
    return this.#files.clientCertAuth || this.#files.trustedCaFile !== undefined;
  }

  /** Looks at the files; cheap while they stay (a stat each). */
  refresh(): void {
    const isChanged = [
      this.#look(this.#shown, this.#files.certFile),
      this.#dialling !== this.#shown && this.#look(this.#dialling, this.#files.clientCertFile),
      this.#look(this.#authorities, this.#files.trustedCaFile),
    ].includes(true);
    this.#lookAtRevoked();
    if (!isChanged) return;
    const before = [this.#serverContext, this.#dialContext] as const;
    this.#serverContext = undefined;
    this.#dialContext = undefined;
    try {
      if (this.#shown !== undefined) this.serverContext();
      if (before[1] !== undefined) this.dialContext();
      this.#generation++;
    } catch (error) {
      [this.#serverContext, this.#dialContext] = before;
      const fields = { error: (error as Error).message };
      this.#logger.warn("failed to use new TLS files; the former ones stay in use", fields);
    }
  }

  /** Changes whenever `serverContext` gives another context. */
  get generation(): number {
    return this.#generation;
  }

  /** What a TLS server is made of, as Node takes it. */
  contextOptions(): tls.SecureContextOptions {
    return this.#optionsWith(this.#shown?.value, this.asksForCertificates);
  }

  serverContext(): tls.SecureContext {
    this.#serverContext ??= tls.createSecureContext(this.contextOptions());
    return this.#serverContext;
  }

  dialContext(): tls.SecureContext {
    this.#dialContext ??= tls.createSecureContext(
      this.#optionsWith(this.#dialling?.value, !this.#trustAnyone),
    );
    return this.#dialContext;
  }

  /** From now on whoever is dialled must have a certificate for this name (TLSInfo.ServerName). */
  expectName(name: string): void {
    this.#expectedName = name;
  }

  /** How to dial a host now: the files are looked at first. */
  dialOptions(dialled: string): tls.ConnectionOptions {
    this.refresh();
    const host = this.#expectedName ?? dialled;
    return {
      secureContext: this.dialContext(),
      servername: isIP(host) === 0 ? host : "",
      rejectUnauthorized: !this.#trustAnyone,
      checkServerIdentity: (_, shown) => this.#identityProblem(host, shown.raw),
    };
  }

  /**
   * Why a certificate that was shown to us is refused although its chain is good, or undefined:
   * neither CN nor names are among the allowed ones, or it is revoked.
   */
  refusal(leaf: X509Certificate): string | undefined {
    return this.#allowProblem(leaf) ?? this.#revokedProblem(leaf);
  }

  #identityProblem(host: string, raw: Buffer): Error | undefined {
    const cert = new X509Certificate(raw);
    if (!isGoodFor(cert, host)) {
      return new Error(
        `tls: failed to verify certificate: x509: certificate is not valid for ${host}`,
      );
    }
    const problem = this.#allowProblem(cert);
    return problem === undefined ? undefined : new Error(problem);
  }

  #allowProblem(cert: X509Certificate): string | undefined {
    const { allowedCns, allowedHostnames } = this.#files;
    if (allowedCns.length > 0)
      return allowedCns.includes(commonNameOf(cert)) ? undefined : notAllowed;
    if (allowedHostnames.length === 0) return undefined;
    return allowedHostnames.some((host) => isGoodFor(cert, host)) ? undefined : notAllowed;
  }

  #revokedProblem(leaf: X509Certificate): string | undefined {
    if (this.#revoked === undefined) return undefined;
    const serials = this.#revoked.value;
    // Never a client let in because the list of who must stay out could not be read.
    if (serials === undefined) return `the revocation list ${this.#files.crlFile} was never read`;
    for (const cert of presented(leaf)) {
      if (!serials.has(trimZeros(cert.serialNumber))) continue;
      return `transport: certificate serial ${cert.serialNumber.toLowerCase()} revoked`;
    }
    return undefined;
  }

  #optionsWith(pair: KeyPair | undefined, verifies: boolean): tls.SecureContextOptions {
    const { minVersion, maxVersion, cipherSuites } = this.#files;
    const ciphers = cipherList(cipherSuites);
    // The system's authorities take half a second to parse: only where they are asked.
    const ca = verifies ? (this.#authorities?.value ?? tls.getCACertificates("system")) : [];
    return {
      ...(pair === undefined ? {} : { cert: pair.cert, key: pair.key }),
      ca: [...ca],
      // As Go, which trusts what is in the file, be it no root.
      allowPartialTrustChain: true,
      minVersion,
      ...(maxVersion === undefined ? {} : { maxVersion }),
      ...(ciphers === undefined ? {} : { ciphers }),
      // Without tickets every connection shows its certificate anew, to the newest files.
      secureOptions: constants.SSL_OP_NO_TICKET,
    };
  }

  #look(files: FilePart<unknown> | undefined, path: string | undefined): boolean {
    const look = files?.look();
    if (look?.kind === "changed") this.#logger.info("loaded new TLS files", { path });
    if (look?.kind === "broken") {
      const fields = { path, error: look.reason };
      this.#logger.warn("failed to load new TLS files; the former ones stay in use", fields);
    }
    return look?.kind === "changed";
  }

  #lookAtRevoked(): void {
    this.#look(this.#revoked, this.#files.crlFile);
  }
}

const part = <T>(
  path: string | undefined,
  parse: (contents: readonly Buffer[]) => T,
): FilePart<T> | undefined => (path === undefined ? undefined : new FilePart([path], parse));

/** Throws when only one of the two is given (TLSInfo.baseConfig). */
function pairPart(
  certFile: string | undefined,
  keyFile: string | undefined,
  whose: "" | "Client",
): FilePart<KeyPair> | undefined {
  if (certFile !== undefined && keyFile !== undefined) {
    return new FilePart([certFile, keyFile], parseKeyPair);
  }
  if (certFile === keyFile) return undefined;
  const [key, cert] = [keyFile ?? "", certFile ?? ""];
  if (whose === "") {
    throw new Error(`KeyFile and CertFile must both be present[key: ${key}, cert: ${cert}]`);
  }
  const what = "ClientKeyFile and ClientCertFile must both be present or both absent";
  throw new Error(`${what}: key: ${key}, cert: ${cert}]`);
}

/**
 * The certificates that were shown, the leaf first. Node adds the root from our own authorities;
 * a root is not revoked by a list, only its serial number might be in one by chance.
 */
function presented(leaf: X509Certificate): X509Certificate[] {
  const chain = [leaf];
  for (let next = leaf.issuerCertificate; next !== undefined; next = next.issuerCertificate) {
    if (next.checkIssued(next) || chain.length > 10) break;
    chain.push(next);
  }
  return chain;
}
