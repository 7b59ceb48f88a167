/** A throw-away member on loopback: a true server process that dies with this one. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { Client } from "../client/index.ts";
import { pause, throwIfInterrupted } from "./interruption.ts";
import { BackupError } from "./types.ts";

export interface DrillMemberOptions {
  /** Program and first arguments of `quoin server`. */
  readonly command: readonly [string, ...string[]];
  readonly name: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly peerUrl: string;
  readonly clientUrl: string;
  readonly token: string;
  readonly signal: AbortSignal;
}

const memoryBytes = 256 * 2 ** 20;
const pollMs = 100;
/** A member reads all its rows before it answers. */
const readyTimeoutMs = 900_000;
/** The channel to its parent breaks when that ends, however it ends. */
const dieWithParent =
  "--import=data:text/javascript,process.on('disconnect',()=>process.exit(1));process.channel.unref()";

/** Ports that were free a moment ago, as URLs on loopback. */
export async function loopbackUrls(count: number): Promise<string[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(0, "127.0.0.1", resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { readonly port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports.map((port) => `http://127.0.0.1:${port}`);
}

export class DrillMember implements AsyncDisposable {
  readonly client: Client;
  readonly #o: DrillMemberOptions;
  readonly #child: ChildProcess;
  readonly #gone: Promise<void>;
  #end: string | undefined;

  constructor(options: DrillMemberOptions) {
    this.#o = options;
    const { name, clientUrl, peerUrl } = options;
    const [program, ...first] = options.command;
    const log = openSync(options.logFile, "a", 0o600);
    const flags = [
      `--name=${name}`,
      `--data-dir=${options.dataDir}`,
      `--listen-client-urls=${clientUrl}`,
      `--advertise-client-urls=${clientUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${name}=${peerUrl}`,
      `--initial-cluster-token=${options.token}`,
      "--initial-cluster-state=existing",
      "--quota-backend-bytes=1099511627776",
      `--quoin-memory-bytes=${memoryBytes}`,
    ];
    // No environment: it holds the storage's credentials, which a member has no use for.
    this.#child = spawn(program, [dieWithParent, ...first, ...flags], {
      env: { UV_THREADPOOL_SIZE: "8" },
      stdio: ["ignore", log, log, "ipc"],
    });
    closeSync(log);
    this.#gone = new Promise((resolve) => {
      this.#child.once("error", (error) => {
        this.#end = error.message;
        resolve();
      });
      this.#child.once("exit", (code, signal) => {
        this.#end = signal ?? `exit code ${code}`;
        resolve();
      });
    });
    this.client = new Client({ endpoints: [clientUrl], dialTimeoutMs: 1000 });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Resolves when it answers a linearizable read. Rejects with BackupError DrillFailed. */
  async ready(nowMs: () => number): Promise<void> {
    const deadlineMs = nowMs() + readyTimeoutMs;
    const { signal } = this.#o;
    for (;;) {
      throwIfInterrupted(signal);
      if (this.#end !== undefined) throw this.#failed(`ended (${this.#end})`);
      try {
        await this.client.kv.get("quoin.dev/drill", { timeoutMs: 5000, signal });
        return;
      } catch (error) {
        throwIfInterrupted(signal);
        if (nowMs() > deadlineMs) throw this.#failed(`does not answer: ${String(error)}`);
      }
      await pause(pollMs, signal);
    }
  }

  #failed(what: string): BackupError {
    return new BackupError(
      "DrillFailed",
      `The member that was restored from the stored object ${what}; its last words: ` +
        `${lastLine(this.#o.logFile)}. The object is kept, not verified; do not rely on it.`,
    );
  }

  /** Its data is thrown away, so it is killed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    this.#child.kill("SIGKILL");
    await this.#gone;
  }
}

function lastLine(file: string): string {
  const text = readFileSync(file, "utf8").trimEnd();
  return text.slice(text.lastIndexOf("\n") + 1).slice(0, 500) || "none";
}
