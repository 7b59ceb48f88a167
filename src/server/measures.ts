/**
 * What a member measures for the metrics page: distributions and counters in plain numbers, read when the
 * page is asked for. Seconds, or milliseconds where the name says so. Bounds are etcd's.
 */
import { Distribution, exponential, OutcomesByName } from "../lib/distribution.ts";
import type { rpcpb } from "../proto/index.ts";

const durations = exponential(0.001, 2, 14);
const shortDurations = exponential(0.0001, 2, 20);

export class Measures {
  /** Handing units of rows to the engine. */
  readonly backendCommit = new Distribution(durations);
  /** Views of the store that are open. */
  openViews = 0;
  /** Sending the store to clients and members. */
  readonly backendSnapshot = new Distribution(exponential(0.01, 2, 17));
  readonly snapMarshal = new Distribution(durations);
  readonly snapSync = new Distribution(durations);
  readonly snapSave = new Distribution(durations);
  readonly databaseSync = new Distribution(durations);
  readonly databaseSave = new Distribution(exponential(0.1, 2, 10));
  /** Has nothing to do here, so nothing but its calls. */
  readonly defrag = new Distribution(exponential(0.1, 2, 13));
  readonly hash = new Distribution(exponential(0.01, 2, 15));
  readonly hashRevision = new Distribution(exponential(0.01, 2, 15));
  /** Applying one entry, by the kind of its request. */
  readonly apply = new OutcomesByName(shortDurations);
  /** From a request to its answer, by its kind. */
  readonly requests = new OutcomesByName(durations);
  readonly rangeOk = new Distribution(shortDurations);
  readonly rangeFailed = new Distribution(shortDurations);
  readonly leaseTtl = new Distribution(exponential(1, 2, 24));
  readonly compactionPauseMs = new Distribution(exponential(1, 2, 13));
  readonly compactionTotalMs = new Distribution(exponential(100, 2, 14));
  readonly indexPauseMs = new Distribution(exponential(0.5, 2, 14));
  compactedKeys = 0;
  /** Unix seconds when a compaction was last finished; 0: never. */
  lastCompaction = 0;
  /** Events handed to watchers' connections. */
  events = 0;
  readonly watchSend = new Distribution(durations);
  readonly watchSendPerEvent = new Distribution(durations);
  readonly watchControl = new Distribution(durations);
  readonly watchProgress = new Distribution(durations);
  lateHeartbeats = 0;
  promoted = 0;
  /** Refused promotions by the error's text, of which there are a handful. */
  readonly promotionsFailed = new Map<string, number>();
}

/** The request's kind as etcd's label `op` and `type` name it (apply/uber_applier.go). */
export function kindOf(r: rpcpb.InternalRaftRequest): string {
  if (r.put !== undefined) return "Put";
  if (r.txn !== undefined) return "Txn";
  if (r.deleteRange !== undefined) return "DeleteRange";
  if (r.leaseGrant !== undefined) return "LeaseGrant";
  if (r.leaseRevoke !== undefined) return "LeaseRevoke";
  for (const [field, name] of rareKinds) if (r[field] !== undefined) return name;
  return "unknown";
}

const rareKinds: readonly (readonly [keyof rpcpb.InternalRaftRequest, string])[] = [
  ["compaction", "Compaction"],
  ["leaseCheckpoint", "LeaseCheckpoint"],
  ["alarm", "Alarm"],
  ["clusterVersionSet", "ClusterVersionSet"],
  ["clusterMemberAttrSet", "ClusterMemberAttrSet"],
  ["downgradeInfoSet", "DowngradeInfoSet"],
  ["authenticate", "Authenticate"],
  ["authEnable", "AuthEnable"],
  ["authDisable", "AuthDisable"],
  ["authStatus", "AuthStatus"],
  ["authUserAdd", "AuthUserAdd"],
  ["authUserDelete", "AuthUserDelete"],
  ["authUserGet", "AuthUserGet"],
  ["authUserChangePassword", "AuthUserChangePassword"],
  ["authUserGrantRole", "AuthUserGrantRole"],
  ["authUserRevokeRole", "AuthUserRevokeRole"],
  ["authUserList", "AuthUserList"],
  ["authRoleList", "AuthRoleList"],
  ["authRoleAdd", "AuthRoleAdd"],
  ["authRoleDelete", "AuthRoleDelete"],
  ["authRoleGet", "AuthRoleGet"],
  ["authRoleGrantPermission", "AuthRoleGrantPermission"],
  ["authRoleRevokePermission", "AuthRoleRevokePermission"],
];
