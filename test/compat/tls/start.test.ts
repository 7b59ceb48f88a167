// What ends a start with TLS flags: real etcd's last words and ours.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { openTls } from "../../../src/bin/tls.ts";
import { parseServerConfig } from "../../../src/server/config/index.ts";
import { freePorts } from "../../free-ports.ts";
import { authority, leaf, writePair, writeText } from "../../tls/certificates.ts";
import { recordingLogger } from "../../tls/rig.ts";
import { findEtcd } from "../peer/etcd-tool.ts";

const binary = findEtcd();
const skip = binary === undefined ? "no real etcd is built here" : false;
const folder = mkdtempSync(join(tmpdir(), "quoin-tls-start-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const ca = authority("ca");
const { certFile, keyFile } = writePair(folder, "server", leaf(ca));
const foreign = writePair(folder, "foreign", leaf(ca));
const noPem = writeText(folder, "text", "no PEM");
const missing = join(folder, "missing");
const cert = `--cert-file=${certFile}`;
const key = `--key-file=${keyFile}`;
const peer = [`--peer-cert-file=${certFile}`, `--peer-key-file=${keyFile}`];

/** Client URLs are https; with "peer" peers' too. */
const cases: readonly (readonly string[])[] = [
  [],
  [cert],
  [key],
  [`--cert-file=${missing}`, key],
  [cert, `--key-file=${missing}`],
  [cert, `--key-file=${foreign.keyFile}`],
  [`--cert-file=${noPem}`, key],
  [cert, `--key-file=${noPem}`],
  [cert, key, `--trusted-ca-file=${missing}`],
  [cert, key, `--client-cert-file=${certFile}`],
  [cert, key, "--cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA,NOPE"],
  [cert, key, "--cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA"],
  [cert, key, "--tls-max-version=TLS1.2", "--tls-min-version=TLS1.3"],
  [cert, key, "--tls-min-version=TLS1.3", "--cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA"],
  ["--auto-tls", "--self-signed-cert-validity=0"],
  ["peer", cert, key],
  ["peer", cert, key, ...peer, "--peer-cert-allowed-cn=a,b", "--peer-cert-allowed-hostname=c"],
  ["peer", cert, key, ...peer, `--peer-client-key-file=${keyFile}`],
  [cert, key, `--peer-trusted-ca-file=${missing}`],
  [cert, key, "--listen-client-http-urls=http://127.0.0.1:PORT"],
];

const argvOf = (given: readonly string[], ports: readonly number[]): string[] => {
  const isPeer = given[0] === "peer";
  const client = `https://127.0.0.1:${ports[0]}`;
  const peerUrl = `${isPeer ? "https" : "http"}://127.0.0.1:${ports[1]}`;
  return [
    "--name=a",
    `--data-dir=${join(folder, "data")}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=a=${peerUrl}`,
    ...given.slice(isPeer ? 1 : 0).map((flag) => flag.replace("PORT", String(ports[0]))),
  ];
};

/** The last fatal line's error; etcd finds some of these only when it serves already. */
function etcdSays(argv: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(binary as string, argv, { env: {}, stdio: ["ignore", "ignore", "pipe"] });
    let stderr = "";
    child.stderr.on("data", (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.on("close", () => {
      rmSync(join(folder, "data"), { recursive: true, force: true });
      const lines = stderr.split("\n").filter((line) => line.startsWith("{"));
      const last = lines.map((line) => JSON.parse(line)).filter((l) => l.error !== undefined);
      const fatal = last.findLast((l) => l.level === "fatal") ?? last.at(-1);
      resolve(fatal?.error ?? stderr);
    });
  });
}

async function weSay(argv: readonly string[]): Promise<string> {
  const parsed = parseServerConfig(argv, {});
  if (parsed.kind === "exit") return String(parsed.log.at(-1)?.fields["error"]);
  try {
    await openTls(parsed.config, recordingLogger().logger);
    return "started";
  } catch (error) {
    return (error as Error).message;
  }
}

test("what cannot be served over TLS ends the start with etcd's words", { skip }, async () => {
  for (const given of cases) {
    const argv = argvOf(given, await freePorts(2));
    assert.equal(await weSay(argv), await etcdSays(argv), given.join(" "));
  }
});

test("a trusted CA file without a certificate ends the start, where etcd would refuse everybody", async () => {
  const empty = writeText(folder, "empty", "");
  const argv = argvOf([cert, key, `--trusted-ca-file=${empty}`], [1, 2]);
  assert.equal(await weSay(argv), "no certificate in the trusted CA file");
  writeFileSync(empty, ca.cert);
  assert.equal(await weSay(argv), "started");
});
