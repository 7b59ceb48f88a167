// Which members restarted, in which order, and how many were down together.

import { setTimeout as pause } from "node:timers/promises";
import type { Pod } from "../../src/operator/types/index.ts";
import { isReady, type TestCluster } from "./cluster.ts";

/** Looks at the pods all the time, from its making until `stop`. */
export class RestartRecord implements AsyncDisposable {
  /** The most members that were seen not ready at the same time. */
  downMax = 0;
  readonly #cluster: TestCluster;
  readonly #stop = new AbortController();
  readonly #restarted: string[] = [];
  readonly #uids = new Map<string, string>();
  readonly #looking: Promise<void>;

  constructor(cluster: TestCluster) {
    this.#cluster = cluster;
    this.#looking = this.#look();
    this.#looking.catch(() => {}); // told by stop()
  }

  /** Names of the pods that were replaced, in that order. */
  async stop(): Promise<readonly string[]> {
    this.#stop.abort();
    await this.#looking;
    return this.#restarted;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #look(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#note(await this.#cluster.pods());
      await pause(30);
    }
  }

  #note(pods: readonly Pod[]): void {
    for (const { metadata } of pods) {
      const before = this.#uids.get(metadata.name);
      if (before !== undefined && before !== metadata.uid) this.#restarted.push(metadata.name);
      this.#uids.set(metadata.name, metadata.uid ?? "");
    }
    const ready = pods.filter(isReady).length;
    this.downMax = Math.max(this.downMax, this.#uids.size - ready);
  }
}
