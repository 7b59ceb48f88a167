// A real etcd and one of our members as a cluster over socket files: `unix://localhost:PORT` is a
// file in the working directory (etcd's own tests use nothing else). Clients come over unix and unixs.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { etcd, type Program, quoin, toolFolder } from "../../process/member.ts";
import { until } from "../../until.ts";

const real = etcd();
const skip = real === undefined ? "real etcd needs Go to build" : false;
const run = promisify(execFile);
const env = { PATH: process.env["PATH"] ?? "" };

test("members and clients meet over unix sockets", { skip }, async () => {
  const cwd = mkdtempSync(join(tmpdir(), "quoin-unix-"));
  const etcdctl = join(toolFolder("etcd") as string, "etcdctl");
  const [node, program] = quoin.command;
  const tools: [string, ...string[]][] = [[etcdctl], [node, program as string, "ctl"]];
  const initialCluster = "m1=unix://localhost:1,m2=unix://localhost:2";
  const flagsOf = (i: number): string[] => [
    `--name=m${i}`,
    `--data-dir=m${i}`,
    `--listen-peer-urls=unix://localhost:${i}`,
    `--initial-advertise-peer-urls=unix://localhost:${i}`,
    `--initial-cluster=${initialCluster}`,
    `--listen-client-urls=unix://localhost:1${i},unixs://localhost:2${i}`,
    `--advertise-client-urls=unix://localhost:1${i}`,
    "--auto-tls",
  ];
  const stopped = await Promise.all(
    [real as Program, quoin].map(({ command: [file, ...first] }, i) => {
      const child = spawn(file, [...first, ...flagsOf(i + 1)], { cwd, env, stdio: "ignore" });
      const ended = new Promise((resolve) => child.once("exit", resolve));
      return (signal: NodeJS.Signals) => {
        child.kill(signal);
        return ended;
      };
    }),
  );
  /** Again where it failed: two members have no leader for a while when one of them was held up. */
  const ctl = ([file, ...first]: readonly string[], ...args: string[]): Promise<string> =>
    until(args.join(" "), async () => {
      const { stdout } = await run(file as string, [...first, ...args], { cwd, env });
      return stdout;
    });
  try {
    // It fails while one does not serve.
    await ctl(
      [etcdctl],
      "--endpoints=unix://localhost:11,unix://localhost:12",
      "endpoint",
      "health",
    );
    for (const [i, tool] of tools.entries()) {
      for (const endpoint of ["unix://localhost:12", "unix:localhost:11"]) {
        await ctl(tool, `--endpoints=${endpoint}`, "put", "key", `${endpoint} ${i}`);
        for (const member of [1, 2]) {
          // The name in the certificate is the file's, without what looks like a port.
          const secure = [
            `--endpoints=unixs://localhost:2${member}`,
            `--cacert=m${member}/fixtures/client/cert.pem`,
          ];
          assert.equal(await ctl(tool, ...secure, "get", "key"), `key\n${endpoint} ${i}\n`);
        }
      }
    }
    await stopped[1]?.("SIGTERM");
    assert.deepEqual(
      readdirSync(cwd).filter((name) => /^localhost:\d*2$/.test(name)),
      [],
    );
  } finally {
    await Promise.all(stopped.map((stop) => stop("SIGKILL")));
    rmSync(cwd, { recursive: true, force: true });
  }
});
