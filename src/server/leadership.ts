/**
 * Who leads: watching it change, handing it over, and stepping in when a leader is gone.
 * Source: etcd server/etcdserver/server.go MoveLeader, TryTransferLeadershipOnShutdown.
 */
import type { Cluster } from "../core/membership/index.ts";
import type { RawNode } from "../core/raft/index.ts";
import { hexId, type MemberId, noMember } from "../core/types.ts";
import type { Clock, Logger, Random } from "../ports/index.ts";
import { EtcdError } from "../proto/index.ts";
import type { MemberOptions } from "./options.ts";
import type { Reply } from "./requests.ts";

/** Early campaigns after a lost leader, before the ordinary election timeout takes over. */
const stepInTries = 4;

export interface LeadershipOptions {
  readonly node: RawNode;
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly random: Random;
  readonly options: MemberOptions;
  readonly logger: Logger;
  /** Raft has something to do. */
  readonly schedule: () => void;
}

export class Leadership {
  readonly #o: LeadershipOptions;
  readonly #listeners = new Set<() => void>();
  #leader: MemberId;
  /** When the leader was lost, or when this began without one; meaningless while there is one. */
  #lostMs: number;
  #changes = 0;
  #stopped = false;

  constructor(options: LeadershipOptions) {
    this.#o = options;
    this.#leader = options.node.leader;
    this.#lostMs = options.clock.nowMs();
  }

  /** noMember when none is known. */
  get leader(): MemberId {
    return this.#leader;
  }

  /**
   * How long none has been known; 0 while one is. A follower of etcd believes in a dead leader until its
   * election timeout, and takes requests meanwhile; ours often knows at once (`lost`) and must not turn
   * away for that who comes from the dead leader's connections.
   */
  get leaderlessMs(): number {
    return this.#leader === noMember ? this.#o.clock.nowMs() - this.#lostMs : 0;
  }

  /** Leaders seen since the start, one after the other. */
  get changes(): number {
    return this.#changes;
  }

  /** Runs `f` whenever the leader changes or is lost; returns how to stop that. */
  onChange(f: () => void): () => void {
    this.#listeners.add(f);
    return () => this.#listeners.delete(f);
  }

  /** Raft's news. */
  changed(leader: MemberId): void {
    if (leader === this.#leader) return;
    this.#leader = leader;
    if (leader === noMember) this.#lostMs = this.#o.clock.nowMs();
    else this.#changes++;
    for (const f of [...this.#listeners]) f();
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Hands leadership to `target`. Errors: NotLeader, BadLeaderTransferee, Timeout. */
  move(target: MemberId, reply: Reply<void>, timeoutMs = this.#o.options.electionMs): void {
    const { node, cluster, clock, logger } = this.#o;
    if (!node.isLeader) {
      reply(new EtcdError("NotLeader"));
      return;
    }
    const member = cluster.member(target);
    if (member === undefined || member.isLearner) {
      reply(new EtcdError("BadLeaderTransferee"));
      return;
    }
    if (target === node.id) {
      reply(undefined);
      return;
    }
    const finish = (error: EtcdError | undefined): void => {
      off();
      cancel();
      reply(error);
    };
    const members = { "local-member-id": hexId(node.id), "transferee-member-id": hexId(target) };
    logger.info("leadership transfer starting", members);
    const off = this.onChange(() => {
      if (this.#leader !== target) return;
      logger.info("leadership transfer finished", members);
      finish(undefined);
    });
    const cancel = clock.after(timeoutMs, () => finish(new EtcdError("Timeout")));
    node.transferLeader(target);
    this.#o.schedule();
  }

  /**
   * Hands leadership to the voter that is furthest along, if this member leads and another can
   * take it. Resolves when it is done or has taken too long.
   */
  async handOver(timeoutMs: number): Promise<void> {
    const heir = this.#heir();
    if (heir === undefined) return;
    await new Promise<void>((resolve) => this.move(heir, () => resolve(), timeoutMs));
  }

  /**
   * The leader's process is probably gone: its kernel closed our connections. Waiting out the
   * election timeout would only add to the outage; a pre-vote cannot harm a leader that lives.
   */
  lost(id: MemberId): void {
    if (id !== this.#leader || this.#stopped) return;
    this.#o.node.forgetLeader();
    this.#o.schedule();
    this.#stepIn(stepInTries);
  }

  /** Campaigns after a short random while if there is still no leader; tries may split votes. */
  #stepIn(tries: number): void {
    const { clock, random, options, node } = this.#o;
    const delayMs = 5 + random.below(Math.max(1, options.heartbeatMs));
    clock.after(delayMs, () => {
      if (this.#stopped || this.#leader !== noMember || tries === 0) return;
      if (node.status().isLearner) return;
      node.campaign();
      this.#o.schedule();
      this.#stepIn(tries - 1);
    });
  }

  /** The voter that is furthest along among those heard from lately. */
  #heir(): MemberId | undefined {
    const { node } = this.#o;
    if (!node.isLeader) return undefined;
    const others = node
      .status()
      .progress.filter((p) => p.id !== node.id && !p.learner && p.recentActive)
      .sort((a, b) => b.match - a.match);
    return others[0]?.id;
  }
}
