/** What every command works with. */
import type { KubeApi } from "../operator/runtime/index.ts";
import type { Clock } from "../ports/index.ts";

export interface CommandContext {
  readonly api: KubeApi;
  readonly namespace: string;
  readonly clock: Clock;
  readonly stdout: (text: string) => void;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
}

/** A refusal with what to do about it; printed without a stack. Exit code 1. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

/** CLUSTER-20261122-140503: unique enough for hands, and sorted by time. */
export function nameOf(cluster: string, clock: Clock): string {
  const time = new Date(clock.wallMs()).toISOString().replace(/[-:]|\.\d+Z$/g, "");
  return `${cluster}-${time.replace("T", "-")}`;
}
