import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { createClock, createDisk } from "../../src/io/index.ts";
import { Backend, openRocksEngine } from "../../src/storage/backend/index.ts";
import { Wal, type WalSnapshot } from "../../src/storage/wal/index.ts";

const quiet = { debug() {}, info() {}, warn() {}, error() {}, child: () => quiet };
const faults = { hit: () => undefined };

/**
 * A file system of its own, on a loop device. It is mounted in the mount namespace of a process
 * that ends with this one, so that nothing stays mounted whatever happens to the test.
 */
class PowerlessDisk {
  readonly #image: string;
  readonly #mount: string;
  #holder: ChildProcess | undefined;

  constructor(dir: string) {
    this.#image = path.join(dir, "image");
    this.#mount = path.join(dir, "mount");
    fs.mkdirSync(this.#mount);
    fs.writeFileSync(this.#image, "");
    fs.truncateSync(this.#image, 256 * 1024 * 1024);
    run("mkfs.ext4", "-q", "-F", this.#image);
  }

  /** The mounted folder, as seen from here. */
  async up(): Promise<string> {
    const script = 'mount -o loop "$0" "$1" && echo up && exec cat';
    const args = ["--mount", "--propagation", "private", "sh", "-c", script];
    const holder = spawn("unshare", [...args, this.#image, this.#mount], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#holder = holder;
    await new Promise<void>((resolve, reject) => {
      holder.stdout.once("data", () => resolve());
      holder.once("exit", () => reject(new Error("the file system could not be mounted")));
    });
    return `/proc/${holder.pid}/root${this.#mount}`;
  }

  /** Unmounts it, once nobody has a file open there. */
  async down(): Promise<void> {
    const holder = this.#holder;
    if (holder === undefined) return;
    this.#holder = undefined;
    const exited = new Promise((resolve) => holder.once("exit", resolve));
    holder.stdin?.end();
    await exited;
  }

  /** EXT4_IOC_SHUTDOWN without flushing the log: what was not synced is gone. */
  cutPower(mounted: string): void {
    const script = `my $flag = pack("L", 2); open(my $dir, "<", $ARGV[0]) or die "open: $!";
      defined ioctl($dir, 0x8004587d, $flag) or die "ioctl: $!"`;
    run("perl", "-e", script, mounted);
  }
}

function run(program: string, ...args: string[]): void {
  execFileSync(program, args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** Passed to `skip`: false, or why not. */
function obstacle(): string | false {
  if (process.getuid?.() !== 0) return "needs root to mount a file system";
  for (const program of ["mkfs.ext4", "mount", "unshare", "perl"]) {
    try {
      execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "ignore" });
    } catch {
      return `needs ${program}`;
    }
  }
  return fs.existsSync("/dev/loop-control") ? false : "needs loop devices";
}

test("after a power loss the WAL has all it acknowledged and the engine all below the fence", {
  skip: obstacle(),
}, async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quoin-power-"));
  const disk = new PowerlessDisk(folder);
  const mounted = await disk.up();
  const child = spawn(
    process.execPath,
    [path.join(import.meta.dirname, "power-writer.ts"), `${mounted}/member`],
    {
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  const exited = new Promise((resolve) => child.on("exit", resolve));
  t.after(async () => {
    child.kill("SIGKILL");
    await exited;
    await disk.down();
    fs.rmSync(folder, { recursive: true });
  });
  let durable = 0;
  let fenced = 0;
  let cut = false;
  let rest = "";
  for await (const chunk of child.stdout) {
    const lines = (rest + String(chunk)).split("\n");
    rest = lines.pop() as string;
    for (const line of lines) {
      if (line.startsWith("W")) durable = Number(line.slice(2));
      else fenced = Number(line.slice(2));
    }
    if (!cut && durable >= 1700 && fenced > 0) {
      disk.cutPower(mounted);
      cut = true;
    }
  }
  child.kill("SIGKILL");
  await exited;
  await disk.down();
  const dir = `${await disk.up()}/member`;

  const options = { disk: createDisk(), faults, logger: quiet, nowMs: () => 0 };
  const oldest = (valid: readonly WalSnapshot[]): WalSnapshot => valid[0] as WalSnapshot;
  const { wal, contents } = await Wal.open(options, `${dir}/wal`, oldest);
  await wal.close();
  const last = contents.entries.length;
  assert.ok(last >= durable, `the log ends at ${last}, ${durable} was acknowledged`);
  const engine = await openRocksEngine(`${dir}/snap/db`);
  const clock = createClock();
  const onFatal = (error: Error): void => assert.fail(error);
  const backend = await Backend.open({ engine, clock, faults, logger: quiet, onFatal });
  const applied = backend.meta.appliedIndex;
  assert.ok(applied >= fenced, `applied ${applied}, the fence had reached ${fenced}`);
  assert.ok(applied <= last, `applied ${applied} is beyond the log's ${last}`);
  let next = 2;
  for await (const rows of backend.scanRev({ main: 0, sub: 0 })) {
    for (const row of rows) {
      assert.equal(row.main, next++);
      assert.deepEqual(Buffer.from(row.value), contents.entries[row.main - 2]?.data);
    }
  }
  assert.equal(next - 2, applied, "rows are those of the applied index, without a hole");
  await backend.close();
  t.diagnostic(`entries ${last} (acknowledged ${durable}), applied ${applied}, fence ${fenced}`);
});
