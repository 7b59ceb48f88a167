// Jobs of `quoin backup` as processes, against servers that are processes too.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JobReport, parseJobReport } from "../../src/backup/index.ts";
import { Client } from "../../src/client/index.ts";
import { bareEnvironment } from "./member.ts";

const root = join(import.meta.dirname, "..", "..");

export interface EndedJob {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Undefined when it had no last word. */
  readonly report: JobReport | undefined;
  /** Its log, a line an event. */
  readonly log: string;
}

export interface RunningJob {
  readonly child: ChildProcess;
  readonly ended: Promise<EndedJob>;
}

/** Starts `quoin backup`. */
export function startJob(...args: readonly string[]): RunningJob {
  const child = spawn(
    join(root, "node_modules", ".bin", "node"),
    [join(root, "src", "bin", "quoin.ts"), "backup", ...args],
    { cwd: root, env: bareEnvironment(), stdio: ["ignore", "pipe", "pipe"] },
  );
  children.add(child);
  let out = "";
  let log = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  const ended = new Promise<EndedJob>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      children.delete(child);
      resolve({ code, signal, report: parseJobReport(out), log });
    });
  });
  return { child, ended };
}

export const runJob = (...args: readonly string[]): Promise<EndedJob> => startJob(...args).ended;

/** No Job outlives the test process. */
const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

export async function tempDir(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "quoin-jobs-"));
  return {
    path,
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** Paths below a folder, folders left out; none where it does not exist. */
export function filesBelow(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((name) => statSync(join(dir, name), { throwIfNoEntry: false })?.isFile())
    .sort();
}

/** Everything of a key but the revision it was read at, by key. */
export async function contents(endpoint: string): Promise<Map<string, string>> {
  using client = new Client({ endpoints: [endpoint], requestTimeoutMs: 30_000 });
  const found = new Map<string, string>();
  let from: Uint8Array = Buffer.from("\0");
  for (;;) {
    const { kvs, more } = await client.kv.get(from, { rangeEnd: Buffer.from("\0"), limit: 500 });
    for (const kv of kvs) {
      const { createRevision, modRevision, version, lease } = kv;
      const facts = { createRevision, modRevision, version, lease: lease.toString() };
      const value = Buffer.from(kv.value).toString("latin1");
      found.set(Buffer.from(kv.key).toString("latin1"), JSON.stringify({ ...facts, value }));
    }
    const last = kvs.at(-1)?.key;
    if (!more || last === undefined) return found;
    from = Buffer.concat([last, Buffer.from([0])]);
  }
}
