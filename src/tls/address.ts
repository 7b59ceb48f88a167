/** Whether a certificate may be shown from where it comes (etcd listener_tls.go checkCertSAN). */
import type { X509Certificate } from "node:crypto";
import { promises as dns } from "node:dns";
import { isGoodFor, namesOf } from "./certificate.ts";

/** Name service; the system's, or a test's. Both reject when there is no answer. */
export interface Resolver {
  /** Names of an address, with or without a dot at the end. */
  reverse(address: string): Promise<readonly string[]>;
  /** Addresses of a name. */
  forward(name: string): Promise<readonly string[]>;
}

/** Together below the 10 s a handshake may take. */
const queryMs = 2000;
const queries = 2;

export function systemResolver(): Resolver {
  const resolver = new dns.Resolver({ timeout: queryMs, tries: queries });
  return {
    reverse: (address) => resolver.reverse(address),
    forward: async (name) => (await dns.lookup(name, { all: true })).map((a) => a.address),
  };
}

/**
 * Why the certificate does not fit the address, or undefined. One with neither IP addresses nor DNS names
 * fits everywhere; else the address is in it, or name service connects the two.
 */
export async function addressProblem(
  cert: X509Certificate,
  address: string,
  resolver: Resolver,
): Promise<string | undefined> {
  const { dns: names, ips } = namesOf(cert);
  if (ips.length > 0 && isGoodFor(cert, address)) return undefined;
  if (names.length === 0) {
    if (ips.length === 0) return undefined;
    return `x509: certificate is valid for ${ips.join(", ")}, not ${address}`;
  }
  const exact = names.filter((name) => !name.startsWith("*."));
  // All at once: a peer's connection should not wait for one slow answer after the other.
  const checks = [
    isNamed(address, names, resolver),
    ...exact.map((name) => isAddressOf(address, name, resolver)),
  ];
  const errors: string[] = [];
  const found = await new Promise<boolean>((resolve) => {
    let left = checks.length;
    const done = (fits: boolean): void => {
      left--;
      if (fits) resolve(true);
      else if (left === 0) resolve(false);
    };
    for (const check of checks) {
      check.then(done, (error: Error) => {
        errors.push(error.message);
        done(false);
      });
    }
  });
  if (found) return undefined;
  const why = errors[0] === undefined ? "" : ` (${errors[0]})`;
  const list = names.map((name) => JSON.stringify(name)).join(" ");
  return `tls: "${address}" does not match any of DNSNames [${list}]${why}`;
}

async function isNamed(
  address: string,
  names: readonly string[],
  resolver: Resolver,
): Promise<boolean> {
  const found = (await resolver.reverse(address)).map((name) => name.replace(/\.$/, ""));
  return found.some((name) =>
    names.some((n) => (n.startsWith("*.") ? name.endsWith(n.slice(1)) : n === name)),
  );
}

async function isAddressOf(address: string, name: string, resolver: Resolver): Promise<boolean> {
  return (await resolver.forward(name)).includes(address);
}
