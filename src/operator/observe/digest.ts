/** Kubernetes objects condensed to what planning looks at. Pure. */
import { type JobReport, parseJobReport } from "../../backup/index.ts";
import {
  annotationJoinOrder,
  annotationRole,
  annotationSource,
  annotationTemplate,
  isReady,
  labelComponent,
  labelMember,
  labelToken,
} from "../resources/index.ts";
import {
  isControlledBy,
  type Job,
  type KubeObject,
  type Pod,
  type StatefulSet,
  type Volume,
} from "../types/index.ts";
import { exitOf, unreachableOf } from "./loss.ts";
import type { ObservedJob, ObservedPod, ObservedSet, ObservedVolume } from "./types.ts";

/** A pod may be unschedulable for a moment while its volume is made. */
const unschedulableMs = 30_000;

const youngMs = 60_000;

const lastChangeMs = (pod: Pod): number =>
  Date.parse(pod.metadata.deletionTimestamp ?? pod.metadata.creationTimestamp ?? "");

export const memberOf = (o: KubeObject): string => o.metadata.labels?.[labelMember] ?? "";

export const isMemberPod = (pod: Pod): boolean =>
  pod.metadata.labels?.[labelComponent] === "member";

const isDeleting = (o: KubeObject): boolean => o.metadata.deletionTimestamp !== undefined;

export function digestVolume(v: Volume, ownerUid: string): ObservedVolume {
  const joinOrder = v.metadata.annotations?.[annotationJoinOrder];
  const source = v.metadata.annotations?.[annotationSource];
  return {
    name: v.metadata.name,
    uid: v.metadata.uid ?? "",
    resourceVersion: v.metadata.resourceVersion ?? "",
    role: v.metadata.annotations?.[annotationRole] === "seed" ? "seed" : "member",
    token: v.metadata.labels?.[labelToken] ?? "",
    ...(source ? { source } : {}),
    ...(joinOrder ? { joinOrder } : {}),
    size: v.spec?.resources?.requests?.["storage"] ?? "",
    owned: isControlledBy(v, ownerUid),
    deleting: isDeleting(v),
    lost: v.status?.phase === "Lost",
  };
}

export function digestSet(s: StatefulSet, ownerUid: string): ObservedSet {
  return {
    uid: s.metadata.uid ?? "",
    digest: s.metadata.annotations?.[annotationTemplate] ?? "",
    controlled: isControlledBy(s, ownerUid),
    deleting: isDeleting(s),
  };
}

export function digestPod(pod: Pod, nowMs: number): ObservedPod {
  const stuck = stuckReason(pod, nowMs);
  const exit = exitOf(pod);
  const unreachable = unreachableOf(pod, nowMs);
  const ip = pod.status?.podIP;
  return {
    uid: pod.metadata.uid ?? "",
    ...(ip ? { ip } : {}),
    ready: isReady(pod),
    deleting: isDeleting(pod),
    digest: pod.metadata.annotations?.[annotationTemplate] ?? "",
    ...(stuck ? { stuck } : {}),
    young: nowMs - lastChangeMs(pod) < youngMs,
    restarts: pod.status?.containerStatuses?.[0]?.restartCount ?? 0,
    ...(exit ? { exit } : {}),
    ...(unreachable ? { unreachable } : {}),
  };
}

export function digestJob(
  job: Job,
  pods: readonly Pod[],
  ownerUid: string,
  nowMs: number,
): ObservedJob {
  const has = (type: string): boolean =>
    (job.status?.conditions ?? []).some((c) => c.type === type && c.status === "True");
  const newestFirst = [...pods].sort((a, b) => madeMs(b) - madeMs(a));
  const [pod] = newestFirst;
  const stuck = pod === undefined ? undefined : stuckReason(pod, nowMs);
  const report = newestFirst.map(reportOf).find((r) => r !== undefined);
  const restarts = pod?.status?.containerStatuses?.[0]?.restartCount;
  const source = job.metadata.annotations?.[annotationSource];
  return {
    uid: job.metadata.uid ?? "",
    digest: job.metadata.annotations?.[annotationTemplate] ?? "",
    state: has("Complete") ? "complete" : has("Failed") ? "failed" : "running",
    controlled: isControlledBy(job, ownerUid),
    deleting: isDeleting(job),
    ...(stuck && !has("Complete") ? { stuck } : {}),
    ...(restarts ? { restarts } : {}),
    ...(source ? { source } : {}),
    ...(report ? { report } : {}),
  };
}

const madeMs = (pod: Pod): number => Date.parse(pod.metadata.creationTimestamp ?? "") || 0;

/** What the pod's container said last, of its present or its former run. */
function reportOf(pod: Pod): JobReport | undefined {
  const [container] = pod.status?.containerStatuses ?? [];
  return [container?.state, container?.lastState]
    .map((state) => parseJobReport(state?.terminated?.message ?? ""))
    .find((r) => r !== undefined);
}

/** Why the pod's container does not run; undefined while it runs or is simply starting. */
export function stuckReason(pod: Pod, nowMs: number): string | undefined {
  const state = pod.status?.containerStatuses?.[0]?.state;
  const waiting = state?.waiting;
  if (waiting?.reason && !["ContainerCreating", "PodInitializing"].includes(waiting.reason)) {
    return text(waiting.reason, waiting.message ?? lastWords(pod));
  }
  if (state?.terminated && state.terminated.exitCode !== 0) {
    return text(`exit code ${state.terminated.exitCode}`, state.terminated.message);
  }
  if (pod.status?.phase === "Failed")
    return text(pod.status.reason ?? "Failed", pod.status.message);
  const scheduled = pod.status?.conditions?.find((c) => c.type === "PodScheduled");
  if (scheduled?.status !== "False") return undefined;
  const sinceMs = Date.parse(String(scheduled.lastTransitionTime ?? ""));
  if (!(nowMs - sinceMs > unschedulableMs)) return undefined;
  return text(scheduled.reason ?? "Unschedulable", scheduled.message);
}

const lastWords = (pod: Pod): string | undefined =>
  pod.status?.containerStatuses?.[0]?.lastState?.terminated?.message;

const text = (reason: string, message: string | undefined): string =>
  message ? `${reason}: ${ending(message.trim())}` : reason;

/** What matters of a long message is most often its end. */
const ending = (message: string): string =>
  message.length <= 500 ? message : `... ${message.slice(-500)}`;
