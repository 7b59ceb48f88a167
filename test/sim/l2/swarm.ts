import type { NetworkFaults } from "../ports/network.ts";
import type { SimRandom } from "../random.ts";

/** Kinds of trouble, each of which a seed has or has not; shrinking switches them off. */
const drawn = [
  "loss",
  "partition",
  "crash",
  "crashAtFault",
  "stop",
  "pause",
  "drift",
  "membership",
  "transfer",
  "compaction",
  "lease",
  "watch",
] as const;
/** "disk": in the seeds that begin with it, so that all others keep their histories. */
export const memberFaults = [...drawn, "disk"] as const;
export const diskMark = "disk/";
export type MemberFault = (typeof memberFaults)[number];

/** Everything that a seed decides about a world of full members. */
export interface MemberSwarm {
  readonly voters: number;
  readonly faults: ReadonlySet<MemberFault>;
  readonly network: NetworkFaults;
  readonly heartbeatMs: number;
  readonly electionMs: number;
  readonly snapshotCount: number;
  readonly catchupEntries: number;
  readonly tierBytes: number;
  readonly walSegmentBytes: number;
  readonly raftLogBytes: number;
  readonly syncUs: number;
  readonly engineUs: number;
  readonly strict: boolean;
  readonly clients: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly thinkUs: number;
  readonly nemesisUs: number;
  readonly safetyUs: number;
  readonly livenessUs: number;
}

export function memberSwarmOf(random: SimRandom): MemberSwarm {
  const density = random.pick([25, 50, 80]);
  const faults = new Set<MemberFault>(drawn.filter(() => random.chance(density)));
  const heartbeatMs = random.pick([20, 50, 100]);
  return {
    voters: random.pick([1, 1, 2, 3, 3, 3, 5]),
    faults,
    network: {
      lossPercent: faults.has("loss") ? random.between(1, 15) : 0,
      duplicatePercent: 0,
      delayMinUs: random.pick([50, 200, 1_000]),
      delayMeanUs: random.pick([50, 500, 5_000]),
      clogPercent: random.pick([0, 0, 1]),
      clogUs: random.pick([50_000, 500_000]),
      // As on the real transport's streams, most of the time; posts overtake each other.
      fifo: random.chance(75),
    },
    heartbeatMs,
    electionMs: heartbeatMs * random.pick([5, 10]),
    snapshotCount: random.pick([5, 20, 100]),
    catchupEntries: random.pick([1, 5, 20]),
    tierBytes: random.pick([1, 300_000, 1 << 20]),
    walSegmentBytes: random.pick([1_000, 5_000, 50_000]),
    // Little of it makes whoever was away a moment need a snapshot.
    raftLogBytes: random.pick([1, 2_000, 64 << 20]),
    syncUs: random.pick([100, 1_000, 10_000]),
    engineUs: random.pick([50, 1_000, 20_000]),
    strict: random.chance(50),
    clients: random.between(2, 10),
    keys: random.pick([2, 5, 20]),
    valueBytes: random.pick([10, 10, 1_000, 20_000]),
    thinkUs: random.pick([2_000, 20_000, 100_000]),
    nemesisUs: random.pick([200_000, 500_000, 1_500_000]),
    safetyUs: random.between(2, 8) * 1_000_000,
    livenessUs: 90_000_000,
  };
}
