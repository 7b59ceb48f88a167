/** A machine of the simulated world: its files outlive the member processes that run on it. */
import { createHash } from "node:crypto";
import { parseInitialCluster } from "../../../src/core/membership/index.ts";
import type { ClusterId } from "../../../src/core/types.ts";
import type { Engine, FaultPoint, Faults, Logger } from "../../../src/ports/index.ts";
import type { Booted, Member, MemberOptions, MemberPorts } from "../../../src/server/index.ts";
import { crc32c } from "../../../src/storage/wal/index.ts";
import { SimClock } from "../ports/clock.ts";
import { calmDisk, SimDisk } from "../ports/disk.ts";
import { EngineFiles, SimEngine } from "../ports/engine.ts";
import type { SimRandom } from "../random.ts";
import { Actor, Violation } from "../world.ts";
import type { World2 } from "./cluster.ts";
import type { Outcome } from "./compare.ts";
import { type Answer, urlOf, Wire } from "./transport.ts";

const dataDir = "/data";

/** Places right beside others: no crash there is a new one, and seeds keep their histories without. */
const uncounted: ReadonlySet<FaultPoint> = new Set<FaultPoint>([
  "beforeStartDBTxn",
  "afterStartDBTxn",
  "raftBeforeAdvance",
  "compactAfterAcquiredBatchTxLock",
  "commitBeforePreCommitHook",
  "commitAfterPreCommitHook",
  "beforeWritebackBuf",
  "afterWritebackBuf",
  "compactBeforeCommitScheduledCompact",
  "compactAfterCommitScheduledCompact",
  "raftBeforeWALSaveSnaphot",
  "snapDBRenameBeforeDirSync",
  "snapDBDirSyncError",
  "beforePublishing",
  "beforeCheckpointInLeaseRenew",
  "beforeServeHTTPLeaseRenew",
]);

export class Host {
  readonly slot: number;
  readonly name: string;
  readonly #w: World2;
  readonly #random: SimRandom;
  #disk: SimDisk;
  readonly #engines = new Map<string, EngineFiles>();
  #initial: { readonly state: "new" | "existing"; readonly cluster: string };
  readonly #ratePpm: number;
  /** The present process; a dead one when there is none. */
  actor: Actor;
  member: Member | undefined;
  wire: Wire | undefined;
  starts = 0;
  upSinceUs: number | undefined;
  removed = false;
  stopping = false;
  /** Faults of the disk that had happened when the process began. */
  #faultsBefore = 0;

  constructor(w: World2, slot: number, initial: { state: "new" | "existing"; cluster: string }) {
    this.#w = w;
    this.slot = slot;
    this.name = `m${slot}`;
    this.#initial = initial;
    this.#random = w.world.random.fork(`host/${slot}`);
    this.#ratePpm = w.swarm.faults.has("drift") ? this.#random.between(920_000, 1_080_000) : 1e6;
    this.actor = new Actor(this.name);
    const disk = { ...calmDisk(), syncUs: w.swarm.syncUs };
    this.#disk = new SimDisk(w.world, this.actor, disk);
    this.#w.world.end(this.actor);
  }

  get disk(): SimDisk {
    return this.#disk;
  }

  get up(): boolean {
    return this.member !== undefined;
  }

  get running(): boolean {
    return !this.actor.dead;
  }

  start(): void {
    const { world } = this.#w;
    this.starts++;
    this.actor = new Actor(this.name);
    this.actor.generation = this.starts;
    this.actor.ratePpm = this.#ratePpm;
    this.stopping = false;
    this.#faultsBefore = this.#disk.faults.happened;
    this.#disk = this.#disk.mount(this.actor);
    this.upSinceUs = world.nowUs;
    world.note(`start #${this.starts}`, this.actor);
    const { actor } = this;
    this.#run(actor).catch((error: unknown) => {
      if (!actor.dead) this.#bootFailed(error as Error & { code?: string });
    });
  }

  /** The process is gone, and with `power` what the machine had not made durable. */
  crash(why = "crash", power = true): void {
    if (!this.running) return;
    const { world, network, swarm } = this.#w;
    world.note(why, this.actor);
    world.end(this.actor);
    network.detach(this.slot);
    network.detach(this.slot + 100);
    this.member = undefined;
    this.wire = undefined;
    this.upSinceUs = undefined;
    if (power) {
      this.#disk.crash();
      for (const files of this.#engines.values()) files.crash(this.#random);
    }
    this.#w.died(this);
    void swarm;
  }

  /** SIGTERM: hands over, stops, ends. */
  stop(): void {
    const { actor, member } = this;
    if (member === undefined || this.stopping) return;
    this.stopping = true;
    this.#w.world.note("stop", actor);
    const end = async () => {
      await member.leadership.handOver(500);
      await member.stop();
    };
    end().then(
      () => {
        if (!actor.dead) this.crash("stopped", false);
      },
      (error: Error) => {
        if (!this.#endsByDisk(error)) this.#w.fail(`${this.name} does not stop: ${error.stack}`);
      },
    );
  }

  describe(): string {
    const m = this.member;
    if (m === undefined) return `${this.name}: ${this.running ? "booting" : "down"}`;
    const role = m.isLeader ? "leader" : m.isLearner ? "learner" : "follower";
    const paused = this.actor.paused ? " paused" : "";
    return `${this.name}: ${role}${paused} term ${m.term} commit ${m.commitIndex} applied ${m.appliedIndex} revision ${m.kv.revision} compact ${m.kv.compactRevision} starts ${this.starts} ${JSON.stringify(m.counts)} ${m.state.restoring ? "restoring" : ""} members ${m.members().map((x) => x.peerURLs[0]?.slice(7, 9))}`;
  }

  async #run(actor: Actor): Promise<void> {
    const { world, room, witness } = this.#w;
    await this.#disk.mkdir(dataDir);
    await this.#disk.syncDir("/");
    const clock = new SimClock(world, actor);
    const options = this.#options();
    const wire = this.#wire(actor, clock);
    this.wire = wire;
    const ports = this.#ports(actor, clock, wire);
    const booted = await room.boot(options, ports);
    const { state } = booted;
    const member = new room.Member(options, ports, booted);
    const durable = watchLog(booted);
    const apply = state.apply.bind(state);
    state.apply = (request, waited, index) => {
      const outcome = apply(request, waited, index);
      if (!actor.dead && (outcome as Outcome).kind !== "missing") {
        const at = member.appliedIndex + 1;
        if (at > durable.index) {
          const end = `its log ends durably at ${durable.index}`;
          throw new Violation(`${this.name} applies entry ${at}, ${end}`);
        }
        witness.applied(this.name, at, request, outcome as Outcome, waited);
      }
      return outcome;
    };
    const commit = state.commit.bind(state);
    state.commit = (at, term) => {
      commit(at, term);
      if (!actor.dead) witness.reached(this.name, at, state.kv.revision);
    };
    witness.reached(this.name, member.appliedIndex, state.kv.revision);
    this.member = member;
    member.start();
    world.note("booted", actor);
  }

  #bootFailed(error: Error & { code?: string }): void {
    const { world } = this.#w;
    if (error.name === "BootError" && error.code === "removed") {
      this.removed = true;
      this.crash("was removed", false);
    } else if (error.name === "BootError" && error.code === "join") {
      // Nothing is on disk yet; whoever runs it tries again with what the cluster says now.
      const again = this.#w.initialClusterFor(this.slot);
      world.note(`cannot join: ${error.message}`, this.actor);
      this.crash("join again", false);
      if (again === undefined) this.removed = this.#w.calm;
      else this.#initial = { state: "existing", cluster: again };
      world.after(300_000, undefined, "restart", () => {
        if (!this.running && !this.removed) this.start();
      });
    } else if (!this.#endsByDisk(error)) {
      this.#w.fail(`${this.name} does not boot: ${error.stack}`);
    }
  }

  /**
   * A process whose disk has failed ends, and is started again with the machine. (Without it, the next
   * process would find in the kernel's cache what the disk does not have, and nobody could tell.)
   */
  #endsByDisk(error: Error): boolean {
    if (this.#disk.faults.happened === this.#faultsBefore) return false;
    this.crash(`ends: ${error.message}`);
    this.#w.restartLater(this);
    return true;
  }

  #options(): MemberOptions {
    const { swarm } = this.#w;
    const initial = parseInitialCluster(this.#initial.cluster);
    if (!initial.ok) throw new Error(initial.error);
    return {
      name: this.name,
      dataDir,
      walDir: undefined,
      initialCluster: initial.value,
      initialClusterToken: "sim",
      initialClusterState: this.#initial.state,
      initialAdvertisePeerUrls: [urlOf(this.slot)],
      advertiseClientUrls: [`http://m${this.slot}:2379`],
      heartbeatMs: swarm.heartbeatMs,
      electionMs: swarm.electionMs,
      preVote: true,
      snapshotCount: swarm.snapshotCount,
      snapshotCatchupEntries: swarm.catchupEntries,
      maxLearners: 1,
      strictReconfigCheck: swarm.strict,
      maxRequestBytes: 1_572_864,
      maxTxnOps: 128,
      quotaBytes: 2 ** 31,
      tierBytes: swarm.tierBytes,
      raftLogBytes: swarm.raftLogBytes,
    };
  }

  #ports(actor: Actor, clock: SimClock, wire: Wire): MemberPorts {
    const { world, swarm } = this.#w;
    const locked = new Set<string>();
    return {
      clock,
      random: world.random.fork(`member/${this.slot}/${this.starts}`),
      disk: this.#disk,
      logger: this.#logger(actor),
      faults: this.#faults(actor),
      openEngine: (dir) => this.#openEngine(dir, actor, locked),
      sha1: (bytes) => createHash("sha1").update(bytes).digest(),
      crc32c,
      createTransport: (ids, handler) => wire.bind(ids.memberId, handler),
      askPeer: wire.ask,
      fetchMembers: wire.fetchMembers,
      lookAt: () => Promise.reject(new Error("nobody is forced here")),
      walSegmentBytes: swarm.walSegmentBytes,
      onFatal: (error) => {
        if (actor.dead || this.#endsByDisk(error)) return;
        this.#w.fail(`${this.name} is fatally ill: ${error.stack}`);
      },
      onRemoved: () => {
        if (actor.dead) return;
        world.note("was removed", actor);
        this.removed = true;
        // As the server process: it takes leave of its clients first.
        world.after(400_000, actor, "stop after removal", () => this.crash("leaves", false));
      },
    };
  }

  #wire(actor: Actor, clock: SimClock): Wire {
    const { world, network, hosts } = this.#w;
    return new Wire({
      world,
      network,
      actor,
      slot: this.slot,
      random: world.random.fork(`wire/${this.slot}/${this.starts}`),
      calm: () => this.#w.calm,
      upSince: (slot) => hosts.get(slot)?.upSinceUs,
      nowMs: () => clock.nowMs(),
      route: (path, body) => this.#route(path, body),
    });
  }

  #route(path: string, body: Uint8Array): Promise<Answer> | undefined {
    const { member } = this;
    if (member === undefined) return undefined;
    const routes = this.#w.room.memberRoutes(member);
    const promote = /^\/members\/promote\/(\d+)$/.exec(path);
    const found = async () => {
      if (path === "/members") return routes.members();
      if (path === "/leases") return await routes.leases({ body });
      if (path === "/leases/internal") return await routes.leasesInternal({ body });
      if (promote !== null) return await routes.promote(BigInt(promote[1] as string) as never);
      return { status: 404, body: "" };
    };
    return found().then((a) => ({
      status: a.status,
      body: typeof a.body === "string" ? Buffer.from(a.body) : a.body,
      clusterId: member.clusterId as ClusterId,
    }));
  }

  /** One engine a folder; the folder's own file says which, so that they come and go together. */
  async #openEngine(dir: string, actor: Actor, locked: Set<string>): Promise<Engine> {
    const disk = this.#disk;
    await disk.mkdir(dir);
    const id = await this.#engineIn(dir);
    const files = this.#engines.get(id) as EngineFiles;
    if (locked.has(id)) throw new Violation(`engine ${dir} is locked`);
    locked.add(id);
    const { engineUs } = this.#w.swarm;
    const times = { writeUs: engineUs, flushUs: engineUs * 5, readUs: Math.ceil(engineUs / 10) };
    const engine = new SimEngine(this.#w.world, actor, files, times);
    const close = engine.close.bind(engine);
    engine.close = async () => {
      await close();
      locked.delete(id);
    };
    return engine;
  }

  /** Which engine is in a folder; a new one where there is none, or only the beginning of one. */
  async #engineIn(dir: string): Promise<string> {
    const disk = this.#disk;
    const path = `${dir}/IDENTITY`;
    if (await disk.exists(path)) {
      const file = await disk.open(path);
      const id = Buffer.from(await file.read(0, 20))
        .toString()
        .replaceAll("\0", "");
      if (id !== "") {
        if (!this.#engines.has(id)) throw new Violation(`engine ${dir} lost its name: "${id}"`);
        // RocksDB syncs its folder at each opening, with the new manifest: the name may be a killed process's.
        disk.settle(dir);
        return id;
      }
      // A crash has kept the name of a file whose bytes were never durable.
    }
    const id = String(this.#engines.size + 1);
    this.#engines.set(id, new EngineFiles());
    const file = await disk.open(path, { create: true });
    await file.writeDurably([Buffer.from(id)], 0);
    await disk.syncDir(dir);
    return id;
  }

  /** Now and then a process dies right at one of the named places. */
  #faults(actor: Actor): Faults {
    const random = this.#random;
    let left =
      this.#w.swarm.faults.has("crashAtFault") && random.chance(60) ? random.between(1, 400) : 0;
    return {
      hit: (name) => {
        if (uncounted.has(name)) return undefined;
        if (left > 0 && !actor.dead && !this.#w.calm && --left === 0) {
          this.crash(`crash at ${name}`);
          this.#w.restartLater(this);
        }
        return undefined;
      },
    };
  }

  #logger(actor: Actor): Logger {
    const note = (msg: string, fields?: object): void => {
      if (actor.dead) return;
      this.#w.witness.count(msg);
      this.#w.world.note(() => `log: ${msg} ${text(fields)}`, actor);
    };
    const logger: Logger = {
      debug: () => undefined,
      info: note,
      warn: note,
      error: note,
      child: () => logger,
    };
    return logger;
  }
}

/** Follows how far a member's log is durable. */
function watchLog({ wal, boot }: Booted): { index: number } {
  const durable: { index: number } = { index: boot.entries.at(-1)?.index ?? boot.base.index };
  const save = wal.save.bind(wal);
  wal.save = async (hardState, entries) => {
    const first = entries[0]?.index;
    const last = entries.at(-1)?.index;
    const saved = save(hardState, entries);
    if (first !== undefined) durable.index = Math.min(durable.index, first - 1);
    await saved;
    if (last !== undefined) durable.index = last;
  };
  const saveSnapshot = wal.saveSnapshot.bind(wal);
  wal.saveSnapshot = async (snapshot) => {
    await saveSnapshot(snapshot);
    durable.index = Math.max(durable.index, snapshot.index);
  };
  return durable;
}

const text = (fields: object | undefined): string =>
  fields === undefined
    ? ""
    : JSON.stringify(fields, (_, v) => (typeof v === "bigint" ? v.toString(16) : v));
