/** A data folder as it lies on disk, read without changing it. */
import {
  type Cluster,
  clusterFromRows,
  decodeContext,
  emptyCluster,
} from "../core/membership/index.ts";
import { EntryType } from "../core/raft/index.ts";
import type { Index, Term } from "../core/types.ts";
import type { Clock, Disk, Engine, Faults, Logger } from "../ports/index.ts";
import { raftpb } from "../proto/index.ts";
import { Backend, BackendError, type BackendMeta } from "../storage/backend/index.ts";
import { findEngineDir, SnapshotError, Snapshotter } from "../storage/snapshot/index.ts";
import { readLog, type WalContents, WalError } from "../storage/wal/index.ts";
import { scanMembers } from "./member-rows.ts";
import { formerPrefix, memberDir, snapDirOf, tokenPath, walDirOf } from "./paths.ts";
import { decodeLogged } from "./requests.ts";

export type DataDirErrorCode =
  /** There is no member's data. */
  | "empty"
  /** The data is not a Quoin member's, or a newer Quoin's. */
  | "foreign"
  /** Log or engine lost or changed data, or do not belong together. */
  | "damaged"
  /** A member runs on it. */
  | "busy"
  /** Its member left its cluster for good: what it holds is out of date. */
  | "removed"
  /** Something stands where force-new keeps the former state. */
  | "exists";

/** Beside those of a member that does not start; `quoin util` ends with them. */
const exitCodes: Readonly<Record<DataDirErrorCode, number>> = {
  empty: 80,
  foreign: 81,
  damaged: 82,
  busy: 83,
  removed: 84,
  exists: 85,
};

/** A data folder cannot be used; the message says why, what is safe and what to do. */
export class DataDirError extends Error {
  override readonly name = "DataDirError";
  readonly code: DataDirErrorCode;

  constructor(code: DataDirErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get exitCode(): number {
    return exitCodes[this.code];
  }
}

/** What reading a data folder needs of the world. */
export interface DataDirPorts {
  readonly disk: Disk;
  readonly logger: Logger;
  readonly faults: Faults;
  readonly clock: Clock;
  /** Opens an engine that exists, without its lock and without writing. */
  readonly openEngineReadOnly: (dir: string) => Promise<Engine>;
}

export interface DataDir {
  readonly log: WalContents;
  /** Undefined for a member that has never run. */
  readonly engineDir: string | undefined;
  /** The database of a received snapshot that boot would install instead of the engine. */
  readonly received: string | undefined;
  /** Of the engine; zeros where there is none. */
  readonly meta: BackendMeta | undefined;
  /** The members as of what is applied. */
  readonly cluster: Cluster;
  /** Index up to which the state is in the engine, or in the received database. */
  readonly applied: Index;
  readonly last: { readonly term: Term; readonly index: Index };
  readonly token: string | undefined;
}

/** Rejects with DataDirError. */
export async function readDataDir(dataDir: string, p: DataDirPorts): Promise<DataDir> {
  try {
    return await read(dataDir, p);
  } catch (error) {
    throw asDataDirError(error, dataDir);
  }
}

async function read(dataDir: string, p: DataDirPorts): Promise<DataDir> {
  const walDir = walDirOf({ dataDir, walDir: undefined });
  const snapDir = snapDirOf(dataDir);
  const { disk } = p;
  if (!(await disk.exists(memberDir(dataDir)))) {
    throw new DataDirError(
      "empty",
      `${dataDir} holds no member: nothing was here, or it was emptied${await formerHint(dataDir, disk)}`,
    );
  }
  if (!(await disk.exists(walDir))) {
    throw new DataDirError(
      "damaged",
      `${memberDir(dataDir)} has no log in wal/: somebody emptied half of the folder, or the log ` +
        "lies elsewhere (--wal-dir); what is left cannot be trusted",
    );
  }
  const engineDir = await findEngineDir(disk, snapDir);
  const engine = engineDir === undefined ? undefined : await readEngine(engineDir, p);
  const applied = engine?.meta.appliedIndex ?? 0;
  const snapshotter = new Snapshotter(disk, p.logger, snapDir);
  let received: string | undefined;
  const { contents: log } = await readLog(disk, walDir, async (valid) => {
    for (const marker of [...valid].reverse()) {
      if (marker.index <= applied) return marker;
      received = await snapshotter.databasePath(marker.index);
      if (received !== undefined) return marker;
    }
    throw new DataDirError(
      "damaged",
      `${dataDir}: the engine has applied index ${applied}, but the log begins above it: the ` +
        "engine lost data; choose another survivor",
    );
  });
  const { snapshot, entries } = log;
  const end = entries.at(-1) ?? snapshot;
  const from = received === undefined ? applied : snapshot.index;
  if (from > end.index) {
    throw new DataDirError(
      "damaged",
      `${dataDir}: the engine has applied index ${from}, the log ends at ${end.index}: they do ` +
        "not belong together or one lost data; choose another survivor",
    );
  }
  const cluster = emptyCluster();
  if (engine !== undefined) {
    const state = clusterFromRows(log.metadata.clusterId, engine.rows);
    if (!state.ok) throw new DataDirError("damaged", `${engineDir}: ${state.error}`);
    cluster.replace(state.value);
  }
  return {
    log,
    engineDir,
    received,
    meta: engine?.meta,
    cluster,
    applied: from as Index,
    last: { term: end.term, index: end.index },
    token: await readToken(dataDir, disk),
  };
}

/** A force-new that died between its renames, or was undone half-way. */
async function formerHint(dataDir: string, disk: Disk): Promise<string> {
  if (!(await disk.exists(dataDir))) return "";
  const former = (await disk.list(dataDir)).find((name) => name.startsWith(formerPrefix));
  if (former === undefined) return "";
  return `; ${former} is its state from before force-new: run that again with the same token, or rename it back to member`;
}

async function readEngine(dir: string, p: DataDirPorts) {
  const engine = await p.openEngineReadOnly(dir).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    throw new DataDirError("damaged", `the engine in ${dir} does not open: ${why}`);
  });
  try {
    const { clock, faults, logger } = p;
    const onFatal = (): void => undefined;
    const backend = await Backend.open({ engine, clock, faults, logger, onFatal });
    return { meta: backend.meta, rows: await scanMembers(backend) };
  } finally {
    await engine.close();
  }
}

async function readToken(dataDir: string, disk: Disk): Promise<string | undefined> {
  const path = tokenPath(memberDir(dataDir));
  if (!(await disk.exists(path))) return undefined;
  const file = await disk.open(path, { readOnly: true });
  try {
    const text = Buffer.from(await file.read(0, 1024))
      .toString("utf8")
      .trim();
    return text === "" ? undefined : text;
  } finally {
    await file.close();
  }
}

/** Everything a folder can be wrong in, by its name; other failures (EIO, EACCES) as they are. */
function asDataDirError(error: unknown, dataDir: string): unknown {
  if (error instanceof DataDirError || !(error instanceof Error)) return error;
  if (error instanceof BackendError || isForeign(error)) {
    return new DataDirError("foreign", `${dataDir}: ${error.message}`, { cause: error });
  }
  if (error instanceof WalError || error instanceof SnapshotError) {
    return new DataDirError("damaged", error.message, { cause: error });
  }
  return error;
}

const isForeign = (error: Error): boolean =>
  error instanceof SnapshotError && error.code === "foreign";

/**
 * The members as the log says up to `commit`: the rows of the engine, and what was committed since.
 */
export function committedMembers(dir: DataDir, commit: number): Cluster {
  const { cluster } = dir;
  for (const entry of dir.log.entries) {
    if (entry.index <= dir.applied || entry.index > commit) continue;
    if (entry.type === EntryType.ConfChange) {
      const change = raftpb.decodeConfChange(entry.data);
      const readable = change.type === 1 || decodeContext(change.context) !== undefined;
      if (readable && cluster.validateConfChange(change) === undefined) {
        cluster.applyConfChange(change);
      }
    } else if (entry.type === EntryType.Normal && entry.data.byteLength > 0) {
      const { clusterMemberAttrSet: set } = decodeLogged(entry.data);
      if (set !== undefined && cluster.member(set.memberId) !== undefined) {
        const { name = "", clientUrls = [] } = set.memberAttributes ?? {};
        cluster.setAttributes(set.memberId, { name, clientURLs: clientUrls });
      }
    }
  }
  return cluster;
}
