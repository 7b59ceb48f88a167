import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect as connectPlain } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import tls from "node:tls";
import type { Issued } from "../../src/pki/index.ts";
import { until } from "../until.ts";
import {
  asPem,
  authority,
  leaf,
  revocationList,
  serialOf,
  writePair,
  writeText,
} from "./certificates.ts";
import { askFor, Rig } from "./rig.ts";

const folder = mkdtempSync(join(tmpdir(), "quoin-tls-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const ca = authority("first");
const other = authority("second");
const server = leaf(ca);
const pair = writePair(folder, "server", server);
const caFile = writeText(folder, "ca.crt", ca.cert);
const shown = ({ cert, key }: Issued) => ({ ca: ca.cert, cert, key });

test("a listener asks for certificates when it is given authorities, and only then", async () => {
  await using open = await Rig.start(pair);
  assert.equal(await open.ask({ ca: ca.cert }), "served");
  await using closed = await Rig.start({ ...pair, trustedCaFile: caFile });
  assert.equal(await closed.ask({ ca: ca.cert }), "refused");
  assert.equal(await closed.ask(shown(leaf(ca))), "served");
  assert.equal(await closed.ask(shown(leaf(other))), "refused");
  assert.equal(await closed.ask(shown(leaf(ca, { expired: true }))), "refused");
  assert.equal(await closed.ask(shown(leaf(ca, { usages: ["server"] }))), "refused");
  assert.equal(await closed.askPlain(), "refused");
  assert.deepEqual(closed.rejections().sort(), [
    "tls: client didn't provide a certificate",
    "tls: failed to verify certificate: x509: certificate has expired or is not yet valid",
    "tls: failed to verify certificate: x509: certificate signed by unknown authority",
    "tls: failed to verify certificate: x509: certificate specifies an incompatible key usage",
    "tls: first record does not look like a TLS handshake",
  ]);
  // Neither the refused nor the served leave anything behind.
  await until("all connections to be gone", () => closed.listener.connections === 0);
  await until("all connections to be gone", () => open.listener.connections === 0);
  const from = closed.lines.map((l) => String(l.fields["remote-addr"] ?? ""));
  assert.deepEqual(
    from.filter((address) => !/^127\.0\.0\.1:\d+$/.test(address)),
    [],
  );
});

test("files behind a link that moves on are followed, as Kubernetes changes a volume", async () => {
  for (const name of ["one", "two"]) {
    mkdirSync(join(folder, name));
    writePair(join(folder, name), "tls", leaf(ca, { commonName: name }));
  }
  const link = join(folder, "data");
  symlinkSync("one", link);
  await using rig = await Rig.start({
    certFile: join(link, "tls.crt"),
    keyFile: join(link, "tls.key"),
  });
  assert.equal(await commonName(rig), "one");
  symlinkSync("two", `${link}.new`);
  renameSync(`${link}.new`, link);
  assert.equal(await commonName(rig), "two");
});

test("an authority that is no root is trusted, also after a reload", async () => {
  const client = leaf(ca, { commonName: "itself" });
  const trustedCaFile = writeText(folder, "leaf-ca.crt", other.cert);
  await using rig = await Rig.start({ ...pair, trustedCaFile });
  assert.equal(await rig.ask(shown(client)), "refused");
  writeFileSync(trustedCaFile, client.cert);
  assert.equal(await rig.ask(shown(client)), "served");
  assert.equal(await rig.ask(shown(leaf(ca))), "refused");
});

test("a new certificate is shown at the next handshake; connections that stand stay", async () => {
  const files = writePair(folder, "rotated", leaf(ca, { commonName: "one" }));
  await using rig = await Rig.start(files);
  const standing = tls.connect({ host: "127.0.0.1", port: rig.port, ca: ca.cert });
  assert.ok(await askFor(standing));
  const next = leaf(ca, { commonName: "two" });
  // The two files are never replaced at once: half of the change must not break anything.
  writeFileSync(files.certFile, next.cert);
  assert.equal(await commonName(rig), "one");
  assert.match(lastWarning(rig), /private key does not match public key/);
  writeFileSync(files.keyFile, next.key);
  assert.equal(await commonName(rig), "two");
  for (const broken of ["", "no PEM", next.cert.slice(0, 200)]) {
    writeFileSync(files.certFile, broken);
    assert.equal(await commonName(rig), "two");
  }
  rmSync(files.certFile);
  assert.equal(await commonName(rig), "two");
  assert.match(lastWarning(rig), /rotated\.crt: no such file or directory/);
  assert.ok(await askFor(standing));
  standing.destroy();
});

test("authorities change from old to both to new without a restart", async () => {
  const trustedCaFile = writeText(folder, "changing.crt", ca.cert);
  await using rig = await Rig.start({ ...pair, trustedCaFile });
  const [old, young] = [leaf(ca), leaf(other)];
  const both = async () => [await rig.ask(shown(old)), await rig.ask(shown(young))];
  assert.deepEqual(await both(), ["served", "refused"]);
  writeFileSync(trustedCaFile, ca.cert + other.cert);
  assert.deepEqual(await both(), ["served", "served"]);
  writeFileSync(trustedCaFile, "");
  assert.deepEqual(await both(), ["served", "served"]);
  assert.match(lastWarning(rig), /no certificate in the trusted CA file/);
  writeFileSync(trustedCaFile, other.cert);
  assert.deepEqual(await both(), ["refused", "served"]);
});

test("a revoked certificate is refused from the moment the list says so, others go on", async () => {
  const [good, bad] = [leaf(ca), leaf(ca)];
  const crlFile = writeText(folder, "list.crl", revocationList(ca, []));
  await using rig = await Rig.start({ ...pair, trustedCaFile: caFile, crlFile });
  const standing = tls.connect({ host: "127.0.0.1", port: rig.port, ...shown(good) });
  assert.ok(await askFor(standing));
  const both = async () => [await rig.ask(shown(good)), await rig.ask(shown(bad))];
  assert.deepEqual(await both(), ["served", "served"]);
  writeFileSync(crlFile, revocationList(ca, ["01", serialOf(bad)]));
  assert.deepEqual(await both(), ["served", "refused"]);
  assert.match(rig.rejections().at(-1) ?? "", /^transport: certificate serial [0-9a-f]+ revoked$/);
  writeFileSync(crlFile, "torn");
  assert.deepEqual(await both(), ["served", "refused"]);
  assert.match(lastWarning(rig), /malformed crl/);
  writeFileSync(crlFile, asPem(revocationList(ca, [serialOf(good)])));
  assert.deepEqual(await both(), ["refused", "served"]);
  assert.ok(await askFor(standing));
  standing.destroy();
});

test("nobody is let in while the revocation list was never read", async () => {
  const crlFile = join(folder, "missing.crl");
  await using rig = await Rig.start({ ...pair, trustedCaFile: caFile, crlFile });
  assert.equal(await rig.ask(shown(leaf(ca))), "refused");
  writeFileSync(crlFile, revocationList(ca, []));
  assert.equal(await rig.ask(shown(leaf(ca))), "served");
});

test("only allowed names and CNs pass", async () => {
  await using named = await Rig.start({
    ...pair,
    trustedCaFile: caFile,
    allowedHostnames: ["b.example", "d.c.example", "10.0.0.9"],
  });
  const withHosts = (...hosts: string[]) => shown(leaf(ca, { hosts, commonName: "b.example" }));
  assert.equal(await named.ask(withHosts("a.example", "b.example")), "served");
  assert.equal(await named.ask(withHosts("*.c.example")), "served");
  assert.equal(await named.ask(withHosts("10.0.0.9")), "served");
  assert.equal(await named.ask(withHosts()), "refused");
  assert.equal(await named.ask(withHosts("a.example")), "refused");
  await using common = await Rig.start({ ...pair, trustedCaFile: caFile, allowedCns: ["x", "y"] });
  assert.equal(await common.ask(shown(leaf(ca, { commonName: "y" }))), "served");
  assert.equal(await common.ask(shown(leaf(ca, { commonName: "z", hosts: ["y"] }))), "refused");
  assert.deepEqual(common.rejections(), ["client certificate authentication failed"]);
});

test("a peer's certificate must fit the address it comes from", async () => {
  const resolver = {
    reverse: async () => ["known.example.", "pod.peers.example"],
    forward: async (name: string) => {
      if (name === "mine.example") return ["10.0.0.1", "127.0.0.1"];
      throw new Error(`no such host ${name}`);
    },
  };
  await using rig = await Rig.start(
    { ...pair, trustedCaFile: caFile },
    { endpoint: "peer", checksAddress: true, resolver },
  );
  const from = (...hosts: string[]) => rig.ask(shown(leaf(ca, { hosts })));
  assert.equal(await from(), "served");
  assert.equal(await from("127.0.0.1"), "served");
  assert.equal(await from("10.0.0.1", "known.example"), "served");
  assert.equal(await from("*.peers.example"), "served");
  assert.equal(await from("mine.example"), "served");
  assert.equal(await from("10.0.0.1"), "refused");
  assert.equal(await from("foreign.example"), "refused");
  assert.deepEqual(rig.rejections(), [
    "x509: certificate is valid for 10.0.0.1, not 127.0.0.1",
    'tls: "127.0.0.1" does not match any of DNSNames ["foreign.example"] (no such host foreign.example)',
  ]);
  assert.ok(rig.lines.some((l) => l.msg === "rejected connection on peer endpoint"));
});

test("versions and suites are kept to", async () => {
  await using old = await Rig.start({
    ...pair,
    maxVersion: "TLSv1.2",
    cipherSuites: ["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_RSA_WITH_RC4_128_SHA"],
  });
  const asks = { ca: ca.cert };
  assert.equal(await old.ask({ ...asks, minVersion: "TLSv1.3" }), "refused");
  assert.equal(await old.ask(asks), "served");
  assert.equal(await old.ask({ ...asks, ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384" }), "refused");
  await using young = await Rig.start({ ...pair, minVersion: "TLSv1.3" });
  assert.equal(await young.ask({ ...asks, maxVersion: "TLSv1.2" }), "refused");
  assert.equal(await young.ask(asks), "served");
});

test("one port takes TLS and plain connections where both are asked for", async () => {
  await using rig = await Rig.start(pair, { plain: true });
  assert.equal(await rig.ask({ ca: ca.cert }), "served");
  assert.equal(await rig.askPlain(), "served");
  const halfway = connectPlain({ host: "127.0.0.1", port: rig.port });
  await new Promise((resolve) => halfway.once("connect", resolve));
  halfway.end();
  await new Promise((resolve) => halfway.once("close", resolve));
});

test("a client that leaves in its handshake is gone at once", async () => {
  await using rig = await Rig.start(pair);
  const socket = connectPlain({ host: "127.0.0.1", port: rig.port, allowHalfOpen: true });
  socket.on("error", () => undefined);
  await new Promise((resolve) => socket.once("connect", resolve));
  socket.end(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]));
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
  await until("a line about it", () => rig.lines.some((l) => l.msg.startsWith("rejected")));
  assert.deepEqual(
    rig.lines.filter((l) => l.msg.startsWith("rejected")).map((l) => [l.level, l.fields["error"]]),
    [["debug", "EOF"]],
  );
});

test("connections beyond the bound are closed until others end", async () => {
  await using rig = await Rig.start(pair, { connections: 1 });
  const standing = tls.connect({ host: "127.0.0.1", port: rig.port, ca: ca.cert });
  assert.ok(await askFor(standing));
  assert.equal(await rig.ask({ ca: ca.cert }), "refused");
  assert.equal(await rig.ask({ ca: ca.cert }), "refused");
  assert.equal(rig.lines.filter((l) => l.msg.startsWith("too many connections")).length, 1);
  standing.destroy();
  await until("a place", () => rig.listener.connections === 0);
  assert.equal(await rig.ask({ ca: ca.cert }), "served");
});

test("a socket file replaces what is there and goes with the listener", async () => {
  const path = writeText(folder, "localhost:2379", "left by a crash");
  const rig = await Rig.start(pair, { where: { path } });
  assert.equal(rig.listener.address, path);
  const socket = tls.connect({ path, ca: ca.cert, servername: "localhost" });
  assert.ok(await askFor(socket));
  socket.destroy();
  await rig.listener.close();
  assert.equal(existsSync(path), false);
});

function lastWarning(rig: Rig): string {
  const line = rig.lines.filter((l) => l.level === "warn" && !l.msg.startsWith("rejected")).at(-1);
  return `${line?.msg} ${line?.fields["error"]}`;
}

/** Of the certificate that is shown now. */
async function commonName(rig: Rig): Promise<string> {
  const socket = tls.connect({ host: "127.0.0.1", port: rig.port, ca: ca.cert });
  await new Promise((resolve, reject) => {
    socket.once("secureConnect", resolve);
    socket.once("error", reject);
  });
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}
