import * as realRoom from "../../../src/server/index.ts";
import type { Outcome } from "../l1/run.ts";
import { calmNetwork } from "../ports/network.ts";
import { Violation, World } from "../world.ts";
import { Clients } from "./clients.ts";
import { type ServerRoom, World2 } from "./cluster.ts";
import { differs } from "./compare.ts";
import { DiskTrouble } from "./disk-trouble.ts";
import { MemberNemesis } from "./nemesis.ts";
import { diskMark, type MemberFault, type MemberSwarm, memberSwarmOf } from "./swarm.ts";
import { Watcher } from "./watchers.ts";

/** As of a raft-only world, with what members did. */
export interface MemberOutcome extends Outcome {
  readonly deeds: {
    readonly watched: number;
    readonly expired: number;
    readonly installs: number;
    readonly cuts: number;
    readonly segments: number;
    readonly boots: number;
    /** Failed syncs and writes of a log. */
    readonly diskFaults: number;
  };
}

/** A busy world heals before its time, so that no seed takes long. */
const maxSafetyEvents = 20_000;

export interface MemberRunOptions {
  readonly room?: ServerRoom;
  readonly untilMs?: number;
  readonly without?: readonly MemberFault[];
}

/** One world of full members: faults and load first, then everything heals and must converge. */
export async function runMembers(
  seed: string,
  options: MemberRunOptions = {},
): Promise<MemberOutcome> {
  const world = new World(`l2/${seed}`);
  const drawn = memberSwarmOf(world.random.fork("swarm"));
  const faults = seed.startsWith(diskMark)
    ? new Set([...drawn.faults, "disk" as const])
    : drawn.faults;
  const swarm = narrowed({ ...drawn, faults }, options.without);
  const rejections = catchRejections();
  let w: World2 | undefined;
  let error: string | undefined;
  let watchers: Watcher[] = [];
  try {
    w = new World2(world, swarm, options.room ?? realRoom);
    const limitUs = (options.untilMs ?? Number.MAX_SAFE_INTEGER / 1000) * 1000;
    rejections.onFirst = (text) => w?.fail(text);
    const clients = new Clients(w);
    const count = swarm.faults.has("watch") ? 4 : 0;
    watchers = Array.from({ length: count }, (_, i) => new Watcher(w as World2, i + 1));
    const nemesis = new MemberNemesis(w);
    const disks = swarm.faults.has("disk") ? new DiskTrouble(w) : undefined;
    await world.runAsync(Math.min(swarm.safetyUs, limitUs), () => world.events > maxSafetyEvents);
    nemesis.stop();
    disks?.stop();
    if (world.nowUs < limitUs) await liveness(w, clients, watchers, limitUs);
  } catch (e) {
    if (!(e instanceof Error)) throw e;
    error = e instanceof Violation ? e.message : `${e.name}: ${e.message}\n${e.stack}`;
  } finally {
    // Whatever still runs in this world is over.
    for (const h of w?.list ?? []) world.end(h.actor);
    await new Promise<void>((resolve) => setImmediate(resolve));
    rejections.dispose();
  }
  const witness = w?.witness;
  return {
    seed,
    ok: error === undefined,
    error,
    traceHash: world.traceHash,
    events: world.events,
    virtualMs: Math.floor(world.nowUs / 1000),
    elections: witness?.elections ?? 0,
    committed: witness?.lastIndex ?? 0,
    writes: witness?.writes ?? 0,
    reads: witness?.reads ?? 0,
    deeds: {
      watched: witness?.events ?? 0,
      expired: witness?.expired ?? 0,
      installs: witness?.said.get("applied snapshot") ?? 0,
      cuts: witness?.said.get("saved snapshot to disk") ?? 0,
      segments: witness?.said.get("created a new WAL segment") ?? 0,
      diskFaults: w?.list.reduce((sum, h) => sum + h.disk.faults.happened, 0) ?? 0,
      boots:
        (witness?.said.get("starting local member") ?? 0) +
        (witness?.said.get("restarting local member") ?? 0),
    },
    members:
      error === undefined
        ? []
        : [...(w?.list.map((h) => h.describe()) ?? []), ...watchers.map((x) => x.describe())],
    history: error === undefined ? [] : world.history(),
  };
}

function narrowed(swarm: MemberSwarm, without: readonly MemberFault[] = []): MemberSwarm {
  const faults = new Set([...swarm.faults].filter((f) => !without.includes(f)));
  const lossPercent = faults.has("loss") ? swarm.network.lossPercent : 0;
  return { ...swarm, faults, network: { ...swarm.network, lossPercent } };
}

/** A promise nobody waits for has failed: in production that ends the process. */
function catchRejections() {
  const others = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection");
  const state = {
    onFirst: (_text: string): void => undefined,
    dispose: (): void => {
      process.removeListener("unhandledRejection", listener);
      for (const l of others) process.on("unhandledRejection", l);
    },
  };
  const listener = (e: unknown): void => {
    state.onFirst(e instanceof Violation ? e.message : `nobody caught ${(e as Error)?.stack}`);
  };
  process.on("unhandledRejection", listener);
  return state;
}

async function liveness(
  w: World2,
  clients: Clients,
  watchers: readonly Watcher[],
  limitUs: number,
): Promise<void> {
  const { world, network, witness } = w;
  world.note("liveness phase");
  w.calm = true;
  network.heal();
  network.faults = { ...calmNetwork, fifo: true };
  for (const h of w.list) {
    if (h.actor.paused) world.resume(h.actor);
    if (!h.running && !h.removed) h.start();
  }
  const until = Math.min(world.nowUs + w.swarm.livenessUs, limitUs);
  const wait = async (what: string, done: () => boolean): Promise<void> => {
    if (await world.runAsync(until, done)) return;
    if (world.nowUs < limitUs) throw new Violation(`after everything healed: no ${what}`);
  };
  const { writes, reads } = witness;
  await wait("progress", () => witness.writes > writes + 5 && witness.reads > reads + 5);
  clients.stop();
  await wait("answer to what was asked", () => clients.pending.size === 0);
  await wait("convergence", () => converged(w));
  stopStrangers(w);
  await wait("end of watchers' catching up", () => watchers.every((x) => x.caughtUp));
  await compareAll(w, wait);
}

/**
 * Whoever was removed before it heard of it (a joiner that was never reached, a learner) waits for
 * ever, as with etcd: the one who runs the members stops it. Its watchers go elsewhere.
 */
function stopStrangers(w: World2): void {
  const slots = w.configuration().map((m) => m.slot);
  for (const h of w.list) {
    if (slots.includes(h.slot)) continue;
    h.removed = true;
    h.crash("is no member", false);
  }
}

function converged(w: World2): boolean {
  const leader = w.leader()?.member;
  if (leader === undefined || leader.commitIndex !== leader.appliedIndex) return false;
  return w.configuration().every(({ slot }) => {
    const host = w.hosts.get(slot);
    if (host === undefined) return true;
    const m = host.member;
    return m !== undefined && m.appliedIndex === leader.appliedIndex && !m.state.restoring;
  });
}

/** Every member has the witness's keys, and the same hash over its whole history. */
async function compareAll(
  w: World2,
  wait: (what: string, done: () => boolean) => Promise<void>,
): Promise<void> {
  const { witness } = w;
  const { model } = witness;
  let due = 0;
  for (const h of w.serving) {
    if (h.member === undefined) continue;
    due++;
    h.member.reads.hashKv(0).then(
      (r) => {
        due--;
        witness.hashed(h.name, r);
      },
      (e: Error) => w.fail(`${h.name} does not hash: ${e.stack}`),
    );
    const all = { key: Buffer.from("\0"), rangeEnd: Buffer.from("\xff", "latin1") };
    const request = { ...zeroRange, ...all };
    due++;
    h.member.reads.range(request, (error, value) => {
      due--;
      const wrong = differs(value?.kvs ?? [], model.range("\0", "\xff", value?.revision ?? 0));
      const { appliedIndex } = h.member ?? {};
      if (error !== undefined) w.fail(`${h.name} does not read: ${error.message}`);
      else if (wrong !== undefined) w.fail(`${h.name} at the end (${appliedIndex}): ${wrong}`);
    });
  }
  await wait("end of hashing", () => due === 0);
}

const zeroRange = {
  limit: 0,
  revision: 0,
  sortOrder: 0,
  sortTarget: 0,
  serializable: true,
  keysOnly: false,
  countOnly: false,
  minModRevision: 0,
  maxModRevision: 0,
  minCreateRevision: 0,
  maxCreateRevision: 0,
};
