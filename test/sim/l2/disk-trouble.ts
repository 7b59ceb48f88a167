/** Disks that fail under the log: a sync that does (EIO), a write that has no room (ENOSPC). */
import type { SimRandom } from "../random.ts";
import type { World2 } from "./cluster.ts";

const logFolder = "/data/member/wal";

export class DiskTrouble {
  readonly #w: World2;
  readonly #random: SimRandom;
  #stopped = false;

  constructor(w: World2) {
    this.#w = w;
    this.#random = w.world.random.fork("disks");
    this.#schedule();
  }

  /** What was to come does not. */
  stop(): void {
    this.#stopped = true;
    for (const { disk } of this.#w.list) disk.faults.next = undefined;
  }

  #schedule(): void {
    const delay = 1_000 + this.#random.geometric(this.#w.swarm.nemesisUs);
    this.#w.world.after(delay, undefined, "disk trouble", () => {
      if (this.#stopped) return;
      const host = this.#random.pick(this.#w.list);
      const code = this.#random.chance(70) ? "EIO" : "ENOSPC";
      host.disk.faults.next = { code, folder: logFolder };
      this.#schedule();
    });
  }
}
