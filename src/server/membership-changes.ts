/**
 * Adds, removes, updates and promotes members: checks, one conf change through the log, its
 * effects. Source: etcd server/etcdserver/server.go AddMember ... applyConfChange.
 */
import {
  type Connectivity,
  computeMemberId,
  encodeMemberContext,
  encodePromoteContext,
  healthIntervalMs,
  type Member as MemberRecord,
  type MembershipError,
  mayAddMember,
  mayPromoteMember,
  mayRemoveMember,
} from "../core/membership/index.ts";
import { type ConfChange, ConfChangeType, type ConfState } from "../core/raft/index.ts";
import type { ClusterId, MemberId } from "../core/types.ts";
import { hexId } from "../core/types.ts";
import type { Clock, Logger, Random } from "../ports/index.ts";
import { EtcdError, type EtcdErrorCode, raftpb } from "../proto/index.ts";
import { changeLine } from "./log-lines.ts";
import type { Measures } from "./measures.ts";
import type { Reply } from "./requests.ts";
import { timeoutError } from "./requests.ts";
import type { StateMachine } from "./state-machine.ts";
import type { Transport } from "./transport.ts";

export interface MembershipOptions {
  readonly self: MemberId;
  readonly state: StateMachine;
  readonly transport: () => Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly sha1: (bytes: Uint8Array) => Uint8Array;
  readonly measures: Measures;
  readonly clusterId: ClusterId;
  readonly strict: boolean;
  /** Learners are added without the strict check. */
  readonly quickLearners: boolean;
  readonly timeoutMs: number;
  /** "dropped" reasons come back; undefined when it is on its way. */
  readonly propose: (data: Uint8Array) => string | undefined;
  /** Match indexes as the leader knows them; undefined when this is not the leader. */
  readonly progress: (
    id: MemberId,
  ) => { leaderMatch: number; learnerMatch: number | undefined } | undefined;
  readonly onSelfRemoved: () => void;
}

interface Waiter {
  readonly reply: Reply<MemberRecord[]>;
  readonly expiresMs: number;
}

const errorCodes: Readonly<Record<MembershipError["code"], EtcdErrorCode>> = {
  idRemoved: "MemberNotFound",
  idExists: "MemberExist",
  idNotFound: "MemberNotFound",
  peerUrlExists: "PeerURLExist",
  memberNotLearner: "MemberNotLearner",
  tooManyLearners: "TooManyLearners",
  notEnoughStartedMembers: "MemberNotEnoughStarted",
  unhealthy: "Unhealthy",
  learnerNotReady: "LearnerNotReady",
  notLeader: "NotLeader",
};

const toError = (e: MembershipError): EtcdError => new EtcdError(errorCodes[e.code]);

export class MembershipChanges {
  readonly #o: MembershipOptions;
  readonly #waiters = new Map<bigint, Waiter>();

  constructor(options: MembershipOptions) {
    this.#o = options;
  }

  /** All members, with the new one, once the change is applied. */
  add(peerUrls: readonly string[], isLearner: boolean, reply: Reply<MemberRecord[]>): MemberId {
    const { sha1, clock, state, strict, quickLearners } = this.#o;
    const seconds = Math.floor(clock.wallMs() / 1000);
    const id = computeMemberId(sha1, peerUrls, "", seconds);
    const member = { id, name: "", peerURLs: [...peerUrls], clientURLs: [], isLearner };
    // Everything else (ids, URLs, how many learners) is refused by apply, in etcd's order.
    const refused = mayAddMember(state.cluster, member, {
      strict,
      quickLearners,
      connectivity: this.#connectivity(),
    });
    const type = isLearner ? ConfChangeType.AddLearnerNode : ConfChangeType.AddNode;
    this.#change(refused, type, id, encodeMemberContext(member), reply);
    return id;
  }

  remove(id: MemberId, reply: Reply<MemberRecord[]>): void {
    const { state, strict } = this.#o;
    const refused = mayRemoveMember(state.cluster, id, {
      strict,
      connectivity: this.#connectivity(),
    });
    this.#change(refused, ConfChangeType.RemoveNode, id, new Uint8Array(0), reply);
  }

  update(id: MemberId, peerUrls: readonly string[], reply: Reply<MemberRecord[]>): void {
    const old = this.#o.state.cluster.member(id);
    const base = old ?? { id, name: "", clientURLs: [], isLearner: false };
    const context = encodeMemberContext({ ...base, peerURLs: [...peerUrls] });
    this.#change(undefined, ConfChangeType.UpdateNode, id, context, reply);
  }

  /** Only the leader can tell how far a learner is; others answer NotLeader and forward. */
  promote(id: MemberId, reply: Reply<MemberRecord[]>): void {
    const p = this.#o.progress(id);
    const refused = mayPromoteMember(
      this.#o.state.cluster,
      { leaderMatch: p?.leaderMatch, learnerMatch: p?.learnerMatch },
      this.#o.strict,
    );
    const { measures } = this.#o;
    this.#change(refused, ConfChangeType.AddNode, id, encodePromoteContext(id), (error, value) => {
      if (error === undefined) measures.promoted++;
      else if (error.code !== "NotLeader") {
        const { message } = error;
        measures.promotionsFailed.set(message, (measures.promotionsFailed.get(message) ?? 0) + 1);
      }
      reply(error, value);
    });
  }

  /** The applier's call for each committed conf change; Raft hears of it unless it is refused. */
  apply(change: ConfChange, raft: (c: ConfChange) => ConfState): void {
    const { state, self, logger } = this.#o;
    const waiter = this.#waiters.get(change.id);
    this.#waiters.delete(change.id);
    const refused = state.cluster.validateConfChange(change);
    if (refused !== undefined) {
      logger.warn("refused conf change", {
        "member-id": hexId(change.nodeId),
        reason: refused.text,
      });
      waiter?.reply(toError(refused));
      return;
    }
    raft(change);
    const effect = state.cluster.applyConfChange(change);
    state.persistMembers(effect.rows);
    logger.info(...changeLine(effect, this.#o.clusterId, self));
    const transport = this.#o.transport();
    if (effect.id !== self) {
      if (effect.kind === "removed") transport.removePeer(effect.id);
      else if (effect.member !== undefined) {
        transport.addPeer(effect.id, effect.member.peerURLs);
        if (effect.kind === "updated") transport.updatePeer(effect.id, effect.member.peerURLs);
      }
    }
    waiter?.reply(undefined, state.cluster.members());
    if (effect.kind === "removed" && effect.id === self) this.#o.onSelfRemoved();
  }

  /** A snapshot brought other members than there were `before`: connections follow. */
  reconnect(before: readonly MemberRecord[]): void {
    const { state, self } = this.#o;
    const transport = this.#o.transport();
    for (const { id } of before) {
      if (id !== self && state.cluster.member(id) === undefined) transport.removePeer(id);
    }
    for (const { id, peerURLs } of state.cluster.members()) {
      if (id === self) continue;
      const old = before.find((m) => m.id === id);
      transport.addPeer(id, peerURLs);
      if (old !== undefined && old.peerURLs.join() !== peerURLs.join()) {
        transport.updatePeer(id, peerURLs);
      }
    }
  }

  expire(nowMs: number): void {
    for (const [id, waiter] of this.#waiters) {
      if (waiter.expiresMs > nowMs) return;
      this.#waiters.delete(id);
      waiter.reply(timeoutError());
    }
  }

  failAll(error: EtcdError): void {
    for (const waiter of [...this.#waiters.values()]) waiter.reply(error);
    this.#waiters.clear();
  }

  #change(
    refused: MembershipError | undefined,
    type: ConfChangeType,
    nodeId: MemberId,
    context: Uint8Array,
    reply: Reply<MemberRecord[]>,
  ): void {
    if (refused !== undefined) {
      reply(toError(refused));
      return;
    }
    const id = this.#o.random.bits64();
    const expiresMs = this.#o.clock.nowMs() + this.#o.timeoutMs;
    this.#waiters.set(id, { reply, expiresMs });
    const dropped = this.#o.propose(raftpb.encodeConfChange({ id, type, nodeId, context }));
    if (dropped === undefined) return;
    this.#waiters.delete(id);
    reply(new EtcdError(dropped === "noLeader" ? "NoLeader" : "Unhealthy"));
  }

  #connectivity(): Connectivity {
    const { self, clock } = this.#o;
    const since = (id: MemberId): number | undefined => this.#o.transport().activeSince(id);
    return {
      self,
      isActive: (id) => since(id) !== undefined,
      isHealthy: (id) => {
        const at = since(id);
        return at !== undefined && clock.nowMs() - at >= healthIntervalMs;
      },
    };
  }
}
