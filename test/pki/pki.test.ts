import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { type ConnectionOptions, connect, createServer, type TLSSocket } from "node:tls";
import {
  isIssuedBy,
  isKeyOf,
  issueLeaf,
  makeAuthority,
  readCertificate,
  selfSign,
  splitBundle,
} from "../../src/pki/index.ts";

const notBefore = new Date(Date.now() - 60_000);
const notAfter = new Date(Date.now() + 3_600_000);
const times = { notBefore, notAfter };

const authority = makeAuthority({ ...times, commonName: "test ca" });
const stranger = makeAuthority({ ...times, commonName: "test ca" });
const hosts = ["*.a-peer.ns.svc", "localhost", "127.0.0.1", "2001:db8::1"];
const order = { ...times, commonName: "a peer", hosts, usages: ["server", "client"] as const };
const leaf = issueLeaf(authority, order);

/** What the client's handshake with a server of that certificate ends with: "ok" or the verifier's word. */
async function handshake(client: ConnectionOptions, certificate = leaf): Promise<string> {
  const options = {
    ...certificate,
    ca: authority.cert,
    requestCert: true,
    rejectUnauthorized: true,
  };
  const server = createServer(options, (socket) => {
    socket.on("error", () => {});
    socket.end("ok");
  });
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const socket: TLSSocket = connect({
    port,
    host: "127.0.0.1",
    servername: "localhost",
    ...client,
  });
  try {
    return await new Promise<string>((resolve) => {
      socket.on("data", (data) => resolve(String(data)));
      socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? String(error)));
      socket.on("close", () => resolve("closed"));
    });
  } finally {
    socket.destroy();
    server.close();
  }
}

describe("issueLeaf()", () => {
  test("says what was ordered", () => {
    const facts = readCertificate(leaf.cert);
    assert.equal(facts.commonName, "a peer");
    assert.deepEqual(facts.hosts, hosts);
    assert.equal(facts.isAuthority, false);
    assert.equal(facts.notBeforeMs, Math.floor(notBefore.getTime() / 1000) * 1000);
    assert.equal(facts.notAfterMs, Math.floor(notAfter.getTime() / 1000) * 1000);
  });

  test("encodes addresses also where IPv4 stands in IPv6", () => {
    const written = ["::ffff:1.2.3.4", "::FFFF:102:304", "64:ff9b::1.2.3.4", "1::8", "::"];
    const { cert } = issueLeaf(authority, { ...order, hosts: written });
    const encoded = ["1.2.3.4", "1.2.3.4", "64:ff9b::102:304", "1::8", "::"];
    assert.deepEqual(readCertificate(cert).hosts, encoded);
  });

  test("can be valid beyond 2049, where the form of times changes", () => {
    const long = { ...order, notAfter: new Date("2061-02-03T04:05:06Z") };
    const facts = readCertificate(issueLeaf(authority, long).cert);
    assert.equal(facts.notAfterMs, Date.parse("2061-02-03T04:05:06Z"));
  });

  test("makes what OpenSSL takes on both sides, under a name the wildcard covers", async () => {
    const client = { ...leaf, ca: authority.cert };
    assert.equal(await handshake({ ...client, servername: "a-bcd-0.a-peer.ns.svc" }), "ok");
    assert.equal(
      await handshake({ ...client, servername: "a-bcd-0.b-peer.ns.svc" }),
      "ERR_TLS_CERT_ALTNAME_INVALID",
    );
  });

  test("is nothing to those who trust another authority of the same name", async () => {
    const theirs = { ...leaf, ca: stranger.cert };
    assert.match(await handshake(theirs), /CERT_SIGNATURE_FAILURE|UNABLE_TO_VERIFY|SELF_SIGNED/);
    assert.equal(isIssuedBy(leaf.cert, stranger.cert), false);
  });

  test("for servers alone is refused as a client's", async () => {
    const server = issueLeaf(authority, { ...order, usages: ["server"] });
    assert.notEqual(await handshake({ ...server, ca: authority.cert }), "ok");
    const client = issueLeaf(authority, { ...order, hosts: [], usages: ["client"] });
    assert.equal(await handshake({ ...client, ca: authority.cert }), "ok");
  });
});

test("isIssuedBy() finds the issuer in a bundle", () => {
  const bundle = `# old and new\n${stranger.cert}\n${authority.cert}`;
  assert.equal(splitBundle(bundle).length, 2);
  assert.equal(isIssuedBy(leaf.cert, bundle), true);
});

test("isKeyOf() tells a pair from two halves", () => {
  assert.equal(isKeyOf(leaf.cert, leaf.key), true);
  assert.equal(isKeyOf(leaf.cert, authority.key), false);
});

test("makeAuthority() may sign, and readCertificate() says so", () => {
  assert.equal(readCertificate(authority.cert).isAuthority, true);
});

test("selfSign() vouches for itself", async () => {
  const self = selfSign({ ...order, usages: ["server"] });
  assert.equal(await handshake({ ...leaf, ca: self.cert }, self), "ok");
  assert.notEqual(await handshake({ ...leaf, ca: authority.cert }, self), "ok");
  assert.equal(readCertificate(self.cert).isAuthority, false);
});

test("readCertificate() refuses what is no certificate", () => {
  assert.throws(() => readCertificate("hello"));
});
