/**
 * Majorities, pure. A joint decision needs both majorities; an empty set of voters agrees to
 * everything (that is how the outgoing half of a non-joint configuration behaves).
 * Behaviour: etcd raft quorum/.
 */

/** pending: not enough answers yet to tell. */
export type VoteResult = "pending" | "won" | "lost";

/** The highest number that a majority of `values` has reached; Infinity for no voters. */
export function majorityReached(values: number[]): number {
  const n = values.length;
  if (n === 0) return Number.POSITIVE_INFINITY;
  // Insertion sort, ascending: at most a handful of voters, and no closure or allocation.
  for (let i = 1; i < n; i++) {
    const v = values[i] as number;
    let j = i - 1;
    while (j >= 0 && (values[j] as number) > v) {
      values[j + 1] = values[j] as number;
      j--;
    }
    values[j + 1] = v;
  }
  return values[n - (Math.floor(n / 2) + 1)] as number;
}

/** The outcome of a vote among `size` voters. */
export function majorityVote(size: number, granted: number, rejected: number): VoteResult {
  if (size === 0) return "won";
  const needed = Math.floor(size / 2) + 1;
  if (granted >= needed) return "won";
  return granted + (size - granted - rejected) >= needed ? "pending" : "lost";
}

/** Both halves must win; one lost half loses. */
export function jointVote(incoming: VoteResult, outgoing: VoteResult): VoteResult {
  if (incoming === outgoing) return incoming;
  return incoming === "lost" || outgoing === "lost" ? "lost" : "pending";
}
