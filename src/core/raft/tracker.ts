import type { Index, MemberId } from "../types.ts";
import { type Configuration, sortedIds } from "./conf-change.ts";
import { Progress } from "./progress.ts";
import { jointVote, majorityReached, majorityVote, type VoteResult } from "./quorum.ts";

/** The configuration in force with what is known of each member, and the votes of a campaign. */
export class Tracker {
  readonly #maxMessages: number;
  readonly #maxBytes: number;
  #config: Configuration;
  #progress = new Map<MemberId, Progress>();
  /** All members, sorted by id: the order in which a leader addresses them. */
  #members: Progress[] = [];
  #incoming: Progress[] = [];
  #outgoing: Progress[] = [];
  readonly #votes = new Map<MemberId, boolean>();
  readonly #scratch: number[] = [];

  constructor(config: Configuration, lastIndex: Index, maxMessages: number, maxBytes: number) {
    this.#maxMessages = maxMessages;
    this.#maxBytes = maxBytes;
    this.#config = config;
    this.switchTo(config, lastIndex);
  }

  get config(): Configuration {
    return this.#config;
  }

  get members(): readonly Progress[] {
    return this.#members;
  }

  get(id: MemberId): Progress | undefined {
    return this.#progress.get(id);
  }

  /** Voters of either half, sorted by id. */
  voterIds(): MemberId[] {
    return sortedIds(new Set([...this.#config.voters, ...this.#config.outgoing]));
  }

  isVoter(id: MemberId): boolean {
    return this.#config.voters.has(id) || this.#config.outgoing.has(id);
  }

  /** Keeps what is known of members that stay; new ones start probing at the last index. */
  switchTo(config: Configuration, lastIndex: Index): void {
    const progress = new Map<MemberId, Progress>();
    const all = [...config.voters, ...config.outgoing, ...config.learners];
    for (const id of sortedIds(new Set(all))) {
      const isLearner = config.learners.has(id);
      const known = this.#progress.get(id);
      if (known !== undefined) known.isLearner = isLearner;
      progress.set(id, known ?? this.#newcomer(id, isLearner, lastIndex));
    }
    this.#config = config;
    this.#progress = progress;
    this.#members = [...progress.values()];
    this.#incoming = this.#members.filter((p) => config.voters.has(p.id));
    this.#outgoing = this.#members.filter((p) => config.outgoing.has(p.id));
  }

  /** Drops all progress, as after a snapshot. */
  replaceWith(config: Configuration, lastIndex: Index): void {
    this.#progress = new Map();
    this.switchTo(config, lastIndex);
  }

  /** The highest index that a quorum has. */
  committed(): Index {
    return Math.min(this.#matched(this.#incoming), this.#matched(this.#outgoing)) as Index;
  }

  /** The highest number that a quorum has reached, by member id; 0 for those not in `reached`. */
  quorumReached(reached: ReadonlyMap<MemberId, number>): number {
    const of = (half: readonly Progress[]) =>
      majorityReached(half.map((p) => reached.get(p.id) ?? 0));
    return Math.min(of(this.#incoming), of(this.#outgoing));
  }

  /** A quorum of voters was heard from lately. */
  quorumActive(): boolean {
    const of = (half: readonly Progress[]) => {
      const active = half.filter((p) => p.recentActive).length;
      return majorityVote(half.length, active, half.length - active);
    };
    return jointVote(of(this.#incoming), of(this.#outgoing)) === "won";
  }

  resetVotes(): void {
    this.#votes.clear();
  }

  /** The first answer of a member counts. */
  recordVote(id: MemberId, granted: boolean): void {
    if (!this.#votes.has(id)) this.#votes.set(id, granted);
  }

  tallyVotes(): VoteResult {
    return jointVote(this.#tally(this.#incoming), this.#tally(this.#outgoing));
  }

  #tally(half: readonly Progress[]): VoteResult {
    let granted = 0;
    let rejected = 0;
    for (const p of half) {
      const vote = this.#votes.get(p.id);
      if (vote === true) granted++;
      else if (vote === false) rejected++;
    }
    return majorityVote(half.length, granted, rejected);
  }

  #matched(half: readonly Progress[]): number {
    const matches = this.#scratch;
    matches.length = 0;
    for (const p of half) matches.push(p.match);
    return majorityReached(matches);
  }

  #newcomer(id: MemberId, isLearner: boolean, lastIndex: Index): Progress {
    // Counted as active at first, else a quorum check before the first exchange could depose us.
    return new Progress(id, 0, Math.max(lastIndex, 1), {
      isLearner,
      recentActive: true,
      maxMessages: this.#maxMessages,
      maxBytes: this.#maxBytes,
    });
  }
}
