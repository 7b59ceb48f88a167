// Real server processes on loopback: etcd's or ours, started alike.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Client, type TlsOptions } from "../../src/client/index.ts";
import { freePorts } from "../free-ports.ts";
import { Hopeless, until } from "../until.ts";

const root = join(import.meta.dirname, "..", "..");

/** A program with etcd's flags. */
export interface Program {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

/** Our own server, from this checkout. */
export const quoin: Program = {
  name: "quoin",
  command: [
    join(root, "node_modules", ".bin", "node"),
    join(root, "src", "bin", "quoin.ts"),
    "server",
  ],
};

/** The folder of a Go tool of e2e/tools, built when need be; undefined where there is no Go. */
export function toolFolder(name: string): string | undefined {
  try {
    return execFileSync("bash", [join(root, "e2e", "tools", "build.sh"), name], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "inherit"],
    }).trim();
  } catch {
    return undefined;
  }
}

/** Real etcd 3.7.3. */
export function etcd(): Program | undefined {
  const folder = toolFolder("etcd");
  return folder === undefined ? undefined : { name: "etcd", command: [join(folder, "etcd")] };
}

/** The program a test is told to use: "etcd", "quoin" (the default) or a command line. */
export function programNamed(name: string | undefined): Program | undefined {
  if (name === undefined || name === "quoin") return quoin;
  if (name === "etcd") return etcd();
  return { name: "subject", command: name.split(" ") as [string, ...string[]] };
}

/** What programs under test get of our environment: where programs are, and what V8 has compiled before. */
export function bareEnvironment(): NodeJS.ProcessEnv {
  const { PATH = "", NODE_COMPILE_CACHE } = process.env;
  return NODE_COMPILE_CACHE === undefined ? { PATH } : { PATH, NODE_COMPILE_CACHE };
}

export interface MemberOptions {
  readonly program: Program;
  readonly name: string;
  /** Holds the data directory and the log. */
  readonly folder: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** `name=url` of all members. */
  readonly initialCluster: string;
  readonly flags?: readonly string[];
  /** How clients speak TLS to it: then all its URLs are https, and `flags` name its files. */
  readonly tls?: TlsOptions;
}

/** One server process, restartable on its data. */
export class Member implements AsyncDisposable {
  readonly name: string;
  readonly endpoint: string;
  readonly peerUrl: string;
  readonly dataDir: string;
  readonly logFile: string;
  readonly #options: MemberOptions;
  #child: ChildProcess | undefined;
  #exit: Promise<number | null> = Promise.resolve(null);

  constructor(options: MemberOptions) {
    this.#options = options;
    this.name = options.name;
    const scheme = options.tls === undefined ? "http" : "https";
    this.endpoint = `${scheme}://127.0.0.1:${options.clientPort}`;
    this.peerUrl = `${scheme}://127.0.0.1:${options.peerPort}`;
    this.dataDir = join(options.folder, `${options.name}.data`);
    this.logFile = join(options.folder, `${options.name}.log`);
    mkdirSync(options.folder, { recursive: true });
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  start(): void {
    if (this.#child !== undefined) throw new Error(`${this.name} is already running`);
    const o = this.#options;
    const peer = this.peerUrl;
    const [file, ...first] = o.program.command;
    const args = [
      ...first,
      `--name=${o.name}`,
      `--data-dir=${this.dataDir}`,
      `--listen-client-urls=${this.endpoint}`,
      `--advertise-client-urls=${this.endpoint}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=${o.initialCluster}`,
      "--initial-cluster-state=new",
      ...(o.flags ?? []),
    ];
    const log = openSync(this.logFile, "a");
    const child = spawn(file, args, {
      cwd: root,
      env: bareEnvironment(),
      stdio: ["ignore", log, log],
    });
    closeSync(log);
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      const gone = (code: number | null): void => {
        if (this.#child === child) this.#child = undefined;
        children.delete(child);
        resolve(code);
      };
      child.once("exit", gone);
      child.once("error", () => gone(null));
    });
    children.add(child);
  }

  /** Sends a signal to the process, which may be stopped or gone. */
  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Ends the process and waits until it is gone; SIGKILL after `timeoutMs`. */
  async stop(signal: NodeJS.Signals = "SIGTERM", timeoutMs = 10_000): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.kill(signal);
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    await this.#exit;
    clearTimeout(timer);
  }

  /** Resolves when the process has ended: its exit code, null where a signal killed it. */
  ended(): Promise<number | null> {
    return this.#exit;
  }

  /** A client of this member alone; patient, for machines with other work. */
  client(options: { readonly tls?: TlsOptions; readonly dialTimeoutMs?: number } = {}): Client {
    const tls = options.tls ?? this.#options.tls;
    return new Client({
      endpoints: [this.endpoint],
      requestTimeoutMs: 60_000,
      ...options,
      ...(tls === undefined ? {} : { tls }),
    });
  }

  /** Resolves when a linearizable read is answered. Throws with the end of the log otherwise. */
  async ready(timeoutMs = 60_000): Promise<void> {
    using client = this.client({ dialTimeoutMs: 500 });
    const isServing = async (): Promise<unknown> => {
      if (!this.running) throw new Hopeless(`${this.name} has ended\n${this.logTail()}`);
      return client.kv.get("ready", { timeoutMs: 1000 });
    };
    try {
      await until(`${this.name} to serve`, isServing, timeoutMs / 1000);
    } catch (error) {
      if (error instanceof Hopeless) throw error;
      throw new Error(`${(error as Error).message}\n${this.logTail()}`);
    }
  }

  /** Moves leadership here, by way of the members that run, and waits until this one says so itself. */
  async lead(members: readonly Member[]): Promise<void> {
    const { tls } = this.#options;
    const endpoints = members.filter((m) => m.running).map((m) => m.endpoint);
    using client = new Client({ endpoints, ...(tls && { tls }) });
    await until(`${this.name} to lead`, async () => {
      const status = await client.maintenance.status(this.endpoint);
      const self = status.header!.memberId;
      if (status.leader === self) return true;
      // A transfer may fail while the member's log is behind.
      await client.maintenance.moveLeader(self);
      return false;
    });
  }

  logTail(lines = 40): string {
    try {
      return readFileSync(this.logFile, "utf8").trimEnd().split("\n").slice(-lines).join("\n");
    } catch {
      return "(no log)";
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGCONT");
    await this.stop("SIGKILL");
  }
}

/** No child outlives the test process, whatever ends it. */
const children = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

/** Members of a new cluster, not started. */
export async function createMembers(
  program: Program,
  folder: string,
  count: number,
  flags: readonly string[] = [],
): Promise<Member[]> {
  const ports = await freePorts(count * 2);
  const peer = (i: number): number => ports[count + i] as number;
  const names = Array.from({ length: count }, (_, i) => `m${i + 1}`);
  const initialCluster = names.map((n, i) => `${n}=http://127.0.0.1:${peer(i)}`).join(",");
  return names.map(
    (name, i) =>
      new Member({
        program,
        name,
        folder,
        clientPort: ports[i] as number,
        peerPort: peer(i),
        initialCluster,
        flags,
      }),
  );
}
