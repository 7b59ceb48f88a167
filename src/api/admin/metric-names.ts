/**
 * Names of etcd's page for what Quoin does not have: they stand there with nothing in them, so that
 * dashboards and tools that ask for them find them. Source: a scrape of etcd 3.7.3.
 */
import { Distribution, exponential } from "../../lib/distribution.ts";

const durations = exponential(0.001, 2, 14);

/** Steps of bbolt's commit; a write that is its own fsync. */
export const emptyHistograms: readonly (readonly [name: string, empty: Distribution])[] = (
  [
    ["etcd_debugging_disk_backend_commit_rebalance_duration_seconds", durations],
    ["etcd_debugging_disk_backend_commit_spill_duration_seconds", durations],
    ["etcd_debugging_disk_backend_commit_write_duration_seconds", durations],
    ["etcd_disk_wal_write_duration_seconds", durations],
  ] as const
).map(([name, bounds]) => [name, new Distribution(bounds)]);

export const emptyGauges = [
  "etcd_debugging_store_watchers",
  "etcd_disk_defrag_inflight",
  "etcd_grpc_proxy_cache_hits_total",
  "etcd_grpc_proxy_cache_keys_total",
  "etcd_grpc_proxy_cache_misses_total",
  "etcd_grpc_proxy_watchers_coalescing_total",
] as const;

export const emptyCounters = [
  "etcd_debugging_store_expires_total",
  "etcd_debugging_store_watch_requests_total",
  "etcd_grpc_proxy_events_coalescing_total",
] as const;
