// Which members were restarted, in which order, and how many of them were down together.

import { setTimeout as pause } from "node:timers/promises";
import type { Pod } from "../../src/operator/types/index.ts";
import { until } from "../../test/until.ts";
import { isReady, type TestCluster } from "./cluster.ts";

/** Looks at the pods all the time, from its making until `stop`. */
export class RestartRecord implements AsyncDisposable {
  /**
   * The most members that were seen away at the same time: their pods ended, or others in their place not yet
   * ready. One that stops being ready by itself, as on a machine that stands still, is not away.
   */
  downMax = 0;
  readonly #cluster: TestCluster;
  readonly #stop = new AbortController();
  readonly #restarted: string[] = [];
  readonly #uids = new Map<string, string>();
  /** Uids of pods that were ready once. */
  readonly #begun = new Set<string>();
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
      this.#note(await until("the pods", () => this.#cluster.pods()));
      await pause(30);
    }
  }

  #note(pods: readonly Pod[]): void {
    for (const pod of pods) {
      const { name, uid = "" } = pod.metadata;
      const before = this.#uids.get(name);
      if (before !== undefined && before !== uid) this.#restarted.push(name);
      this.#uids.set(name, uid);
      if (isReady(pod)) this.#begun.add(uid);
    }
    const there = pods.filter(
      ({ metadata: it }) => it.deletionTimestamp === undefined && this.#begun.has(it.uid ?? ""),
    );
    this.downMax = Math.max(this.downMax, this.#uids.size - there.length);
  }
}
