/** What planning of backups and schedules has in common: steps, and conditions that keep their time. */
import type { Condition, KubeObject } from "../types/index.ts";

export type Step =
  /** Makes what must not exist yet; an existing one ends the pass. */
  | { readonly kind: "create"; readonly object: KubeObject }
  /** Server-side apply; `uid` is that of the live object, absent when there is none. */
  | { readonly kind: "apply"; readonly object: KubeObject; readonly uid?: string | undefined }
  | {
      readonly kind: "delete";
      readonly target: "Job" | "EtcdBackup";
      readonly name: string;
      readonly uid: string;
    }
  /** Holds back the deletion of the EtcdBackup the pass is over, or lets it go. */
  | { readonly kind: "hold"; readonly held: boolean }
  /** Writes on a Job that its EtcdBackup was made. */
  | { readonly kind: "adopted"; readonly job: string; readonly uid: string };

export interface News {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

export interface Plan<Status> {
  readonly status: Status;
  /** Absent: nothing to do now. Done after status was written. */
  readonly step?: Step;
  /** Done and told instead where nothing can be made any more: the namespace is going. */
  readonly ifNamespaceEnds?: { readonly step: Step; readonly news: News };
  /** The status when the API server refuses the step. */
  readonly refused?: (why: string) => Status;
  /** Told as an Event. */
  readonly news?: News;
  /** When to look again if nothing wakes us; absent: never. */
  readonly requeueMs?: number;
}

/** RFC 3339, whole seconds, as Kubernetes writes times. */
export const timeText = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, "Z");

export interface ConditionText<Type extends string> {
  readonly type: Type;
  readonly status: Condition["status"];
  readonly reason: string;
  readonly message: string;
}

/** The condition with the time its status last changed. */
export function condition<Type extends string>(
  old: readonly Condition<Type>[] | undefined,
  text: ConditionText<Type>,
  generation: number | undefined,
  nowMs: number,
): Condition<Type> {
  const before = old?.find((c) => c.type === text.type);
  const same = before?.status === text.status;
  return {
    ...text,
    observedGeneration: generation ?? 0,
    lastTransitionTime: same ? before.lastTransitionTime : timeText(nowMs),
  };
}
