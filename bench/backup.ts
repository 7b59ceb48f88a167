// Backup and restore of a large keyspace, real etcd and ours in turn on the same file: status,
// restore, boot, save while writes go on; time, CPU and peak memory of the tool and of the member.
//
//   bench/run.sh backup [--gb 2] [--value-bytes 1900] [--rounds 1] [--docs]
//
// Needs four times that space in --folder (default: the temporary folder), and gives it back.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { arch, cpus, loadavg, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Client } from "../src/client/index.ts";
import { freePorts } from "../test/free-ports.ts";
import { etcd, Member, type Program, quoin, toolFolder } from "../test/process/member.ts";
import { makeSnapshot } from "../test/storage/snapshot/made-snapshot.ts";
import { type BackupSample, backupReport, type Measured } from "./backup-report.ts";

const { values } = parseArgs({
  options: {
    gb: { type: "string", default: "2" },
    "value-bytes": { type: "string", default: "1900" },
    rounds: { type: "string", default: "1" },
    folder: { type: "string", default: tmpdir() },
    quick: { type: "boolean", default: false },
    docs: { type: "boolean", default: false },
  },
});
const gb = values.quick ? 0.1 : Number(values.gb);
const valueBytes = Number(values["value-bytes"]);
const root = join(import.meta.dirname, "..");
const writers = 4;
const sampleMs = 50;
const clockTicksPerSecond = 100;

const oracle = etcd();
const realTools = toolFolder("etcd");
if (oracle === undefined || realTools === undefined) {
  console.error("bench: building etcd needs Go");
  process.exit(2);
}

interface Subject {
  readonly program: Program;
  readonly etcdctl: string;
  readonly etcdutl: string;
}
const subjects: readonly Subject[] = [
  {
    program: oracle,
    etcdctl: join(realTools, "etcdctl"),
    etcdutl: join(realTools, "etcdutl"),
  },
  {
    program: quoin,
    etcdctl: join(root, "bin", "etcdctl"),
    etcdutl: join(root, "bin", "etcdutl"),
  },
];

interface Memory {
  /** Highest resident set since the start or the last reset. */
  readonly peak: number;
  /** Of the present one, what is not a mapped file. */
  readonly anonymous: number;
}

/** Bytes; undefined when the process has gone. */
function memoryOf(pid: number): Memory | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "utf8");
    const field = (name: string): number =>
      1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
    return { peak: field("VmHWM"), anonymous: field("RssAnon") };
  } catch {
    return undefined;
  }
}

function cpuSecondsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    return (Number(fields[11]) + Number(fields[12])) / clockTicksPerSecond;
  } catch {
    return 0;
  }
}

/** Watches a process's memory until `done`; peaks in bytes, CPU in seconds. */
async function watched(pid: number, done: Promise<void>): Promise<Omit<Measured, "seconds">> {
  let peak = 0;
  let anonymous = 0;
  let cpu = 0;
  const cpuBefore = cpuSecondsOf(pid);
  const sample = (): void => {
    const memory = memoryOf(pid);
    peak = Math.max(peak, memory?.peak ?? 0);
    anonymous = Math.max(anonymous, memory?.anonymous ?? 0);
    cpu = Math.max(cpu, cpuSecondsOf(pid) - cpuBefore);
  };
  const timer = setInterval(sample, sampleMs);
  try {
    await done;
  } finally {
    clearInterval(timer);
  }
  sample();
  return { peakBytes: peak, anonymousBytes: anonymous, cpuSeconds: cpu };
}

const ended = (child: ChildProcess, what: string): Promise<void> =>
  new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${what} ended with ${code}`));
    });
  });

/** Runs a tool to its end, on a disk that has nothing else to write. */
async function measure(file: string, args: readonly string[]): Promise<Measured> {
  execFileSync("sync");
  const started = performance.now();
  const env = { PATH: process.env["PATH"] ?? "", TERMINATION_LOG: "/dev/null" };
  const child = spawn(file, args, { stdio: "ignore", env });
  const use = await watched(child.pid as number, ended(child, `${file} ${args.join(" ")}`));
  return { seconds: (performance.now() - started) / 1000, ...use };
}

/** Peaks count from here. */
function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** Puts by a few clients until `done`; how many a second. */
async function writing(endpoint: string, done: Promise<unknown>): Promise<number> {
  using client = new Client({ endpoints: [endpoint] });
  let isDone = false;
  let count = 0;
  const started = performance.now();
  const stopped = done.finally(() => {
    isDone = true;
  });
  const value = Buffer.alloc(256, "w");
  const one = async (_: unknown, i: number): Promise<void> => {
    while (!isDone) await client.kv.put(`/busy/${i}/${count++ % 100}`, value);
  };
  await Promise.all([stopped, ...Array.from({ length: writers }, one)]);
  return (1000 * count) / (performance.now() - started);
}

async function measureSubject(subject: Subject, snapshot: string): Promise<BackupSample> {
  const { program, etcdctl, etcdutl } = subject;
  const folder = mkdtempSync(join(values.folder, "quoin-bench-"));
  try {
    const [clientPort, peerPort] = (await freePorts(2)) as [number, number];
    const name = "m1";
    const initialCluster = `${name}=http://127.0.0.1:${peerPort}`;
    const flags = ["--quota-backend-bytes=8589934592", "--log-level=warn"];
    const options = { program, name, folder, clientPort, peerPort, initialCluster, flags };
    await using member = new Member(options);
    const status = await measure(etcdutl, ["snapshot", "status", snapshot]);
    const restore = await measure(etcdutl, [
      ...["snapshot", "restore", snapshot, `--data-dir=${member.dataDir}`, `--name=${name}`],
      `--initial-cluster=${initialCluster}`,
      `--initial-advertise-peer-urls=${member.peerUrl}`,
    ]);
    const started = performance.now();
    member.start();
    const pid = member.pid as number;
    const boot = await watched(pid, member.ready(120_000));
    const bootSeconds = (performance.now() - started) / 1000;
    resetPeak(pid);
    const file = join(folder, "saved.db");
    const save = measure(etcdctl, [`--endpoints=${member.endpoint}`, "snapshot", "save", file]);
    const [saved, member_, putsPerSecond] = await Promise.all([
      save,
      watched(
        pid,
        save.then(() => {}),
      ),
      writing(member.endpoint, save),
    ]);
    const savedBytes = statSync(file).size;
    rmSync(file);
    const jobs = program === quoin ? await measureJobs(member, pid, folder) : undefined;
    await member.stop();
    return {
      program: program.name,
      status,
      restore,
      boot: { seconds: bootSeconds, ...boot },
      save: saved,
      member: { seconds: saved.seconds, ...member_ },
      putsPerSecond,
      savedBytes,
      ...(jobs ? { jobs } : {}),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the operator's Jobs run, into a folder and back out of it. */
async function measureJobs(
  member: Member,
  pid: number,
  folder: string,
): Promise<NonNullable<BackupSample["jobs"]>> {
  const program = join(root, "bin", "quoin");
  const shelf = join(folder, "shelf");
  mkdirSync(shelf);
  resetPeak(pid);
  const run = measure(program, [
    ...["backup", "save", `--endpoints=${member.endpoint}`, "--cluster=bench/c", "--lineage=l"],
    ...["--backup=bench/b", `--directory=${shelf}`, "--compression=zstd", "--verify=Checksum"],
    `--scratch-dir=${join(folder, "scratch")}`,
  ]);
  const [save, meanwhile] = await Promise.all([
    run,
    watched(
      pid,
      run.then(() => {}),
    ),
  ]);
  const [key] = globSync("bench/c/*.db.zst", { cwd: shelf });
  const restore = await measure(program, [
    ...["backup", "restore", `--directory=${shelf}`, `--key=${key}`, "--name=r"],
    ...[`--data-dir=${join(folder, "restored")}`, "--initial-cluster=r=http://127.0.0.1:1"],
    ...["--initial-advertise-peer-urls=http://127.0.0.1:1", "--initial-cluster-token=t"],
    ...["--revision-bump=1000000000", "--mark-compacted"],
  ]);
  return { save, member: { seconds: save.seconds, ...meanwhile }, restore };
}

const folder = mkdtempSync(join(values.folder, "quoin-bench-file-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const loadBefore = loadavg()[0] ?? 0;
const keys = Math.round((gb * 1e9) / (valueBytes + 128));
const snapshot = join(folder, "made.db");
console.error(`making a snapshot of ${keys} keys of ${valueBytes} bytes`);
const fileBytes = await makeSnapshot(snapshot, { keys, valueBytes });
const samples: BackupSample[] = [];
for (let round = 1; round <= Number(values.rounds); round++) {
  for (const subject of subjects) {
    console.error(`round ${round} of ${values.rounds}: ${subject.program.name}`);
    samples.push(await measureSubject(subject, snapshot));
  }
}
const text = backupReport(
  {
    when: new Date().toISOString(),
    machine: `${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${arch()}, Linux ${release()}`,
    loadBefore,
    keys,
    valueBytes,
    fileBytes,
    writers,
    rounds: Number(values.rounds),
  },
  samples,
);
const out = join(root, ".out", "bench");
mkdirSync(out, { recursive: true });
writeFileSync(join(out, "backup.json"), `${JSON.stringify(samples, null, 2)}\n`);
writeFileSync(join(out, "backup.md"), text);
if (values.docs) writeFileSync(join(root, "docs", "backup-bench.md"), text);
console.log(text);
