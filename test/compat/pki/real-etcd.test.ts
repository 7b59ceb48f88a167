// Real etcd, and so Go's verifier, on both sides of connections with our certificates.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { type Issued, issueLeaf, makeAuthority } from "../../../src/pki/index.ts";
import { freePorts } from "../../free-ports.ts";
import { until } from "../../until.ts";
import { findEtcd } from "../peer/etcd-tool.ts";

const binary = findEtcd();
const skip = binary === undefined ? "no real etcd is built here" : false;
const folder = mkdtempSync(join(tmpdir(), "quoin-pki-etcd-"));
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

const times = {
  notBefore: new Date(Date.now() - 60_000),
  notAfter: new Date(Date.now() + 3_600_000),
};

/** Files of a side: `<side>-ca.crt`, and a leaf of it as `<name>.crt` and `<name>.key`. */
function side(name: string) {
  const authority = makeAuthority({ ...times, commonName: `a etcd ${name} authority` });
  const write = (file: string, text: string): string => {
    const path = join(folder, file);
    writeFileSync(path, text);
    return path;
  };
  const pair = (leaf: Issued, file: string) => ({
    cert: write(`${file}.crt`, leaf.cert),
    key: write(`${file}.key`, leaf.key),
  });
  return {
    ca: write(`${name}-ca.crt`, authority.cert),
    leaf: (file: string, hosts: readonly string[], usages: readonly ("server" | "client")[]) =>
      pair(issueLeaf(authority, { ...times, commonName: file, hosts, usages }), file),
  };
}

test("etcd members take each other's certificates, and clients theirs; a client's is no peer's", {
  skip,
}, async () => {
  const clients = side("client");
  const peers = side("peer");
  const hosts = ["*.a-peer.ns.svc", "localhost", "127.0.0.1"];
  const server = clients.leaf("server", hosts, ["server"]);
  const client = clients.leaf("client", [], ["client"]);
  const peer = peers.leaf("peer", hosts, ["server", "client"]);
  const ports = await freePorts(4);
  const peerUrl = (i: number) => `https://127.0.0.1:${ports[2 + i]}`;
  const clientUrl = (i: number) => `https://127.0.0.1:${ports[i]}`;
  for (const i of [0, 1]) {
    const flags = [
      ...[`--name=m${i}`, `--data-dir=${join(folder, `m${i}`)}`],
      ...[`--listen-client-urls=${clientUrl(i)}`, `--advertise-client-urls=${clientUrl(i)}`],
      ...[`--listen-peer-urls=${peerUrl(i)}`, `--initial-advertise-peer-urls=${peerUrl(i)}`],
      `--initial-cluster=m0=${peerUrl(0)},m1=${peerUrl(1)}`,
      ...[`--cert-file=${server.cert}`, `--key-file=${server.key}`],
      ...[`--trusted-ca-file=${clients.ca}`, "--client-cert-auth=true"],
      ...[`--peer-cert-file=${peer.cert}`, `--peer-key-file=${peer.key}`],
      ...[`--peer-trusted-ca-file=${peers.ca}`, "--peer-client-cert-auth=true"],
      // As the operator's members have it; the gateway dials its own member with this one.
      "--peer-skip-client-san-verification=true",
      ...[`--client-cert-file=${client.cert}`, `--client-key-file=${client.key}`],
    ];
    children.push(spawn(binary ?? "", flags, { stdio: "ignore" }));
  }

  const etcdctl = join(dirname(binary ?? ""), "etcdctl");
  const shown = [`--cacert=${clients.ca}`, `--cert=${client.cert}`, `--key=${client.key}`];
  const run = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)(etcdctl, args)).stdout;
  // A write proves both: the client was let in, and the two members agree.
  await until("a write", () => run(`--endpoints=${clientUrl(1)}`, ...shown, "put", "a", "b"));
  const get = () => run(`--endpoints=${clientUrl(0)}`, ...shown, "get", "a");
  assert.equal(await until("a read", get), "a\nb\n");
  const bare = run(`--endpoints=${clientUrl(0)}`, `--cacert=${clients.ca}`, "get", "a");
  await assert.rejects(bare, "no certificate");

  const status = (shown: { cert: string; key: string }) => pageStatus(peerUrl(0), peers.ca, shown);
  assert.equal(await status(peer), 200);
  await assert.rejects(status(client), "a client's certificate at the peers' port");
});

/** HTTP status of a page, asked for with this certificate. */
function pageStatus(url: string, ca: string, shown: { cert: string; key: string }) {
  return new Promise<number | undefined>((resolve, reject) => {
    const [trusted, cert, key] = [ca, shown.cert, shown.key].map((file) => readFileSync(file));
    const tls = { ca: trusted, cert, key, agent: false };
    request(`${url}/version`, tls, (answer) => resolve(answer.resume().statusCode))
      .on("error", reject)
      .end();
  });
}
