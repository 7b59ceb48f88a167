/**
 * Serial numbers of a certificate revocation list (RFC 5280 section 5.1). Like etcd, nothing else
 * of it counts: not its issuer, signature or dates.
 *
 *   CertificateList  SEQUENCE { TBSCertList, algorithm, signature }
 *   TBSCertList      SEQUENCE { version INTEGER?, SEQUENCE algorithm, SEQUENCE issuer, Time, Time?,
 *                               SEQUENCE OF SEQUENCE { serial INTEGER, Time, ... }?, [0] ...? }
 */
const tagInteger = 0x02;
const tagSequence = 0x30;
const tagUtcTime = 0x17;
const tagGeneralizedTime = 0x18;

/** Revoked serials as upper-case hexadecimal, as X509Certificate prints them. Throws when malformed. */
export function readRevokedSerials(bytes: Buffer): ReadonlySet<string> {
  const list = expect(readItem(toDer(bytes), 0), tagSequence);
  const parts = itemsOf(expect(readItem(list, 0), tagSequence));
  let at = 0;
  if (parts[at]?.tag === tagInteger) at++;
  for (const tag of [tagSequence, tagSequence]) expect(parts[at++], tag);
  while (parts[at]?.tag === tagUtcTime || parts[at]?.tag === tagGeneralizedTime) at++;
  const revoked = parts[at];
  if (revoked?.tag !== tagSequence) return new Set();
  return new Set(itemsOf(revoked.content).map((entry) => serialOf(entry)));
}

function serialOf(entry: Item): string {
  const bytes = expect(itemsOf(expect(entry, tagSequence))[0], tagInteger);
  return trimZeros(bytes.toString("hex"));
}

/** Serial numbers without leading zeros: a positive INTEGER may have one in front. */
export const trimZeros = (hex: string): string => hex.toUpperCase().replace(/^0+(?=.)/, "");

interface Item {
  readonly tag: number;
  readonly content: Buffer;
  /** Offset behind the item. */
  readonly end: number;
}

const malformed = (): Error => new Error("x509: malformed crl");

function toDer(bytes: Buffer): Buffer {
  const text = bytes.toString("latin1");
  const pem = /-----BEGIN X509 CRL-----([\s\S]*?)-----END X509 CRL-----/.exec(text);
  return pem === null ? bytes : Buffer.from(pem[1] as string, "base64");
}

function readItem(bytes: Buffer, at: number): Item {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) throw malformed();
  let start = at + 2;
  let length = first;
  if (first & 0x80) {
    const count = first & 0x7f;
    if (count < 1 || count > 4 || start + count > bytes.length) throw malformed();
    length = bytes.readUIntBE(start, count);
    start += count;
  }
  const end = start + length;
  if (end > bytes.length) throw malformed();
  return { tag, content: bytes.subarray(start, end), end };
}

function itemsOf(content: Buffer): Item[] {
  const items: Item[] = [];
  for (let at = 0; at < content.length; ) {
    const item = readItem(content, at);
    items.push(item);
    at = item.end;
  }
  return items;
}

function expect(item: Item | undefined, tag: number): Buffer {
  if (item?.tag !== tag) throw malformed();
  return item.content;
}
