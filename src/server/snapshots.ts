/**
 * Cuts the log, and moves whole states between members (STORE 2, 6).
 */
import type { Member as MemberRecord } from "../core/membership/index.ts";
import type { Message, Ready } from "../core/raft/index.ts";
import type { ClusterId, Index, Term } from "../core/types.ts";
import { index } from "../core/types.ts";
import { assert } from "../lib/assert.ts";
import type { Faults, Logger } from "../ports/index.ts";
import { exportSnapshot, type Snapshotter } from "../storage/snapshot/index.ts";
import type { Wal } from "../storage/wal/index.ts";
import type { Applier } from "./applier.ts";
import { installDatabase } from "./boot.ts";
import type { MemberOptions, MemberPorts } from "./options.ts";
import type { StateMachine } from "./state-machine.ts";
import type { OutgoingSnapshot } from "./transport.ts";

export interface SnapshotsOptions {
  readonly options: MemberOptions;
  readonly ports: MemberPorts;
  readonly clusterId: ClusterId;
  readonly state: StateMachine;
  readonly wal: Wal;
  readonly snapshotter: Snapshotter;
  readonly snapDir: string;
  readonly applier: Applier;
  /** The log begins above this index. */
  readonly base: number;
  /** Term of an entry that is still known; undefined when it is not. */
  readonly termAt: (at: Index) => Term | undefined;
  /** What the members of this cluster can read; of the snapshots that are sent. */
  readonly storageVersion: () => string;
  /** The first entry that Raft still has in memory. */
  readonly firstIndex: () => number;
  /** The state is the installed one; whoever waits for it is told after this. */
  readonly onInstalled: (before: readonly MemberRecord[]) => void;
}

/**
 * Large entries fill the disk long before there are snapshotCount of them: that many segments more
 * than the last cut left (256 MiB) are a reason to cut as well.
 */
const segmentsBetweenCuts = 4;

/**
 * A cut makes the engine flush, and a flush every few thousand entries makes it merge many small
 * tables: at thousands of entries a second cuts wait for this long an entry of snapshotCount.
 */
const pauseMsPerEntry = 1;

/** --max-snapshots: 0 keeps all of them. */
const snapshotsKept = (o: MemberOptions): number | undefined =>
  o.maxSnapshots === 0 ? Number.POSITIVE_INFINITY : o.maxSnapshots;

export class Snapshots {
  readonly #o: SnapshotsOptions;
  readonly #logger: Logger;
  readonly #faults: Faults;
  /** Snapshots on their way to followers or being installed: nothing is cut meanwhile. */
  #inFlight = 0;
  #cutting: Promise<void> | undefined;
  #cutAt: number;
  #cutMs = Number.NEGATIVE_INFINITY;
  #markerAt: number;
  /** Segments the last cut left; what was found at the start is not its work. */
  #segmentsKept = 1;
  #receiving = false;

  constructor(options: SnapshotsOptions) {
    this.#o = options;
    this.#logger = options.ports.logger;
    this.#faults = options.ports.faults;
    // From where the log begins, so that restarts do not put off the next cut for ever.
    this.#cutAt = options.base;
    this.#markerAt = options.base;
  }

  /** Cuts the log when enough was applied since the last cut, and that is not just past. */
  maybeCut(): void {
    const applied = this.#o.applier.appliedIndex;
    if (this.#cutting !== undefined || this.#inFlight > 0) return;
    const { snapshotCount } = this.#o.options;
    const nowMs = this.#o.ports.clock.nowMs();
    const enough =
      (applied - this.#cutAt >= snapshotCount &&
        nowMs - this.#cutMs >= snapshotCount * pauseMsPerEntry) ||
      this.#o.wal.segmentCount >= this.#segmentsKept + segmentsBetweenCuts;
    if (!enough || applied === this.#cutAt) return;
    this.#cutAt = applied;
    this.#cutMs = nowMs;
    this.#cutting = this.#cut()
      .catch((error: unknown) => this.#o.ports.onFatal(error as Error))
      .finally(() => {
        this.#segmentsKept = this.#o.wal.segmentCount;
        this.#cutting = undefined;
      });
  }

  async idle(): Promise<void> {
    await this.#cutting;
  }

  /** fence → `.snap` → marker → segments, in this order (STORE 2). */
  async #cut(): Promise<void> {
    const { state, wal, snapshotter, options } = this.#o;
    const confState = state.backend.meta.confState;
    const fence = await state.backend.fence();
    // What Raft has let go of in memory helps nobody on disk: large entries go before their time.
    const keptFrom = Math.max(
      this.#o.applier.appliedIndex - options.snapshotCatchupEntries,
      this.#o.firstIndex() - 1,
    );
    const at = index(Math.max(0, Math.min(fence, keptFrom)));
    if (at <= this.#markerAt || confState === undefined) return;
    const term = this.#o.termAt(at);
    if (term === undefined) return;
    this.#faults.hit("raftBeforeSaveSnap");
    // Marker and .snap name a point the engine is beyond: its ConfState is the one in force now.
    await snapshotter.save({ data: new Uint8Array(0), metadata: { index: at, term, confState } });
    this.#faults.hit("raftBeforeWALSaveSnaphot");
    await wal.saveSnapshot({ index: at, term, confState });
    this.#faults.hit("raftAfterSaveSnap");
    this.#markerAt = at;
    if (this.#inFlight > 0) return;
    await wal.releaseTo(at);
    await snapshotter.releaseTo(at, snapshotsKept(options));
    this.#faults.hit("raftAfterWALRelease");
    this.#logger.info("saved snapshot to disk", { "snapshot-index": at });
  }

  /** The state for a follower whom the log no longer helps. */
  async open(message: Message): Promise<OutgoingSnapshot> {
    this.#inFlight++;
    const { clock, measures } = this.#o.ports;
    const begun = clock.nowMs();
    try {
      const view = await this.#o.state.backend.view();
      const { appliedIndex, appliedTerm, confState } = view.meta;
      const wanted = message.snapshot?.metadata.index ?? 0;
      assert(appliedIndex >= wanted, `view at ${appliedIndex} is below the snapshot at ${wanted}`);
      assert(confState !== undefined, "a member that sends snapshots has a configuration");
      const storageVersion = this.#o.storageVersion();
      const file = await exportSnapshot(view, { storageVersion });
      const metadata = { index: appliedIndex, term: appliedTerm, confState };
      return {
        message: { ...message, snapshot: { data: new Uint8Array(0), metadata } },
        sizeBytes: file.sizeBytes,
        chunks: file.chunks(),
        close: async () => {
          this.#inFlight--;
          measures?.backendSnapshot.observe((clock.nowMs() - begun) / 1000);
          await view.release();
        },
      };
    } catch (error) {
      this.#inFlight--;
      throw error;
    }
  }

  /** Writes a received database beside the engine, durably. */
  async receive(message: Message, body: AsyncIterable<Uint8Array>): Promise<void> {
    const at = index(message.snapshot?.metadata.index ?? 0);
    if (this.#receiving) throw new Error("another snapshot is being received");
    this.#receiving = true;
    try {
      const { snapshotter, applier } = this.#o;
      // Those that Raft had no use for: everything in them is applied already.
      await snapshotter.releaseDatabases(applier.appliedIndex);
      await snapshotter.saveDatabase(at, body);
    } finally {
      this.#receiving = false;
    }
  }

  /** Makes a received snapshot the state (STORE 6); everything of the old state is gone after. */
  async install(rd: Ready): Promise<void> {
    const { state, wal, snapshotter, options, ports, applier } = this.#o;
    const snapshot = rd.snapshot;
    assert(snapshot !== undefined, "install without a snapshot");
    const { index: at, term, confState } = snapshot.metadata;
    this.#faults.hit("raftBeforeApplySnap");
    this.#logger.info("applying snapshot", { "incoming-snapshot-index": at });
    await applier.drained();
    await this.#cutting;
    this.#inFlight++;
    await snapshotter.save(snapshot);
    this.#faults.hit("raftBeforeWALSaveSnaphot");
    await wal.saveSnapshot({ index: at, term, confState });
    await wal.save(rd.hardState, rd.entries);
    const before = state.cluster.members();
    const open = async () => {
      const { snapDir } = this.#o;
      const backend = await installDatabase(
        options,
        ports,
        state.backend,
        snapshotter,
        snapDir,
        at,
      );
      this.#logger.info("applySnapshot: opened snapshot backend", { "snapshot-index": at });
      return backend;
    };
    await state.replace(open, this.#o.clusterId, () => {
      this.#markerAt = at;
      this.#cutAt = at;
      this.#o.onInstalled(before);
      applier.jumpTo(at, term);
    });
    this.#inFlight--;
    await wal.releaseTo(at);
    await snapshotter.releaseTo(at, snapshotsKept(options));
    this.#faults.hit("raftAfterApplySnap");
    this.#logger.info("applied snapshot", { "snapshot-index": at });
  }
}
