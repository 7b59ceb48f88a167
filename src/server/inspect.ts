/** `quoin util inspect`: what a data folder says of its member, for people and for the operator. */
import type { Member } from "../core/membership/index.ts";
import { hexId } from "../core/types.ts";
import { committedMembers, DataDirError, type DataDirPorts, readDataDir } from "./data-dir.ts";
import { formerPrefix } from "./paths.ts";

/** Ids are hexadecimal. What is not known is absent, or "" for the name. */
export interface DataDirReport {
  readonly name: string;
  readonly memberID: string;
  readonly clusterID: string;
  readonly token?: string;
  /** Where the durable log ends: survivors are ranked by term, then by index. */
  readonly lastLogTerm: number;
  readonly lastLogIndex: number;
  /** The last commit index that was written down; more may have been committed. */
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Of the key space, as of appliedIndex. */
  readonly revision: number;
  /** Its member is a learner, or was removed from its cluster. */
  readonly learner: boolean;
  readonly removed: boolean;
  readonly members: readonly ReportedMember[];
  /** States from before a force-new that are still kept here. */
  readonly former: readonly string[];
}

export interface ReportedMember {
  readonly id: string;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly clientURLs: readonly string[];
  readonly isLearner: boolean;
}

const attempts = 5;
const pauseMs = 200;

/**
 * Reads a folder without changing or locking it. Beside a running member it tells a moment of the
 * past: what it names is durable, more may have been added since; a folder that looks damaged is
 * read again, since the member may have been in the midst of a write. Rejects with DataDirError.
 */
export async function inspectDataDir(dataDir: string, p: DataDirPorts): Promise<DataDirReport> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await report(dataDir, p);
    } catch (error) {
      const passing =
        (error instanceof DataDirError && error.code === "damaged") ||
        (error as NodeJS.ErrnoException).code === "ENOENT";
      if (!passing || attempt === attempts) throw error;
      await new Promise<void>((resolve) => p.clock.after(pauseMs, resolve));
    }
  }
}

async function report(dataDir: string, p: DataDirPorts): Promise<DataDirReport> {
  const dir = await readDataDir(dataDir, p);
  const { nodeId, clusterId } = dir.log.metadata;
  const commit = Math.max(dir.log.hardState.commit, dir.applied);
  const cluster = committedMembers(dir, commit);
  const self = cluster.member(nodeId);
  const names = await p.disk.list(dataDir);
  return {
    name: self?.name ?? "",
    memberID: hexId(nodeId),
    clusterID: hexId(clusterId),
    ...(dir.token === undefined ? {} : { token: dir.token }),
    lastLogTerm: dir.last.term,
    lastLogIndex: dir.last.index,
    commitIndex: commit,
    appliedIndex: dir.applied,
    revision: dir.meta?.revision ?? 1,
    learner: self?.isLearner ?? false,
    removed: cluster.isRemoved(nodeId),
    members: cluster.members().map(reported),
    former: names.filter((name) => name.startsWith(formerPrefix)),
  };
}

const reported = (m: Member): ReportedMember => ({
  id: hexId(m.id),
  name: m.name,
  peerURLs: m.peerURLs,
  clientURLs: m.clientURLs,
  isLearner: m.isLearner,
});
