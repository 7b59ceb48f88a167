/** Which members are lost for good, and how that shows. Reads only what was observed. */
import { parseDuration } from "../../lib/duration.ts";
import type { ObservedMember } from "../observe/types.ts";
import type { Facts } from "./facts.ts";

/** Also the value of the label that a kept volume of a lost member gets. */
export type LossCause =
  /** The volume, or the disk behind it, does not exist any more. */
  | "VolumeGone"
  /** Somebody deleted the volume; it goes as soon as its pod ends, and nothing can stop that. */
  | "VolumeDeleted"
  /** The volume is there, its data is not. */
  | "DataEmptied"
  /** Log or engine are damaged. */
  | "DataDamaged"
  /** The data is another cluster's or another member's. */
  | "DataForeign"
  /** The data is that of a member that was removed. */
  | "DataOutdated"
  /** Its node has not answered for longer than spec.repair.gracePeriod. */
  | "NodeDead";

export interface Loss {
  readonly member: ObservedMember;
  readonly cause: LossCause;
  /** What happened, as the end of "member a-x is lost: ". */
  readonly what: string;
}

/** What the server's exit codes say of its disk (server/errors.ts); others say nothing of it. */
const byExitCode: Readonly<Record<number, readonly [LossCause, string]>> = {
  71: ["DataOutdated", "its disk holds the data of a member that was removed"],
  73: ["DataDamaged", "part of its data is gone"],
  74: ["DataDamaged", "its disk lost data that it had"],
  75: ["DataDamaged", "its log and its engine do not belong together"],
  76: ["DataEmptied", "its data directory is empty"],
  77: ["DataDamaged", "its data is damaged"],
  78: ["DataForeign", "its volume holds foreign data"],
};

const exitJoin = 70;

/**
 * Volumes of lost members that are kept at most. More mean that something destroys disks faster than
 * a person looks at them: then the operator must not go on handing out new ones.
 */
export const keptVolumesMax = 8;

export const defaultGraceMs = 600_000;

/** spec.repair.gracePeriod in milliseconds. */
export function graceMs(f: Facts): number {
  const text = f.cluster.spec.repair?.gracePeriod;
  return (text === undefined ? undefined : parseDuration(text)) ?? defaultGraceMs;
}

/** Undefined for a member that may come back by itself. */
export function lossOf(f: Facts, m: ObservedMember): Loss | undefined {
  return volumeLoss(m) ?? nodeLoss(f, m) ?? dataLoss(f, m);
}

/** The volume is gone or going, whether or not the member still serves from it. */
export function volumeLoss(m: ObservedMember): Loss | undefined {
  const { volume } = m;
  if (volume === undefined) {
    return { member: m, cause: "VolumeGone", what: "its volume is gone" };
  }
  if (volume.lost) {
    const what = `the disk behind its volume ${volume.name} is gone (phase Lost)`;
    return { member: m, cause: "VolumeGone", what };
  }
  if (!volume.deleting) return undefined;
  const what = `its volume ${volume.name} was deleted, which cannot be taken back`;
  return { member: m, cause: "VolumeDeleted", what };
}

/** A member that answers is alive, whatever its node does. */
function nodeLoss(f: Facts, m: ObservedMember): Loss | undefined {
  const silence = m.pod?.unreachable;
  if (silence === undefined || m.probe !== undefined || silence.ms < graceMs(f)) return undefined;
  const what = `its node has not answered since ${silence.since}`;
  return { member: m, cause: "NodeDead", what };
}

/**
 * By the typed end of its process. While the process runs again its last end counts only for a
 * member that is being replaced already: somebody may have brought the data back.
 */
function dataLoss(f: Facts, m: ObservedMember): Loss | undefined {
  const exit = m.pod?.exit;
  if (exit === undefined || m.probe !== undefined || m.pod?.ready === true) return undefined;
  if (exit.running && f.status.replacing?.member !== m.name) return undefined;
  const detail = exit.message === "" ? "" : `: ${exit.message}`;
  const known = byExitCode[exit.code];
  if (known !== undefined) {
    const what = `${known[1]} (exit code ${exit.code}${detail})`;
    return { member: m, cause: known[0], what };
  }
  // Only a member without data asks to join, and a voter had data. The seed has nobody to ask who
  // would say "emptied".
  if (exit.code !== exitJoin || m.peer?.learner !== false) return undefined;
  const what = `its data directory is empty (exit code ${exit.code}${detail})`;
  return { member: m, cause: "DataEmptied", what };
}

/** A pod that nobody can end: its node is dead. It is neither waited for nor force-deleted. */
export const isOnDeadNode = (m: ObservedMember): boolean =>
  m.pod?.deleting === true && m.pod.unreachable !== undefined;
