import type { NetworkFaults } from "../ports/network.ts";
import type { SimRandom } from "../random.ts";
import type { MemberOptions } from "./member.ts";

/** Kinds of faults, each of which a seed has or has not; shrinking switches them off one by one. */
export const faultClasses = [
  "loss",
  "partition",
  "oneWay",
  "crash",
  "pause",
  "drift",
  "confChange",
  "joint",
  "transfer",
  "stepIn",
  "snapshotLoss",
] as const;
export type FaultClass = (typeof faultClasses)[number];

/** Everything that a seed decides before the first event. */
export interface Swarm {
  readonly voters: number;
  readonly faults: ReadonlySet<FaultClass>;
  readonly network: NetworkFaults;
  readonly member: MemberOptions;
  /** Bootstrap by conf change entries as etcd does, or by a common snapshot. */
  readonly bootstrapByEntries: boolean;
  readonly safetyUs: number;
  readonly livenessUs: number;
  /** Mean time between two faults of the nemesis, and between two client calls. */
  readonly nemesisUs: number;
  readonly clientUs: number;
}

export function swarmOf(random: SimRandom, mutant: MemberOptions["mutant"]): Swarm {
  // Some seeds have little of everything, some much: a single fault that lasts finds other bugs.
  const density = random.pick([25, 50, 80]);
  const faults = new Set<FaultClass>(faultClasses.filter(() => random.chance(density)));
  const electionTicks = random.pick([5, 10, 10, 20]);
  const maxMessageBytes = random.pick([1, 200, 2_000, 512 << 10]);
  const logBytes = random.pick([1, 1_000, 10_000, 64 << 20]);
  const fifo = random.chance(50);
  // Members that do not know of their removal disturb a cluster without these two.
  const strict = faults.has("confChange") || random.chance(30);
  return {
    voters: random.pick([1, 2, 3, 3, 3, 4, 5, 5, 6, 7]),
    faults,
    network: {
      lossPercent: faults.has("loss") ? random.between(1, 30) : 0,
      duplicatePercent: random.pick([0, 0, 5, 30]),
      delayMinUs: random.pick([50, 200, 1_000]),
      delayMeanUs: random.pick([50, 500, 5_000, 30_000]),
      clogPercent: random.pick([0, 0, 1, 5]),
      clogUs: random.pick([50_000, 500_000, 3_000_000]),
      fifo,
    },
    member: {
      raft: {
        electionTicks,
        heartbeatTicks: random.pick([1, 1, 1, 2, 4]),
        preVote: strict || random.chance(50),
        checkQuorum: strict || random.chance(50),
        maxMessageBytes,
        // Each reordered message is rejected and makes the leader send its window again: with many
        // tiny messages on links that reorder, that feeds on itself (in etcd as well).
        maxInflightMessages: random.pick(fifo ? [1, 2, 16, 512] : [1, 2, 8]),
        maxInflightBytes: Math.max(maxMessageBytes, random.pick([1_000, 64 << 20])),
        maxApplyingBytes: random.pick([100, 10_000, 64 << 20]),
        maxUncommittedBytes: random.pick([2_000, 1 << 20]),
        logBytes,
        logBytesDuringSnapshot: logBytes * random.pick([1, 4, 1000]),
      },
      tickUs: 10_000,
      syncUs: random.pick([100, 1_000, 10_000, 60_000]),
      applyUs: random.pick([10, 1_000, 30_000]),
      maxInFlight: random.pick([1, 2, 3, 8]),
      cutEntries: random.pick([0, 1, 10, 50]),
      keepEntries: random.pick([0, 5, 50]),
      mutant,
    },
    bootstrapByEntries: random.chance(50),
    safetyUs: random.between(1, 6) * 1_000_000,
    livenessUs: 60_000_000,
    nemesisUs: random.pick([50_000, 150_000, 500_000]),
    clientUs: random.pick([2_000, 10_000, 40_000]),
  };
}
