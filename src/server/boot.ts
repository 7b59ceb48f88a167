/**
 * From a data folder to a running state: forms a cluster, joins one, or comes back (STORE 3-7).
 * Source: etcd server/etcdserver/bootstrap.go.
 */
import { type Cluster, emptyCluster } from "../core/membership/index.ts";
import { type BootState, emptyBoot } from "../core/raft/index.ts";
import { type ClusterId, hexId, type Index, type MemberId } from "../core/types.ts";
import { assert } from "../lib/assert.ts";
import { Backend } from "../storage/backend/index.ts";
import {
  chooseEngineDir,
  importSnapshot,
  prepareEngineDir,
  Snapshotter,
  swapEngineDir,
} from "../storage/snapshot/index.ts";
import { Wal, type WalContents, type WalSnapshot } from "../storage/wal/index.ts";
import { formCluster, joinPatiently, walOptions, withNamedCluster } from "./bootstrap.ts";
import { asBootError, refuseForeign, refuseOtherMember } from "./damage.ts";
import { BootError } from "./errors.ts";
import { forceAlone } from "./force-alone.ts";
import { type MemberOptions, type MemberPorts, minLeaseTtlSeconds } from "./options.ts";
import { memberDir, snapDirOf, walDirOf } from "./paths.ts";
import { StateMachine } from "./state-machine.ts";

export interface Booted {
  readonly memberId: MemberId;
  readonly clusterId: ClusterId;
  readonly wal: Wal;
  readonly state: StateMachine;
  readonly snapshotter: Snapshotter;
  readonly snapDir: string;
  readonly boot: BootState;
  /** A joiner's hearsay: who to answer before the log has told. */
  readonly remotes: Cluster | undefined;
}

/** Opens or makes the data folder. Throws BootError with advice; other errors may pass by themselves. */
export async function boot(o: MemberOptions, p: MemberPorts): Promise<Booted> {
  try {
    return await openOrMake(o, p);
  } catch (error) {
    throw asBootError(error, o.dataDir);
  }
}

async function openOrMake(o: MemberOptions, p: MemberPorts): Promise<Booted> {
  const walDir = walDirOf(o);
  const isRestart = await Wal.exists(p.disk, walDir);
  const remotes = isRestart ? undefined : await beginData(o, p);
  if (isRestart && p.discovery?.kind === "registry") {
    const why = "cluster already initialized; valid logs are found";
    p.logger.warn(`discovery token is ignored since ${why}`, { "wal-dir": walDir });
  }
  await refuseForeign(o, p, walDir);
  const snapDir = snapDirOf(o.dataDir);
  await p.disk.mkdir(snapDir);
  // Whoever made `member` (a restore, an init) may have died between its rename and the sync.
  for (const dir of [memberDir(o.dataDir), o.dataDir]) await p.disk.syncDir(dir);
  const snapshotter = new Snapshotter(p.disk, p.logger, snapDir, {
    measures: p.measures && { ...p.measures, nowMs: () => p.clock.nowMs() },
    faults: p.faults,
  });
  let backend = await openBackend(o, p, await chooseEngineDir(p.disk, snapDir));
  const { wal, contents: found } = await Wal.open(walOptions(p), walDir, (valid) =>
    chooseMarker(valid, backend.meta.appliedIndex, snapshotter, snapDir),
  );
  if (found.snapshot.index > backend.meta.appliedIndex) {
    backend = await finishInstall(o, p, backend, snapshotter, snapDir, found.snapshot);
  }
  const { nodeId, clusterId } = found.metadata;
  const state = new StateMachine({
    ...p,
    backend,
    cluster: emptyCluster({ maxLearners: o.maxLearners }),
    minLeaseTtlSeconds: minLeaseTtlSeconds(o),
    leaseCheckpointSeconds: o.leaseCheckpoints?.seconds,
  });
  await state.restore(clusterId);
  if (state.cluster.isRemoved(nodeId)) {
    throw new BootError(
      "removed",
      `member ${hexId(nodeId)} was removed from cluster ${hexId(clusterId)} for good; ` +
        `empty ${o.dataDir} and add it as a new member`,
    );
  }
  refuseOtherMember(o, state, nodeId);
  refuseMismatch(found, backend, o.dataDir);
  const { appliedIndex, confState } = backend.meta;
  const contents =
    isRestart && o.forceNewCluster === true
      ? await forceAlone(wal, found, { appliedIndex, confState, cluster: state.cluster }, p)
      : found;
  const bootState = raftBoot(contents, backend);
  p.logger.info(isRestart ? "restarting local member" : "starting local member", {
    "cluster-id": hexId(clusterId),
    "local-member-id": hexId(nodeId),
    "commit-index": bootState.hardState.commit,
    "applied-index": bootState.applied,
  });
  return {
    memberId: nodeId,
    clusterId,
    wal,
    state,
    snapshotter,
    snapDir,
    boot: bootState,
    remotes,
  };
}

/** The first data of a member; a joiner's hearsay of its cluster. */
async function beginData(o: MemberOptions, p: MemberPorts): Promise<Cluster | undefined> {
  await refuseHalfData(o, p);
  const named = await withNamedCluster(o, p);
  const problem = o.initialProblem?.(named.initialCluster);
  if (problem !== undefined) throw new BootError("config", problem);
  if (o.initialClusterState === "existing") return await joinPatiently(named, p);
  await formCluster(named, p);
  return undefined;
}

export async function openBackend(o: MemberOptions, p: MemberPorts, dir: string): Promise<Backend> {
  return await Backend.open({
    engine: await p.openEngine(dir),
    clock: p.clock,
    faults: p.faults,
    logger: p.logger,
    onFatal: p.onFatal,
    measures: p.measures,
    ...(o.tierBytes === undefined ? {} : { tierBytesMax: o.tierBytes }),
  });
}

/** An engine without its log: somebody emptied half of the folder. */
async function refuseHalfData(o: MemberOptions, p: MemberPorts): Promise<void> {
  if (!(await p.disk.exists(memberDir(o.dataDir)))) return;
  const left = await p.disk.list(memberDir(o.dataDir));
  const snap = left.includes("snap") ? await p.disk.list(snapDirOf(o.dataDir)) : [];
  if (snap.length === 0 && !left.includes("wal")) return;
  throw new BootError(
    "half",
    `${memberDir(o.dataDir)} holds data but no log in ${walDirOf(o)}; ` +
      "restore the log, or empty the data dir and replace the member",
  );
}

/**
 * The newest marker the engine has reached; or one above it when the snapshot it names has been
 * received whole and only waits to be imported (a crash in between).
 */
async function chooseMarker(
  valid: readonly WalSnapshot[],
  applied: number,
  snapshotter: Snapshotter,
  snapDir: string,
): Promise<WalSnapshot> {
  for (const marker of [...valid].reverse()) {
    if (marker.index <= applied) return marker;
    if ((await snapshotter.databasePath(marker.index)) !== undefined) return marker;
  }
  throw new BootError(
    "behind",
    `the engine in ${snapDir} has applied index ${applied}, but the log begins above it at ` +
      `${valid[0]?.index ?? "?"}: the engine lost data; empty the data dir and replace the member`,
  );
}

async function finishInstall(
  o: MemberOptions,
  p: MemberPorts,
  old: Backend,
  snapshotter: Snapshotter,
  snapDir: string,
  marker: WalSnapshot,
): Promise<Backend> {
  p.logger.info("Recovering from snapshot backend", { "snapshot-index": marker.index });
  return await installDatabase(o, p, old, snapshotter, snapDir, marker.index);
}

/** Imports a received database and makes it the engine; the old one is closed. */
export async function installDatabase(
  o: MemberOptions,
  p: MemberPorts,
  old: Backend,
  snapshotter: Snapshotter,
  snapDir: string,
  at: Index,
): Promise<Backend> {
  const path = await snapshotter.databasePath(at);
  assert(path !== undefined, `no database was received for the snapshot at ${at}`);
  const dir = await prepareEngineDir(p.disk, snapDir, at);
  const engine = await p.openEngine(dir);
  await importSnapshot(p.disk, path, engine);
  await engine.close();
  p.faults.hit("applyBeforeOpenSnapshot");
  await swapEngineDir(p.disk, snapDir, at);
  await old.close();
  const backend = await openBackend(o, p, dir);
  p.faults.hit("applyAfterOpenSnapshot");
  await snapshotter.releaseDatabases(at);
  return backend;
}

/** Refuses by name an engine and a log that do not fit (STORE 3). */
function refuseMismatch(contents: WalContents, backend: Backend, dataDir: string): void {
  const { appliedIndex } = backend.meta;
  const { snapshot, entries } = contents;
  const last = entries.at(-1)?.index ?? snapshot.index;
  if (appliedIndex >= snapshot.index && appliedIndex <= last) return;
  throw new BootError(
    "mismatch",
    `${dataDir}: the engine has applied index ${appliedIndex}, the log holds ` +
      `${snapshot.index + 1} to ${last}: they do not belong together or one lost data; ` +
      "empty the data dir and replace the member",
  );
}

/** Raft's start from log and engine, which fit. */
function raftBoot(contents: WalContents, backend: Backend): BootState {
  const { appliedIndex, confState } = backend.meta;
  const { snapshot, entries, hardState } = contents;
  return {
    // The log's own: Raft takes the engine's word where that is ahead, and its first Ready says so.
    hardState,
    confState: confState ?? emptyBoot.confState,
    base: { index: snapshot.index, term: snapshot.term },
    entries,
    applied: appliedIndex,
  };
}
