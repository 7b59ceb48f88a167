import { SimNetwork } from "../ports/network.ts";
import { Violation, type World } from "../world.ts";
import { Host } from "./host.ts";
import type { MemberSwarm } from "./swarm.ts";
import { type Packet, sideLine, urlOf } from "./transport.ts";
import { Witness } from "./witness.ts";

/** src/server, or a mutated copy of it. */
export type ServerRoom = Pick<
  typeof import("../../../src/server/index.ts"),
  "boot" | "Member" | "memberRoutes"
>;

/** A world of full members. */
export class World2 {
  readonly world: World;
  readonly swarm: MemberSwarm;
  readonly room: ServerRoom;
  readonly network: SimNetwork<Packet>;
  readonly witness: Witness;
  readonly hosts = new Map<number, Host>();
  calm = false;
  /** Called when a process is gone. */
  readonly onDeath: ((host: Host) => void)[] = [];
  #failure: string | undefined;

  constructor(world: World, swarm: MemberSwarm, room: ServerRoom) {
    this.world = world;
    this.swarm = swarm;
    this.room = room;
    world.quiet = new Set(["soon", "timer", "disk", "sync", "engine write", "client", "chunk"]);
    this.network = new SimNetwork(world, swarm.network);
    this.witness = new Witness(world);
    world.check = () => this.#check();
    const slots = Array.from({ length: swarm.voters }, (_, i) => i + 1);
    const cluster = slots.map((s) => `m${s}=${urlOf(s)}`).join(",");
    for (const s of slots) this.addHost(s, { state: "new", cluster });
  }

  addHost(slot: number, initial: { state: "new" | "existing"; cluster: string }): Host {
    const host = new Host(this, slot, initial);
    this.hosts.set(slot, host);
    host.start();
    return host;
  }

  get list(): Host[] {
    return [...this.hosts.values()];
  }

  /** Members that serve: booted, not on their way out. */
  get serving(): Host[] {
    return this.list.filter((h) => h.up && !h.stopping && !h.removed);
  }

  leader(): Host | undefined {
    let best: Host | undefined;
    for (const h of this.serving) {
      if (h.member?.isLeader && h.member.term > (best?.member?.term ?? 0)) best = h;
    }
    return best;
  }

  /** The members as whoever is furthest along knows them. */
  configuration(): { slot: number; id: bigint; isLearner: boolean }[] {
    const best = this.serving.reduce<Host | undefined>(
      (a, h) => ((h.member?.appliedIndex ?? 0) > (a?.member?.appliedIndex ?? -1) ? h : a),
      undefined,
    );
    return (best?.member?.members() ?? []).map((m) => ({
      slot: Number(/m(\d+)/.exec(m.peerURLs[0] ?? "")?.[1]),
      id: m.id,
      isLearner: m.isLearner,
    }));
  }

  /** What to tell a member that joins; undefined when the cluster does not know it. */
  initialClusterFor(slot: number): string | undefined {
    const slots = this.configuration().map((m) => m.slot);
    if (!slots.includes(slot)) return undefined;
    return slots.map((s) => `m${s}=${urlOf(s)}`).join(",");
  }

  cut(a: number, b: number): void {
    this.network.cut(a, b);
    this.network.cut(a + sideLine, b + sideLine);
  }

  died(host: Host): void {
    for (const f of this.onDeath) f(host);
    for (const h of this.list) {
      if (h === host || !h.running || this.network.isCut(host.slot, h.slot)) continue;
      this.world.after(300, h.actor, `connection to ${host.name} closed`, () => {
        h.wire?.peerDied(host.slot);
      });
    }
  }

  restartLater(host: Host): void {
    const random = this.world.random.fork(`restart/${host.slot}/${host.starts}`);
    const downUs = 1 + random.below(random.pick([1_000, 100_000, 1_500_000]));
    this.world.after(downUs, undefined, "restart", () => {
      if (!host.running && !host.removed) host.start();
    });
  }

  /** Ends the run after the event that is going on. */
  fail(message: string): void {
    this.#failure ??= message;
  }

  #check(): void {
    if (this.#failure !== undefined) throw new Violation(this.#failure);
    for (const h of this.hosts.values()) {
      if (h.member?.isLeader) this.witness.leads(h.name, h.member.term);
    }
  }
}
