/** Certificates a member makes for itself: --auto-tls, --peer-auto-tls (etcd transport.SelfCert). */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Clock, Logger } from "../ports/index.ts";
import type { TlsFiles } from "./types.ts";

const yearMs = 365 * 24 * 3_600_000;

export interface SelfSignedOptions {
  /** `<data-dir>/fixtures/client` or `.../peer`; made when it is not there. */
  readonly folder: string;
  /** Names and addresses the certificate shall be good for. */
  readonly hosts: readonly string[];
  readonly validityYears: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The folder's cert.pem and key.pem, made now unless both are there: a restart keeps them, however old. Throws
 * the system's errors.
 */
export async function selfSignedFiles(
  o: SelfSignedOptions,
): Promise<Pick<TlsFiles, "certFile" | "keyFile">> {
  if (o.validityYears === 0) {
    throw new Error("selfSignedCertValidity is invalid,it should be greater than 0");
  }
  const certFile = resolve(join(o.folder, "cert.pem"));
  const keyFile = resolve(join(o.folder, "key.pem"));
  if (existsSync(certFile) && existsSync(keyFile)) return { certFile, keyFile };
  // 20 ms of CPU at a member's start, for what hardly any member does.
  const { selfSign } = await import("../pki/index.ts");
  mkdirSync(o.folder, { recursive: true, mode: 0o700 });
  const notBefore = new Date(o.clock.wallMs());
  const notAfter = new Date(o.clock.wallMs() + o.validityYears * yearMs);
  o.logger.warn("automatically generate certificates", {
    "certificate-validity-bound-not-after": notAfter.toISOString(),
  });
  const hosts = [...new Set(o.hosts)].filter((host) => host !== "");
  const made = selfSign({
    commonName: "etcd",
    organization: "etcd",
    hosts,
    usages: ["server"],
    notBefore,
    notAfter,
  });
  writeFileSync(certFile, made.cert);
  o.logger.info("created cert file", { path: certFile });
  writeFileSync(keyFile, made.key, { mode: 0o600 });
  o.logger.info("created key file", { path: keyFile });
  return { certFile, keyFile };
}
