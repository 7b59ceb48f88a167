/** Inspection Jobs and what their pods said last. Pure. */
import { componentInspect, labelComponent, labelMember } from "../resources/index.ts";
import type { Job, KubeObject, Pod } from "../types/index.ts";
import { stuckReason } from "./digest.ts";
import type { ObservedInspection } from "./types.ts";

export const isInspection = (o: KubeObject): boolean =>
  o.metadata.labels?.[labelComponent] === componentInspect;

/** By the member whose volume is looked at. */
export function observeInspections(
  objects: { readonly jobs: readonly Job[]; readonly pods: readonly Pod[] },
  nowMs: number,
): Map<string, ObservedInspection> {
  const member = (o: KubeObject): string => o.metadata.labels?.[labelMember] ?? "";
  const pods = Map.groupBy(objects.pods.filter(isInspection), member);
  return new Map(
    objects.jobs
      .filter(isInspection)
      .map((job) => [member(job), digest(job, pods.get(member(job)) ?? [], nowMs)]),
  );
}

function digest(job: Job, pods: readonly Pod[], nowMs: number): ObservedInspection {
  const has = (type: string): boolean =>
    (job.status?.conditions ?? []).some((c) => c.type === type && c.status === "True");
  const found = pods.map(reportOf).find((r) => r !== undefined);
  const stuck = pods.map((pod) => stuckReason(pod, nowMs)).find((s) => s !== undefined);
  return {
    uid: job.metadata.uid ?? "",
    state: has("Complete") ? "complete" : has("Failed") ? "failed" : "running",
    deleting: job.metadata.deletionTimestamp !== undefined,
    ...(stuck ? { stuck } : {}),
    ...(found ? { found } : {}),
  };
}

function reportOf(pod: Pod): ObservedInspection["found"] {
  const message = pod.status?.containerStatuses?.[0]?.state?.terminated?.message;
  try {
    const report = JSON.parse(message ?? "") as Record<string, unknown> | null;
    const isReport = typeof report?.["lastLogIndex"] === "number" || report?.["error"];
    return isReport ? (report as unknown as ObservedInspection["found"]) : undefined;
  } catch {
    return undefined;
  }
}
