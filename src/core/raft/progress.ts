import { assert } from "../../lib/assert.ts";
import type { Index, MemberId } from "../types.ts";
import { Inflights } from "./inflights.ts";

/**
 * How a leader deals with a follower: `probe` (one message per heartbeat, to find where the logs
 * meet), `replicate` (a stream of messages, sent optimistically), `snapshot` (wait for it).
 */
export type ProgressState = "probe" | "replicate" | "snapshot";

const asIndex = (n: number): Index => n as Index;

/** What a leader knows about one member. Behaviour: etcd raft tracker/progress.go. */
export class Progress {
  readonly id: MemberId;
  state: ProgressState = "probe";
  /** Highest index known to be equal here and there. Invariant: match < next. */
  match: Index;
  /** Next index to send; what lies between match and next is on its way. */
  next: Index;
  /** Highest commit index sent; may fall back when a message is presumed lost. */
  sentCommit: Index = asIndex(0);
  /** In state snapshot, the index of the snapshot on its way; else 0. */
  pendingSnapshot: Index = asIndex(0);
  /** Heard from since the last quorum check; always true for the leader itself. */
  recentActive: boolean;
  /** MsgApps are held back until an answer or a heartbeat response comes. */
  flowPaused = false;
  isLearner: boolean;
  readonly inflights: Inflights;

  constructor(
    id: MemberId,
    match: number,
    next: number,
    options: { isLearner: boolean; recentActive: boolean; maxMessages: number; maxBytes: number },
  ) {
    this.id = id;
    this.match = asIndex(match);
    this.next = asIndex(next);
    this.isLearner = options.isLearner;
    this.recentActive = options.recentActive;
    this.inflights = new Inflights(options.maxMessages, options.maxBytes);
  }

  /** Back to the state at the start of a term. */
  reset(match: number, next: number): void {
    this.#enter("probe");
    this.match = asIndex(match);
    this.next = asIndex(next);
    this.sentCommit = asIndex(0);
    this.recentActive = false;
  }

  becomeProbe(): void {
    const pending = this.state === "snapshot" ? this.pendingSnapshot : 0;
    this.#enter("probe");
    this.next = asIndex(Math.max(this.match, pending) + 1);
    this.#regressSentCommit();
  }

  becomeReplicate(): void {
    this.#enter("replicate");
    this.next = asIndex(this.match + 1);
  }

  becomeSnapshot(index: Index): void {
    this.#enter("snapshot");
    this.pendingSnapshot = index;
    this.next = asIndex(index + 1);
    this.sentCommit = index;
  }

  isPaused(): boolean {
    return this.state === "snapshot" || this.flowPaused;
  }

  /** Accounts for a MsgApp with `count` entries of `bytes`. */
  sentEntries(count: number, bytes: number): void {
    assert(this.state !== "snapshot", "a MsgApp was sent to a follower that awaits a snapshot");
    if (this.state === "replicate") {
      if (count > 0) {
        this.next = asIndex(this.next + count);
        this.inflights.add(this.next - 1, bytes);
      }
      this.flowPaused = this.inflights.full();
    } else if (count > 0) {
      this.flowPaused = true;
    }
  }

  /** True when telling the follower `commit` could raise its commit index. */
  canBumpCommit(commit: Index): boolean {
    return commit > this.sentCommit && this.sentCommit < this.next - 1;
  }

  /** An acknowledgement up to `index`; false when it is old news. */
  maybeUpdate(index: Index): boolean {
    if (index <= this.match) return false;
    this.match = index;
    this.next = asIndex(Math.max(this.next, index + 1));
    this.flowPaused = false;
    return true;
  }

  /** A rejection of the MsgApp anchored at `rejected`; false when it is stale. */
  maybeDecrease(rejected: Index, matchHint: Index): boolean {
    if (this.state === "replicate") {
      if (rejected <= this.match) return false;
      this.next = asIndex(this.match + 1);
      this.#regressSentCommit();
      return true;
    }
    if (this.next - 1 !== rejected) return false;
    this.next = asIndex(Math.max(Math.min(rejected, matchHint + 1), this.match + 1));
    this.#regressSentCommit();
    this.flowPaused = false;
    return true;
  }

  #regressSentCommit(): void {
    this.sentCommit = asIndex(Math.min(this.sentCommit, this.next - 1));
  }

  #enter(state: ProgressState): void {
    this.state = state;
    this.flowPaused = false;
    this.pendingSnapshot = asIndex(0);
    this.inflights.reset();
  }
}
