/** Makes authorities and leaves: X.509 v3 (RFC 5280) with ECDSA P-256 and SHA-256. */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
import { isIP } from "node:net";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";

/** A certificate and its private key (PKCS #8), both PEM. */
export interface Issued {
  readonly cert: string;
  readonly key: string;
}

/** What signs: the certificate of an authority, PEM, and its key. */
export type Authority = Issued;

/** Whom a certificate is for. Times are cut to whole seconds. */
export interface Validities {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export interface LeafOrder extends Validities {
  /** etcd takes a client's as its user name. */
  readonly commonName: string;
  readonly organization?: string;
  /** DNS names, also with a first label of `*`, and IP addresses, as clients dial them. */
  readonly hosts: readonly string[];
  /** A peer's certificate is for both: etcd shows it to whoever dials and whomever it dials. */
  readonly usages: readonly ("server" | "client")[];
}

const ecdsaWithSha256 = "1.2.840.10045.4.3.2";
const commonNameType = "2.5.4.3";
const organizationType = "2.5.4.10";

/** A self-signed authority that signs leaves only (path length 0). */
export function makeAuthority(order: Validities & { readonly commonName: string }): Authority {
  const keys = newKeys();
  const subject = buildName(order.commonName);
  const extensions = [
    extension(
      id_ce_basicConstraints,
      new BasicConstraints({ cA: true, pathLenConstraint: 0 }),
      true,
    ),
    extension(
      id_ce_keyUsage,
      new KeyUsage(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign),
      true,
    ),
    extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdOf(keys.publicKey))),
  ];
  return build({ ...order, subject, issuer: subject, keys, signer: keys.privateKey, extensions });
}

/** A leaf of `authority`; it is not cut to the authority's own validity. Throws when its key or certificate cannot be read. */
export function issueLeaf(authority: Authority, order: LeafOrder): Issued {
  const signer = createPrivateKey(authority.key);
  const issuer = new X509Certificate(authority.cert);
  const parsed = AsnConvert.parse(issuer.raw, Certificate);
  const keys = newKeys();
  const extensions = [
    ...leafExtensions(order, keys.publicKey),
    extension(
      id_ce_authorityKeyIdentifier,
      new AuthorityKeyIdentifier({ keyIdentifier: new KeyIdentifier(keyIdOf(issuer.publicKey)) }),
    ),
  ];
  const subject = buildName(order.commonName, order.organization);
  return build({
    ...order,
    subject,
    issuer: parsed.tbsCertificate.subject,
    keys,
    signer,
    extensions,
  });
}

/** A leaf that vouches for itself, as `--auto-tls` wants it (etcd: transport.SelfCert). */
export function selfSign(order: LeafOrder): Issued {
  const keys = newKeys();
  const subject = buildName(order.commonName, order.organization);
  const extensions = leafExtensions(order, keys.publicKey);
  return build({ ...order, subject, issuer: subject, keys, signer: keys.privateKey, extensions });
}

function leafExtensions(order: LeafOrder, publicKey: KeyObject): Extension[] {
  const usages = order.usages.map((u) => (u === "server" ? id_kp_serverAuth : id_kp_clientAuth));
  const names = order.hosts.map((host) =>
    isIP(host) === 0
      ? new GeneralName({ dNSName: host })
      : new GeneralName({ iPAddress: plainAddress(host) }),
  );
  return [
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage(usages)),
    extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdOf(publicKey))),
    ...(names.length === 0
      ? []
      : [extension(id_ce_subjectAltName, new SubjectAlternativeName(names))]),
  ];
}

/**
 * An IP address in a form that the encoder reads right: no dotted quad inside IPv6. One that stands for an IPv4 address
 * (::ffff:1.2.3.4) becomes that: Go puts four bytes into certificates too, and compares both forms as equal.
 */
function plainAddress(host: string): string {
  if (isIP(host) !== 6) return host;
  const address = new URL(`http://[${host}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/.exec(address) ?? [];
  if (high === undefined || low === undefined) return address;
  const bytes = [high, low].flatMap((part) => {
    const value = Number.parseInt(part, 16);
    return [value >> 8, value & 0xff];
  });
  return bytes.join(".");
}

interface Parts extends Validities {
  readonly subject: Name;
  readonly issuer: Name;
  readonly keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
  readonly signer: KeyObject;
  readonly extensions: Extension[];
}

function build(parts: Parts): Issued {
  const algorithm = new AlgorithmIdentifier({ algorithm: ecdsaWithSha256 });
  const spki = parts.keys.publicKey.export({ type: "spki", format: "der" });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: buffer(newSerial()),
    signature: algorithm,
    issuer: parts.issuer,
    validity: new Validity({ notBefore: parts.notBefore, notAfter: parts.notAfter }),
    subject: parts.subject,
    subjectPublicKeyInfo: AsnConvert.parse(spki, SubjectPublicKeyInfo),
    extensions: new Extensions(parts.extensions),
  });
  const signed = sign("sha256", new Uint8Array(AsnConvert.serialize(tbsCertificate)), parts.signer);
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: buffer(signed),
  });
  return {
    cert: pem(new Uint8Array(AsnConvert.serialize(certificate))),
    key: parts.keys.privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}

function newKeys(): Parts["keys"] {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

/** 128 random bits; positive and never shortened: the first byte is 0x40 to 0x7f. */
function newSerial(): Uint8Array {
  const bytes = randomBytes(17);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes;
}

/** SHA-1 of the public key's bits (RFC 5280 4.2.1.2, method 1): a name, nothing rests on it. */
function keyIdOf(key: KeyObject): ArrayBuffer {
  const spki = createPublicKey(key.export({ type: "spki", format: "pem" }));
  const parsed = AsnConvert.parse(
    spki.export({ type: "spki", format: "der" }),
    SubjectPublicKeyInfo,
  );
  return buffer(createHash("sha1").update(new Uint8Array(parsed.subjectPublicKey)).digest());
}

function buildName(commonName: string, organization?: string): Name {
  const attribute = (type: string, utf8String: string) =>
    new RelativeDistinguishedName([
      new AttributeTypeAndValue({ type, value: new AttributeValue({ utf8String }) }),
    ]);
  return new Name([
    ...(organization === undefined ? [] : [attribute(organizationType, organization)]),
    attribute(commonNameType, commonName),
  ]);
}

function extension(extnID: string, value: object, critical = false): Extension {
  const extnValue = new OctetString(AsnConvert.serialize(value));
  return new Extension({ extnID, critical, extnValue });
}

const buffer = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

function pem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
