/** Reads what a certificate says of itself. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { AsnConvert } from "@peculiar/asn1-schema";
import { Certificate, id_ce_subjectAltName, SubjectAlternativeName } from "@peculiar/asn1-x509";

export interface CertificateFacts {
  /** Empty when it has none. */
  readonly commonName: string;
  /** DNS names and IP addresses it is good for, in its own order. */
  readonly hosts: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isAuthority: boolean;
  /** SHA-256 of the certificate, hexadecimal without colons. */
  readonly fingerprint: string;
}

const commonNameType = "2.5.4.3";

/** The facts of the first certificate in `pem`. Throws when there is none that can be read. */
export function readCertificate(pem: string): CertificateFacts {
  const read = new X509Certificate(pem);
  const { tbsCertificate } = AsnConvert.parse(read.raw, Certificate);
  const name = tbsCertificate.subject.flatMap((rdn) => [...rdn]);
  const names = tbsCertificate.extensions?.find((e) => e.extnID === id_ce_subjectAltName);
  const alternatives = names
    ? [...AsnConvert.parse(names.extnValue.buffer, SubjectAlternativeName)]
    : [];
  return {
    commonName: name.find((a) => a.type === commonNameType)?.value.toString() ?? "",
    hosts: alternatives.flatMap((n) => n.dNSName ?? n.iPAddress ?? []),
    notBeforeMs: read.validFromDate.getTime(),
    notAfterMs: read.validToDate.getTime(),
    isAuthority: read.ca,
    fingerprint: read.fingerprint256.replaceAll(":", "").toLowerCase(),
  };
}

/** Every certificate of a PEM bundle, each as PEM with one newline at its end; other text is left out. */
export function splitBundle(pem: string): string[] {
  const block = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;
  return [...pem.matchAll(block)].map(([text]) => `${text}\n`);
}

/** Whether one of the authorities in `bundle` signed the first certificate of `pem`. Throws when one cannot be read. */
export function isIssuedBy(pem: string, bundle: string): boolean {
  const leaf = new X509Certificate(pem);
  return splitBundle(bundle).some((text) => {
    const authority = new X509Certificate(text);
    return leaf.checkIssued(authority) && leaf.verify(authority.publicKey);
  });
}

/** Whether `key` is the private key of the first certificate in `pem`. Throws when one cannot be read. */
export function isKeyOf(pem: string, key: string): boolean {
  return new X509Certificate(pem).checkPrivateKey(createPrivateKey(key));
}
