import { createHash } from "node:crypto";
import {
  bootstrapCluster,
  Cluster,
  encodeMemberContext,
  hasDuplicateUrl,
  type Member,
  parseInitialCluster,
  parseUrls,
  type Result,
} from "../../core/membership/index.ts";
import type { ConfState, Entry, HardState } from "../../core/raft/types.ts";
import type { Index, MemberId, Revision, Term } from "../../core/types.ts";
import { emptyBytes } from "../../lib/bytes.ts";
import type { Disk, Row } from "../../ports/index.ts";
import { raftpb } from "../../proto/index.ts";
import { type BackendMeta, encodeRevisionKey } from "../backend/index.ts";
import { Wal } from "../wal/index.ts";
import { BoltReader, readSha256 } from "./bolt-reader.ts";
import { type ImportChanges, importSnapshot } from "./import.ts";
import { keyValueOf } from "./key-value.ts";
import { Snapshotter } from "./snap-files.ts";
import { RestoreTarget } from "./target.ts";
import {
  type ImportResult,
  type RestoreOptions,
  type RestoreResult,
  SnapshotError,
} from "./types.ts";

const hashChunkBytes = 1024 * 1024;
/** The term in which the members of a restored cluster were added. */
const firstTerm = 1 as Term;

/**
 * What `etcdutl snapshot restore` does, for our data folder: rows imported, membership replaced,
 * WAL with one conf change per member, `.snap` (etcdutl/snapshot/v3_snapshot.go). Whole or not at
 * all (target.ts); what a killed run left is cleared by the next. Memory does not grow with the
 * file. Rejects with SnapshotError, or with the signal's reason.
 */
export async function restoreSnapshot(options: RestoreOptions): Promise<RestoreResult> {
  const { disk, dataDir } = options;
  checkBump(options);
  const cluster = planCluster(options);
  const target = await RestoreTarget.prepare(disk, dataDir, options.walDir);
  await checkFile(options);
  try {
    const imported = await build(options, cluster, target);
    options.signal?.throwIfAborted();
    await target.publish();
    const memberId = cluster.local.id;
    const { clusterId } = cluster.cluster;
    const appliedIndex = cluster.members.length as Index;
    return { memberId, clusterId, appliedIndex, revision: imported.revision };
  } catch (error) {
    const isFull = await isOutOfSpace(error, disk, target.building);
    const stuck = await target.discard();
    throw explain(error, isFull, options, stuck);
  }
}

/** The engine says no more than that a batch was not applied; whether there is space is tried. */
async function isOutOfSpace(error: unknown, disk: Disk, dir: string): Promise<boolean> {
  if ((error as { code?: unknown }).code === "ENOSPC") return true;
  if (error instanceof SnapshotError || !(await disk.exists(dir))) return false;
  try {
    const file = await disk.open(`${dir}/space`, { create: true });
    try {
      await file.write(
        Array.from({ length: 8 }, () => Buffer.alloc(1024 * 1024)),
        0,
      );
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (found) {
    return (found as { code?: unknown }).code === "ENOSPC";
  }
  return false;
}

function explain(
  error: unknown,
  isFull: boolean,
  options: RestoreOptions,
  stuck: readonly string[],
): unknown {
  const left =
    stuck.length === 0
      ? "Nothing was left behind"
      : `Remove ${stuck.join(" and ")}, which could not be removed`;
  if (isFull) {
    const where = options.walDir === undefined ? "" : ` and ${options.walDir}`;
    return new SnapshotError(
      "full",
      `no space left on device: ${options.dataDir}${where} cannot hold what ${options.path} ` +
        `restores to, which is about as large as the file. ${left}. Free space or use a larger ` +
        "volume, and run the restore again",
    );
  }
  if (stuck.length === 0) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Error(`${message}. ${left}`, { cause: error });
}

interface NewCluster {
  readonly cluster: Cluster;
  /** Ascending by id. */
  readonly members: readonly Member[];
  readonly local: Member;
}

function checkBump({ revisionBump = 0, markCompacted = false }: RestoreOptions): void {
  if (revisionBump > 0 === markCompacted) return;
  throw new SnapshotError("bump", "--mark-compacted required if --revision-bump > 0");
}

/** Checks as etcd's config.VerifyBootstrap does, without resolving host names. */
function planCluster(options: RestoreOptions): NewCluster {
  const { name } = options;
  const advertised = orThrow(parseUrls(options.peerUrls)).map((url) => url.text);
  const initial = orThrow(parseInitialCluster(options.initialCluster));
  const own = initial.get(name)?.map((url) => url.text);
  if (own === undefined) {
    throw new SnapshotError(
      "cluster",
      `couldn't find local name ${JSON.stringify(name)} in the initial cluster configuration: ` +
        `--initial-cluster=${options.initialCluster} names ${[...initial.keys()].join(", ")}. Give ` +
        "--name one of these, or add name=peer-url to --initial-cluster",
    );
  }
  const missing = own.filter((url) => !advertised.includes(url));
  if (missing.length > 0) {
    const pairs = missing.map((url) => `${name}=${url}`).join(",");
    const urls = advertised.join(",");
    throw new SnapshotError(
      "cluster",
      `--initial-cluster has ${pairs} but missing from --initial-advertise-peer-urls=${urls}`,
    );
  }
  const surplus = advertised.filter((url) => !own.includes(url));
  if (surplus.length > 0) {
    const pairs = advertised.map((url) => `${name}=${url}`).join(",");
    throw new SnapshotError(
      "cluster",
      `--initial-advertise-peer-urls has ${surplus.join(",")} but missing from --initial-cluster=${pairs}`,
    );
  }
  if (hasDuplicateUrl(initial)) {
    throw new SnapshotError(
      "cluster",
      `initial cluster ${options.initialCluster.split(",").sort().join(",")} has duplicate url`,
    );
  }
  const sha1 = (bytes: Uint8Array): Uint8Array => createHash("sha1").update(bytes).digest();
  const expected = orThrow(bootstrapCluster(sha1, options.initialClusterToken, initial));
  const cluster = new Cluster(expected.state());
  return { cluster, members: cluster.members(), local: cluster.memberByName(name) as Member };
}

function orThrow<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new SnapshotError("cluster", result.error);
}

/** Makes everything below `target.building` (and the WAL) durable but for its final name. */
async function build(
  options: RestoreOptions,
  cluster: NewCluster,
  { building, walBuilding }: RestoreTarget,
): Promise<ImportResult> {
  const { disk } = options;
  const snapDir = `${building}/snap`;
  await disk.mkdir(snapDir);
  const engine = await options.openEngine(`${snapDir}/db`);
  let imported: ImportResult;
  try {
    imported = await importSnapshot(disk, options.path, engine, changesOf(options, cluster));
  } catch (error) {
    // What the engine could not write it cannot close over either; the first error says why.
    await engine.close().catch(() => {});
    throw error;
  }
  await engine.close();
  await saveLog(options, cluster, walBuilding, snapDir);
  await disk.syncDir(snapDir);
  return imported;
}

function changesOf(options: RestoreOptions, cluster: NewCluster): ImportChanges {
  const members = cluster.cluster
    .rows()
    .filter((row) => row.bucket === "members")
    .map((row): Row => [row.key, row.value as Uint8Array])
    .sort((a, b) => Buffer.compare(a[0], b[0]));
  const bump = options.revisionBump ?? 0;
  const applied = {
    appliedIndex: cluster.members.length as Index,
    appliedTerm: firstTerm,
    confState: confStateOf(cluster),
  };
  const compacted = (meta: BackendMeta): Partial<BackendMeta> =>
    bump > 0 ? { scheduledCompactRevision: meta.revision as Revision } : {};
  return {
    members,
    // etcdutl marks the bumped revision by a row without a value.
    moreRevisions: (last) =>
      bump > 0 ? [[encodeRevisionKey(last + bump, 0, false), emptyBytes]] : [],
    meta: (meta) => ({ ...meta, ...applied, ...compacted(meta) }),
    onRows: (kind, rows, progress) => {
      options.signal?.throwIfAborted();
      if (kind === "rev" && options.skipHashCheck === true) checkKeyValues(options.path, rows);
      options.progress?.("reading", progress.done, progress.total);
    },
  };
}

async function saveLog(
  options: RestoreOptions,
  cluster: NewCluster,
  walDir: string,
  snapDir: string,
): Promise<void> {
  const { disk, faults, logger } = options;
  const metadata = { nodeId: cluster.local.id, clusterId: cluster.cluster.clusterId };
  const wal = await Wal.create({ disk, faults, logger, nowMs: () => 0 }, walDir, metadata);
  try {
    const entries = cluster.members.map((member, i): Entry => {
      const context = encodeMemberContext(member);
      const data = raftpb.encodeConfChange({ id: 0n, type: 0, nodeId: member.id, context });
      return { type: 1, term: firstTerm, index: (i + 1) as Index, data };
    });
    const index = entries.length as Index;
    const vote = (cluster.members[0] as Member).id;
    const hardState: HardState = { term: firstTerm, vote, commit: index };
    await wal.save(hardState, entries);
    const confState = confStateOf(cluster);
    const snapshot = { data: emptyBytes, metadata: { confState, index, term: firstTerm } };
    await new Snapshotter(disk, logger, snapDir).save(snapshot);
    await wal.saveSnapshot({ index, term: firstTerm, confState });
  } finally {
    await wal.close();
  }
}

function confStateOf(cluster: NewCluster): ConfState {
  const voters = cluster.members.map((member): MemberId => member.id);
  return { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
}

/** Without a hash, rows that would stop the member at its first boot are found here. */
function checkKeyValues(path: string, rows: readonly Row[]): void {
  for (const [, value] of rows) keyValueOf(path, value);
}

/** Is it a whole bbolt file, with the trailing sha256 (unless that is not to be checked)? */
async function checkFile(options: RestoreOptions): Promise<void> {
  const { disk, path, signal, progress } = options;
  await (await BoltReader.open(disk, path)).close();
  if (options.skipHashCheck === true) return;
  const file = await disk.open(path, { readOnly: true });
  try {
    const { databaseBytes, sha256 } = await readSha256(file);
    if (sha256 === undefined) {
      throw new SnapshotError(
        "hash",
        `snapshot missing hash but --skip-hash-check=false: ${path} does not end with the sha256 ` +
          "that `snapshot save` writes. Nothing was left behind. If it was copied from a data " +
          "folder (member/snap/db), add --skip-hash-check",
      );
    }
    const hash = createHash("sha256");
    for (let at = 0; at < databaseBytes; at += hashChunkBytes) {
      signal?.throwIfAborted();
      hash.update(await file.read(at, Math.min(hashChunkBytes, databaseBytes - at)));
      progress?.("checking", Math.min(databaseBytes, at + hashChunkBytes), databaseBytes);
    }
    const found = hash.digest("hex");
    const expected = Buffer.from(sha256).toString("hex");
    if (found === expected) return;
    throw new SnapshotError(
      "hash",
      `expected sha256 ${expected}, got ${found}: ${path} is not as it was saved. Nothing was ` +
        "left behind. Use another copy of it, or another snapshot",
    );
  } finally {
    await file.close();
  }
}
