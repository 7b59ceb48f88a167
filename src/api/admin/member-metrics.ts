/** Which figure of a member stands under which of etcd's names. */

import { hexId, noMember } from "../../core/types.ts";
import type { Distribution, OutcomesByName } from "../../lib/distribution.ts";
import type { Measures, Member } from "../../server/index.ts";
import type { Labels } from "./page-metrics.ts";

type Figure = readonly [name: string, help: string, value: (m: Member) => number];

export const memberGauges: readonly Figure[] = [
  ["etcd_server_has_leader", "Whether a leader is known.", (m) => Number(m.leader !== noMember)],
  ["etcd_server_is_leader", "Whether this member leads.", (m) => Number(m.isLeader)],
  ["etcd_server_is_learner", "Whether this member is a learner.", (m) => Number(m.isLearner)],
  ["etcd_server_proposals_committed_total", "Commit index.", (m) => m.commitIndex],
  ["etcd_server_proposals_applied_total", "Applied index.", (m) => m.appliedIndex],
  ["etcd_server_proposals_pending", "Proposals waiting.", (m) => m.counts.proposalsPending],
  ["etcd_server_quota_backend_bytes", "Quota in bytes.", (m) => m.options.quotaBytes],
  ["etcd_mvcc_db_total_size_in_bytes", "Logical bytes.", (m) => m.sizes.logicalBytes],
  ["etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes in use.", (m) => m.sizes.logicalBytes],
  ["etcd_mvcc_db_open_read_transactions", "Open views.", (m) => m.measures.openViews],
  ["etcd_debugging_mvcc_total_put_size_in_bytes", "Bytes put.", (m) => m.kv.counts.putBytes],
  ["etcd_debugging_mvcc_db_compaction_last", "When.", (m) => m.measures.lastCompaction],
  ["etcd_debugging_mvcc_keys_total", "Keys.", (m) => m.kv.keyCount],
  ["etcd_debugging_mvcc_watcher_total", "Watchers.", (m) => m.kv.watches.watcherCount],
  ["etcd_debugging_mvcc_watch_stream_total", "Streams.", (m) => m.kv.watches.streamCount],
  ["etcd_debugging_mvcc_slow_watcher_total", "Behind.", (m) => m.kv.watches.unsyncedCount],
  ["etcd_debugging_mvcc_current_revision", "Current revision.", (m) => m.kv.revision],
  ["etcd_debugging_mvcc_compact_revision", "Compacted.", (m) => m.kv.compactRevision],
  ["etcd_debugging_auth_revision", "Of users and roles.", (m) => m.state.auth.store.revision],
  ["etcd_server_snapshot_apply_in_progress_total", "Installs.", (m) => Number(m.state.restoring)],
  ["quoin_engine_disk_bytes", "Bytes the engine takes on disk.", (m) => m.sizes.diskBytes],
  ["quoin_backend_dirty_bytes", "Bytes not yet in the engine.", (m) => m.state.backend.dirtyBytes],
  ["quoin_backend_tier_bytes", "Bytes of values in memory.", (m) => m.state.backend.tierBytes],
];

/** Totals since the start. */
export const memberCounters: readonly Figure[] = [
  ["etcd_server_leader_changes_seen_total", "Leader changes seen.", (m) => m.leadership.changes],
  ["etcd_server_proposals_failed_total", "Proposals given up.", (m) => m.counts.proposalsFailed],
  ["etcd_server_heartbeat_send_failures_total", "Late.", (m) => m.measures.lateHeartbeats],
  ["etcd_server_learner_promote_successes", "Promoted here.", (m) => m.measures.promoted],
  ["etcd_mvcc_put_total", "Puts.", (m) => m.kv.counts.puts],
  ["etcd_mvcc_delete_total", "Deletions.", (m) => m.kv.counts.deletes],
  ["etcd_mvcc_range_total", "Ranges.", (m) => m.kv.counts.ranges],
  ["etcd_mvcc_txn_total", "Transactions.", (m) => m.kv.counts.txns],
  ["etcd_debugging_mvcc_db_compaction_keys_total", "Rows.", (m) => m.measures.compactedKeys],
  ["etcd_debugging_mvcc_events_total", "Sent to watchers.", (m) => m.measures.events],
  ["etcd_debugging_lease_granted_total", "Granted.", (m) => m.state.leaseCounts.granted],
  ["etcd_debugging_lease_revoked_total", "Revoked.", (m) => m.state.leaseCounts.revoked],
  ["etcd_debugging_lease_renewed_total", "Renewed here.", (m) => m.leases.counts.renewed],
  ["etcd_debugging_server_lease_expired_total", "Expired.", (m) => m.leases.counts.expired],
  ["etcd_server_slow_apply_total", "Slow turns of apply.", (m) => m.counts.slowApplies],
  ["etcd_server_slow_read_indexes_total", "Reads asked again.", (m) => m.counts.slowReads],
  ["etcd_server_read_indexes_failed_total", "Failed reads.", (m) => m.counts.failedReads],
];

type Plain = readonly [name: string, help: string, d: (m: Measures) => Distribution];

export const distributions: readonly Plain[] = [
  [
    "etcd_disk_backend_commit_duration_seconds",
    "Writes of applied entries to the engine; fsync is the WAL's.",
    (m) => m.backendCommit,
  ],
  ["etcd_disk_backend_snapshot_duration_seconds", "Whole stores sent.", (m) => m.backendSnapshot],
  ["etcd_disk_backend_defrag_duration_seconds", "Defragment.", (m) => m.defrag],
  ["etcd_debugging_snap_save_marshalling_duration_seconds", "Encoding.", (m) => m.snapMarshal],
  ["etcd_debugging_snap_save_total_duration_seconds", "Saving a .snap.", (m) => m.snapSave],
  ["etcd_snap_fsync_duration_seconds", "Syncing a .snap.", (m) => m.snapSync],
  ["etcd_snap_db_fsync_duration_seconds", "Syncing a received store.", (m) => m.databaseSync],
  ["etcd_snap_db_save_total_duration_seconds", "Receiving a store.", (m) => m.databaseSave],
  ["etcd_mvcc_hash_duration_seconds", "Hash.", (m) => m.hash],
  ["etcd_mvcc_hash_rev_duration_seconds", "HashKV.", (m) => m.hashRevision],
  ["etcd_debugging_lease_ttl_total", "TTLs of leases granted.", (m) => m.leaseTtl],
  [
    "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds",
    "Slices of compaction that removed rows.",
    (m) => m.compactionPauseMs,
  ],
  [
    "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds",
    "Compactions from their first slice to their end.",
    (m) => m.compactionTotalMs,
  ],
  [
    "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds",
    "The turns of those slices that walk the index.",
    (m) => m.indexPauseMs,
  ],
  [
    "etcd_debugging_server_watch_send_loop_watch_stream_duration_seconds",
    "Handing ready events of a stream to the connection.",
    (m) => m.watchSend,
  ],
  [
    "etcd_debugging_server_watch_send_loop_watch_stream_duration_per_event_seconds",
    "The same by event.",
    (m) => m.watchSendPerEvent,
  ],
  [
    "etcd_debugging_server_watch_send_loop_control_stream_duration_seconds",
    "Handing answers without events to the connection.",
    (m) => m.watchControl,
  ],
  [
    "etcd_debugging_server_watch_send_loop_progress_duration_seconds",
    "Looking for watchers that are due a notice.",
    (m) => m.watchProgress,
  ],
];

type Labelled = readonly [Labels, Distribution];

/** Those with labels, which stand there once something was observed. */
export const labelled: readonly (readonly [
  name: string,
  help: string,
  read: (m: Measures) => Iterable<Labelled>,
])[] = [
  [
    "etcd_server_range_duration_seconds",
    "Reading a range, each turn of a long one by itself.",
    (m) => seen([{ success: "true" }, m.rangeOk], [{ success: "false" }, m.rangeFailed]),
  ],
  [
    "etcd_server_apply_duration_seconds",
    "Applying one entry.",
    (m) => byName(m.apply, (op, success) => ({ version: "v3", op, success })),
  ],
  [
    "etcd_server_request_duration_seconds",
    "From a request to its answer, by its kind.",
    (m) => byName(m.requests, (type, success) => ({ type, success })),
  ],
];

const seen = (...all: readonly Labelled[]): Labelled[] => all.filter(([, d]) => d.total > 0);

function* byName(
  all: OutcomesByName,
  labels: (name: string, success: string) => Labels,
): Generator<Labelled> {
  for (const [name, { ok, failed }] of all.entries()) {
    yield* seen([labels(name, "true"), ok], [labels(name, "false"), failed]);
  }
}

/** Peers that are known, or connected, as etcd's rafthttp counts them. */
export function* peers(m: Member, which: "known" | "active"): Generator<[Labels, number]> {
  const Local = hexId(m.id);
  for (const { id } of m.members()) {
    if (which === "known") yield [{ Local, Remote: hexId(id) }, 1];
    else if (id !== m.id) {
      yield [{ Local, Remote: hexId(id) }, Number(m.transport.activeSince(id) !== undefined)];
    }
  }
}
