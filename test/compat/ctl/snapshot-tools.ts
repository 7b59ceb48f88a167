// The command lines of both, and members for what they restore.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";
import { freePorts } from "../../free-ports.ts";
import { Member, type Program, toolFolder } from "../../process/member.ts";

export type Owner = "etcd" | "quoin";
export type Tool = "etcdctl" | "etcdutl";

const root = join(import.meta.dirname, "..", "..", "..");
const ours = join(root, "bin");

/** Of the real tools; undefined where they cannot be built. */
export const realTools = toolFolder("etcd");

export const pathOf = (owner: Owner, tool: Tool): string =>
  join(owner === "quoin" ? ours : (realTools as string), tool);

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a tool to its end in `cwd`, whatever comes of it. */
export async function attempt(
  owner: Owner,
  tool: Tool,
  args: readonly string[],
  cwd: string = root,
): Promise<Ended> {
  const child = start(owner, tool, args, cwd);
  const [stdout, stderr] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    ended(child),
  ]);
  return { status: child.exitCode, stdout, stderr };
}

/** Starts a tool, with both outputs as pipes. */
export function start(owner: Owner, tool: Tool, args: readonly string[], cwd: string = root) {
  const env = { PATH: process.env["PATH"] ?? "" };
  return spawn(pathOf(owner, tool), args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
}

/** Resolves when the process has ended, in whatever way. */
export const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    child.once("close", () => resolve());
    child.once("error", reject);
  });

/** As `attempt`, for what must succeed. */
export async function run(owner: Owner, tool: Tool, ...args: string[]): Promise<Ended> {
  const ended = await attempt(owner, tool, args);
  assert.equal(ended.status, 0, `${owner} ${tool} ${args.join(" ")}: ${ended.stderr}`);
  return ended;
}

/** A folder that goes with the test. */
export function scratch(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), "quoin-snapshot-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** The only member of a new cluster, not started. */
export async function memberOf(server: Program, dir: string, name: string): Promise<Member> {
  const [clientPort, peerPort] = (await freePorts(2)) as [number, number];
  const initialCluster = `${name}=http://127.0.0.1:${peerPort}`;
  return new Member({ program: server, name, folder: dir, clientPort, peerPort, initialCluster });
}

/** Flags that restore into this member's folder. */
export const restoreFlags = (member: Member): string[] => [
  `--data-dir=${member.dataDir}`,
  `--name=${member.name}`,
  `--initial-cluster=${member.name}=${member.peerUrl}`,
  `--initial-advertise-peer-urls=${member.peerUrl}`,
];
