/** `--auth-token`: its text and the key files it names. Source: etcd server/auth/options.go. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseDuration } from "../../lib/duration.ts";
import { EtcdError } from "../../proto/index.ts";
import { JsonWebTokens, type JwtKey, type SignMethod, signMethods } from "./jwt.ts";
import { noTokens, RememberedTokens, type Tokens } from "./tokens.ts";

/** The flag cannot be honoured; the message says why. */
export class TokenOptionsError extends Error {
  override readonly name = "TokenOptionsError";
}

export interface TokensOptions {
  /** `simple`, `jwt,sign-method=...,priv-key=...` or the empty text. */
  readonly authToken: string;
  /** --auth-token-ttl, for simple tokens. */
  readonly ttlMs: number;
  readonly below: (n: number) => number;
  readonly unixSeconds: () => number;
}

const defaultJwtTtlMs = 300_000;

/** Reads key files. Throws TokenOptionsError. */
export function createTokens(o: TokensOptions): Tokens {
  const [type, ...rest] = o.authToken.split(",") as [string, ...string[]];
  const options = new Map<string, string>();
  for (const text of rest) {
    const [name, value, ...more] = text.split("=") as [string, ...string[]];
    if (value === undefined || more.length > 0) refuse(o, `"${text}" is not name=value`);
    if (options.has(name)) refuse(o, `"${name}" is given twice`);
    options.set(name, value as string);
  }
  if (type === "") return noTokens(new EtcdError("AuthFailed"));
  if (type === "simple") return new RememberedTokens(o.ttlMs, o.below);
  if (type !== "jwt") refuse(o, `"${type}" is neither simple nor jwt`);
  return createJwt(o, options);
}

function createJwt(o: TokensOptions, options: ReadonlyMap<string, string>): Tokens {
  const ttl = options.get("ttl") ?? "";
  const ttlMs = ttl === "" ? defaultJwtTtlMs : parseDuration(ttl);
  if (ttlMs === undefined) return refuse(o, `ttl=${ttl} is not a duration such as 10m`);
  const method = options.get("sign-method") ?? "";
  if (!(method in signMethods)) {
    return refuse(o, `sign-method "${method}" is none of ${Object.keys(signMethods).join(", ")}`);
  }
  const privateText = readKey(o, options, "priv-key");
  const publicText = readKey(o, options, "pub-key");
  const key = keyOf(o, method as SignMethod, privateText, publicText);
  return new JsonWebTokens({
    method: method as SignMethod,
    key,
    ttlMs,
    unixSeconds: o.unixSeconds,
  });
}

/** Undefined when the option is absent or its file empty. */
function readKey(
  o: TokensOptions,
  options: ReadonlyMap<string, string>,
  name: string,
): Buffer | undefined {
  const path = options.get(name) ?? "";
  if (path === "") return undefined;
  try {
    const bytes = readFileSync(path);
    return bytes.byteLength === 0 ? undefined : bytes;
  } catch (error) {
    return refuse(o, `${name} cannot be read: ${(error as Error).message}`);
  }
}

function keyOf(
  o: TokensOptions,
  method: SignMethod,
  privateText: Buffer | undefined,
  publicText: Buffer | undefined,
): JwtKey {
  if (signMethods[method].kind === "hmac") {
    if (privateText === undefined) return refuse(o, `${method} needs priv-key, the secret`);
    return { secret: privateText };
  }
  const privateKey = parsed(o, "priv-key", privateText, createPrivateKey);
  const given = parsed(o, "pub-key", publicText, createPublicKey);
  const publicKey = given ?? (privateKey === undefined ? undefined : createPublicKey(privateKey));
  if (publicKey === undefined) return refuse(o, `${method} needs priv-key or pub-key`);
  if (privateKey !== undefined && !createPublicKey(privateKey).equals(publicKey)) {
    return refuse(o, "pub-key does not belong to priv-key");
  }
  const problem = mismatch(method, publicKey);
  if (problem !== undefined) return refuse(o, problem);
  return { publicKey, privateKey };
}

function parsed(
  o: TokensOptions,
  name: string,
  text: Buffer | undefined,
  parse: (text: Buffer) => KeyObject,
): KeyObject | undefined {
  if (text === undefined) return undefined;
  try {
    return parse(text);
  } catch (error) {
    return refuse(o, `${name} is not such a key in PEM: ${(error as Error).message}`);
  }
}

/** Why the method cannot use this key. */
function mismatch(method: SignMethod, key: KeyObject): string | undefined {
  const { kind } = signMethods[method];
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  const wanted = { rsa: "rsa", pss: "rsa", ec: "ec", ed: "ed25519", hmac: "" }[kind];
  if (type !== wanted) return `${method} needs a key of type ${wanted}, not ${type}`;
  const { curve } = signMethods[method] as { curve?: string };
  if (curve === undefined || details?.namedCurve === curve) return undefined;
  return `${method} needs the curve ${curve}, not ${details?.namedCurve}`;
}

function refuse(o: TokensOptions, problem: string): never {
  throw new TokenOptionsError(
    `auth: invalid auth options: --auth-token=${o.authToken}: ${problem}`,
  );
}
