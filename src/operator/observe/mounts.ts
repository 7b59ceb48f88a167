/**
 * Volumes that do not come. A pod's own status says ContainerCreating, for an image that is being fetched as for a Secret
 * that does not exist; what is missing stands in the kubelet's Events alone.
 */
import { type KubeApi, KubeError, resources } from "../runtime/index.ts";
import type { KubeObject, Pod } from "../types/index.ts";

/** Longer than a volume needs on a machine that has much to do. */
const mountMs = 30_000;
const noteMax = 500;

/** An Event as events.k8s.io/v1 shows it; kubelets write those of the older API, with other times. */
interface Event extends KubeObject {
  readonly type?: string;
  readonly reason?: string;
  readonly note?: string;
  readonly eventTime?: string | null;
  readonly deprecatedLastTimestamp?: string | null;
  readonly series?: { readonly lastObservedTime?: string } | null;
}

/**
 * The same pods; where one has waited for its volumes for longer than that, and the last thing said about it is a
 * warning, that is what its container waits for. Rejects only when `signal` is aborted: without the right to read Events a
 * pod simply waits.
 */
export function tellMounts(
  pods: readonly Pod[],
  nowMs: number,
  c: { readonly api: Pick<KubeApi, "list">; readonly signal?: AbortSignal },
): Promise<Pod[]> {
  return Promise.all(
    pods.map(async (pod) => {
      const event = isWaiting(pod, nowMs) ? await lastEvent(pod, c) : undefined;
      return event?.type === "Warning" ? waitingFor(pod, event) : pod;
    }),
  );
}

function isWaiting(pod: Pod, nowMs: number): boolean {
  const waiting = pod.status?.containerStatuses?.[0]?.state?.waiting;
  if (waiting?.reason !== "ContainerCreating") return false;
  const scheduled = pod.status?.conditions?.find((it) => it.type === "PodScheduled");
  const sinceMs = Date.parse(String(scheduled?.lastTransitionTime ?? ""));
  return scheduled?.status === "True" && nowMs - sinceMs > mountMs;
}

async function lastEvent(
  pod: Pod,
  { api, signal }: Parameters<typeof tellMounts>[2],
): Promise<Event | undefined> {
  const { namespace, uid = "" } = pod.metadata;
  const fieldSelector = `regarding.uid=${uid}`;
  try {
    const { items } = await api.list<Event>(resources.events, { namespace, fieldSelector, signal });
    return items.reduce<Event | undefined>(
      (last, event) => (last === undefined || timeOf(event) >= timeOf(last) ? event : last),
      undefined,
    );
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof KubeError) return undefined;
    throw error;
  }
}

const timeOf = (e: Event): number =>
  Date.parse(e.series?.lastObservedTime ?? e.deprecatedLastTimestamp ?? e.eventTime ?? "") || 0;

function waitingFor(pod: Pod, { reason, note }: Event): Pod {
  const [container, ...others] = pod.status?.containerStatuses ?? [];
  if (container === undefined) return pod;
  const message = (note ?? "").slice(0, noteMax);
  const waiting = { reason: reason ?? "Waiting", ...(message ? { message } : {}) };
  const told = { ...container, state: { ...container.state, waiting } };
  return { ...pod, status: { ...pod.status, containerStatuses: [told, ...others] } };
}
