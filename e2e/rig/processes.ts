// The processes of pods as this machine sees them: the nodes are namespaces of it.

import { readdirSync, readFileSync } from "node:fs";
import type { Pod } from "../../src/operator/types/index.ts";
import { until } from "../../test/until.ts";

/**
 * The process id, here, of the pod's process whose command line holds these words. The pod's uid
 * is in its cgroup's name, so no other cluster's process can be meant.
 */
export function processOf(pod: Pod, words: readonly string[]): number {
  const uid = pod.metadata.uid ?? "";
  const found = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const line = read(`/proc/${pid}/cmdline`).split("\0");
      const mentioned = words.every((word) => line.some((part) => part.endsWith(word)));
      return mentioned && read(`/proc/${pid}/cgroup`).includes(uid);
    });
  const [pid] = found;
  if (pid === undefined || found.length !== 1) {
    throw new Error(
      `${found.length} processes of pod ${pod.metadata.name} match ${words.join(" ")}`,
    );
  }
  return pid;
}

/** Stops it where it is, so that its files can be changed; kill it then. */
export const freeze = (pid: number): void => void process.kill(pid, "SIGSTOP");

/** kill -9; returns once it is dead, whoever killed it. */
export async function killProcess(pid: number): Promise<void> {
  try {
    if (!isDead(pid)) process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself just now.
  }
  await until(`process ${pid} to die`, () => isDead(pid), 10);
}

function isDead(pid: number): boolean {
  const state = /\) (\S)/.exec(read(`/proc/${pid}/stat`))?.[1];
  return state === undefined || state === "Z" || state === "X";
}

/** Empty when the process has ended. */
function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
