/**
 * --auto-compaction-mode: forgets history by age or by number of revisions. Only the leader
 * proposes. Source: etcd server/etcdserver/api/v3compactor/{periodic,revision}.go.
 */
import type { Revision } from "../core/types.ts";
import { formatDuration } from "../lib/duration.ts";
import type { Cancel, Clock, Logger } from "../ports/index.ts";
import type { EtcdError } from "../proto/index.ts";

export type CompactionPolicy =
  | { readonly mode: "off" }
  | { readonly mode: "periodic"; readonly retentionMs: number }
  | { readonly mode: "revision"; readonly revisions: number };

/** What the compactor needs of a member. */
export interface Compactable {
  readonly isLeader: boolean;
  readonly kv: { readonly revision: Revision };
  readonly proposals: {
    compact(at: number, physical: boolean, reply: (error: EtcdError | undefined) => void): void;
  };
}

const hourMs = 3_600_000;
/** etcd's revision mode looks every five minutes. */
const revisionIntervalMs = 300_000;
/** Samples of a periodic compactor between two compactions. */
const samplesPerPeriod = 10;
const nanosecondsPerMs = 1e6;

export class Compactor {
  readonly #member: Compactable;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #policy: CompactionPolicy;
  /** Revisions at past samples, oldest first; as many as the retention holds. */
  #samples: number[] = [];
  /** Of the last compaction that succeeded. */
  #compacted = 0;
  #compactedMs: number;
  #compacting = false;
  #cancel: Cancel = () => undefined;

  constructor(member: Compactable, clock: Clock, logger: Logger, policy: CompactionPolicy) {
    this.#member = member;
    this.#clock = clock;
    this.#logger = logger;
    this.#policy = policy;
    this.#compactedMs = clock.nowMs();
  }

  start(): void {
    const policy = this.#policy;
    if (policy.mode === "periodic") {
      this.#sample(policy.retentionMs);
      this.#every(sampleMs(policy.retentionMs), () => {
        this.#maybeCompactAge(policy.retentionMs);
        this.#sample(policy.retentionMs);
      });
    } else if (policy.mode === "revision") {
      this.#every(revisionIntervalMs, () => this.#maybeCompactRevisions(policy.revisions));
    }
  }

  stop(): void {
    this.#cancel();
  }

  #every(ms: number, f: () => void): void {
    this.#cancel = this.#clock.after(ms, () => {
      f();
      this.#every(ms, f);
    });
  }

  /** Followers remember too: one that comes to lead knows what to compact. */
  #sample(retentionMs: number): void {
    this.#samples.push(this.#member.kv.revision);
    const keep = Math.floor(retentionMs / sampleMs(retentionMs)) + 1;
    if (this.#samples.length > keep) this.#samples.shift();
  }

  /** To the revision of a retention ago: first after a whole retention, then at least hourly. */
  #maybeCompactAge(retentionMs: number): void {
    const at = this.#samples[0] ?? 0;
    const waitMs = this.#compacted === 0 ? retentionMs : Math.min(retentionMs, hourMs);
    const since = this.#clock.nowMs() - this.#compactedMs;
    if (!this.#member.isLeader || since < waitMs || at === this.#compacted) return;
    const fields = { "compact-period": formatDuration(retentionMs * nanosecondsPerMs) };
    this.#compact("periodic", at, fields, sampleMs(retentionMs));
  }

  #maybeCompactRevisions(revisions: number): void {
    const at = this.#member.kv.revision - revisions;
    if (!this.#member.isLeader || at <= 0 || at === this.#compacted) return;
    const fields = { "revision-compaction-retention": revisions };
    this.#compact("revision", at, fields, revisionIntervalMs);
  }

  /** What somebody else has compacted meanwhile counts as done. A failure is tried again at the next look. */
  #compact(mode: string, at: number, policy: object, retryMs: number): void {
    if (this.#compacting) return;
    this.#compacting = true;
    const fields = { revision: at, ...policy };
    this.#logger.info(`starting auto ${mode} compaction`, fields);
    const startedMs = this.#clock.nowMs();
    this.#member.proposals.compact(at, false, (error) => {
      this.#compacting = false;
      const nowMs = this.#clock.nowMs();
      if (error === undefined || error.code === "Compacted") {
        const took = formatDuration((nowMs - startedMs) * nanosecondsPerMs);
        this.#logger.info(`completed auto ${mode} compaction`, { ...fields, took });
        this.#compacted = at;
        this.#compactedMs = nowMs;
        return;
      }
      this.#logger.warn(`failed auto ${mode} compaction`, {
        ...fields,
        "retry-interval": formatDuration(retryMs * nanosecondsPerMs),
        error: error.message,
      });
    });
  }
}

/** A tenth of a compaction interval, which is the retention but at most an hour. */
const sampleMs = (retentionMs: number): number => Math.min(retentionMs, hourMs) / samplesPerPeriod;
