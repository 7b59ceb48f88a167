/** What is asked of a certificate beside its chain (etcd client/pkg/transport). */
import type { X509Certificate } from "node:crypto";
import { isIP } from "node:net";

/** The names a certificate is good for, as it gives them. */
export interface Names {
  readonly dns: readonly string[];
  readonly ips: readonly string[];
}

/** Node prints alternative names as `DNS:a, IP Address:b`, quoting what is not plain. */
const alternative = /(?:^|, )(DNS|IP Address):("(?:[^"\\]|\\.)*"|[^,"]*)/g;

export function namesOf(cert: X509Certificate): Names {
  const dns: string[] = [];
  const ips: string[] = [];
  for (const [, kind, value] of (cert.subjectAltName ?? "").matchAll(alternative)) {
    (kind === "DNS" ? dns : ips).push(value as string);
  }
  return { dns, ips };
}

/** Go's Certificate.VerifyHostname: alternative names only, never the CN. */
export function isGoodFor(cert: X509Certificate, host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, "");
  if (isIP(bare) !== 0) return cert.checkIP(bare) !== undefined;
  return cert.checkHost(bare, { subject: "never", partialWildcards: false }) !== undefined;
}

/** The last CN of the subject, as Go reads it; empty without one. */
export function commonNameOf(cert: X509Certificate): string {
  const { CN } = cert.toLegacyObject().subject as { CN?: string | string[] };
  return (Array.isArray(CN) ? CN.at(-1) : CN) ?? "";
}
