/**
 * JSON Web Tokens as etcd makes and takes them: claims username, revision and exp, signed by one
 * method with one key. Source: RFC 7515, 7518, 7519, 8037; etcd server/auth/jwt.go, options.go.
 */
import {
  constants,
  createHmac,
  type KeyObject,
  sign as signWith,
  timingSafeEqual,
  verify as verifyWith,
} from "node:crypto";
import type { AuthInfo } from "../../core/auth/index.ts";
import { EtcdError } from "../../proto/index.ts";
import type { TokenGrant, Tokens } from "./tokens.ts";

/** RFC 7518 3.1 and RFC 8037 3.1: the methods that etcd takes. */
export const signMethods = {
  HS256: { kind: "hmac", hash: "sha256" },
  HS384: { kind: "hmac", hash: "sha384" },
  HS512: { kind: "hmac", hash: "sha512" },
  RS256: { kind: "rsa", hash: "sha256" },
  RS384: { kind: "rsa", hash: "sha384" },
  RS512: { kind: "rsa", hash: "sha512" },
  PS256: { kind: "pss", hash: "sha256" },
  PS384: { kind: "pss", hash: "sha384" },
  PS512: { kind: "pss", hash: "sha512" },
  ES256: { kind: "ec", hash: "sha256", curve: "prime256v1" },
  ES384: { kind: "ec", hash: "sha384", curve: "secp384r1" },
  ES512: { kind: "ec", hash: "sha512", curve: "secp521r1" },
  EdDSA: { kind: "ed", hash: undefined },
} as const;

export type SignMethod = keyof typeof signMethods;

/** A secret signs and verifies; of a pair, the private half may be missing. */
export type JwtKey =
  | { readonly secret: Uint8Array }
  | { readonly publicKey: KeyObject; readonly privateKey: KeyObject | undefined };

export interface JwtOptions {
  readonly method: SignMethod;
  readonly key: JwtKey;
  readonly ttlMs: number;
  /** The time of day, in seconds since 1970; not the member's clock. */
  readonly unixSeconds: () => number;
}

/** A claim set that was verified, and until when it holds. */
interface Verified {
  readonly info: AuthInfo;
  /** Unix seconds. */
  readonly from: number;
  readonly until: number;
}

/** Verified tokens that are remembered: checking a signature costs more than a whole request. */
const rememberedMax = 1000;
/** Larger ones are nobody's. */
const tokenLengthMax = 16 * 1024;

export class JsonWebTokens implements Tokens {
  readonly #o: JwtOptions;
  /** The one that came in first is forgotten first. */
  readonly #verified = new Map<string, Verified>();

  constructor(options: JwtOptions) {
    this.#o = options;
  }

  info(token: string): AuthInfo | undefined {
    let verified = this.#verified.get(token);
    if (verified === undefined) {
      if (token.length > tokenLengthMax) return undefined;
      verified = this.#verify(token);
      if (verified === undefined) return undefined;
      if (this.#verified.size >= rememberedMax) {
        for (const oldest of this.#verified.keys()) {
          this.#verified.delete(oldest);
          break;
        }
      }
      this.#verified.set(token, verified);
    }
    const now = this.#o.unixSeconds();
    if (now >= verified.from && now < verified.until) return verified.info;
    this.#verified.delete(token);
    return undefined;
  }

  pendingIndex(): undefined {
    return undefined;
  }

  prefix(): string {
    return "";
  }

  /** Signed only where somebody waits for it. */
  assign({ username, revision, waited }: TokenGrant): string | EtcdError {
    const { method, key, ttlMs } = this.#o;
    if (!("secret" in key) && key.privateKey === undefined) return new EtcdError("VerifyOnly");
    if (!waited) return "";
    const exp = Math.floor(this.#o.unixSeconds() + ttlMs / 1000);
    const head = encode({ alg: method, typ: "JWT" });
    const body = encode({ exp, revision, username });
    const signed = `${head}.${body}`;
    return `${signed}.${sign(method, key, Buffer.from(signed)).toString("base64url")}`;
  }

  /** What was signed stays good until it expires, as with etcd; revisions see to the rest. */
  forgetAll(): void {}
  forgetUser(): void {}
  sweep(): void {}

  #verify(token: string): Verified | undefined {
    const parts = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/.exec(token);
    if (parts === null) return undefined;
    const [, head, body, signature] = parts as unknown as [string, string, string, string];
    const { method, key } = this.#o;
    if (decode(head)?.["alg"] !== method) return undefined;
    const signed = Buffer.from(`${head}.${body}`);
    if (!isSignature(method, key, signed, Buffer.from(signature, "base64url"))) return undefined;
    const claims = decode(body);
    const { username, revision } = claims ?? {};
    if (claims === undefined || typeof username !== "string" || typeof revision !== "number") {
      return undefined;
    }
    const from = seconds(claims, "nbf", Number.NEGATIVE_INFINITY);
    const until = seconds(claims, "exp", Number.POSITIVE_INFINITY);
    if (from === undefined || until === undefined) return undefined;
    // Go turns the fraction off; a negative one cannot be a revision that we gave out.
    const counted = Math.trunc(Math.max(0, Math.min(revision, Number.MAX_SAFE_INTEGER)));
    return { info: { username, revision: counted }, from, until };
  }
}

/** A claim that is a time; `absent` without it, undefined when it is no number. */
function seconds(
  claims: Record<string, unknown>,
  name: string,
  absent: number,
): number | undefined {
  const value = claims[name];
  if (value === undefined) return absent;
  return typeof value === "number" ? value : undefined;
}

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A JSON object in base64url; undefined when it is none. */
function decode(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function sign(method: SignMethod, key: JwtKey, data: Uint8Array): Buffer {
  const { hash } = signMethods[method];
  if ("secret" in key)
    return createHmac(hash as string, key.secret)
      .update(data)
      .digest();
  return signWith(hash, data, { key: key.privateKey as KeyObject, ...schemeOf(method, true) });
}

function isSignature(
  method: SignMethod,
  key: JwtKey,
  data: Uint8Array,
  signature: Uint8Array,
): boolean {
  const { hash } = signMethods[method];
  if ("secret" in key) {
    const expected = sign(method, key, data);
    return expected.byteLength === signature.byteLength && timingSafeEqual(expected, signature);
  }
  return verifyWith(hash, data, { key: key.publicKey, ...schemeOf(method, false) }, signature);
}

function schemeOf(method: SignMethod, signing: boolean) {
  const { kind } = signMethods[method];
  if (kind === "ec") return { dsaEncoding: "ieee-p1363" } as const;
  if (kind !== "pss") return {};
  const { RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_AUTO, RSA_PSS_SALTLEN_DIGEST } = constants;
  return {
    padding: RSA_PKCS1_PSS_PADDING,
    saltLength: signing ? RSA_PSS_SALTLEN_DIGEST : RSA_PSS_SALTLEN_AUTO,
  };
}
