/**
 * --initial-election-tick-advance: a member that has just started need not wait a whole election timeout
 * before it may campaign. Source: etcd server/etcdserver/server.go adjustTicks.
 */
import type { RawNode } from "../core/raft/index.ts";
import { type MemberId, noMember } from "../core/types.ts";
import type { Cancel, Clock, Logger } from "../ports/index.ts";

export interface AdvanceOptions {
  readonly node: RawNode;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly electionTicks: number;
  /** The other members. */
  readonly others: () => readonly MemberId[];
  readonly isActive: (id: MemberId) => boolean;
}

const pollMs = 50;
/** etcd's ConnReadTimeout: by then the ordinary timeout has run out as well. */
const giveUpMs = 5000;
/** What is left for a leader to be heard: etcd leaves as many. */
const ticksLeft = 2;

/** Waits until two of the other members are connected, then advances; returns how to stop that. */
export function advanceElection(options: AdvanceOptions): Cancel {
  const { node, clock, logger, electionTicks } = options;
  const untilMs = clock.nowMs() + giveUpMs;
  logger.info("starting initial election tick advance", { "election-ticks": electionTicks });
  let cancel: Cancel = () => undefined;
  const look = (): void => {
    if (node.status().leader !== noMember || clock.nowMs() > untilMs) return;
    const active = options.others().filter(options.isActive).length;
    if (active < 2) {
      cancel = clock.after(pollMs, look);
      return;
    }
    const ticks = Math.max(0, electionTicks - ticksLeft);
    logger.info("initialized peer connections; fast-forwarding election ticks", {
      "forward-ticks": ticks,
      "election-ticks": electionTicks,
      "active-remote-members": active,
    });
    for (let i = 0; i < ticks; i++) node.tick();
  };
  cancel = clock.after(pollMs, look);
  return () => cancel();
}
