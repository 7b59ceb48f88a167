/** PEM files as Go's tls.X509KeyPair and etcd's NewCertPool read them. */
import { X509Certificate } from "node:crypto";
import tls from "node:tls";
import type { KeyPair } from "./types.ts";

/** Throws when there is no certificate and key, or the two do not belong together. */
export function parseKeyPair([cert, key]: readonly Buffer[]): KeyPair {
  if (cert === undefined || key === undefined) throw new Error("no certificate and key");
  if (certificatesIn(cert).length === 0) {
    throw new Error("tls: failed to find any PEM data in certificate input");
  }
  if (!/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key.toString("latin1"))) {
    throw new Error("tls: failed to find any PEM data in key input");
  }
  try {
    tls.createSecureContext({ cert, key });
  } catch (error) {
    if (!/key values mismatch/.test((error as Error).message)) throw error;
    throw new Error("tls: private key does not match public key");
  }
  return { cert, key };
}

/** Every certificate of a bundle. Throws when one is malformed, or there is none. */
export function parseAuthorities([bundle]: readonly Buffer[]): readonly string[] {
  const all = bundle === undefined ? [] : certificatesIn(bundle);
  // etcd would go on and refuse everybody; a file caught while it is written looks like that.
  if (all.length === 0) throw new Error("no certificate in the trusted CA file");
  for (const pem of all) new X509Certificate(pem);
  return all;
}

function certificatesIn(bytes: Buffer): string[] {
  const block = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
  return bytes.toString("latin1").match(block) ?? [];
}
