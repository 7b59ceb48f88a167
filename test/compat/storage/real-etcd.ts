import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "../../free-ports.ts";
import { Hopeless, NotYet, until } from "../../until.ts";

/** Etcdctl's own 2 and 5 s are for a machine that has nothing else to do. */
export const patience = ["--dial-timeout=30s", "--command-timeout=60s"];

/** Folder of the real etcd, etcdctl and etcdutl (e2e/tools/build.sh), if they have been built. */
export function findEtcdTools(): string | undefined {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const tools = join(cache, "quoin", "tools");
  if (!existsSync(tools)) return undefined;
  const folder = readdirSync(tools).find((name) => existsSync(join(tools, name, "etcdutl")));
  return folder === undefined ? undefined : join(tools, folder);
}

/** Passed to `skip`: false, or why not. */
export const skipWithoutEtcd =
  findEtcdTools() === undefined ? "needs e2e/tools/build.sh etcd to have run" : false;

export function tool(name: "etcdctl" | "etcdutl", args: readonly string[]): string {
  return execFileSync(join(findEtcdTools() as string, name), args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
}

export function temporaryFolder(t: { after(f: () => void): void }): string {
  const dir = mkdtempSync(join(tmpdir(), "quoin-storage-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

export interface RunningEtcd {
  readonly endpoint: string;
  readonly peerUrl: string;
  ctl(...args: string[]): string;
  stop(): Promise<void>;
}

/** Starts a real etcd (or `program`) as a cluster of one and waits until it answers. */
export async function startEtcd(
  t: { after(f: () => Promise<void>): void },
  dataDir: string,
  options: { flags?: readonly string[]; peerUrl?: string; program?: string } = {},
): Promise<RunningEtcd> {
  const [client, peer] = (await freePorts(2)) as [number, number];
  const endpoint = `http://127.0.0.1:${client}`;
  const peerUrl = options.peerUrl ?? `http://127.0.0.1:${peer}`;
  const args = [
    "--name=m1",
    `--data-dir=${dataDir}`,
    `--listen-client-urls=${endpoint}`,
    `--advertise-client-urls=${endpoint}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=m1=${peerUrl}`,
    ...(options.flags ?? []),
  ];
  // Into a file: nobody would read a pipe while a tool runs, and a full one holds etcd up.
  const logFile = `${dataDir}.log`;
  const log = openSync(logFile, "a");
  const child = spawn(options.program ?? join(findEtcdTools() as string, "etcd"), args, {
    stdio: ["ignore", "ignore", log],
  });
  closeSync(log);
  const stop = (): Promise<void> => end(child);
  t.after(stop);
  await until("etcd to become ready", async () => {
    if (await isHealthy(endpoint)) return true;
    const Why = child.exitCode === null ? NotYet : Hopeless;
    throw new Why(`etcd says:\n${readFileSync(logFile, "utf8").slice(-3000)}`);
  });
  return {
    endpoint,
    peerUrl,
    ctl: (...a) => tool("etcdctl", ["--endpoints", endpoint, ...patience, ...a]),
    stop,
  };
}

async function isHealthy(endpoint: string): Promise<boolean> {
  try {
    return (await fetch(`${endpoint}/health`)).ok;
  } catch {
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exited;
}
