/** Growing and shrinking, one member at a time, and larger volumes. */

import type { ObservedMember } from "../observe/types.ts";
import { quorum } from "../resources/index.ts";
import { type Facts, isHealthy, stepPlan, volumeStep, waitPlan } from "./facts.ts";
import { growthBlocked } from "./join.ts";
import { handOver } from "./template.ts";
import type { Plan } from "./types.ts";

/** Names the next member; the rest of its way is in join.ts. */
export function scaleUp(f: Facts): Plan | undefined {
  if (f.voterCount >= f.places || f.voterCount === 0) return undefined;
  const blocked = growthBlocked(f);
  if (blocked !== undefined) return blocked;
  const { member } = f.context.fresh;
  const message = `${f.voterCount} of ${f.places} members: ${member} is next`;
  return stepPlan({ kind: "latch", set: { joining: member } }, "ScalingUp", message);
}

/** The leader moves off, the member is removed; clean-up does the rest. */
export function scaleDown(f: Facts): Plan | undefined {
  const chosen = f.voters.find((m) => m.name === f.status.removing);
  if (f.voterCount <= f.places) {
    if (chosen === undefined) return undefined;
    const step = { kind: "latch", set: { removing: undefined } } as const;
    return stepPlan(step, "ScalingUp", `${chosen.name} stays after all`);
  }
  const victim = chosen ?? chooseVictim(f);
  if (victim?.peer === undefined) return undefined;
  const rest = f.voters.filter((m) => m !== victim);
  if (rest.filter(isHealthy).length < quorum(f.voterCount - 1)) {
    const message = `waiting: without ${victim.name} fewer than ${quorum(f.voterCount - 1)} healthy members would remain`;
    return waitPlan("ScalingDown", message);
  }
  if (chosen === undefined) {
    const step = { kind: "latch", set: { removing: victim.name } } as const;
    return stepPlan(step, "ScalingDown", `${victim.name} is to leave`);
  }
  const move = victim === f.leader ? handOver(f, victim) : undefined;
  if (move !== undefined) return move;
  const step = { kind: "memberRemove", member: victim.name, id: victim.peer.id } as const;
  return stepPlan(step, "ScalingDown", `removing ${victim.name}`);
}

/** Unhealthy first, the leader last, else the one with the least behind it. */
function chooseVictim(f: Facts): ObservedMember | undefined {
  const cost = (m: ObservedMember): number =>
    (isHealthy(m) ? 2 : 0) + (m === f.leader ? 4 : 0) + (m.name === f.status.seed ? 1 : 0);
  return [...f.voters].sort((a, b) => cost(a) - cost(b) || (a.name < b.name ? 1 : -1))[0];
}

/**
 * Larger volumes, where the StorageClass can, and their owner by policy; last, so that a refusal
 * blocks nothing else.
 */
export function tendVolumes(f: Facts): Plan | undefined {
  const { size, retentionPolicy } = f.cluster.spec.storage;
  const owned = retentionPolicy?.whenDeleted === "Delete";
  for (const m of f.voters) {
    const { volume } = m;
    if (volume === undefined || volume.deleting) continue;
    const grows = bytes(size) > bytes(volume.size);
    if (!grows && volume.owned === owned) continue;
    const change = grows ? ({ kind: "grow", size } as const) : ({ kind: "own", owned } as const);
    const step = volumeStep(volume.name, volume.uid, change);
    const message = grows
      ? `volume of ${m.name} from ${volume.size} to ${size}`
      : `volume of ${m.name} is ${owned ? "deleted" : "kept"} with the cluster`;
    return stepPlan(step, "TendingVolumes", message);
  }
  return undefined;
}

const units = ["", "K", "M", "G", "T", "P", "E"];

/** Bytes of a quantity such as 8Gi; exact enough to compare. */
function bytes(quantity: string): number {
  const match = /^([0-9.]+)([EPTGMKk]?)(i?)$/.exec(quantity);
  if (match === null) return Number.NaN;
  const exponent = units.indexOf((match[2] ?? "").toUpperCase());
  return Number(match[1]) * (match[3] === "i" ? 1024 : 1000) ** exponent;
}
