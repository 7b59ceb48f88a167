/**
 * `quoin util force-new`: a survivor's data folder becomes a cluster of one with new identities,
 * and keeps every entry its log holds (OPERATOR 21).
 *
 * ```
 * member/               the survivor's; only read (its engine is opened once, to take its lock)
 * member.forcing/member built: engine (data files shared by hard links), log, token
 * member.before-TOKEN/  what member/ was; the new member removes it once it serves
 * ```
 *
 * Why all entries may be kept. A Raft log is a prefix of one history up to its commit index; what
 * is above was proposed by some leader, and either was committed (its client may have been told)
 * or was not (its client was told nothing, or "timed out", which allows both). Since nobody else's
 * log will ever be compared with this one again, taking the whole tail as committed is allowed for
 * all of it and needed for the first kind. Terms and indexes stay as they are; the new member's
 * first election raises the term. Changes of membership in the tail, and what members published
 * about themselves, speak of the old cluster: they stay in place as empty entries.
 */
import {
  bootstrapCluster,
  Cluster,
  encodeMemberContext,
  type Member,
  parseUrls,
} from "../core/membership/index.ts";
import { ConfChangeType, type ConfState, type Entry, EntryType } from "../core/raft/index.ts";
import { type ClusterId, hexId, type Index, type MemberId, noMember, term } from "../core/types.ts";
import { emptyBytes } from "../lib/bytes.ts";
import type { Engine } from "../ports/index.ts";
import { raftpb } from "../proto/index.ts";
import { Backend, type BackendMeta } from "../storage/backend/index.ts";
import { importSnapshot } from "../storage/snapshot/index.ts";
import { Wal } from "../storage/wal/index.ts";
import { walOptions, writeToken } from "./bootstrap.ts";
import { type AlonePorts, bumpRevision } from "./bump-revision.ts";
import {
  committedMembers,
  type DataDir,
  DataDirError,
  type DataDirPorts,
  readDataDir,
} from "./data-dir.ts";
import { scanMembers } from "./member-rows.ts";
import { forcingDir, formerDir, formerPrefix, memberDir } from "./paths.ts";
import { decodeLogged } from "./requests.ts";

export interface ForceNewOptions {
  /** With the log in it: a separate --wal-dir is not supported. */
  readonly dataDir: string;
  /** Name and peer URLs of the new member; nobody else may have had them. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  /** Of the new cluster. */
  readonly initialClusterToken: string;
  /** Added to the revision, and everything before counts as compacted: see bump-revision.ts. */
  readonly revisionBump?: number;
}

/** `openEngine` takes the engine's lock, and rejects when another process has it. */
export interface ForceNewPorts extends DataDirPorts, AlonePorts {
  /** A second engine with the rows of a closed one. */
  readonly cloneEngine: (from: string, to: string) => Promise<void>;
}

export interface ForceNewResult {
  /** Hexadecimal. */
  readonly memberID: string;
  readonly clusterID: string;
  readonly lastLogTerm: number;
  readonly lastLogIndex: number;
  /** Entries that were not known to be committed: what etcd's force-new-cluster would drop. */
  readonly keptUncommitted: number;
  /** It had been done before; nothing was changed. */
  readonly already: boolean;
  /** Where the former state is kept until the new member serves; absent when it is gone. */
  readonly former?: string;
}

/** The log is copied in pieces of about this size. */
const pieceBytes = 4 << 20;

/**
 * Whole or not at all, and may be killed and run again at any point: a finished run of the same
 * name, URLs and token is success, a half-done one starts again. Rejects with DataDirError.
 */
export async function forceNew(o: ForceNewOptions, p: ForceNewPorts): Promise<ForceNewResult> {
  const next = describe(o, p);
  const former = formerDir(o.dataDir, o.initialClusterToken);
  await finishRenames(o, p, former);
  const survivor = await readDataDir(o.dataDir, p);
  const { nodeId, clusterId } = survivor.log.metadata;
  if (nodeId === next.self.id && clusterId === next.cluster.clusterId) {
    const kept = await p.disk.exists(former);
    return { ...tell(next, survivor), already: true, ...(kept ? { former } : {}) };
  }
  if (clusterId === next.cluster.clusterId) {
    throw new DataDirError(
      "exists",
      `${o.dataDir} belongs to the cluster of this token already, as another member; use a new token`,
    );
  }
  if (await p.disk.exists(former)) {
    throw new DataDirError(
      "exists",
      `${former} is in the way: it is the state before an earlier force-new with this token that ` +
        "was undone; remove it, or use a new token",
    );
  }
  refuseUseless(survivor, o);
  await takeLock(survivor, p);
  p.faults.hit("forceNewBeforeBuild");
  await build(survivor, next, o, p);
  const { disk } = p;
  await disk.rename(memberDir(o.dataDir), former);
  await disk.syncDir(o.dataDir);
  p.faults.hit("forceNewBetweenRenames");
  await finishRenames(o, p, former);
  p.faults.hit("forceNewAfterRenames");
  return { ...tell(next, survivor), already: false, former };
}

/**
 * Lets go of the states from before a force-new: to be called when the member serves, since what
 * it has is all they had. Never rejects; what cannot be removed is logged.
 */
export async function forgetFormer(
  dataDir: string,
  { disk, logger }: Pick<DataDirPorts, "disk" | "logger">,
): Promise<void> {
  try {
    for (const name of await disk.list(dataDir)) {
      if (!name.startsWith(formerPrefix)) continue;
      logger.info("the member serves: removing its state from before force-new", { name });
      await disk.removeAll(`${dataDir}/${name}`);
    }
  } catch (error) {
    logger.warn("cannot remove the state from before force-new", { error: String(error) });
  }
}

interface Next {
  readonly cluster: Cluster;
  readonly self: Member;
}

function describe(o: ForceNewOptions, p: ForceNewPorts): Next {
  const urls = parseUrls(o.peerUrls);
  if (!urls.ok) throw new Error(urls.error);
  if (o.name === "") throw new Error("give the new member a name: --name");
  if (o.initialClusterToken === "") throw new Error("give a token: --initial-cluster-token");
  const initial = new Map([[o.name, urls.value]]);
  const made = bootstrapCluster(p.sha1, o.initialClusterToken, initial);
  if (!made.ok) throw new Error(made.error);
  return { cluster: made.value, self: made.value.memberByName(o.name) as Member };
}

const tell = (next: Next, survivor: DataDir) => ({
  memberID: hexId(next.self.id),
  clusterID: hexId(next.cluster.clusterId),
  lastLogTerm: survivor.last.term,
  lastLogIndex: survivor.last.index,
  keptUncommitted: Math.max(
    0,
    survivor.last.index - Math.max(survivor.log.hardState.commit, survivor.applied),
  ),
});

/**
 * The first rename is made only when `member.forcing` is whole: with the former state aside and
 * nothing in its place, only the second one is missing.
 */
async function finishRenames(o: ForceNewOptions, p: ForceNewPorts, former: string): Promise<void> {
  const { disk } = p;
  const forcing = forcingDir(o.dataDir);
  const built = memberDir(forcing);
  if (!(await disk.exists(memberDir(o.dataDir)))) {
    if (!(await disk.exists(former)) || !(await disk.exists(built))) return;
    await disk.rename(built, memberDir(o.dataDir));
    await disk.syncDir(o.dataDir);
  }
  if ((await disk.exists(forcing)) && !(await disk.exists(built))) await disk.removeAll(forcing);
}

function refuseUseless(survivor: DataDir, o: ForceNewOptions): void {
  if (survivor.last.index === 0) {
    throw new DataDirError(
      "empty",
      `the log in ${o.dataDir} is empty: its member had joined and received nothing yet; ` +
        "choose another survivor",
    );
  }
  const { metadata, hardState } = survivor.log;
  if (!committedMembers(survivor, hardState.commit).isRemoved(metadata.nodeId)) return;
  throw new DataDirError(
    "removed",
    `the member in ${o.dataDir} was removed from its cluster: what it holds is out of date; ` +
      "choose another survivor",
  );
}

/** The engine's own lock tells whether a member runs; opening it also settles its last writes. */
async function takeLock(survivor: DataDir, p: ForceNewPorts): Promise<void> {
  if (survivor.engineDir === undefined) return;
  const engine = await p.openEngine(survivor.engineDir).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new DataDirError(
      "busy",
      `the engine in ${survivor.engineDir} cannot be locked: stop the member that runs on it; ` +
        `nothing was changed (${why})`,
    );
  });
  await engine.flush();
  await engine.close();
}

/** Everything below `member.forcing`, durable but for its final name. */
async function build(
  survivor: DataDir,
  next: Next,
  o: ForceNewOptions,
  p: ForceNewPorts,
): Promise<void> {
  const { disk } = p;
  const forcing = forcingDir(o.dataDir);
  const built = memberDir(forcing);
  const engineDir = `${built}/snap/db`;
  await disk.removeAll(forcing);
  await disk.mkdir(`${built}/snap`);
  // A snapshot that was received and not yet installed is newer than the engine.
  const fresh = survivor.received !== undefined || survivor.engineDir === undefined;
  if (!fresh) await p.cloneEngine(survivor.engineDir as string, engineDir);
  const meta = await rewriteRows(await p.openEngine(engineDir), survivor, next, p);
  p.faults.hit("forceNewAfterEngine");
  await writeLog(`${built}/wal`, survivor, meta, next, p);
  await writeToken(disk, built, o.initialClusterToken);
  await disk.syncDir(`${built}/snap`);
  await disk.syncDir(built);
  await disk.syncDir(forcing);
  if (o.revisionBump !== undefined && o.revisionBump > 0) {
    const { name, initialClusterToken, peerUrls: initialAdvertisePeerUrls } = o;
    const alone = { name, dataDir: forcing, initialClusterToken, initialAdvertisePeerUrls };
    await bumpRevision(alone, p, o.revisionBump);
  }
  p.faults.hit("forceNewAfterLog");
}

/** The engine's members become the one; what it has applied, and all else, stays. */
async function rewriteRows(
  engine: Engine,
  survivor: DataDir,
  next: Next,
  p: ForceNewPorts,
): Promise<BackendMeta> {
  if (survivor.received !== undefined) await importSnapshot(p.disk, survivor.received, engine);
  let failure: Error | undefined;
  const { clock, faults, logger } = p;
  const onFatal = (error: Error): void => {
    failure ??= error;
  };
  const backend = await Backend.open({ engine, clock, faults, logger, onFatal });
  try {
    const { appliedIndex } = backend.meta;
    if (appliedIndex !== survivor.applied) {
      throw new DataDirError(
        "busy",
        `the engine went on from index ${survivor.applied} to ${appliedIndex} while it was read: ` +
          "stop the member that runs on it; nothing was changed",
      );
    }
    for (const row of await scanMembers(backend)) {
      if (row.bucket !== "cluster") backend.deleteRow(row.bucket, row.key);
    }
    for (const { bucket, key, value } of new Cluster(next.cluster.state()).rows()) {
      backend.putRow(bucket, key, value as Uint8Array);
    }
    backend.setMeta({ confState: aloneVoter(next.self.id) });
    backend.commit();
    await backend.fence();
    if (failure !== undefined) throw failure;
    return backend.meta;
  } finally {
    await backend.close();
  }
}

/** A log that begins above what the engine has applied. */
async function writeLog(
  dir: string,
  survivor: DataDir,
  meta: BackendMeta,
  next: Next,
  p: ForceNewPorts,
): Promise<void> {
  const { log, last, applied } = survivor;
  const tail = log.entries.filter((e) => e.index > applied);
  const at = log.entries.find((e) => e.index === applied);
  const appliedTerm = at?.term ?? (log.snapshot.index === applied ? log.snapshot.term : undefined);
  if (applied > 0 && appliedTerm !== undefined && appliedTerm !== meta.appliedTerm) {
    throw new DataDirError(
      "damaged",
      `the engine says that entry ${applied} is of term ${meta.appliedTerm}, the log says ` +
        `${appliedTerm}: they do not belong together; choose another survivor`,
    );
  }
  const ids = { nodeId: next.self.id, clusterId: next.cluster.clusterId as ClusterId };
  const wal = await Wal.create(walOptions(p), dir, ids);
  try {
    if (applied > 0) {
      const confState = aloneVoter(next.self.id);
      await wal.saveSnapshot({ index: applied as Index, term: meta.appliedTerm, confState });
    }
    const rewritten = tail.map((e) => withoutOldCluster(e, next.self));
    for (const piece of pieces(rewritten)) await wal.save(undefined, piece);
    const highest = term(Math.max(log.hardState.term, last.term, meta.appliedTerm));
    await wal.save({ term: highest, vote: noMember, commit: last.index }, []);
  } finally {
    await wal.close();
  }
}

function* pieces(entries: readonly Entry[]): Generator<readonly Entry[]> {
  let from = 0;
  let bytes = 0;
  for (let i = 0; i < entries.length; i++) {
    bytes += (entries[i] as Entry).data.byteLength;
    if (bytes < pieceBytes) continue;
    yield entries.slice(from, i + 1);
    from = i + 1;
    bytes = 0;
  }
  if (from < entries.length) yield entries.slice(from);
}

/**
 * What speaks of the old cluster's members becomes an empty entry in the same place. A log from its
 * very beginning will be served to members that join: to them its first entry names the new member.
 */
function withoutOldCluster(e: Entry, self: Member): Entry {
  if (e.index === 1) {
    const context = encodeMemberContext(self);
    const change = { id: 0n, type: ConfChangeType.AddNode, nodeId: self.id, context };
    return { ...e, type: EntryType.ConfChange, data: raftpb.encodeConfChange(change) };
  }
  const empty: Entry = { ...e, type: EntryType.Normal, data: emptyBytes };
  if (e.type !== EntryType.Normal) return empty;
  if (e.data.byteLength === 0) return e;
  return decodeLogged(e.data).clusterMemberAttrSet === undefined ? e : empty;
}

const aloneVoter = (id: MemberId): ConfState => ({
  voters: [id],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
});
