// The same command lines by real etcdctl and by ours, one after the other, each on an etcd server of
// its own that was started alike (same ports, so same ids). What they print must be equal to the
// byte, and their exit codes; clock readings and our own words of help are left out.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Client } from "../../../src/client/index.ts";
import { freePorts } from "../../free-ports.ts";
import { etcd, Member, toolFolder } from "../../process/member.ts";
import { patience } from "../storage/real-etcd.ts";

const server = etcd();
const folder = toolFolder("etcd");
export const skip =
  server === undefined || folder === undefined ? "real etcd needs Go to build" : false;

/** A tool's command: the program and the arguments before all others. */
export type Tool = readonly [string, ...string[]];

const root = join(import.meta.dirname, "..", "..", "..");
export const theirs = (name: "etcdctl" | "etcdutl"): Tool => [join(folder ?? "", name)];
/** QUOIN_BIN: launchers before a bundle (`npm run bundle`) instead of those of this checkout. */
const ourFolder = process.env["QUOIN_BIN"] ?? join(root, "bin");
export const ours = (name: "etcdctl" | "etcdutl"): Tool => [join(ourFolder, name)];

export interface Line {
  /** {dir} stands for a folder, {NAME} for what an earlier line captured. */
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Ids that the server draws are not compared, nor the order that follows from them. */
  readonly drawn?: boolean;
  /** Remembers what the first group found in stdout. */
  readonly capture?: readonly [name: string, pattern: RegExp];
  /** Done before the line, with a client of the server. */
  readonly before?: (client: Client) => Promise<unknown>;
}

export interface Result {
  readonly stdout: string;
  readonly code: number | null;
  readonly stderr: string;
}

export const run = (...args: string[]): Line => ({ args });

/** How UTF-8 looks in the bytes that are compared, one character a byte. */
const bar = Buffer.from("│").toString("latin1");
const micro = Buffer.from("µ").toString("latin1");
const tookTime = new RegExp(`took(:|":|" :|)( = | |"|)[\\d.]+(m|n|${micro})?s`, "gi");
const sizeCells = new RegExp(`${bar} +\\d+ kB ${bar} +\\d+ kB ${bar} +-?\\d+% ${bar}`, "g");

/** Clock readings differ from run to run, and so does the size of a file that is being written. */
const timeless = (text: string): string =>
  text
    .replace(tookTime, "took$1$2?")
    .replace(/"dbSize(InUse)?":\d+,/g, "")
    .replace(/"DBSize(InUse)?" : \d+\n/g, "")
    .replace(/, \d+ kB, \d+ kB, -?\d+%/g, "")
    .replace(sizeCells, "");

/**
 * The words in the order of the alphabet: members are listed by their ids. Leases of 500 and 600
 * seconds run, for a minute and more where tools start slowly.
 */
const withoutIds = (text: string): string =>
  text
    .replace(/\b([0-9a-f]{13,16}|\d{15,20})\b/g, "ID")
    .replace(/(?<!\d)([45]\d\d|600)(?!\d)/g, "TTL")
    .split(/[\s,{}[\]"]+/)
    .sort()
    .join(" ");

/** Log lines, and what cobra says behind an error, are for people alone. */
function forPrograms(stderr: string): string {
  const said = stderr.split("\nUsage:\n")[0] as string;
  return said
    .split("\n")
    .filter((line) => !/^(\{|stty: |20\d\d[/-])/.test(line))
    .map((line) => line.replace(/^(Error: marshal unsupported for type [\w.*]+).*/, "$1"))
    .join("\n")
    .trim();
}

export function execute(tool: Tool, { args, stdin, env }: Line): Promise<Result> {
  const [file, ...first] = tool;
  const child = spawn(file, [...first, ...args], {
    env: { PATH: process.env["PATH"] ?? "", ...env },
    stdio: "pipe",
  });
  const out = { stdout: "", stderr: "" };
  child.stdout.setEncoding("latin1").on("data", (text) => {
    out.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    out.stderr += text;
  });
  child.stdin.on("error", () => undefined);
  child.stdin.end(stdin ?? "");
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const stderr = timeless(forPrograms(out.stderr));
      resolve({ stdout: timeless(out.stdout), code, stderr });
    });
  });
}

/** A fresh real etcd. */
export function freshServer(dir: string, ports: readonly number[]): Member {
  const [clientPort, peerPort] = ports as [number, number];
  return new Member({
    program: server as NonNullable<typeof server>,
    name: "one",
    folder: dir,
    clientPort,
    peerPort,
    initialCluster: `one=http://127.0.0.1:${peerPort}`,
  });
}

/** Runs the lines with one tool against a fresh server on the given ports. */
async function perform(
  tool: Tool,
  lines: readonly Line[],
  ports: readonly number[],
): Promise<Result[]> {
  const dir = mkdtempSync(join(tmpdir(), "quoin-ctl-"));
  await using member = freshServer(dir, ports);
  member.start();
  await member.ready();
  const known = new Map([["dir", "/tmp"]]);
  const results: Result[] = [];
  const endpoint = `--endpoints=${member.endpoint.slice(7)}`;
  for (const line of lines) {
    if (line.before !== undefined) {
      using client = new Client({ endpoints: [member.endpoint] });
      await line.before(client);
    }
    const args = line.args.map((a) =>
      a.replace(/\{(\w+)\}/g, (_, name) => known.get(name) ?? name),
    );
    // Where a line gives none of its own: the 2 and 5 s of both tools are little for a busy machine.
    const waits = line.env?.["ETCDCTL_COMMAND_TIMEOUT"] === undefined ? patience : [];
    const result = await execute([...tool, endpoint, ...waits], { ...line, args });
    const found = line.capture?.[1].exec(result.stdout)?.[1];
    if (line.capture !== undefined) known.set(line.capture[0], found ?? "not found");
    results.push(
      line.drawn === true
        ? { ...result, stdout: withoutIds(result.stdout), stderr: withoutIds(result.stderr) }
        : result,
    );
  }
  rmSync(dir, { recursive: true, force: true });
  return results;
}

/** Both etcdctl on servers of their own; a subtest per line. */
export async function compareLines(t: TestContext, lines: readonly Line[]): Promise<void> {
  const ports = await freePorts(2);
  const wanted = await perform(theirs("etcdctl"), lines, ports);
  const got = await perform(ours("etcdctl"), lines, ports);
  for (const [i, { args, stdin }] of lines.entries()) {
    const input = stdin === undefined ? "" : ` < ${JSON.stringify(stdin)}`;
    await t.test(`${args.join(" ")}${input}`, () => assert.deepEqual(got[i], wanted[i]));
  }
}
