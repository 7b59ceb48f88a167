// A Kubernetes of its own whose API server keeps its data in members that this file kills and starts.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { KubeApi } from "../../src/operator/runtime/index.ts";
import { until } from "../../test/until.ts";
import { execute, root } from "../rig/commands.ts";

/** Which program the members run; the story is the same for both. */
export type StoreName = "quoin" | "etcd";

interface EndpointStatus {
  readonly Status: {
    readonly header: { readonly member_id: number; readonly revision: number };
    readonly leader: number;
    readonly version: string;
    readonly dbSize: number;
  };
}

interface EndpointHash {
  readonly Endpoint: string;
  readonly HashKV: { readonly hash: number; readonly compact_revision: number };
}

const members = [1, 2, 3] as const;
/** Logs are cut every few seconds, also while a member is dead. */
const memberFlags = ["--snapshot-count=500", "--snapshot-catchup-entries=50"];
/** USER_HZ, which is the same everywhere. */
const ticksPerSecond = 100;
const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");

/**
 * A Kubernetes of one node on a store of three members. It belongs to this process: when that dies, the
 * cluster goes too.
 */
export class StoreCluster {
  readonly store: StoreName;
  readonly api: KubeApi;
  readonly config: KubeConfig;
  readonly #env: NodeJS.ProcessEnv;
  /** Where the cluster's programs write their logs. */
  readonly #logs: string;
  readonly #urls: readonly string[];

  private constructor(store: StoreName, env: NodeJS.ProcessEnv, path: string, urls: string) {
    this.store = store;
    this.#env = env;
    this.#logs = join(cache, "quoin", "cluster", env["RUN"] ?? "", "log");
    this.#urls = urls.trim().split(",");
    this.config = new KubeConfig();
    this.config.loadFromFile(path);
    this.api = new KubeApi(this.config);
  }

  /** `run` is the cluster's id; `flags` go to the API server. */
  static async raise(store: StoreName, run: string, flags: string[]): Promise<StoreCluster> {
    const env = {
      RUN: run,
      STORE: store,
      STORE_MEMBERS: String(members.length),
      NODES: "1",
      IMAGES: "",
      LEADER_ELECT: "true",
      STORE_FLAGS: process.env["STORE_FLAGS"] ?? memberFlags.join(" "),
      API_FLAGS: flags.join(" "),
      OWNER: String(process.pid),
    };
    const kubeconfig = await execute(["bash", "e2e/cluster/up.sh"], undefined, env);
    const urls = await execute(["bash", "e2e/cluster/store.sh", "urls"], undefined, env);
    return new StoreCluster(store, env, kubeconfig.trim(), urls);
  }

  /** Nothing of it stays, but for its logs in .out/cluster-RUN if asked. */
  async down(keepLogs: boolean): Promise<void> {
    this.api.close();
    await this.#run("down.sh", ...(keepLogs ? ["--keep-logs"] : []));
  }

  /** kill -9. */
  async kill(member: number): Promise<void> {
    await this.#run("store.sh", "kill", String(member));
  }

  /** Starts a killed member on its data and waits until it serves. */
  async start(member: number): Promise<void> {
    await this.#run("store.sh", "start", String(member));
    await until(`member ${member} to serve`, () => this.#isHealthy(member), 60);
  }

  async #isHealthy(member: number): Promise<boolean> {
    await this.#ask(member, "endpoint", "health");
    return true;
  }

  /** Number of the member that leads, by its own word. */
  leader(): Promise<number> {
    return until("a leader", async () => {
      for (const member of members) {
        const status = await this.status(member).catch(() => undefined);
        if (status !== undefined && status.leader === status.header.member_id) return member;
      }
      return undefined;
    });
  }

  async status(member: number): Promise<EndpointStatus["Status"]> {
    const text = await this.#ask(member, "endpoint", "status", "--write-out=json");
    const [answer] = JSON.parse(text) as EndpointStatus[];
    if (answer === undefined) throw new Error(`member ${member} says nothing`);
    return answer.Status;
  }

  /** Every member's hash of the keyspace at the newest revision that all have, as "hash compacted". */
  async hashes(): Promise<string[]> {
    const statuses = await Promise.all(members.map((member) => this.status(member)));
    const revision = Math.min(...statuses.map((status) => status.header.revision));
    const answers = members.map(async (member) => {
      const ask = ["endpoint", "hashkv", `--rev=${revision}`, "--write-out=json"];
      const [answer] = JSON.parse(await this.#ask(member, ...ask)) as EndpointHash[];
      return `${answer?.HashKV.hash} ${answer?.HashKV.compact_revision}`;
    });
    return Promise.all(answers);
  }

  /** The revision below which the first member's history is gone; 0 before any compaction. */
  async compactRevision(): Promise<number> {
    const text = await this.#ask(1, "endpoint", "hashkv", "--write-out=json");
    const [answer] = JSON.parse(text) as EndpointHash[];
    return Math.max(0, answer?.HashKV.compact_revision ?? 0);
  }

  /** Processor time of all members since each was started last, in seconds. */
  async cpuSeconds(): Promise<number> {
    const ticks = members.map(async (member) => {
      const pid = (await this.#run("store.sh", "pid", String(member))).trim();
      // proc(5): the name in parentheses is the second field, utime and stime are the 14th and 15th.
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/.*\) /, "").split(" ");
      return Number(fields[11]) + Number(fields[12]);
    });
    return (await Promise.all(ticks)).reduce((a, b) => a + b, 0) / ticksPerSecond;
  }

  #ask(member: number, ...args: string[]): Promise<string> {
    const url = this.#urls[member - 1] ?? "";
    return this.#run("store.sh", "ctl", "--endpoints", url, "--command-timeout=10s", ...args);
  }

  #run(script: string, ...args: string[]): Promise<string> {
    return execute(["bash", join(root, "e2e", "cluster", script), ...args], undefined, this.#env);
  }

  /** The lines a program of the control plane wrote so far, as "kube-apiserver" or "store2". */
  log(program: string): string[] {
    const text = readFileSync(join(this.#logs, `1.${program}.log`), "utf8");
    return text.split("\n").slice(0, -1);
  }
}
