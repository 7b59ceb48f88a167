/** Which member a snapshot is taken from (OPERATOR 15, 16). */
import { type Client, RpcError } from "../client/index.ts";
import type { Logger } from "../ports/index.ts";
import { throwIfInterrupted } from "./interruption.ts";
import { BackupError } from "./types.ts";

/** What a member says of itself. */
export interface MemberView {
  readonly endpoint: string;
  readonly memberId: bigint;
  readonly clusterId: bigint;
  readonly revision: number;
  readonly applied: number;
  readonly committed: number;
  readonly isLeader: boolean;
  readonly isLearner: boolean;
  /** Alarms that name this very member. */
  readonly alarms: ReadonlySet<string>;
  /** Of the database; what a snapshot will take, roughly. */
  readonly dbBytes: number;
}

export interface ChosenMember extends MemberView {
  /** No quorum stood behind it: what was acknowledged lately may be missing. */
  readonly possiblyStale: boolean;
  /** All that was acknowledged before the backup began is in revisions up to here. */
  readonly atLeastRevision: number;
}

export interface Choice {
  readonly client: Client;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Endpoints whose stream broke before: asked last. */
  readonly avoid: ReadonlySet<string>;
  readonly timeoutMs: number;
  /** The cluster that is meant; an address may be another's by now. */
  readonly clusterId: bigint | undefined;
}

/** A member this many entries behind the others would make an old snapshot, or wait for long. */
const lagMax = 1000;
/** No key of anybody's; only that a quorum answers counts. */
const probeKey = "quoin.dev/backup-probe";

/**
 * A follower in sync before the leader, and never one with the CORRUPT alarm. A linearizable read through it
 * first, so that it has applied all that was acknowledged before. Where no member gives one (no quorum),
 * the member with the newest revision, possibly stale. Rejects with BackupError ClusterUnreachable when
 * nobody answers for the cluster that is meant, InvalidConfig when none is named and they are of several.
 */
export async function chooseMember(choice: Choice): Promise<ChosenMember> {
  const { logger, signal, avoid } = choice;
  const views = ownOf(await survey(choice), choice);
  const ids = new Set(views.map((view) => view.clusterId));
  if (ids.size > 1) {
    const pairs = views.map((v) => `${v.endpoint} of cluster ${hex(v.clusterId)}`);
    throw new BackupError(
      "InvalidConfig",
      `The endpoints belong to ${ids.size} clusters: ${pairs.join(", ")}. Nothing was stored; give ` +
        "the endpoints of one cluster.",
    );
  }
  let problem = "";
  for (const view of rankMembers(views, avoid)) {
    try {
      const options = { endpoint: view.endpoint, timeoutMs: choice.timeoutMs, signal };
      const { header } = await choice.client.kv.get(probeKey, { ...options, countOnly: true });
      const atLeastRevision = Number(header?.revision ?? 0);
      logger.info("chose the member to take the snapshot from", {
        endpoint: view.endpoint,
        role: view.isLeader ? "leader" : "follower",
        revision: atLeastRevision,
      });
      return { ...view, possiblyStale: false, atLeastRevision };
    } catch (error) {
      throwIfInterrupted(signal);
      problem = error instanceof RpcError ? error.message : String(error);
      logger.warn("no linearizable read through this member", {
        endpoint: view.endpoint,
        problem,
      });
    }
  }
  const newest = newestOf(views, avoid);
  if (newest === undefined) {
    throw new BackupError(
      "ClusterUnreachable",
      "Every member that answers has the alarm CORRUPT. Nothing was stored; find the member whose " +
        "data differs (etcdctl endpoint hashkv) and replace it.",
    );
  }
  logger.warn("no quorum: the snapshot may lack acknowledged writes", {
    endpoint: newest.endpoint,
    revision: newest.revision,
    problem,
  });
  return { ...newest, possiblyStale: true, atLeastRevision: 0 };
}

/** Those of the cluster that is meant. */
function ownOf(views: readonly MemberView[], { clusterId, logger }: Choice): readonly MemberView[] {
  if (clusterId === undefined) return views;
  const own = views.filter((view) => view.clusterId === clusterId);
  const strangers = views
    .filter((view) => view.clusterId !== clusterId)
    .map((view) => `${view.endpoint} of cluster ${hex(view.clusterId)}`);
  if (strangers.length > 0) logger.warn("members of another cluster answer", { strangers });
  if (own.length > 0) return own;
  throw new BackupError(
    "ClusterUnreachable",
    `No member of cluster ${hex(clusterId)} answers, only ${strangers.join(", ")}: these addresses are ` +
      "another cluster's now. Nothing was stored; see what became of the cluster.",
    true,
  );
}

const hex = (id: bigint): string => id.toString(16);

/** In the order in which they are tried. Learners cannot read linearizably. */
export function rankMembers(
  views: readonly MemberView[],
  avoid: ReadonlySet<string>,
): MemberView[] {
  const newest = Math.max(0, ...views.map((view) => view.committed));
  const faults = (view: MemberView): number =>
    (avoid.has(view.endpoint) ? 8 : 0) +
    (newest - view.applied > lagMax ? 4 : 0) +
    (view.alarms.has("NOSPACE") ? 2 : 0) +
    (view.isLeader ? 1 : 0);
  return views
    .filter((view) => !view.isLearner && !view.alarms.has("CORRUPT"))
    .sort((a, b) => faults(a) - faults(b) || b.applied - a.applied);
}

/** Without a quorum: the newest revision counts; a voter before a learner, which may be half filled. */
function newestOf(
  views: readonly MemberView[],
  avoid: ReadonlySet<string>,
): MemberView | undefined {
  const faults = (view: MemberView): number =>
    (avoid.has(view.endpoint) ? 2 : 0) + (view.isLearner ? 1 : 0);
  return views
    .filter((view) => !view.alarms.has("CORRUPT"))
    .sort((a, b) => faults(a) - faults(b) || b.revision - a.revision)[0];
}

/** Who answers, all asked at once. */
async function survey({ client, logger, signal, timeoutMs }: Choice): Promise<MemberView[]> {
  const problems: string[] = [];
  const answers = await Promise.all(
    client.endpoints.map(async (endpoint) => {
      try {
        const answer = await client.maintenance.status(endpoint, { timeoutMs, signal });
        return viewOf(endpoint, answer);
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        problems.push(`${endpoint}: ${problem}`);
        logger.warn("a member does not answer", { endpoint, problem });
        return undefined;
      }
    }),
  );
  throwIfInterrupted(signal);
  const views = answers.filter((view) => view !== undefined);
  if (views.length > 0) return views;
  throw new BackupError(
    "ClusterUnreachable",
    `No member answers (${problems.join("; ")}). Nothing was stored and earlier backups are ` +
      "untouched; see that the members run and that the network lets this pod reach them.",
    true,
  );
}

type Status = Awaited<ReturnType<Client["maintenance"]["status"]>>;

function viewOf(endpoint: string, status: Status): MemberView {
  const memberId = status.header?.memberId ?? 0n;
  const alarms = status.errors.flatMap((text) => {
    const [, id, alarm] = /^memberID:(\d+) alarm:(\w+)/.exec(text) ?? [];
    return alarm !== undefined && BigInt(id ?? "") === memberId ? [alarm] : [];
  });
  return {
    endpoint,
    memberId,
    clusterId: status.header?.clusterId ?? 0n,
    revision: Number(status.header?.revision ?? 0),
    applied: Number(status.raftAppliedIndex),
    committed: Number(status.raftIndex),
    isLeader: status.leader === memberId,
    isLearner: status.isLearner,
    alarms: new Set(alarms),
    dbBytes: Number(status.dbSize),
  };
}
