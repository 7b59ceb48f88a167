import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync, type KeyPairKeyObjectResult } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createTokens, type Tokens } from "../../../src/server/index.ts";

const dir = mkdtempSync(join(tmpdir(), "quoin-tokens-"));
after(() => rmSync(dir, { recursive: true, force: true }));

let now = 1_000_000;
const make = (authToken: string): Tokens =>
  createTokens({ authToken, ttlMs: 300_000, below: () => 3, unixSeconds: () => now });

function file(name: string, content: string | Buffer): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

interface Pair {
  readonly privateKey: string;
  readonly publicKey: string;
}

const inPem = ({ privateKey, publicKey }: KeyPairKeyObjectResult): Pair => ({
  privateKey: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  publicKey: publicKey.export({ type: "spki", format: "pem" }) as string,
});
const rsa = () => inPem(generateKeyPairSync("rsa", { modulusLength: 2048 }));
const ec = (namedCurve: string) => inPem(generateKeyPairSync("ec", { namedCurve }));

const one = rsa();
const two = rsa();
const keys: Readonly<Record<string, Pair>> = {
  RS: one,
  PS: one,
  ES256: ec("prime256v1"),
  ES384: ec("secp384r1"),
  ES512: ec("secp521r1"),
  EdDSA: inPem(generateKeyPairSync("ed25519")),
};
const secret = file("secret", Buffer.from("not so secret"));

/** Both halves of a method's key in files. */
function filesOf(method: string): { priv: string; pub: string } {
  const key = keys[method] ?? keys[method.slice(0, 2)];
  if (key === undefined) return { priv: secret, pub: "" };
  return {
    priv: file(`${method}.key`, key.privateKey),
    pub: file(`${method}.pub`, key.publicKey),
  };
}

const grant = { username: "u", revision: 7, prefix: "", index: 1, nowMs: 0, waited: true };
const methods = ["RS", "PS", "ES", "HS"].flatMap((m) => ["256", "384", "512"].map((n) => m + n));

for (const method of [...methods, "EdDSA"]) {
  test(`a token signed by ${method} names its user and revision until it expires`, () => {
    now = 1_000_000;
    const { priv, pub } = filesOf(method);
    const signer = make(`jwt,sign-method=${method},priv-key=${priv},pub-key=${pub},ttl=2m`);
    const token = signer.assign(grant) as string;
    assert.deepEqual(signer.info(token, 99, 0), { username: "u", revision: 7 });
    if (pub !== "") {
      const verifier = make(`jwt,sign-method=${method},pub-key=${pub}`);
      assert.deepEqual(verifier.info(token, 99, 0), { username: "u", revision: 7 });
      assert.match(String(verifier.assign(grant)), /verify-only key/);
    }
    const [head, body, signature] = token.split(".") as [string, string, string];
    const forged = Buffer.from('{"exp":2000000,"revision":7,"username":"root"}');
    assert.equal(
      signer.info(`${head}.${forged.toString("base64url")}.${signature}`, 99, 0),
      undefined,
    );
    assert.equal(signer.info(`${head}.${body}.`, 99, 0), undefined);
    now += 121;
    assert.equal(signer.info(token, 99, 0), undefined, "expired, though it was seen before");
  });
}

test("a token of another method or another key is nobody's", () => {
  now = 1_000_000;
  const { priv, pub } = filesOf("RS256");
  const signer = make(`jwt,sign-method=RS256,priv-key=${priv}`);
  const encode = (o: object): string => Buffer.from(JSON.stringify(o)).toString("base64url");
  const claims = encode({ exp: 2_000_000, revision: 7, username: "root" });
  // The public key as the secret of an HMAC: the oldest trick.
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${claims}`;
  const mac = createHmac("sha256", one.publicKey).update(signed).digest("base64url");
  assert.equal(signer.info(`${signed}.${mac}`, 1, 0), undefined);
  assert.equal(signer.info(`${encode({ alg: "none" })}.${claims}.`, 1, 0), undefined);
  assert.equal(signer.info(`${encode({ alg: "none" })}.${claims}.AA`, 1, 0), undefined);
  const other = make(`jwt,sign-method=RS256,priv-key=${file("other.key", two.privateKey)}`);
  assert.equal(signer.info(other.assign(grant) as string, 1, 0), undefined);
  assert.ok(
    make(`jwt,sign-method=RS256,pub-key=${pub}`).info(signer.assign(grant) as string, 1, 0),
  );
});

test("what does not hold a user, a revision and sound times is no token", () => {
  now = 1_000_000;
  const tokens = make(`jwt,sign-method=HS256,priv-key=${secret}`);
  const sign = (claims: object): string => {
    const encode = (o: object): string => Buffer.from(JSON.stringify(o)).toString("base64url");
    const signed = `${encode({ alg: "HS256" })}.${encode(claims)}`;
    return `${signed}.${createHmac("sha256", "not so secret").update(signed).digest("base64url")}`;
  };
  const info = (claims: object) => tokens.info(sign(claims), 1, 0);
  const sound = { username: "u", revision: 2 };
  assert.deepEqual(info(sound), sound);
  assert.deepEqual(info({ ...sound, exp: 1_000_001, nbf: 1_000_000 }), sound);
  assert.equal(info({ ...sound, exp: 1_000_000 }), undefined);
  assert.equal(info({ ...sound, nbf: 1_000_001 }), undefined);
  assert.equal(info({ ...sound, exp: "soon" }), undefined);
  assert.equal(info({ username: "u" }), undefined);
  assert.equal(info({ username: 1, revision: 2 }), undefined);
  assert.equal(info({ username: "u", revision: "2" }), undefined);
  assert.equal(info([]), undefined);
});

test("options that cannot be honoured are refused by name", () => {
  const { priv } = filesOf("ES256");
  const refused: [string, RegExp][] = [
    ["bearer", /"bearer" is neither simple nor jwt/],
    ["jwt", /sign-method "" is none of HS256/],
    ["jwt,sign-method=none,priv-key=x", /sign-method "none"/],
    ["jwt,sign-method=HS256", /HS256 needs priv-key/],
    ["jwt,sign-method=RS256", /needs priv-key or pub-key/],
    ["jwt,sign-method=RS256,priv-key=/nowhere", /priv-key cannot be read/],
    [`jwt,sign-method=RS256,priv-key=${secret}`, /priv-key is not such a key/],
    [`jwt,sign-method=RS256,priv-key=${priv}`, /needs a key of type rsa, not ec/],
    [`jwt,sign-method=ES384,priv-key=${priv}`, /needs the curve secp384r1, not prime256v1/],
    [`jwt,sign-method=HS256,priv-key=${secret},ttl=x`, /ttl=x is not a duration/],
    ["jwt,sign-method", /"sign-method" is not name=value/],
    ["jwt,ttl=1m,ttl=2m", /"ttl" is given twice/],
  ];
  for (const [options, message] of refused) assert.throws(() => make(options), message, options);
  const pub = file("two.pub", two.publicKey);
  const own = filesOf("RS256").priv;
  assert.throws(
    () => make(`jwt,sign-method=RS256,priv-key=${own},pub-key=${pub}`),
    /pub-key does not belong to priv-key/,
  );
});

test("a simple token is 16 letters and the index before its entry", () => {
  const tokens = make("simple");
  const token = tokens.assign({ ...grant, prefix: tokens.prefix(), index: 41 });
  assert.equal(token, "dddddddddddddddd.41");
  assert.deepEqual(tokens.info(token as string, 9, 0), { username: "u", revision: 9 });
  assert.deepEqual(tokens.info(token as string, 10, 0), { username: "u", revision: 10 });
  assert.equal(tokens.pendingIndex("anything.12"), 12n);
  for (const bad of ["a", "a.b", "a.-1", "a.1.2", "a.99999999999999999999", ""]) {
    assert.equal(tokens.pendingIndex(bad), undefined, bad);
  }
});
