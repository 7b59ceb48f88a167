/**
 * The checks before a membership change is proposed (etcd server.go mayAddMember and friends):
 * `--strict-reconfig-check` refuses what would break the quorum at work.
 */
import type { MemberId } from "../types.ts";
import type { Cluster } from "./cluster.ts";
import type { MembershipError } from "./errors.ts";
import { membershipError } from "./errors.ts";
import type { Member } from "./member.ts";
import { isStarted } from "./member.ts";

/** How long a connection must have been up to count: etcd's HealthInterval. */
export const healthIntervalMs = 5000;

/** A learner may be promoted once it holds this share of the leader's log. */
export const readyPercentThreshold = 0.9;

/** What the server knows about its connections. */
export interface Connectivity {
  readonly self: MemberId;
  /** Connected at all just now. */
  isActive(id: MemberId): boolean;
  /** Connected without a break for at least healthIntervalMs. */
  isHealthy(id: MemberId): boolean;
}

export interface ReconfigOptions {
  readonly strict: boolean;
  /** Learners are added without a check (docs/decisions/002); etcd checks them like voters. */
  readonly quickLearners?: boolean;
  readonly connectivity: Connectivity;
}

/** Whether the member may be proposed for addition (etcd server.go mayAddMember). */
export function mayAddMember(
  cluster: Cluster,
  member: Pick<Member, "isLearner">,
  { strict, quickLearners = false, connectivity }: ReconfigOptions,
): MembershipError | undefined {
  if (!strict || (quickLearners && member.isLearner)) return undefined;
  const voters = cluster.votingMembers();
  if (!member.isLearner && !isReadyToAdd(voters)) return membershipError("notEnoughStartedMembers");
  // The new member counts as absent in the quorum to come.
  const enough =
    voters.length === 1 || countHealthy(voters, connectivity) >= quorum(voters.length + 1);
  return enough ? undefined : membershipError("unhealthy");
}

/** Whether the member may be proposed for removal. */
export function mayRemoveMember(
  cluster: Cluster,
  id: MemberId,
  { strict, connectivity }: ReconfigOptions,
): MembershipError | undefined {
  if (!strict || cluster.member(id)?.isLearner === true) return undefined;
  const voters = cluster.votingMembers();
  const rest = voters.filter((m) => m.id !== id);
  if (rest.filter(isStarted).length < quorum(rest.length)) {
    return membershipError("notEnoughStartedMembers");
  }
  // A member that is down takes nothing away from the quorum at work.
  if (id !== connectivity.self && !connectivity.isActive(id)) return undefined;
  const healthy = countHealthy(voters, connectivity);
  const needed = 1 + Math.trunc((voters.length - 1) / 2);
  return healthy - 1 < needed ? membershipError("unhealthy") : undefined;
}

/** The leader's view of how far a learner is; undefined where Raft does not know the id. */
export interface PromoteProgress {
  /** Undefined when this member is not the leader. */
  readonly leaderMatch: number | undefined;
  readonly learnerMatch: number | undefined;
}

/** Whether the learner may be proposed for promotion; only the leader can tell. */
export function mayPromoteMember(
  cluster: Cluster,
  progress: PromoteProgress,
  strict: boolean,
): MembershipError | undefined {
  const { leaderMatch, learnerMatch } = progress;
  if (leaderMatch === undefined) return membershipError("notLeader");
  if (learnerMatch === undefined) return membershipError("idNotFound");
  if (learnerMatch / leaderMatch < readyPercentThreshold) {
    return membershipError("learnerNotReady");
  }
  if (!strict) return undefined;
  // The learner counts both as a voter to come and as started.
  const voters = cluster.votingMembers();
  const started = voters.filter(isStarted).length + 1;
  return started < quorum(voters.length + 1)
    ? membershipError("notEnoughStartedMembers")
    : undefined;
}

/** Whether this member has healthy connections to a quorum (gates some leader work). */
export function isConnectedToQuorum(cluster: Cluster, connectivity: Connectivity): boolean {
  const voters = cluster.votingMembers();
  return countHealthy(voters, connectivity) >= quorum(voters.length);
}

function isReadyToAdd(voters: readonly Member[]): boolean {
  const started = voters.filter(isStarted).length;
  const total = voters.length + 1;
  // A lone started member may always grow: that is how a cluster is restored.
  return (started === 1 && total === 2) || started >= quorum(total);
}

const quorum = (voters: number): number => Math.trunc(voters / 2) + 1;

const countHealthy = (voters: readonly Member[], c: Connectivity): number =>
  voters.filter((m) => m.id === c.self || c.isHealthy(m.id)).length;
