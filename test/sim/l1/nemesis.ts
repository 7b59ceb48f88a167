import {
  type ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  type ConfChangeV2,
} from "../../../src/core/raft/types.ts";
import type { MemberId } from "../../../src/core/types.ts";
import type { SimRandom } from "../random.ts";
import type { Cluster } from "./cluster.ts";
import type { Member } from "./member.ts";
import type { FaultClass } from "./swarm.ts";

/** Makes trouble during the safety phase: one act now and then, of the kinds the seed has. */
export class Nemesis {
  readonly #cluster: Cluster;
  readonly #random: SimRandom;
  #stopped = false;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#random = cluster.world.random.fork("nemesis");
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
  }

  #schedule(): void {
    const delay = 1_000 + this.#random.geometric(this.#cluster.swarm.nemesisUs);
    this.#cluster.world.after(delay, undefined, "nemesis", () => {
      if (this.#stopped) return;
      this.#act();
      this.#schedule();
    });
  }

  #act(): void {
    const kinds = [...this.#cluster.swarm.faults].filter((f) => acts.has(f));
    if (kinds.length === 0) return;
    switch (this.#random.pick(kinds)) {
      case "partition":
        this.#partition(false);
        return;
      case "oneWay":
        this.#partition(true);
        return;
      case "crash":
        this.#crash();
        return;
      case "pause":
        this.#pause();
        return;
      case "confChange":
        this.#confChange();
        return;
      case "transfer":
        this.#transfer();
        return;
      case "stepIn":
        this.#stepIn();
        return;
      default:
        return;
    }
  }

  /** As the server does when its connection to the leader breaks, rightly or not. */
  #stepIn(): void {
    const m = this.#target();
    if (m === undefined || m.actor.paused) return;
    this.#cluster.world.note("step in", m.actor);
    m.node?.forgetLeader();
    m.node?.campaign();
    m.pump();
  }

  #partition(oneWay: boolean): void {
    const { network, world } = this.#cluster;
    network.heal();
    const all = this.#cluster.list.map((m) => m.id);
    const mode = this.#random.below(5);
    if (mode === 0) {
      world.note("heal");
      return;
    }
    // Half of the time the leader is on the small side: that is where stale reads come from.
    const leader = this.#cluster.leader()?.id;
    const aside = new Set(
      mode <= 2 && leader !== undefined ? [leader] : all.filter(() => this.#random.chance(40)),
    );
    for (const a of aside) {
      for (const b of all) {
        if (aside.has(b)) continue;
        network.cut(a, b);
        if (!oneWay) network.cut(b, a);
      }
    }
    world.note(`cut off [${[...aside]}]${oneWay ? " one way" : ""}`);
  }

  #crash(): void {
    const victims = this.#random.chance(10)
      ? this.#cluster.running
      : [this.#target()].filter((m) => m !== undefined);
    for (const m of victims) {
      this.#cluster.crash(m);
      const downUs = this.#random.pick([1_000, 100_000, 1_000_000]);
      this.#cluster.world.after(1 + this.#random.below(downUs), undefined, "restart", () => {
        if (!m.up && !(m.isRemoved && this.#random.chance(50))) this.#cluster.start(m);
      });
    }
  }

  #pause(): void {
    const m = this.#target();
    if (m === undefined) return;
    const { world } = this.#cluster;
    world.note("pause", m.actor);
    world.pause(m.actor);
    world.after(this.#random.below(2_000_000), undefined, "resume", () => world.resume(m.actor));
  }

  /** Somebody who is up; the leader more often than chance would. */
  #target(): Member | undefined {
    const leader = this.#cluster.leader();
    if (leader !== undefined && this.#random.chance(40)) return leader;
    const up = this.#cluster.running;
    return up.length === 0 ? undefined : this.#random.pick(up);
  }

  #transfer(): void {
    const from = this.#target();
    const to = this.#random.pick(this.#cluster.list);
    this.#cluster.world.note(`transfer to m${to.id}`, from?.actor);
    if (from === undefined || from.actor.paused) return;
    from.node?.transferLeader(BigInt(to.id) as MemberId);
    from.pump();
  }

  #confChange(): void {
    const at = this.#cluster.leader() ?? this.#target();
    if (at === undefined || at.actor.paused) return;
    const cc = this.#choose();
    if (cc === undefined) return;
    const text = cc.changes.map((c) => `${c.type}:${c.nodeId}`).join(" ");
    this.#cluster.world.note(`conf change ${text} (${cc.transition})`, at.actor);
    at.proposeConfChange(cc);
  }

  #choose(): ConfChangeV2 | undefined {
    const cs = this.#cluster.configuration();
    const single = (type: ConfChangeSingle["type"], nodeId: MemberId) => ({ type, nodeId });
    const changes: ConfChangeSingle[] = [];
    let transition: ConfChangeV2["transition"] = ConfChangeTransition.Auto;
    if (cs.votersOutgoing.length > 0) return { transition, changes, context: none };
    const wanted = this.#cluster.swarm.faults.has("joint") && this.#random.chance(40) ? 2 : 1;
    if (wanted === 2) transition = this.#random.pick([0, 1, 2] as const);
    for (let i = 0; i < wanted; i++) {
      const known = [...cs.voters, ...cs.learners];
      const kind = this.#random.below(4);
      if (kind === 0) {
        const fresh = this.#cluster.addMember();
        if (fresh === undefined) continue;
        const type = this.#random.chance(70)
          ? ConfChangeType.AddLearnerNode
          : ConfChangeType.AddNode;
        changes.push(single(type, BigInt(fresh.id) as MemberId));
      } else if (kind === 1 && cs.learners.length > 0) {
        changes.push(single(ConfChangeType.AddNode, this.#random.pick(cs.learners)));
      } else if (kind === 2 && known.length > 1) {
        const out = this.#random.pick(known);
        // See "Known weaknesses" in core/raft/DESIGN.md.
        const lastPair = cs.voters.length === 2 && cs.voters.includes(out);
        const leads = this.#cluster.members.get(Number(out))?.node?.isLeader;
        if (lastPair && leads) continue;
        changes.push(single(ConfChangeType.RemoveNode, out));
      } else if (kind === 3 && cs.voters.length > 1 && wanted === 2) {
        changes.push(single(ConfChangeType.AddLearnerNode, this.#random.pick(cs.voters)));
      }
    }
    return changes.length === 0 ? undefined : { transition, changes, context: none };
  }
}

const none = new Uint8Array(0);
const acts: ReadonlySet<FaultClass> = new Set<FaultClass>([
  "partition",
  "oneWay",
  "crash",
  "pause",
  "confChange",
  "transfer",
  "stepIn",
]);
