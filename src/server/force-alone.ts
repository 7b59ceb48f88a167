/**
 * --force-new-cluster: the member goes on alone, with its data and identity; the others are removed by
 * entries of its own log, so that whoever joins later and whoever comes back learns of it. `quoin util
 * force-new` gives new identities instead, which is safer while an old member may still run.
 * Source: etcd server/etcdserver/bootstrap.go bootstrapWALFromSnapshot.
 *
 * Unlike etcd it keeps what was not known to be committed (see force-new.ts why that is allowed): a
 * follower hears of a commit later than the client. The removals are of a term of their own, far beyond
 * any that the others may have reached without this member, so that no old member's log can be taken for
 * this one, and none counts as newer.
 *
 * Unlike etcd, too, it asks the others first: a flag that was left in a unit file would remove those that
 * were added since, at the next start, while they go on.
 */
import { type Cluster, decodeContext } from "../core/membership/index.ts";
import {
  ConfChangeType,
  type ConfState,
  type Entry,
  EntryType,
  type HardState,
  LostEntries,
} from "../core/raft/index.ts";
import { type ClusterId, hexId, index, type MemberId, noMember, term } from "../core/types.ts";
import { emptyBytes } from "../lib/bytes.ts";
import { raftpb } from "../proto/index.ts";
import type { Wal, WalContents } from "../storage/wal/index.ts";
import { BootError } from "./errors.ts";
import type { MemberPorts } from "./options.ts";

/** Of the engine: what it has applied, and who was a member then. */
export interface AppliedMembers {
  readonly appliedIndex: number;
  /** Undefined before any member was. */
  readonly confState: ConfState | undefined;
  /** Their peer URLs. */
  readonly cluster: Pick<Cluster, "member">;
}

type AlonePorts = Pick<MemberPorts, "lookAt" | "logger">;

/** Elections, each won by one of the others, that this member cannot have missed. */
const termsAhead = 1024;

/**
 * Writes the removals, and that everything in the log is committed. The log as it is then; unchanged
 * members and an empty tail change nothing, so that the flag may stay. Killed amid it, the member needs the
 * flag again: the log may end in removals that are not committed. Throws BootError("config") for a learner
 * and for a log in the middle of a joint change, "alive" while one of the others runs or may; LostEntries for a log
 * that ends before what was committed.
 */
export async function forceAlone(
  wal: Wal,
  contents: WalContents,
  applied: AppliedMembers,
  p: AlonePorts,
): Promise<WalContents> {
  const { metadata, entries, snapshot, hardState } = contents;
  const last = entries.at(-1) ?? snapshot;
  if (hardState.commit > last.index) throw new LostEntries(hardState.commit, last.index);
  const peerUrls = othersOf(contents, applied);
  await refuseRunning(peerUrls, metadata.clusterId, p);
  const others = [...peerUrls.keys()];
  const alone = term(Math.max(hardState.term, last.term) + termsAhead);
  const removals = others.map(
    (nodeId, i): Entry => ({
      term: alone,
      index: index(last.index + 1 + i),
      type: EntryType.ConfChange,
      data: raftpb.encodeConfChange({
        id: 0n,
        type: ConfChangeType.RemoveNode,
        nodeId,
        context: emptyBytes,
      }),
    }),
  );
  const commit = index(last.index + removals.length);
  p.logger.info("forcing restart member", {
    "cluster-id": hexId(metadata.clusterId),
    "local-member-id": hexId(metadata.nodeId),
    "wal-commit-index": hardState.commit,
    "commit-index": commit,
    "removed-member-ids": others.map(hexId),
  });
  if (commit === hardState.commit) return contents;
  // A start that was killed may have left the removals without the term that they are of.
  const reached = removals.length > 0 ? alone : last.term;
  const next: HardState =
    reached > hardState.term ? { term: reached, vote: noMember, commit } : { ...hardState, commit };
  await wal.save(next, removals);
  return { ...contents, hardState: next, entries: [...entries, ...removals] };
}

/** Voters and learners but this member, with their peer URLs, once the whole log counts. */
function othersOf(
  contents: WalContents,
  { appliedIndex, confState, cluster }: AppliedMembers,
): Map<MemberId, readonly string[]> {
  const { nodeId } = contents.metadata;
  const voters = new Set(confState?.voters ?? []);
  const learners = new Set(confState?.learners ?? []);
  const told = new Map<MemberId, readonly string[]>();
  let isJoint = (confState?.votersOutgoing.length ?? 0) > 0;
  for (const entry of contents.entries) {
    if (entry.index <= appliedIndex) continue;
    if (entry.type === EntryType.ConfChangeV2) isJoint = true;
    if (entry.type !== EntryType.ConfChange) continue;
    const change = raftpb.decodeConfChange(entry.data);
    const { type } = change;
    const context = decodeContext(change.context);
    if (context?.isPromote === false) told.set(change.nodeId, context.member.peerURLs);
    if (type === ConfChangeType.UpdateNode) continue;
    voters.delete(change.nodeId);
    learners.delete(change.nodeId);
    if (type === ConfChangeType.AddNode) voters.add(change.nodeId);
    if (type === ConfChangeType.AddLearnerNode) learners.add(change.nodeId);
  }
  if (isJoint || !voters.has(nodeId)) {
    const why = isJoint ? "its log ends amid a joint change of members" : "it is no voter";
    throw new BootError(
      "config",
      `--force-new-cluster cannot make member ${hexId(nodeId)} a cluster of its own: ${why}; ` +
        "nothing was changed; use `quoin util force-new`, or another member's data",
    );
  }
  const others = [...voters, ...learners].filter((id) => id !== nodeId);
  return new Map(others.map((id) => [id, told.get(id) ?? cluster.member(id)?.peerURLs ?? []]));
}

/**
 * One that takes no connection is no obstacle: it is what the flag is for. One that takes it and hangs, or
 * whose TLS fails, lives, and may go on with the others.
 */
async function refuseRunning(
  others: ReadonlyMap<MemberId, readonly string[]>,
  clusterId: ClusterId,
  p: AlonePorts,
): Promise<void> {
  const asked = [...others].flatMap(([id, urls]) => urls.map((url) => ({ id, url })));
  const seen = await Promise.all(
    asked.map(async ({ id, url }) => ({ id, url, sight: await p.lookAt(url) })),
  );
  for (const { id, url, sight } of seen) {
    if (sight.kind !== "member" || sight.clusterId !== clusterId) continue;
    throw new BootError(
      "alive",
      `member ${hexId(id)} at ${url} still runs, and --force-new-cluster would remove it; ` +
        "nothing was changed; stop it for good, or remove --force-new-cluster",
    );
  }
  for (const { id, url, sight } of seen) {
    if (sight.kind === "absent") {
      const fields = { "remote-peer-id": hexId(id), url, error: sight.problem };
      p.logger.warn("a member that is to be removed cannot be reached", fields);
    }
    if (sight.kind !== "unclear") continue;
    throw new BootError(
      "alive",
      `member ${hexId(id)} may still run: ${url} takes connections, but says ${JSON.stringify(sight.problem)}; ` +
        "nothing was changed; stop what listens there and start this member again, remove " +
        "--force-new-cluster, or use `quoin util force-new`, which gives new identities",
    );
  }
}
