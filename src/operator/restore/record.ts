/** EtcdRestore.status as a record: phases with their times, and the last word. Pure. */
import {
  type EtcdRestore,
  type EtcdRestoreStatus,
  enterPhase,
  isFinal,
  type PhaseTime,
  type RestorePhase,
} from "../types/index.ts";

export const isOver = (status: EtcdRestoreStatus | undefined): boolean =>
  status?.phase !== undefined && isFinal(status.phase);

/** Status in this phase since `now`, or since it was entered; the phase before ends with it. */
export function inPhase(
  restore: EtcdRestore,
  phase: RestorePhase,
  message: string,
  now: string,
  more: Partial<EtcdRestoreStatus> = {},
): EtcdRestoreStatus {
  const old = restore.status?.phases ?? [];
  const last = old.at(-1);
  const phases = last?.phase === phase ? old : enterPhase(old, phase, now);
  return withOutcome(restore, { ...restore.status, ...more, phase, message, phases }, now);
}

/** Status as the cluster's own record of the transition tells it, after what came before it. */
export function following(
  restore: EtcdRestore,
  transition: { readonly phase: RestorePhase; readonly phases: readonly PhaseTime[] },
  message: string,
  now: string,
  more: Partial<EtcdRestoreStatus>,
): EtcdRestoreStatus {
  const [first] = transition.phases;
  const before = (restore.status?.phases ?? [])
    .filter((p) => p.phase === "PreFlight" || p.phase === "SafetyBackup" || p.phase === "Pending")
    .map((p) => (p.completionTime || !first ? p : { ...p, completionTime: first.startTime }));
  const { phase } = transition;
  const phases = [...before, ...transition.phases];
  return withOutcome(restore, { ...restore.status, ...more, phase, message, phases }, now);
}

function withOutcome(
  restore: EtcdRestore,
  status: EtcdRestoreStatus & { readonly phase: RestorePhase },
  now: string,
): EtcdRestoreStatus {
  const { phase, message = "" } = status;
  const value = phase === "Completed" ? "True" : "False";
  const old = restore.status?.conditions?.find((c) => c.type === "Complete");
  const observedGeneration = restore.metadata.generation ?? 0;
  return {
    ...status,
    observedGeneration,
    startTime: status.startTime ?? now,
    ...(isFinal(phase) ? { completionTime: status.completionTime ?? now } : {}),
    conditions: [
      {
        type: "Complete",
        status: value,
        reason: phase,
        message,
        observedGeneration,
        lastTransitionTime: old?.status === value ? old.lastTransitionTime : now,
      },
    ],
  };
}
