import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** Path of a real etcd built by e2e/tools/build.sh, or undefined where none is cached. */
export function findEtcd(): string | undefined {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const tools = join(cache, "quoin", "tools");
  const built = existsSync(tools) ? readdirSync(tools).map((d) => join(tools, d, "etcd")) : [];
  return built.find((p) => existsSync(p));
}

/** One real etcd process on loopback with a data dir of its own. */
export class RealEtcd {
  readonly #process: ChildProcess;
  readonly #dir: string;
  /** Everything it wrote to stderr. */
  log = "";

  constructor(binary: string, flags: readonly string[]) {
    this.#dir = mkdtempSync(join(tmpdir(), "quoin-etcd-"));
    const args = [...flags, `--data-dir=${join(this.#dir, "data")}`];
    this.#process = spawn(binary, args, { stdio: ["ignore", "ignore", "pipe"], env: {} });
    this.#process.stderr?.on("data", (chunk: Buffer) => {
      this.log += chunk.toString();
    });
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = new Promise((resolve) => this.#process.once("exit", resolve));
      this.#process.kill("SIGKILL");
      await ended;
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
