import * as realRoom from "../../../src/core/raft/index.ts";
import { calmNetwork } from "../ports/network.ts";
import { Violation, World } from "../world.ts";
import { Cluster } from "./cluster.ts";
import type { DriverMutant, Member, RaftRoom } from "./member.ts";
import { Nemesis } from "./nemesis.ts";
import { type FaultClass, type Swarm, swarmOf } from "./swarm.ts";

/** How one seed went. */
export interface Outcome {
  readonly seed: string;
  readonly ok: boolean;
  /** Why not: the broken rule, or an assertion inside the core. */
  readonly error: string | undefined;
  readonly traceHash: string;
  readonly events: number;
  readonly virtualMs: number;
  readonly elections: number;
  readonly committed: number;
  readonly writes: number;
  readonly reads: number;
  /** For a failure: the members, one line each, and the last events. */
  readonly members: readonly string[];
  readonly history: readonly string[];
}

export interface RunOptions {
  readonly room?: RaftRoom;
  readonly mutant?: DriverMutant;
  /** Stop at this virtual time (ms) and report. */
  readonly untilMs?: number;
  /** Fault classes to leave out: how a failing seed is made smaller. */
  readonly without?: readonly FaultClass[];
}

/** One world: faults and load first, then everything heals and the cluster must converge. */
export function runSeed(seed: string, options: RunOptions = {}): Outcome {
  const world = new World(`l1/${seed}`);
  const swarm = narrowed(swarmOf(world.random.fork("swarm"), options.mutant), options.without);
  let cluster: Cluster | undefined;
  let error: string | undefined;
  try {
    cluster = new Cluster(world, swarm, options.room ?? realRoom);
    const limitUs = (options.untilMs ?? Number.MAX_SAFE_INTEGER / 1000) * 1000;
    const clients = new Clients(cluster);
    const nemesis = new Nemesis(cluster);
    world.run(Math.min(swarm.safetyUs, limitUs));
    nemesis.stop();
    if (world.nowUs < limitUs) liveness(cluster, clients, limitUs);
  } catch (e) {
    if (!(e instanceof Error)) throw e;
    error = e instanceof Violation ? e.message : `${e.name}: ${e.message}\n${e.stack}`;
  }
  const checkers = cluster?.checkers;
  return {
    seed,
    ok: error === undefined,
    error,
    traceHash: world.traceHash,
    events: world.events,
    virtualMs: Math.floor(world.nowUs / 1000),
    elections: checkers?.elections ?? 0,
    committed: checkers?.lastCommitted ?? 0,
    writes: checkers?.writes ?? 0,
    reads: checkers?.reads ?? 0,
    members: error === undefined ? [] : (cluster?.list.map((m) => m.describe()) ?? []),
    history: error === undefined ? [] : world.history(),
  };
}

function narrowed(swarm: Swarm, without: readonly FaultClass[] = []): Swarm {
  const faults = new Set([...swarm.faults].filter((f) => !without.includes(f)));
  const lossPercent = faults.has("loss") ? swarm.network.lossPercent : 0;
  return { ...swarm, faults, network: { ...swarm.network, lossPercent } };
}

/** Writes and reads at random members, with numbers that never repeat. */
class Clients {
  readonly #cluster: Cluster;
  readonly #random;
  #next = 1;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#random = cluster.world.random.fork("clients");
    this.#schedule();
  }

  #schedule(): void {
    const meanUs = this.#cluster.calm ? 50_000 : this.#cluster.swarm.clientUs;
    this.#cluster.world.after(1 + this.#random.geometric(meanUs), undefined, "client", () => {
      this.#call();
      this.#schedule();
    });
  }

  #call(): void {
    const up = this.#cluster.running.filter((m) => !m.actor.paused);
    if (up.length === 0) return;
    // Whoever takes itself for a leader, also a deposed one: that is where stale answers are.
    const leaders = up.filter((m) => m.node?.isLeader);
    const at = this.#random.pick(leaders.length > 0 && this.#random.chance(60) ? leaders : up);
    if (this.#random.chance(40)) {
      for (let i = this.#random.between(1, 3); i > 0; i--) {
        const context = this.#next++;
        this.#cluster.checkers.readStarted(context);
        at.read(context);
      }
      return;
    }
    const count = this.#random.chance(20) ? this.#random.between(2, 20) : 1;
    const ids = Array.from({ length: count }, () => this.#next++);
    at.propose(ids, this.#random.pick([4, 16, 100, 400]));
  }
}

/** Everything heals; now the members must agree and make progress within bounded time. */
function liveness(cluster: Cluster, _clients: Clients, limitUs: number): void {
  const { world, network, checkers } = cluster;
  world.note("liveness phase");
  cluster.calm = true;
  network.heal();
  // A link that kept the order of its messages goes on to: the seed chose its windows for that.
  network.faults = { ...calmNetwork, fifo: cluster.swarm.network.fifo };
  for (const m of cluster.list) {
    if (m.actor.paused) world.resume(m.actor);
    if (!m.up) cluster.start(m);
  }
  const target = checkers.lastCommitted + 20;
  const writes = checkers.writes;
  const reads = checkers.reads;
  const done = () =>
    checkers.writes > writes + 3 && checkers.reads > reads && converged(cluster, target);
  const until = Math.min(world.nowUs + cluster.swarm.livenessUs, limitUs);
  if (!world.run(until, done) && world.nowUs < limitUs) {
    throw new Violation(
      `no progress after everything healed: target ${target}, writes +${checkers.writes - writes}, reads +${checkers.reads - reads}`,
    );
  }
}

/** A leader, and everybody in the configuration has applied the target. */
function converged(cluster: Cluster, target: number): boolean {
  const cs = cluster.configuration();
  if (cs.votersOutgoing.length > 0) leaveJoint(cluster);
  const ids = [...cs.voters, ...cs.learners, ...cs.votersOutgoing];
  const behind = (m: Member | undefined) => (m?.state.index ?? 0) < target;
  return (
    cluster.leader() !== undefined && !ids.some((id) => behind(cluster.members.get(Number(id))))
  );
}

/** Somebody asked for an explicit joint configuration: leave it. */
function leaveJoint(cluster: Cluster): void {
  if (cluster.configuration().autoLeave) return;
  const leader = cluster.leader();
  leader?.proposeConfChange({ transition: 0, changes: [], context: new Uint8Array(0) });
}
