/**
 * Signs that a member is lost: how its process ended, whether its node still answers. All from the
 * pod itself: the operator needs no right to read nodes.
 */
import type { Pod } from "../types/index.ts";
import type { ObservedPod } from "./types.ts";

/** A pod that a living node was told to end is gone by then, its grace period included. */
const overdueMs = 30_000;

/** The last end of the pod's container, with whether it runs again; undefined if it never ended. */
export function exitOf(pod: Pod): ObservedPod["exit"] {
  const [container] = pod.status?.containerStatuses ?? [];
  const now = container?.state?.terminated;
  const last = now ?? container?.lastState?.terminated;
  if (last === undefined) return undefined;
  return {
    code: last.exitCode,
    message: lastLine(last.message ?? ""),
    running: container?.state?.running !== undefined,
  };
}

/**
 * Since when the pod's node does not answer; undefined while it does, as far as the pod tells.
 *
 * A node that went silent shows in two ways. The node controller sets Ready to False and leaves
 * ContainersReady as the kubelet wrote it last: a kubelet always changes both, since our pods have
 * no readiness gates. And a pod that was told to end, by an eviction or by a person, stays.
 */
export function unreachableOf(pod: Pod, nowMs: number): ObservedPod["unreachable"] {
  const conditions = pod.status?.conditions ?? [];
  const ready = conditions.find((c) => c.type === "Ready");
  const containers = conditions.find((c) => c.type === "ContainersReady");
  const { deletionTimestamp } = pod.metadata;
  // deletionTimestamp is when the pod should be gone: the request plus the grace period.
  const overdue =
    deletionTimestamp !== undefined && nowMs - Date.parse(deletionTimestamp) > overdueMs;
  const marked = ready?.status === "False" && containers?.status === "True";
  if (!overdue && !marked) return undefined;
  const times = [
    ...(overdue ? [Date.parse(deletionTimestamp)] : []),
    ...(marked ? [Date.parse(String(ready.lastTransitionTime ?? ""))] : []),
  ].filter((ms) => !Number.isNaN(ms));
  if (times.length === 0) return undefined;
  const sinceMs = Math.min(...times);
  return { since: new Date(sinceMs).toISOString().replace(/\.\d+Z$/, "Z"), ms: nowMs - sinceMs };
}

/** The server logs one line of JSON a record; the last one with an error says why it ended. */
function lastLine(message: string): string {
  const lines = message.trim().split("\n");
  const error = lines.map(errorOf).findLast((it) => it !== undefined);
  return (error ?? lines.at(-1) ?? "").slice(-500);
}

function errorOf(line: string): string | undefined {
  try {
    const { error } = JSON.parse(line) as { error?: unknown };
    return typeof error === "string" ? error : undefined;
  } catch {
    return undefined; // not a log line, or a piece of one
  }
}
