// Certificates, keys and revocation lists for tests, as files.

import { createPrivateKey, sign, X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Authority, type Issued, issueLeaf, makeAuthority } from "../../src/pki/index.ts";

const dayMs = 24 * 3_600_000;
const validity = () => ({
  notBefore: new Date(Date.now() - dayMs),
  notAfter: new Date(Date.now() + 30 * dayMs),
});

export const authority = (commonName: string): Authority =>
  makeAuthority({ commonName, ...validity() });

export interface LeafWishes {
  readonly commonName?: string;
  readonly hosts?: readonly string[];
  readonly usages?: readonly ("server" | "client")[];
  readonly expired?: boolean;
}

/** A leaf for loopback unless told otherwise. */
export function leaf(ca: Authority, wishes: LeafWishes = {}): Issued {
  const order = {
    commonName: wishes.commonName ?? "test",
    hosts: wishes.hosts ?? ["127.0.0.1", "localhost"],
    usages: wishes.usages ?? (["server", "client"] as const),
    ...validity(),
  };
  if (!wishes.expired) return issueLeaf(ca, order);
  return issueLeaf(ca, { ...order, notAfter: new Date(Date.now() - dayMs / 2) });
}

/** Files `NAME.crt` and `NAME.key`. */
export interface PairFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

export function writePair(folder: string, name: string, pair: Issued): PairFiles {
  const files = { certFile: join(folder, `${name}.crt`), keyFile: join(folder, `${name}.key`) };
  writeFileSync(files.certFile, pair.cert);
  writeFileSync(files.keyFile, pair.key);
  return files;
}

export function writeText(folder: string, name: string, text: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

export const serialOf = (pair: Issued): string => new X509Certificate(pair.cert).serialNumber;

/** A DER revocation list of the authority (RFC 5280 section 5.1). */
export function revocationList(ca: Authority, serials: readonly string[]): Buffer {
  const algorithm = item(0x30, item(0x06, Buffer.from("2a8648ce3d040302", "hex")));
  const now = item(0x17, Buffer.from(utcTime(new Date())));
  const entries = serials.map((hex) => item(0x30, item(0x02, integer(hex)), now));
  const list = item(
    0x30,
    item(0x02, Buffer.from([1])),
    algorithm,
    subjectOf(new X509Certificate(ca.cert).raw),
    now,
    ...(entries.length === 0 ? [] : [item(0x30, ...entries)]),
  );
  const signature = sign("sha256", list, createPrivateKey(ca.key));
  return item(0x30, list, algorithm, item(0x03, Buffer.from([0]), signature));
}

export const asPem = (der: Buffer): string =>
  `-----BEGIN X509 CRL-----\n${der.toString("base64")}\n-----END X509 CRL-----\n`;

function item(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 128
      ? [tag, length]
      : length < 256
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}

function integer(hex: string): Buffer {
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex");
  return (bytes[0] ?? 0) < 0x80 ? bytes : Buffer.concat([Buffer.from([0]), bytes]);
}

/** YYMMDDhhmmssZ. */
const utcTime = (date: Date): string => `${date.toISOString().replace(/\D/g, "").slice(2, 14)}Z`;

/** The subject's bytes: the fifth part behind the version of a TBSCertificate. */
function subjectOf(certificate: Buffer): Buffer {
  const inside = (at: number): number => at + headOf(certificate, at).head;
  let at = inside(inside(0));
  // version, serial, signature, issuer, validity
  for (let i = 0; i < 5; i++) at += headOf(certificate, at).whole;
  return certificate.subarray(at, at + headOf(certificate, at).whole);
}

function headOf(bytes: Buffer, at: number): { head: number; whole: number } {
  const first = bytes[at + 1] ?? 0;
  if (first < 128) return { head: 2, whole: 2 + first };
  const count = first & 0x7f;
  return { head: 2 + count, whole: 2 + count + bytes.readUIntBE(at + 2, count) };
}
