/**
 * Who belongs to the cluster: members and their ids, conf changes and what they do, etcd's JSON
 * and rows for them, URLs and `--initial-cluster`, version rules. Pure.
 *
 * A server boots with `bootstrapCluster` (new), `assignIds` (joining) or `clusterFromRows`
 * (restart); checks a request with `mayAddMember` and friends before it proposes; and for each
 * committed conf change calls `validateConfChange`, then `applyConfChange`, and persists the rows.
 */
export type {
  ClusterOptions,
  ClusterState,
  ConfChangeRecord,
  MembershipBucket,
  MembershipEffect,
  MembershipRow,
} from "./cluster.ts";
export {
  bootstrapCluster,
  Cluster,
  checkMaxLearners,
  clusterFromRows,
  emptyCluster,
} from "./cluster.ts";
export type { MembershipError, MembershipErrorCode } from "./errors.ts";
export { membershipError } from "./errors.ts";
export { assignIds } from "./join.ts";
export type { ConfigChangeContext } from "./json.ts";
export {
  decodeContext,
  decodeMember,
  decodeMembers,
  encodeMemberContext,
  encodePromoteContext,
  memberJson,
  membersJson,
} from "./json.ts";
export type { Attributes, Member, Sha1 } from "./member.ts";
export { computeClusterId, computeMemberId, isStarted } from "./member.ts";
export type { Connectivity, PromoteProgress, ReconfigOptions } from "./reconfig.ts";
export {
  healthIntervalMs,
  isConnectedToQuorum,
  mayAddMember,
  mayPromoteMember,
  mayRemoveMember,
} from "./reconfig.ts";
export type { MemberUrl, Result, UrlsMap } from "./urls.ts";
export {
  formatInitialCluster,
  goQuote,
  hasDuplicateUrl,
  isHostPort,
  parseInitialCluster,
  parseUrl,
  parseUrls,
} from "./urls.ts";
export type { Downgrade, SemVer } from "./version.ts";
export {
  compareMajorMinor,
  compareVersions,
  decideClusterVersion,
  downgradeTarget,
  formatVersion,
  haveVersion,
  isCompatibleWithCluster,
  minClusterVersion,
  noDowngrade,
  parseTargetVersion,
  parseVersion,
  serverVersion,
} from "./version.ts";
