/** Trouble in the safety phase: one act now and then, of the kinds the seed has. */
import type { SimRandom } from "../random.ts";
import type { World2 } from "./cluster.ts";
import type { Host } from "./host.ts";
import { urlOf } from "./transport.ts";

const acts = ["partition", "crash", "stop", "pause", "membership", "transfer"] as const;
const maxHosts = 7;

export class MemberNemesis {
  readonly #w: World2;
  readonly #random: SimRandom;
  #stopped = false;

  constructor(w: World2) {
    this.#w = w;
    this.#random = w.world.random.fork("nemesis");
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
  }

  #schedule(): void {
    const delay = 1_000 + this.#random.geometric(this.#w.swarm.nemesisUs);
    this.#w.world.after(delay, undefined, "nemesis", () => {
      if (this.#stopped) return;
      this.#act();
      this.#schedule();
    });
  }

  #act(): void {
    const kinds = acts.filter((a) => this.#w.swarm.faults.has(a));
    if (kinds.length === 0) return;
    const kind = this.#random.pick(kinds);
    if (kind === "partition") this.#partition();
    else if (kind === "crash") this.#crash();
    else if (kind === "stop") this.#stop();
    else if (kind === "pause") this.#pause();
    else if (kind === "transfer") this.#transfer();
    else this.#membership();
  }

  /** Somebody who runs; the leader more often than chance would. */
  #target(): Host | undefined {
    const leader = this.#w.leader();
    if (leader !== undefined && this.#random.chance(40)) return leader;
    const up = this.#w.list.filter((h) => h.running);
    return up.length === 0 ? undefined : this.#random.pick(up);
  }

  #partition(): void {
    const { network, world, list } = this.#w;
    network.heal();
    if (this.#random.chance(30)) {
      world.note("heal");
      return;
    }
    const leader = this.#w.leader();
    const aside = new Set(
      leader !== undefined && this.#random.chance(50)
        ? [leader]
        : list.filter(() => this.#random.chance(40)),
    );
    const oneWay = this.#random.chance(20);
    for (const a of aside) {
      for (const b of list) {
        if (aside.has(b)) continue;
        this.#w.cut(a.slot, b.slot);
        if (!oneWay) this.#w.cut(b.slot, a.slot);
      }
    }
    world.note(`cut off [${[...aside].map((h) => h.name)}]${oneWay ? " one way" : ""}`);
  }

  #crash(): void {
    const target = this.#target();
    const all = this.#random.chance(10);
    const victims = all ? this.#w.list.filter((h) => h.running) : [target];
    for (const h of victims) {
      if (h === undefined) continue;
      h.crash("crash", this.#random.chance(70));
      this.#w.restartLater(h);
    }
  }

  #stop(): void {
    const h = this.#target();
    if (h?.member === undefined || h.removed) return;
    const { starts } = h;
    h.stop();
    const downUs = 700_000 + this.#random.below(500_000);
    this.#w.world.after(downUs, undefined, "restart", () => {
      // Kubernetes kills what does not end in time.
      if (h.starts === starts) h.crash("kill", false);
      if (!h.running && !h.removed) h.start();
    });
  }

  #pause(): void {
    const h = this.#target();
    if (h === undefined) return;
    const { world } = this.#w;
    const { actor } = h;
    world.note("pause", actor);
    world.pause(actor);
    world.after(this.#random.below(2_500_000), undefined, "resume", () => {
      world.note("resume", actor);
      world.resume(actor);
    });
  }

  #transfer(): void {
    const from = this.#w.leader();
    const to = this.#random.pick(this.#w.list).member;
    if (from?.member === undefined || to === undefined || from.actor.paused) return;
    this.#w.world.note("move leader", from.actor);
    from.member.leadership.move(to.id, () => undefined);
  }

  #membership(): void {
    const at = this.#w.leader() ?? this.#target();
    const member = at?.member;
    if (at === undefined || member === undefined || at.actor.paused) return;
    const conf = this.#w.configuration();
    const voters = conf.filter((m) => !m.isLearner);
    const learner = conf.find((m) => m.isLearner);
    const kind = this.#random.below(3);
    if (kind === 0 && learner === undefined && this.#w.hosts.size < maxHosts) this.#add(at);
    else if (kind === 1 && learner !== undefined) {
      this.#w.world.note("promote", at.actor);
      member.promote(learner.id as never, () => undefined);
    } else if (kind === 2) {
      const some = voters.length > 2 ? conf : conf.filter((m) => m.isLearner);
      if (some.length === 0) return;
      const out = this.#random.pick(some);
      this.#w.world.note(`remove m${out.slot}`, at.actor);
      member.membership.remove(out.id as never, () => undefined);
    }
  }

  /** A learner, whose process starts once the cluster has taken it in. */
  #add(at: Host): void {
    const slot = Math.max(...this.#w.hosts.keys()) + 1;
    const { actor } = at;
    this.#w.world.note(`add m${slot}`, actor);
    at.member?.membership.add([urlOf(slot)], true, (error) => {
      if (error !== undefined || actor.dead || this.#w.hosts.has(slot)) return;
      const cluster = this.#w.initialClusterFor(slot);
      if (cluster !== undefined) this.#w.addHost(slot, { state: "existing", cluster });
    });
  }
}
