// What etcdctl's TLS flags and endpoint forms come to against a server that wants certificates: the
// real tool and ours, on the same real etcd.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { freePorts } from "../../free-ports.ts";
import { etcd, type Program, quoin, toolFolder } from "../../process/member.ts";
import { authority, leaf, writePair, writeText } from "../../tls/certificates.ts";
import { until } from "../../until.ts";

const real = etcd();
const skip = real === undefined ? "real etcd needs Go to build" : false;

interface Case {
  readonly endpoint: string;
  readonly flags: readonly string[];
  /** Others wait for their timeout, so theirs is short. */
  readonly served?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

const batch = 4;

/** NAME.crt and .key are in the working directory; SECURE and PLAIN are the server's addresses. */
const trusting = ["--cacert=ca.crt"];
const shown = ["--cert=client.crt", "--key=client.key"];
const cases: readonly Case[] = [
  { endpoint: "https://SECURE", flags: [...trusting, ...shown], served: true },
  { endpoint: "SECURE", flags: [...trusting, ...shown], served: true },
  { endpoint: "SECURE", flags: [...shown, "--insecure-skip-tls-verify"], served: true },
  { endpoint: "https://SECURE", flags: ["--insecure-skip-tls-verify"] },
  { endpoint: "https://SECURE", flags: trusting },
  { endpoint: "https://SECURE", flags: shown },
  { endpoint: "https://SECURE", flags: [] },
  { endpoint: "SECURE", flags: [] },
  { endpoint: "SECURE", flags: [...shown, "--cacert=other.crt"] },
  { endpoint: "https://SECURE", flags: [...trusting, "--cert=other.crt", "--key=other.key"] },
  { endpoint: "http://SECURE", flags: [...trusting, ...shown] },
  { endpoint: "PLAIN", flags: [], served: true },
  { endpoint: "http://PLAIN", flags: [...trusting, ...shown], served: true },
  { endpoint: "PLAIN", flags: [...trusting, ...shown] },
  { endpoint: "PLAIN", flags: ["--insecure-transport=false"] },
  {
    endpoint: "SECURE",
    flags: ["--insecure-transport=false", ...trusting, ...shown],
    served: true,
  },
  { endpoint: "http://PLAIN", flags: ["--insecure-transport=false"], served: true },
  { endpoint: "https://SECURE", flags: ["--cert=client.crt"] },
  { endpoint: "https://SECURE", flags: ["--key=client.key"] },
  { endpoint: "https://SECURE", flags: ["--cacert=missing"] },
  { endpoint: "https://SECURE", flags: ["--cert=client.crt", "--key=missing"] },
  { endpoint: "https://SECURE", flags: ["--cert=client.crt", "--key=other.key"] },
  { endpoint: "https://SECURE", flags: ["--cacert="] },
  {
    endpoint: "https://SECURE",
    flags: [],
    served: true,
    env: {
      ETCDCTL_API: "3",
      ETCDCTL_CACERT: "ca.crt",
      ETCDCTL_CERT: "client.crt",
      ETCDCTL_KEY: "client.key",
    },
  },
];

test("etcdctl and ours connect, or fail, alike over TLS", { skip }, async () => {
  const cwd = mkdtempSync(join(tmpdir(), "quoin-ctl-tls-"));
  const ca = authority("ca");
  writeText(cwd, "ca.crt", ca.cert);
  writePair(cwd, "server", leaf(ca));
  writePair(cwd, "client", leaf(ca, { hosts: [], usages: ["client"] }));
  writePair(cwd, "other", leaf(authority("other")));
  const [secure, plain, peer] = await freePorts(3);
  const [file] = (real as Program).command;
  const server = spawn(
    file,
    [
      "--data-dir=data",
      `--listen-client-urls=https://127.0.0.1:${secure},http://127.0.0.1:${plain}`,
      `--advertise-client-urls=https://127.0.0.1:${secure}`,
      `--listen-peer-urls=http://127.0.0.1:${peer}`,
      "--cert-file=server.crt",
      "--key-file=server.key",
      "--trusted-ca-file=ca.crt",
    ],
    { cwd, env: {}, stdio: "ignore" },
  );
  const ended = new Promise((resolve) => server.once("exit", resolve));
  const etcdctl: [string] = [join(toolFolder("etcd") as string, "etcdctl")];
  const [node, program] = quoin.command;
  const ours: [string, ...string[]] = [node, program as string, "ctl"];
  const ask = ({ endpoint, flags, served, env = {} }: Case, tool: [string, ...string[]]) => {
    const where = endpoint
      .replace("SECURE", `127.0.0.1:${secure}`)
      .replace("PLAIN", `127.0.0.1:${plain}`);
    const seconds = served ? 30 : 2;
    const timeouts = [`--dial-timeout=${seconds}s`, `--command-timeout=${seconds}s`];
    const args = [...flags, `--endpoints=${where}`, ...timeouts, "put", "k", "v"];
    return run(tool, args, cwd, env);
  };
  try {
    const plainly = { endpoint: "http://PLAIN", flags: [], served: true };
    await until("the server", async () => /OK/.test(await ask(plainly, etcdctl)));
    // Some wait for their timeout: a few at a time.
    for (let at = 0; at < cases.length; at += batch) {
      await Promise.all(
        cases.slice(at, at + batch).map(async (given) => {
          const [theirs, mine] = await Promise.all([ask(given, etcdctl), ask(given, ours)]);
          const what = `${given.endpoint} ${given.flags.join(" ")}`;
          assert.equal(theirs.startsWith("0 OK"), given.served ?? false, what);
          assert.equal(mine, theirs, what);
        }),
      );
    }
  } finally {
    server.kill("SIGKILL");
    await ended;
    rmSync(cwd, { recursive: true, force: true });
  }
});

/** Exit code, standard output and the last words, which are no log line. */
function run(
  [file, ...first]: readonly [string, ...string[]],
  args: readonly string[],
  cwd: string,
  more: Readonly<Record<string, string>>,
): Promise<string> {
  const env = { PATH: process.env["PATH"] ?? "", ...more };
  return new Promise((resolve) => {
    const child = execFile(file, [...first, ...args], { cwd, env }, (_, stdout, stderr) => {
      const last = stderr.trimEnd().split("\n").at(-1) ?? "";
      resolve(`${child.exitCode} ${stdout}${last.startsWith("{") ? "" : last}`);
    });
  });
}
