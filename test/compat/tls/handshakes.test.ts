// Which handshakes a server accepts on each of its ports, by its TLS flags: real etcd and ours are
// asked the same, and the answers are written down here too.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestSecurely } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { ConnectionOptions } from "node:tls";
import { freePorts } from "../../free-ports.ts";
import { etcd, type Program, quoin } from "../../process/member.ts";
import {
  authority,
  leaf,
  revocationList,
  serialOf,
  writePair,
  writeText,
} from "../../tls/certificates.ts";
import { until } from "../../until.ts";

const real = etcd();
const skip = real === undefined ? "real etcd needs Go to build" : false;
const folder = mkdtempSync(join(tmpdir(), "quoin-handshakes-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const ca = authority("ca");
const other = authority("other");
const server = writePair(folder, "server", leaf(ca));
const caFile = writeText(folder, "ca.crt", ca.cert);
const revoked = leaf(ca);
const crlFile = writeText(folder, "list.crl", revocationList(ca, [serialOf(revoked)]));
const itself = leaf(ca, { commonName: "itself" });
const itselfFile = writeText(folder, "itself.crt", itself.cert);

/** What a client shows and offers. */
const clients: Record<string, ConnectionOptions> = {
  nothing: {},
  good: leaf(ca, { commonName: "cn" }),
  foreign: leaf(other),
  expired: leaf(ca, { expired: true }),
  serverOnly: leaf(ca, { usages: ["server"] }),
  revoked,
  itself,
  nameless: leaf(ca, { hosts: [] }),
  elsewhere: leaf(ca, { hosts: ["10.0.0.1"] }),
  localhost: leaf(ca, { hosts: ["localhost"] }),
  unknownName: leaf(ca, { hosts: ["nowhere.invalid"] }),
  tls12: { ...leaf(ca, { commonName: "cn" }), maxVersion: "TLSv1.2" },
  tls13: { ...leaf(ca, { commonName: "cn" }), minVersion: "TLSv1.3" },
  aes256: {
    ...leaf(ca, { commonName: "cn" }),
    maxVersion: "TLSv1.2",
    ciphers: "ECDHE-ECDSA-AES256-GCM-SHA384",
  },
};

type Port = "client" | "peer" | "metrics" | "http";

interface Setting {
  readonly name: string;
  readonly flags: readonly string[];
  /** Clients that are served, by port; all others are refused. `plain` is HTTP without TLS. */
  readonly served: Readonly<Partial<Record<Port, readonly string[]>>>;
  /** The client URL's scheme is both. */
  readonly both?: boolean;
  /** HTTP has a URL of its own, so that client URLs serve gRPC alone. */
  readonly split?: boolean;
}

const own = (more: readonly string[], peerMore: readonly string[]): string[] => [
  `--cert-file=${server.certFile}`,
  `--key-file=${server.keyFile}`,
  `--peer-cert-file=${server.certFile}`,
  `--peer-key-file=${server.keyFile}`,
  ...more,
  ...peerMore,
];

const all = Object.keys(clients);
const without = (...names: string[]): string[] => all.filter((name) => !names.includes(name));
/** Chains and uses that are no good for a client. */
const bad = ["nothing", "foreign", "expired", "serverOnly"];
const misplaced = ["elsewhere", "unknownName"];

const settings: readonly Setting[] = [
  {
    name: "a certificate alone asks nothing of clients",
    flags: own([], []),
    served: { client: all, peer: all, metrics: all },
  },
  {
    name: "a trusted CA alone makes certificates required",
    flags: own(
      [`--trusted-ca-file=${caFile}`],
      [`--peer-trusted-ca-file=${caFile}`, "--peer-client-cert-auth"],
    ),
    served: {
      client: without(...bad),
      peer: without(...bad, ...misplaced),
      metrics: without(...bad, ...misplaced),
    },
  },
  {
    name: "revoked and not allowed",
    flags: own(
      [
        `--trusted-ca-file=${caFile}`,
        "--client-cert-auth",
        `--client-crl-file=${crlFile}`,
        "--client-cert-allowed-hostname=localhost,10.0.0.1",
      ],
      [
        `--peer-trusted-ca-file=${caFile}`,
        `--peer-crl-file=${crlFile}`,
        "--peer-cert-allowed-cn=a,cn",
        "--peer-skip-client-san-verification",
      ],
    ),
    served: {
      client: without(...bad, "revoked", "nameless", "unknownName"),
      peer: ["good", "tls12", "tls13", "aes256"],
      metrics: without(...bad, ...misplaced, "revoked", "nameless"),
    },
  },
  {
    name: "an authority that is no root, TLS 1.3, names of peers",
    flags: own(
      [`--trusted-ca-file=${itselfFile}`, "--tls-min-version=TLS1.3"],
      [`--peer-trusted-ca-file=${caFile}`, "--peer-cert-allowed-hostname=10.0.0.1,127.0.0.1"],
    ),
    served: {
      client: ["itself"],
      peer: without(...bad, ...misplaced, "nameless", "localhost", "tls12", "aes256"),
      metrics: ["itself"],
    },
  },
  {
    name: "nobody the system trusts; suites; plain HTTP on the same port",
    both: true,
    flags: own(
      ["--client-cert-auth", "--tls-max-version=TLS1.2"],
      ["--cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,TLS_RSA_WITH_RC4_128_SHA"],
    ),
    served: { client: ["plain"], peer: without("tls13", "aes256"), metrics: [] },
  },
  {
    name: "HTTP on a port of its own",
    split: true,
    flags: own([`--trusted-ca-file=${caFile}`], []),
    served: {
      client: [],
      peer: all,
      metrics: without(...bad, ...misplaced),
      http: without(...bad),
    },
  },
];

for (const setting of settings) {
  test(`handshakes: ${setting.name}`, { skip }, async () => {
    const [theirs, ours] = await Promise.all([ask(real as Program, setting), ask(quoin, setting)]);
    assert.deepEqual(theirs, answersOf(setting), "real etcd");
    assert.deepEqual(ours, theirs, "quoin");
  });
}

/** In the order of the numbers that a server is started with. */
const portNames: readonly Port[] = ["client", "peer", "metrics", "http"];

const answersOf = (setting: Setting): Record<string, readonly string[]> =>
  Object.fromEntries(
    Object.entries(setting.served).map(([port, names]) => [port, [...names].sort()]),
  );

/** Who is served, by port. */
async function ask(program: Program, setting: Setting): Promise<Record<string, string[]>> {
  const ports = await freePorts(4);
  await using _server = await Server.start(program, setting, ports);
  const found: Record<string, string[]> = {};
  for (const [i, name] of portNames.entries()) {
    if (setting.served[name] === undefined) continue;
    const port = ports[i] as number;
    const path = name === "metrics" ? "/metrics" : "/version";
    const answers = await Promise.all([
      ...all.map(async (client) => {
        const options = { ca: ca.cert, ...clients[client] };
        return (await isServed(port, path, options)) ? [client] : [];
      }),
      isServed(port, path, undefined).then((served) => (served ? ["plain"] : [])),
    ]);
    found[name] = answers.flat().sort();
  }
  return found;
}

/** One request on a connection of its own; plain HTTP without options. */
function isServed(
  port: number,
  path: string,
  options: ConnectionOptions | undefined,
): Promise<boolean> {
  const where = { host: "127.0.0.1", port, path, agent: false };
  return new Promise((resolve) => {
    const answer = (response: IncomingMessage): void => {
      response.resume();
      resolve(response.statusCode === 200);
    };
    const sent =
      options === undefined
        ? requestPlain(where, answer)
        : requestSecurely({ ...where, ...options }, answer);
    sent.on("error", () => resolve(false));
    sent.end();
  });
}

class Server implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when it says that it serves clients. */
  static async start(
    program: Program,
    setting: Setting,
    [client, peer, metrics, http]: readonly number[],
  ): Promise<Server> {
    const dir = mkdtempSync(join(folder, "data-"));
    mkdirSync(dir, { recursive: true });
    const url = (port: number | undefined) => `https://127.0.0.1:${port}`;
    const clientUrls = setting.both ? `${url(client)},http://127.0.0.1:${client}` : url(client);
    const [file, ...first] = program.command;
    const args = [
      ...first,
      "--name=a",
      `--data-dir=${dir}`,
      `--listen-client-urls=${clientUrls}`,
      `--advertise-client-urls=${url(client)}`,
      `--listen-peer-urls=${url(peer)}`,
      `--initial-advertise-peer-urls=${url(peer)}`,
      `--initial-cluster=a=${url(peer)}`,
      `--listen-metrics-urls=${url(metrics)}`,
      ...(setting.split ? [`--listen-client-http-urls=${url(http)}`] : []),
      ...setting.flags,
    ];
    const env = { PATH: process.env["PATH"] ?? "" };
    const child = spawn(file, args, { env, stdio: ["ignore", "ignore", "pipe"] });
    const server = new Server(child);
    let log = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      log += chunk.toString();
    });
    try {
      await until(`${program.name} to serve`, () => {
        if (child.exitCode !== null) throw new Error(log);
        return /serving client traffic/.test(log);
      });
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }
}
